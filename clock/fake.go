package clock

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// maxDuration, 292 years, is the longest duration. Sums are capped there, as in the
// time package.
const maxDuration = time.Duration(1<<63 - 1)

// Fake is a [Clock] for tests, which moves only when the test advances it. Create one
// with [NewFake]. It is also [Monotonic]. Its methods are safe for concurrent use.
//
// Advance moves both the wall clock and the monotonic clock. Suspend moves only the
// wall clock, as if the machine had slept or its clock had been set. Timers run on the
// monotonic clock. The times that a Fake returns have no monotonic clock reading.
//
// Timeouts are timers, too. If a test advances the clock past the timeout of an
// operation in flight, such as a token refresh, the timeout fires and the operation fails.
type Fake struct {
	mu      sync.Mutex // guards all below
	wall    time.Time
	elapsed time.Duration
	timers  []*fakeTimer  // pending, by time and then by order of creation
	added   chan struct{} // closed and replaced whenever a timer is added
}

// NewFake returns a fake clock whose wall clock shows start.
func NewFake(start time.Time) *Fake {
	return &Fake{wall: start.Round(0), added: make(chan struct{})}
}

// Now returns the wall-clock time.
func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.wall
}

// Elapsed returns by how much the clock has been advanced. It does not count
// suspensions.
func (f *Fake) Elapsed() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.elapsed
}

// NewTimer returns a timer that fires when the clock has been advanced by d.
func (f *Fake) NewTimer(d time.Duration) Timer {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := &fakeTimer{clock: f, at: f.afterLocked(d), c: make(chan time.Time, 1)}
	if d <= 0 {
		t.c <- f.wall
		return t
	}
	// Insert t after all timers of the same time, so that they fire in order of creation.
	i, _ := slices.BinarySearchFunc(f.timers, t.at, func(o *fakeTimer, at time.Duration) int {
		return cmp.Or(cmp.Compare(o.at, at), -1)
	})
	f.timers = slices.Insert(f.timers, i, t)
	close(f.added)
	f.added = make(chan struct{})
	return t
}

// Advance moves the wall clock and the monotonic clock forward by d. It fires the
// timers that become due, in order, and each delivers its own time. It panics if d is
// negative; see [Fake.Suspend].
//
// Advance does not wait for goroutines that receive from the timers. If such a goroutine
// makes another timer, that timer counts from the end of the Advance. Use
// [Fake.AdvanceToNext] if it must count from the time of the first timer.
func (f *Fake) Advance(d time.Duration) {
	if d < 0 {
		panic("clock: Advance by a negative duration")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	end := f.afterLocked(d)
	for len(f.timers) > 0 && f.timers[0].at <= end {
		f.fireNextLocked()
	}
	f.moveLocked(end)
}

// AdvanceToNext moves the clock to the time of the next timer, fires all timers of that
// time, and returns by how much it moved the clock. If no timer is pending, it does
// nothing and returns zero.
func (f *Fake) AdvanceToNext() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.timers) == 0 {
		return 0
	}
	start, at := f.elapsed, f.timers[0].at
	for len(f.timers) > 0 && f.timers[0].at == at {
		f.fireNextLocked()
	}
	return at - start
}

// Suspend moves only the wall clock by d, as if the machine had slept for d or its
// clock had been set. A negative d sets the clock back. Timers do not fire.
func (f *Fake) Suspend(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wall = f.wall.Add(d)
}

// BlockUntil waits until at least n timers are pending, which have neither fired nor
// been stopped. Use it to wait until the code under test waits on the clock. It returns
// the cause of ctx if ctx ends first.
func (f *Fake) BlockUntil(ctx context.Context, n int) error {
	for {
		f.mu.Lock()
		enough, added := len(f.timers) >= n, f.added
		f.mu.Unlock()
		if enough {
			return nil
		}
		select {
		case <-added:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// fireNextLocked moves the clock to the time of the first timer and fires it.
func (f *Fake) fireNextLocked() {
	t := f.timers[0]
	f.timers = slices.Delete(f.timers, 0, 1)
	f.moveLocked(t.at)
	t.c <- f.wall
}

// afterLocked returns the monotonic time d from now, at most maxDuration.
func (f *Fake) afterLocked(d time.Duration) time.Duration {
	return f.elapsed + min(d, maxDuration-f.elapsed)
}

// moveLocked moves both clocks forward to a monotonic time.
func (f *Fake) moveLocked(elapsed time.Duration) {
	f.wall = f.wall.Add(elapsed - f.elapsed)
	f.elapsed = elapsed
}

type fakeTimer struct {
	clock *Fake
	at    time.Duration  // monotonic time
	c     chan time.Time // has room for the event, so that firing does not block
}

func (t *fakeTimer) C() <-chan time.Time { return t.c }

func (t *fakeTimer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	if i := slices.Index(t.clock.timers, t); i >= 0 {
		t.clock.timers = slices.Delete(t.clock.timers, i, i+1)
		return true
	}
	// If the timer has fired but the event was not received, remove the event, as the
	// time package does.
	select {
	case <-t.c:
		return true
	default:
		return false
	}
}
