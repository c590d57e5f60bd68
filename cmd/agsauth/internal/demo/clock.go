package demo

import (
	"sync/atomic"
	"time"

	"github.com/agsauth/agsauth/clock"
)

// suspendClock is the system's clock on a machine that can be suspended. A suspend
// moves the wall clock on, but neither the monotonic clock nor any timer. All parts
// of the demo share it, including the gateway. It is safe for concurrent use.
type suspendClock struct {
	clock.Real

	start     time.Time
	suspended atomic.Int64 // nanoseconds
}

func newSuspendClock() *suspendClock { return &suspendClock{start: time.Now()} }

// Now implements [clock.Clock]. Its result has no monotonic reading, which would
// not include the suspended time.
func (c *suspendClock) Now() time.Time {
	return time.Now().Round(0).Add(time.Duration(c.suspended.Load()))
}

// Elapsed implements [clock.Monotonic]: the time since the start of the demo.
func (c *suspendClock) Elapsed() time.Duration { return time.Since(c.start) }

func (c *suspendClock) until(t time.Time) time.Duration { return t.Sub(c.Now()) }

func (c *suspendClock) suspend(d time.Duration) { c.suspended.Add(int64(d)) }
