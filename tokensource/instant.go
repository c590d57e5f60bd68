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

// horizon returns the moment as one that others are compared with.
func (i instant) horizon() horizon { return horizon{stampOf(i.wall), i.mono} }

// stamp is an instant of the wall clock, in nanoseconds since 1970: what is kept
// of one for long, and compared with, as it is a third of the size of a time.Time.
// It reaches from the year 1678 to 2262. What lies beyond is cut to that.
type stamp int64

func stampOf(t time.Time) stamp {
	const last = math.MaxInt64 / int64(time.Second)
	switch seconds := t.Unix(); {
	case seconds >= last:
		return math.MaxInt64
	case seconds <= -last:
		return math.MinInt64
	}
	return stamp(t.UnixNano())
}

// time returns the instant in the zone of like.
func (s stamp) time(like time.Time) time.Time { return time.Unix(0, int64(s)).In(like.Location()) }

func (s stamp) add(d time.Duration) stamp {
	switch sum := s + stamp(d); {
	case d > 0 && sum < s:
		return math.MaxInt64
	case d < 0 && sum > s:
		return math.MinInt64
	default:
		return sum
	}
}

// sub returns how long s is after t.
func (s stamp) sub(t stamp) time.Duration {
	switch d := time.Duration(s - t); {
	case s > t && d < 0:
		return math.MaxInt64
	case s < t && d > 0:
		return math.MinInt64
	default:
		return d
	}
}

// horizon is a deadline kept on both clocks. The two can disagree: a machine
// that slept has a monotonic clock that is late, one whose clock was set wrong
// has a wall clock that is off by anything.
type horizon struct {
	wall stamp
	mono time.Duration
}

// never is the horizon that is not known, and so never passes.
func never() horizon { return horizon{wall: math.MaxInt64, mono: math.MaxInt64} }

// past is the horizon that has passed from the beginning.
func past() horizon { return horizon{wall: math.MinInt64, mono: math.MinInt64} }

func (h horizon) known() bool { return h.mono != math.MaxInt64 }

// passedOnEither reports whether at least one clock has reached the horizon:
// when a token is no longer served, or something is due.
func (h horizon) passedOnEither(now instant) bool {
	return now.mono >= h.mono || stampOf(now.wall) >= h.wall
}

// passedOnBoth reports whether the clocks agree that the horizon is reached:
// when a session is given up.
func (h horizon) passedOnBoth(now instant) bool {
	return now.mono >= h.mono && stampOf(now.wall) >= h.wall
}

// add moves a known horizon.
func (h horizon) add(d time.Duration) horizon {
	if !h.known() {
		return h
	}
	return horizon{h.wall.add(d), h.mono + d}
}

// left returns what remains until the first of the two clocks gets there.
func (h horizon) left(now instant) time.Duration {
	return min(h.mono-now.mono, h.wall.sub(stampOf(now.wall)))
}

// earliest returns the earliest of some horizons, each clock for itself.
func earliest(a, b horizon) horizon {
	return horizon{min(a.wall, b.wall), min(a.mono, b.mono)}
}

// latest is the counterpart of earliest.
func latest(a, b horizon) horizon {
	return horizon{max(a.wall, b.wall), max(a.mono, b.mono)}
}

// watch reads one clock as two. A clock that is not [clock.Monotonic] is asked
// for the monotonic reading that its instants carry; where they carry none, both
// sides tell the same.
type watch struct {
	clock clock.Clock // nil is the system's, which is read without the detour
	// anchor is what the monotonic side counts from. It is zero when the clock
	// is Monotonic, and tells that side itself.
	anchor time.Time
}

func newWatch(c clock.Clock) watch {
	switch c.(type) {
	case nil, clock.Real:
		return watch{anchor: clock.Real{}.Now()}
	case clock.Monotonic:
		return watch{clock: c}
	default:
		return watch{clock: c, anchor: c.Now()}
	}
}

// now reads both sides. The wall side is without a monotonic reading: with one on
// either side, Before and Sub would compare those, and the wall would have no say.
func (w *watch) now() instant {
	if w.clock == nil {
		t := clock.Real{}.Now()
		return instant{t.Round(0), t.Sub(w.anchor)}
	}
	t := w.clock.Now()
	if mono, ok := w.clock.(clock.Monotonic); ok {
		return instant{t.Round(0), mono.Elapsed()}
	}
	return instant{t.Round(0), t.Sub(w.anchor)}
}

// reached is h.passedOnEither(w.now()) for where every nanosecond counts: in the
// call that is made for each request.
func (w *watch) reached(h horizon) bool {
	if w.clock != nil {
		return h.passedOnEither(w.now())
	}
	t := clock.Real{}.Now()
	return t.Sub(w.anchor) >= h.mono || stamp(t.UnixNano()) >= h.wall
}

func (w *watch) newTimer(d time.Duration) clock.Timer {
	if w.clock == nil {
		return clock.Real{}.NewTimer(d)
	}
	return w.clock.NewTimer(d)
}
