package main_test

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	agsauth "github.com/agsauth/agsauth/cmd/agsauth"
)

// raceVariable is the environment variable with the options of the race detector.
const raceVariable = "GORACE"

// TestMain makes the test binary be the program, if it is called by its name. With -race
// each program would sleep for a second before it ends.
func TestMain(m *testing.M) {
	if err := os.Setenv(raceVariable, "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){"agsauth": agsauth.Main})
}
