package store_test

import (
	"os"
	"testing"

	"github.com/agsauth/agsauth/internal/leak"
)

// TestMain runs the tests, or, in a process that a test has started, the part
// that this is to play.
func TestMain(m *testing.M) {
	if part := os.Getenv(partVariable); part != "" {
		os.Exit(play(part, os.Args[len(os.Args)-1]))
	}
	leak.Main(m)
}
