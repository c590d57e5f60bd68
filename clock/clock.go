// Package clock provides time and timers. [Real] is the system clock. [Fake] is a
// clock for tests, which moves only when the test advances it.
//
// A [Clock] tells the wall-clock time, which can be set forward and back. A [Monotonic]
// clock measures elapsed time: it never goes back, but it does not count the time that
// the machine is suspended. A Clock may also be Monotonic, so that deadlines can be
// checked against both.
package clock

import "time"

// Clock tells the time and makes timers. Implementations must be safe for concurrent
// use.
type Clock interface {
	// Now returns the current time. Like that of [time.Now], it may have a monotonic
	// clock reading.
	Now() time.Time
	// NewTimer returns a timer that fires once, after d. If d is zero or negative, it
	// fires immediately.
	NewTimer(d time.Duration) Timer
}

// Timer is a single event in the future. Its methods do not block and are safe for
// concurrent use.
type Timer interface {
	// C returns the channel that receives the time of the event. The channel is never
	// closed.
	C() <-chan time.Time
	// Stop prevents the timer from firing. It returns false if the event was already
	// received or the timer was already stopped. After Stop returns, nothing can be
	// received from C.
	Stop() bool
}

// Monotonic is implemented by a [Clock] that measures elapsed time independently of
// [Clock.Now].
type Monotonic interface {
	// Elapsed returns the time since a fixed instant. It never decreases, and does not
	// count the time that the machine is suspended.
	Elapsed() time.Duration
}

// Real is the system clock. Its zero value is ready to use.
type Real struct{}

// Now returns [time.Now].
func (Real) Now() time.Time { return time.Now() }

// NewTimer returns a timer of the time package.
func (Real) NewTimer(d time.Duration) Timer { return realTimer{time.NewTimer(d)} }

type realTimer struct{ timer *time.Timer }

func (t realTimer) C() <-chan time.Time { return t.timer.C }
func (t realTimer) Stop() bool          { return t.timer.Stop() }
