package pool

import (
	"sync"
	"time"

	"github.com/agsauth/agsauth/clock"
)

// clockTolerance is by how much the wall clock may differ from the elapsed time without
// counting as set.
const clockTolerance = time.Second

// timeline measures the time since the Pool was made. When the wall clock is set forward,
// or the machine has slept, that time has passed on the timeline, so that what was due at
// a time of day is due in time. It never goes back.
type timeline struct {
	clock     clock.Clock
	monotonic clock.Monotonic // nil if the clock is not
	start     time.Time

	mu    sync.Mutex    // guards the rest
	drift time.Duration // of the wall clock, when it was last looked at
	added time.Duration // what the wall clock was ahead, in total
}

func newTimeline(c clock.Clock) *timeline {
	if c == nil {
		c = clock.Real{}
	}
	t := &timeline{clock: c, start: c.Now()}
	t.monotonic, _ = c.(clock.Monotonic)
	wall, elapsed := t.read()
	t.drift = wall.Round(0).Sub(t.start.Round(0)) - elapsed
	return t
}

func (t *timeline) read() (wall time.Time, elapsed time.Duration) {
	wall = t.clock.Now()
	if t.monotonic != nil {
		return wall, t.monotonic.Elapsed()
	}
	return wall, wall.Sub(t.start)
}

// now returns the time on the timeline, and of the wall clock.
func (t *timeline) now() (now time.Duration, wall time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	wall, elapsed := t.read()
	drift := wall.Round(0).Sub(t.start.Round(0)) - elapsed
	if change := drift - t.drift; change.Abs() > clockTolerance {
		t.drift = drift
		t.added += max(0, change)
	}
	return elapsed + t.added, wall
}
