package main_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	agsauth "github.com/agsauth/agsauth/cmd/agsauth"
	"github.com/agsauth/agsauth/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// outcome is the result of a command line.
type outcome struct {
	status      int
	out, errOut string
}

func run(ctx context.Context, args ...string) outcome {
	var out, errOut strings.Builder
	status := agsauth.Run(ctx, args, &out, &errOut)
	return outcome{status, out.String(), errOut.String()}
}

func TestRun_Help(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"-h"}, {"--help"}, {"-help"}, {"demo", "-h"}, {"demo", "--help"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			got := run(t.Context(), args...)
			assert.Equal(t, 0, got.status)
			assert.Contains(t, got.out, "agsauth demo [--fast]")
			assert.Empty(t, got.errOut)
		})
	}
}

func TestRun_Misuse(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"nothing", nil, "Usage:"},
		{"unknown command", []string{"dmeo"}, `there is no command "dmeo"; see agsauth help`},
		{"flag before the command", []string{"--fast"}, `there is no command "--fast"; see agsauth help`},
		{"unknown flag", []string{"demo", "--slow"}, "flag provided but not defined: -slow; see agsauth help"},
		{"bad flag value", []string{"demo", "--fast=very"}, `invalid boolean value "very"`},
		{"argument to demo", []string{"demo", "again"}, `demo takes no argument "again"; see agsauth help`},
		{"argument to version", []string{"version", "2"}, "version takes no arguments; see agsauth help"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := run(t.Context(), tt.args...)
			assert.Equal(t, 2, got.status)
			assert.Contains(t, got.errOut, tt.want)
			assert.Empty(t, got.out)
		})
	}
}

func TestRun_Version(t *testing.T) {
	for _, arg := range []string{"version", "--version"} {
		got := run(t.Context(), arg)
		assert.Equal(t, 0, got.status)
		assert.Regexp(t, `^agsauth \S+ go1\.\S+\n$`, got.out)
		assert.Empty(t, got.errOut)
	}
}
