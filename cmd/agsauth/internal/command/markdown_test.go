package command_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/command"
)

func TestMarkdown_IsDocumented(t *testing.T) {
	written, err := os.ReadFile("../../../../docs/cli.md")
	require.NoError(t, err)
	assert.Equal(t, string(command.Markdown()), string(written),
		"write it anew: go run ./cmd/agsauth/internal/gendocs -markdown docs/cli.md")
}
