package command_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/command"
)

func TestMarkdown_IsDocumented(t *testing.T) {
	written, err := os.ReadFile("../../../../docs/cli.md")
	require.NoError(t, err)
	assert.Equal(t, string(command.Markdown()), string(written),
		"write it anew: go run ./cmd/agsauth/internal/gendocs -markdown docs/cli.md")
}

// The help of gateway names the faults that a person can put in, and the defaults.
func TestMarkdown_HasFaultsAndDefaults(t *testing.T) {
	text := string(command.Markdown())
	for _, kind := range []agstest.Kind{
		agstest.Lost, agstest.Garbage, agstest.HTML, agstest.Empty, agstest.Redirect,
		agstest.Cut, agstest.CutChunked, agstest.Drip, agstest.Oversized,
	} {
		assert.Regexp(t, `kind" is[^.]*\b`+strings.ReplaceAll(string(kind), " ", "-")+`\b`, text)
	}
	for _, line := range []string{
		"| `--listen ADDRESS` | serve the gateway and its API here; port 0 is a free port (default 127.0.0.1:0) |",
		"| `--format FORMAT` | raw, header, json, or curl, which is a configuration for curl -K, or envoy-sds (default raw) |",
	} {
		assert.Contains(t, text, line)
	}
}
