package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/command"
)

// block is a block of code in a document.
type block struct {
	section, language, text string
}

var fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$|^## ([^\n]*)$")

// blocksOf returns the blocks of code of a document in docs.
func blocksOf(t *testing.T, name string) []block {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("../..", name))
	require.NoError(t, err)
	var blocks []block
	section := ""
	for _, match := range fence.FindAllStringSubmatch(string(content), -1) {
		if match[3] != "" {
			section = match[3]
			continue
		}
		blocks = append(blocks, block{section, match[1], match[2]})
	}
	require.NotEmpty(t, blocks)
	return blocks
}

// invocation matches a command line of the program in a document or a unit of systemd.
var invocation = regexp.MustCompile(`(?m)(?:^|[ ` + "`" + `/(])agsauth ([a-z][^` + "`" + `|)\n]*)`)

// Each command line in the documentation has a command and flags that exist.
func TestDocs_CommandLinesAreValid(t *testing.T) {
	count := 0
	for _, name := range []string{"README.md", "docs/recipes.md", "docs/cli.md", "docs/testing.md"} {
		content, err := os.ReadFile(filepath.Join("../..", name))
		require.NoError(t, err)
		for _, match := range invocation.FindAllStringSubmatch(string(content), -1) {
			words := strings.Fields(strings.Trim(match[1], ".,;:"))
			cmd, rest, err := command.Root().Find(words)
			if err != nil || !cmd.HasParent() {
				continue // a sentence in which the program is the subject
			}
			count++
			assertFlagsExist(t, name+": agsauth "+match[1], cmd, rest)
		}
	}
	assert.Greater(t, count, 20)
}

var longFlag = regexp.MustCompile(`^--([a-z-]+)`)

func assertFlagsExist(t *testing.T, where string, cmd *cobra.Command, words []string) {
	t.Helper()
	for _, word := range words {
		if word == "--" {
			return
		}
		if match := longFlag.FindStringSubmatch(word); match != nil && match[1] != "help" {
			assert.NotNil(t, cmd.Flags().Lookup(match[1]), "%s: there is no flag --%s", where, match[1])
		}
	}
}

// The arguments of containers are valid, and the configuration is YAML.
func TestRecipes_Containers(t *testing.T) {
	found := 0
	for _, b := range blocksOf(t, "docs/recipes.md") {
		if b.language != "yaml" {
			continue
		}
		var document any
		require.NoError(t, yaml.Unmarshal([]byte(b.text), &document), b.section)
		for _, args := range argumentsIn(document) {
			if cmd, rest, err := command.Root().Find(args); err == nil && cmd.HasParent() {
				found++
				assertFlagsExist(t, b.section, cmd, rest)
			}
		}
	}
	assert.Equal(t, 3, found, "the commands of Compose and its health check, and of Kubernetes")
}

// argumentsIn returns the lists of strings in a document.
func argumentsIn(node any) [][]string {
	var lists [][]string
	switch node := node.(type) {
	case map[string]any:
		for _, value := range node {
			lists = append(lists, argumentsIn(value)...)
		}
	case []any:
		var words []string
		for _, value := range node {
			if word, ok := value.(string); ok {
				words = append(words, word)
			}
			lists = append(lists, argumentsIn(value)...)
		}
		if len(words) > 2 && words[0] == "CMD" {
			words = words[2:]
		}
		if len(words) > 0 && len(words) >= len(node)-2 {
			lists = append(lists, words)
		}
	}
	return lists
}
