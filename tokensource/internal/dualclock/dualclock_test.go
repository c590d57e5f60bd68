package dualclock_test

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/internal/leak"
	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

func TestMain(m *testing.M) { leak.Main(m) }

var base = time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC)

// at returns the instant d after base on both clocks.
func at(d time.Duration) dualclock.Instant { return dualclock.Instant{Wall: base.Add(d), Mono: d} }

// unequal returns a deadline that is different on the two clocks.
func unequal(wall, mono time.Duration) dualclock.Deadline {
	return dualclock.Deadline{Wall: at(wall).Deadline().Wall, Mono: mono}
}

func TestUnixNano(t *testing.T) {
	t.Run("instants in range are exact", func(t *testing.T) {
		for _, year := range []int{1700, 1969, 1970, 2026, 2200} {
			at := time.Date(year, 2, 3, 4, 5, 6, 789, time.UTC)
			assert.Equal(t, at, dualclock.UnixNanoOf(at).Time(at))
		}
	})
	t.Run("instants beyond the range are cut to it", func(t *testing.T) {
		before, after := dualclock.UnixNanoOf(time.Time{}), dualclock.UnixNanoOf(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))
		assert.Less(t, before, dualclock.UnixNanoOf(base))
		assert.Greater(t, after, dualclock.UnixNanoOf(base))
		assert.Equal(t, after, after.Add(time.Hour))
		assert.Equal(t, before, before.Add(-time.Hour))
		const last = math.MaxInt64 / int64(time.Second) // a part of this second is out of range
		assert.Equal(t, after, dualclock.UnixNanoOf(time.Unix(last, 999_999_999)))
		assert.Equal(t, before, dualclock.UnixNanoOf(time.Unix(-last, 0)))
		assert.Equal(t, time.Duration(math.MaxInt64), after.Sub(before))
		assert.Equal(t, time.Duration(math.MinInt64), before.Sub(after))
		assert.Equal(t, dualclock.Never().Wall, after)
		assert.Equal(t, dualclock.Always().Wall, before)
	})
}

func TestDeadline_Passed(t *testing.T) {
	for name, tt := range map[string]struct {
		deadline     dualclock.Deadline
		either, both bool
	}{
		"never":                {dualclock.Never(), false, false},
		"always":               {dualclock.Always(), true, true},
		"now":                  {unequal(0, 0), true, true},
		"later on both clocks": {unequal(1, 1), false, false},
		"later on the wall":    {unequal(1, 0), true, false},
		"later on the other":   {unequal(0, 1), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tt.either, tt.deadline.PassedOnEither(at(0)))
			assert.Equal(t, tt.both, tt.deadline.PassedOnBoth(at(0)))
			assert.Equal(t, tt.either, tt.deadline.Left(at(0)) <= 0)
		})
	}
}

func TestDeadline_Arithmetic(t *testing.T) {
	never := dualclock.Never()
	assert.False(t, never.Known())
	assert.Equal(t, never, never.Add(-time.Hour), "an unknown deadline stays unknown")
	assert.True(t, dualclock.Always().Known())
	assert.Equal(t, at(3*time.Hour).Deadline(), at(time.Hour).Deadline().Add(2*time.Hour))
	assert.Equal(t, at(3*time.Hour).Deadline(), at(time.Hour).Add(2*time.Hour).Deadline())

	a, b := unequal(1, 4), unequal(2, 3)
	assert.Equal(t, unequal(1, 3), dualclock.Earliest(a, b), "each clock by itself")
	assert.Equal(t, unequal(2, 4), dualclock.Latest(a, b), "each clock by itself")
	assert.Equal(t, time.Duration(1), a.Left(at(0)), "the wall clock comes first")
	assert.Equal(t, time.Duration(3), unequal(5, 3).Left(at(0)), "the monotonic clock comes first")
}

// clockOnly hides all methods of a clock that clock.Clock does not have.
type clockOnly struct{ clock.Clock }

func TestReader_Now(t *testing.T) {
	t.Run("a clock with two sides", func(t *testing.T) {
		c := clock.NewFake(base)
		r := dualclock.NewReader(c)
		timer := r.NewTimer(time.Minute)
		c.Advance(time.Minute)
		c.Suspend(time.Hour)
		assert.Equal(t, base.Add(time.Minute), <-timer.C())
		assert.Equal(t, dualclock.Instant{Wall: base.Add(time.Minute + time.Hour), Mono: time.Minute}, r.Now())
	})
	t.Run("a clock with one side", func(t *testing.T) {
		c := clock.NewFake(base)
		r := dualclock.NewReader(clockOnly{c})
		c.Advance(time.Minute)
		c.Suspend(time.Hour)
		assert.Equal(t, at(time.Minute+time.Hour), r.Now())
	})
	for name, c := range map[string]clock.Clock{
		"the default": nil, "the system's": clock.Real{}, "another one with monotonic readings": clockOnly{clock.Real{}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := dualclock.NewReader(c)
				began := r.Now()
				<-r.NewTimer(time.Minute).C()
				now := r.Now()
				assert.Equal(t, time.Minute, now.Mono-began.Mono)
				assert.Equal(t, time.Minute, now.Wall.Sub(began.Wall))
				// With a monotonic reading, Before and Sub would not see the wall clock move.
				assert.NotContains(t, now.Wall.String(), "m=")
			})
		})
	}
}

func TestReader_ReachedIsPassedOnEither(t *testing.T) {
	for name, c := range map[string]clock.Clock{"the system's": nil, "a fake": clock.NewFake(base)} {
		synctest.Test(t, func(t *testing.T) {
			r := dualclock.NewReader(c)
			now := r.Now().Deadline()
			for i, d := range []dualclock.Deadline{
				dualclock.Never(), dualclock.Always(), now, now.Add(1), {Wall: now.Wall + 1, Mono: now.Mono}, {Wall: now.Wall, Mono: now.Mono + 1},
			} {
				assert.Equal(t, i != 0 && i != 3, r.Reached(d), "%s: %v", name, d)
				assert.Equal(t, d.PassedOnEither(r.Now()), r.Reached(d), "%s: %v", name, d)
			}
		})
	}
}
