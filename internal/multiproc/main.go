package multiproc

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/agsauth/agsauth/internal/leak"
	"github.com/agsauth/agsauth/tokensource"
)

// Open opens a store: what it is given is [Spec.Store].
type Open func(where string) (tokensource.Store, error)

// Main runs a package's tests, and fails if they leave a goroutine behind; or,
// in a process that one of them has started, plays the part that this is to play.
// It does not return.
func Main(m *testing.M, open Open) {
	told := os.Getenv(specVariable)
	if told == "" {
		leak.Main(m)
		return
	}
	var spec Spec
	err := json.Unmarshal([]byte(told), &spec)
	if err == nil {
		err = play(spec, open)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
