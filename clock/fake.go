package clock

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// forever is the longest span there is, 292 years. Spans that add up to more
// end there, as those of the system's timers do.
const forever = time.Duration(1<<63 - 1)

// Fake is a clock that moves only when it is told to. Make one with [NewFake]. It is both a [Clock] and
// [Monotonic], and all its methods are safe for concurrent use.
//
// Its two sides can be moved apart: Advance moves both, as time does; Suspend
// moves the wall clock alone, as a machine that sleeps, or an operator who sets
// its clock, does. Timers run on the monotonic side. The instants it returns
// carry no monotonic reading of the system's.
type Fake struct {
	mu      sync.Mutex // guards all below
	wall    time.Time
	elapsed time.Duration
	timers  []*fakeTimer  // those that have not fired, soonest first, then oldest first
	grown   chan struct{} // closed, and replaced, whenever a timer is added
}

// NewFake returns a fake clock that shows start, with nothing elapsed.
func NewFake(start time.Time) *Fake {
	return &Fake{wall: start.Round(0), grown: make(chan struct{})}
}

// Now returns the wall clock's instant.
func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.wall
}

// Elapsed returns how far the clock was advanced since it was made, not
// counting what it was suspended.
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
	// Behind all timers of the same instant: they fire in the order they were made.
	i, _ := slices.BinarySearchFunc(f.timers, t.at, func(o *fakeTimer, at time.Duration) int {
		return cmp.Or(cmp.Compare(o.at, at), -1)
	})
	f.timers = slices.Insert(f.timers, i, t)
	close(f.grown)
	f.grown = make(chan struct{})
	return t
}

// Advance moves the clock forward by d, both sides. The timers that fall due
// fire in order, each at its own instant: whoever receives from one is told that
// instant, though the clock may have moved on by the time it looks. A timer that
// somebody sets because another one fired is set when Advance is over, and counts
// from there: to have each set at its own instant, go from timer to timer with
// [Fake.AdvanceToNext]. It panics when d is negative; see [Fake.Suspend].
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

// AdvanceToNext moves the clock to the instant of the next timer, fires it and
// all others of that instant, and returns by how much the clock was moved. With
// no timer set it does nothing, and returns zero.
func (f *Fake) AdvanceToNext() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.timers) == 0 {
		return 0
	}
	begin, at := f.elapsed, f.timers[0].at
	for len(f.timers) > 0 && f.timers[0].at == at {
		f.fireNextLocked()
	}
	return at - begin
}

// Suspend moves the wall clock by d and leaves the monotonic side, and with it
// every timer, where it is: what a program sees when its machine has slept for
// d, or when the system's clock was set. A negative d sets it back.
func (f *Fake) Suspend(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wall = f.wall.Add(d)
}

// BlockUntil waits until at least n timers are set that have neither fired nor
// been stopped: until the code under test has come to its next wait. It returns
// the cause of ctx's end if that comes first.
func (f *Fake) BlockUntil(ctx context.Context, n int) error {
	for {
		f.mu.Lock()
		enough, grown := len(f.timers) >= n, f.grown
		f.mu.Unlock()
		if enough {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// fireNextLocked moves the clock to the first timer's instant and fires it.
func (f *Fake) fireNextLocked() {
	t := f.timers[0]
	f.timers = slices.Delete(f.timers, 0, 1)
	f.moveLocked(t.at)
	t.c <- f.wall
}

// afterLocked returns the reading of the monotonic side d from now, or forever.
func (f *Fake) afterLocked(d time.Duration) time.Duration {
	return f.elapsed + min(d, forever-f.elapsed)
}

// moveLocked moves both sides so that the monotonic one shows elapsed.
func (f *Fake) moveLocked(elapsed time.Duration) {
	f.wall = f.wall.Add(elapsed - f.elapsed)
	f.elapsed = elapsed
}

type fakeTimer struct {
	clock *Fake
	at    time.Duration  // on the clock's monotonic side
	c     chan time.Time // holds the one event, so that firing never blocks
}

func (t *fakeTimer) C() <-chan time.Time { return t.c }

func (t *fakeTimer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	if i := slices.Index(t.clock.timers, t); i >= 0 {
		t.clock.timers = slices.Delete(t.clock.timers, i, i+1)
		return true
	}
	// Fired, but not received: as with the system's timers, taken back.
	select {
	case <-t.c:
		return true
	default:
		return false
	}
}
