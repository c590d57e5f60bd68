package main_test

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	agsauth "github.com/agsauth/agsauth/cmd/agsauth"
)

// TestMain makes the test binary be the program, if it is called by its name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"agsauth": agsauth.Main})
}

// Each file in testdata/script is a story: what a user types, and what comes of it.
func TestStories(t *testing.T) {
	watchCommandLines(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Setup:               setupStory,
		Cmds:                storyCommands(),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
	})
}
