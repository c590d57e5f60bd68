package store_test

import (
	"os"
	"testing"

	"github.com/agsauth/agsauth/internal/leak"
)

// TestMain runs the tests or, in a child process, its function.
func TestMain(m *testing.M) {
	if name := os.Getenv(childVariable); name != "" {
		os.Exit(runChild(name, os.Args[len(os.Args)-1]))
	}
	leak.Main(m)
}
