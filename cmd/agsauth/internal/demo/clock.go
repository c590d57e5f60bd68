package demo

import (
	"sync/atomic"
	"time"

	"github.com/agsauth/agsauth/clock"
)

// lidClock is the clock of a machine whose lid can be closed: the system's, but
// for what its wall side has gained meanwhile. It is the one clock of all that
// takes part, the gateway included. Safe for concurrent use.
type lidClock struct {
	clock.Real

	began time.Time
	slept atomic.Int64 // nanoseconds
}

func newLidClock() *lidClock { return &lidClock{began: time.Now()} }

// Now implements [clock.Clock]. The instant has no monotonic reading, which would
// know nothing of the sleep.
func (c *lidClock) Now() time.Time {
	return time.Now().Round(0).Add(time.Duration(c.slept.Load()))
}

// Elapsed implements [clock.Monotonic]: the time since the demo began, awake.
func (c *lidClock) Elapsed() time.Duration { return time.Since(c.began) }

// until returns what is left until t by the wall clock.
func (c *lidClock) until(t time.Time) time.Duration { return t.Sub(c.Now()) }

// sleep is a sleep of d that has just ended. Timers do not notice it.
func (c *lidClock) sleep(d time.Duration) { c.slept.Add(int64(d)) }
