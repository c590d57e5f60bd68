// Package dualclock keeps time on two clocks at once: the wall clock and the monotonic
// clock. The two can disagree. The monotonic clock of a machine that slept is late; a
// wall clock that was set wrong can be off by anything.
package dualclock

import (
	"math"
	"time"

	"github.com/agsauth/agsauth/clock"
)

// Instant is a moment as both clocks tell it.
type Instant struct {
	Wall time.Time
	Mono time.Duration // since the anchor of the Reader
}

// Add returns the instant d later.
func (i Instant) Add(d time.Duration) Instant { return Instant{i.Wall.Add(d), i.Mono + d} }

// Deadline returns the instant as a deadline.
func (i Instant) Deadline() Deadline { return Deadline{UnixNanoOf(i.Wall), i.Mono} }

// UnixNano is an instant of the wall clock in nanoseconds since 1970. It takes a third
// of the memory of a time.Time. Its range is the years 1678 to 2262; instants beyond are
// cut to that.
type UnixNano int64

// UnixNanoOf converts t.
func UnixNanoOf(t time.Time) UnixNano { return UnixNanoAt(t.Unix(), int64(t.Nanosecond())) }

// UnixNanoAt converts the instant some seconds and nanoseconds after 1970.
func UnixNanoAt(seconds, nanos int64) UnixNano {
	const last = math.MaxInt64 / int64(time.Second)
	switch {
	case seconds >= last:
		return math.MaxInt64
	case seconds <= -last:
		return math.MinInt64
	}
	return UnixNano(seconds*int64(time.Second) + nanos)
}

// Time returns the instant in the location of like.
func (n UnixNano) Time(like time.Time) time.Time { return time.Unix(0, int64(n)).In(like.Location()) }

// Add returns n+d, cut to the range of UnixNano.
func (n UnixNano) Add(d time.Duration) UnixNano {
	switch sum := n + UnixNano(d); {
	case d > 0 && sum < n:
		return math.MaxInt64
	case d < 0 && sum > n:
		return math.MinInt64
	default:
		return sum
	}
}

// Sub returns n-m, cut to the range of a Duration.
func (n UnixNano) Sub(m UnixNano) time.Duration {
	switch d := time.Duration(n - m); {
	case n > m && d < 0:
		return math.MaxInt64
	case n < m && d > 0:
		return math.MinInt64
	default:
		return d
	}
}

// Deadline is an instant to come, kept on both clocks.
type Deadline struct {
	Wall UnixNano
	Mono time.Duration
}

// Never returns the deadline that never passes: it stands for an unknown one.
func Never() Deadline { return Deadline{Wall: math.MaxInt64, Mono: math.MaxInt64} }

// Always returns the deadline that has passed at every instant.
func Always() Deadline { return Deadline{Wall: math.MinInt64, Mono: math.MinInt64} }

// Known reports whether the deadline is another one than [Never].
func (d Deadline) Known() bool { return d.Mono != math.MaxInt64 }

// PassedOnEither reports whether at least one clock has reached the deadline. A token
// is not served any more, or an action is due, when this is so.
func (d Deadline) PassedOnEither(now Instant) bool {
	return now.Mono >= d.Mono || UnixNanoOf(now.Wall) >= d.Wall
}

// PassedOnBoth reports whether both clocks have reached the deadline. A session is
// given up only when this is so.
func (d Deadline) PassedOnBoth(now Instant) bool {
	return now.Mono >= d.Mono && UnixNanoOf(now.Wall) >= d.Wall
}

// Add moves a known deadline by span.
func (d Deadline) Add(span time.Duration) Deadline {
	if !d.Known() {
		return d
	}
	return Deadline{d.Wall.Add(span), d.Mono + span}
}

// Left returns the time until the first of the two clocks reaches the deadline.
func (d Deadline) Left(now Instant) time.Duration {
	return min(d.Mono-now.Mono, d.Wall.Sub(UnixNanoOf(now.Wall)))
}

// Earliest returns the earlier of two deadlines, for each clock by itself.
func Earliest(a, b Deadline) Deadline {
	return Deadline{min(a.Wall, b.Wall), min(a.Mono, b.Mono)}
}

// Latest returns the later of two deadlines, for each clock by itself.
func Latest(a, b Deadline) Deadline {
	return Deadline{max(a.Wall, b.Wall), max(a.Mono, b.Mono)}
}

// Reader reads a [clock.Clock] as two clocks. If the clock is not [clock.Monotonic],
// the monotonic readings of its instants are used; if these have none, both sides tell
// the same time.
type Reader struct {
	clock clock.Clock // nil means the system's, which is read directly for speed
	// anchor is the zero of the monotonic side. It is unused if the clock is Monotonic.
	anchor time.Time
}

// NewReader returns a Reader of c. A nil c means the system's clock.
func NewReader(c clock.Clock) Reader {
	switch c.(type) {
	case nil, clock.Real:
		return Reader{anchor: clock.Real{}.Now()}
	case clock.Monotonic:
		return Reader{clock: c}
	default:
		return Reader{clock: c, anchor: c.Now()}
	}
}

// Now reads both clocks. The wall side has no monotonic reading, because Before and Sub
// would compare that reading instead of the wall clock.
func (r *Reader) Now() Instant {
	if r.clock == nil {
		t := clock.Real{}.Now()
		return Instant{t.Round(0), t.Sub(r.anchor)}
	}
	t := r.clock.Now()
	if mono, ok := r.clock.(clock.Monotonic); ok {
		return Instant{t.Round(0), mono.Elapsed()}
	}
	return Instant{t.Round(0), t.Sub(r.anchor)}
}

// Reached is d.PassedOnEither(r.Now()), made fast for the call that is made with every
// request.
func (r *Reader) Reached(d Deadline) bool {
	if r.clock != nil {
		return d.PassedOnEither(r.Now())
	}
	t := clock.Real{}.Now()
	return t.Sub(r.anchor) >= d.Mono || UnixNano(t.UnixNano()) >= d.Wall
}

// NewTimer returns a timer of the clock.
func (r *Reader) NewTimer(d time.Duration) clock.Timer {
	if r.clock == nil {
		return clock.Real{}.NewTimer(d)
	}
	return r.clock.NewTimer(d)
}
