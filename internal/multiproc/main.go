package multiproc

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/agsauth/agsauth/internal/leak"
	"github.com/agsauth/agsauth/tokensource"
)

// Open opens the store that [Spec.Store] names.
type Open func(where string) (tokensource.Store, error)

// Main runs the tests of a package, and fails if they leave a goroutine behind. In a
// child process it runs the child instead. It does not return.
func Main(m *testing.M, open Open) {
	encoded := os.Getenv(specVariable)
	if encoded == "" {
		leak.Main(m)
		return
	}
	var spec Spec
	err := json.Unmarshal([]byte(encoded), &spec)
	if err == nil {
		err = runChild(spec, open)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
