package main_test

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	agsauth "github.com/agsauth/agsauth/cmd/agsauth"
)

// TestMain makes the test binary be the program, if it is called by its name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"agsauth": agsauth.Main})
}
