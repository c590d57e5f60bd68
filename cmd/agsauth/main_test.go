package main_test

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	agsauth "github.com/agsauth/agsauth/cmd/agsauth"
)

// TestMain makes the test binary be the program, if it is called by its name.
func TestMain(m *testing.M) {
	testscript.Main(prepared{m}, map[string]func(){"agsauth": agsauth.Main})
}

// Environment variables that a program which is built for a test needs.
const (
	// raceVariable has the options of the race detector.
	raceVariable = "GORACE"
	// coverVariable names the folder for the coverage.
	coverVariable = "GOCOVERDIR"
)

// prepared runs the tests with these variables set.
type prepared struct{ *testing.M }

// Run runs the tests. With -race each program would otherwise sleep for a second before it
// ends, and with -cover it would print a warning.
func (m prepared) Run() int {
	folder, err := os.MkdirTemp("", "coverage")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	for name, value := range map[string]string{raceVariable: "atexit_sleep_ms=0", coverVariable: folder} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	return m.M.Run()
}
