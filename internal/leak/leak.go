// Package leak fails a package's tests if they leave a goroutine behind. Goleak alone
// waits less than half a second for goroutines that are about to end, which can be too
// short on a busy machine.
package leak

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// timeout bounds the wait for the goroutines to end. Only a package with a leak
// waits for so long.
const timeout = 30 * time.Second

// Main runs a package's tests and exits. Call it from TestMain.
func Main(m *testing.M) {
	status := m.Run()
	if status == 0 {
		if err := find(timeout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
	}
	os.Exit(status)
}

// find returns an error that shows the goroutines that are still there after so long.
func find(within time.Duration) error {
	deadline := time.Now().Add(within)
	for {
		err := goleak.Find()
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}
