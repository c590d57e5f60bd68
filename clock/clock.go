// Package clock is where the library's time comes from: the system's in
// production, a scripted one in tests.
//
// A computer has two notions of time. The wall clock is what people and
// gateways agree on, but it can be set wrong and be set right again. The
// monotonic clock only ever moves forward, but stands still while a machine
// sleeps. A deadline that must hold is checked against both, which is why a
// [Clock] may also be [Monotonic].
package clock

import "time"

// Clock tells the time and makes timers. Implementations are safe for
// concurrent use.
type Clock interface {
	// Now returns the current instant. It may carry a monotonic reading, as
	// that of [time.Now] does.
	Now() time.Time
	// NewTimer returns a timer that fires once, d from now. One of zero or less
	// fires at once.
	NewTimer(d time.Duration) Timer
}

// Timer is a single event in the future, made by [Clock.NewTimer]. Its methods
// do not wait, and may be called by several goroutines.
type Timer interface {
	// C returns the channel on which the instant of firing is delivered, once.
	// The channel is never closed.
	C() <-chan time.Time
	// Stop keeps the timer from firing, and reports whether it did so before
	// the event was received. Once it has returned nothing can be received from
	// C.
	Stop() bool
}

// Monotonic is implemented by a [Clock] that has a reading of its own of how
// much time has passed, independent of what [Clock.Now] says.
type Monotonic interface {
	// Elapsed returns the time passed since some fixed moment. It never
	// decreases, and does not count the time a machine was suspended.
	Elapsed() time.Duration
}

// Real is the system's clock. Its zero value is ready for use.
type Real struct{}

// Now returns [time.Now], with its monotonic reading.
func (Real) Now() time.Time { return time.Now() }

// NewTimer returns a timer of the system.
func (Real) NewTimer(d time.Duration) Timer { return realTimer{time.NewTimer(d)} }

type realTimer struct{ timer *time.Timer }

func (t realTimer) C() <-chan time.Time { return t.timer.C }
func (t realTimer) Stop() bool          { return t.timer.Stop() }
