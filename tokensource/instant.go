package tokensource

import (
	"math"
	"time"

	"github.com/agsauth/agsauth/clock"
)

// instant is one moment as both clocks tell it.
type instant struct {
	wall time.Time
	mono time.Duration // since the anchor of the watch
}

func (i instant) add(d time.Duration) instant { return instant{i.wall.Add(d), i.mono + d} }

// horizon is a deadline kept on both clocks. The two can disagree: a machine
// that slept has a monotonic clock that is late, one whose clock was set wrong
// has a wall clock that is off by anything.
type horizon instant

// never is the horizon that is not known, and so never passes.
func never() horizon {
	return horizon{wall: time.Unix(math.MaxInt32<<8, 0), mono: math.MaxInt64}
}

func (h horizon) known() bool { return h.mono != math.MaxInt64 }

// passedOnEither reports whether at least one clock has reached the horizon:
// when a token is no longer served, or something is due.
func (h horizon) passedOnEither(now instant) bool {
	return now.mono >= h.mono || !now.wall.Before(h.wall)
}

// passedOnBoth reports whether the clocks agree that the horizon is reached:
// when a session is given up.
func (h horizon) passedOnBoth(now instant) bool {
	return now.mono >= h.mono && !now.wall.Before(h.wall)
}

// add moves a known horizon.
func (h horizon) add(d time.Duration) horizon {
	if !h.known() {
		return h
	}
	return horizon(instant(h).add(d))
}

// left returns what remains until the first of the two clocks gets there.
func (h horizon) left(now instant) time.Duration {
	return min(h.mono-now.mono, h.wall.Sub(now.wall))
}

// earliest returns the earliest of some horizons, each clock for itself.
func earliest(first horizon, others ...horizon) horizon {
	for _, h := range others {
		first = earliestOf(first, h)
	}
	return first
}

func earliestOf(a, b horizon) horizon {
	if b.wall.Before(a.wall) {
		a.wall = b.wall
	}
	a.mono = min(a.mono, b.mono)
	return a
}

// latest is the counterpart of earliest for two horizons.
func latest(a, b horizon) horizon {
	if b.wall.After(a.wall) {
		a.wall = b.wall
	}
	a.mono = max(a.mono, b.mono)
	return a
}

// watch reads one clock as two. A clock that is not [clock.Monotonic] is asked
// for the monotonic reading that its instants carry; where they carry none, both
// sides tell the same.
type watch struct {
	clock  clock.Clock
	mono   clock.Monotonic // nil when the clock is not one
	anchor time.Time
}

func newWatch(c clock.Clock) watch {
	mono, _ := c.(clock.Monotonic)
	return watch{clock: c, mono: mono, anchor: c.Now()}
}

func (w *watch) now() instant {
	t := w.clock.Now()
	// Round(0): with a monotonic reading on either side, Before and Sub would
	// compare those, and the wall clock would have no say.
	if w.mono != nil {
		return instant{t.Round(0), w.mono.Elapsed()}
	}
	return instant{t.Round(0), t.Sub(w.anchor)}
}
