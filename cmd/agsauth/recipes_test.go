//go:build unix

package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
)

// TestRecipes runs the recipes that say that they are run.
func TestRecipes(t *testing.T) {
	programs := map[string]string{}
	for _, b := range blocksOf(t, "docs/recipes.md") {
		switch b.section + " " + b.language {
		case "curl sh":
			programs["recipe.sh"] = "set -e\n" + b.text
		case "Python python":
			programs["program.py"] = b.text
		case "Node.js js":
			programs["program.mjs"] = b.text
		}
	}
	require.Len(t, programs, 3)
	folder := t.TempDir()
	story := `gateway
status 0 agsauth login --gateway $GATEWAY --api $API --param-file params
status 0 sh recipe.sh
stdout -count=2 '"path":"/api/profile"'
status 0 agsauth exec --proxy -- python3 program.py
stdout '^200$'
status 0 agsauth exec --proxy -- node program.mjs
stdout '^200$'
count 4 api
-- params --
username=dave
password=open sesame
`
	for name, text := range programs {
		story += "-- " + name + " --\n" + strings.TrimRight(text, "\n") + "\n"
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "recipes.txtar"), []byte(story), 0o600))
	testscript.Run(t, testscript.Params{Dir: folder, Setup: setupStory, Cmds: storyCommands(), RequireExplicitExec: true})
}
