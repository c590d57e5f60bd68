package boltstore_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/agsauth/agsauth/internal/leak"
)

// writerVariable makes the test program a writer for TestKill.
const writerVariable = "AGSAUTH_BOLTSTORE_WRITER"

func TestMain(m *testing.M) {
	if path := os.Getenv(writerVariable); path != "" {
		fmt.Fprintln(os.Stderr, write(path))
		os.Exit(1)
	}
	leak.Main(m)
}
