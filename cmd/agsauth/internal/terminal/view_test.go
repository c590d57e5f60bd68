package terminal_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/terminal"
)

func TestViewOf_NoTerminal(t *testing.T) {
	for _, tt := range []struct {
		columns string
		width   int
	}{
		{"", 80},
		{"132", 132},
		{"0", 80},
		{"-3", 80},
		{"100000000", 80},
		{"wide", 80},
	} {
		got := terminal.ViewOf(&strings.Builder{}, func(name string) string {
			return map[string]string{"COLUMNS": tt.columns}[name]
		})
		assert.Equal(t, terminal.View{Width: tt.width, Height: 24}, got, tt.columns)
	}
	file, err := os.Open(os.DevNull)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, file.Close()) })
	assert.False(t, terminal.ViewOf(file, os.Getenv).Color)
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                             "",
		"Dave's flat, №4":              "Dave's flat, №4",
		"red \x1b[31m":                 "red \ufffd[31m",
		"title \x1b]0;x\x07":           "title \ufffd]0;x\ufffd",
		"C1 \u009b31m":                 "C1 \ufffd31m",
		"two\nlines\r\nand\ttab":       "two lines  and tab",
		"back\b\b\x7f":                 "back\ufffd\ufffd\ufffd",
		"reversed \u202egnp.exe":       "reversed \ufffdgnp.exe",
		"not UTF-8 \xff\x9b":           "not UTF-8 \ufffd\ufffd",
		"family 👨\u200d👩\u200d👧 stays": "family 👨\u200d👩\u200d👧 stays",
	} {
		assert.Equal(t, want, terminal.Printable(in))
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("\x1b[31mred")
	f.Fuzz(func(t *testing.T, text string) {
		got := terminal.Printable(text)
		for _, r := range got {
			assert.False(t, r < ' ' || r >= 0x7f && r < 0xa0, "%q has a control character", got)
		}
		assert.Equal(t, got, terminal.Printable(got))
	})
}
