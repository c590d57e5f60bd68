package pool

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/agsauth/agsauth/clock"
)

func TestTimeline(t *testing.T) {
	fake := clock.NewFake(time.Date(2022, 6, 10, 15, 0, 0, 0, time.UTC))
	fake.Advance(time.Hour)
	line := newTimeline(fake)
	start, _ := line.now()
	passed := func() time.Duration {
		now, wall := line.now()
		assert.Equal(t, fake.Now(), wall)
		return now - start
	}
	fake.Advance(time.Minute)
	assert.Equal(t, time.Minute, passed())
	fake.Suspend(time.Hour)
	assert.Equal(t, time.Hour+time.Minute, passed(), "the machine has slept")
	fake.Suspend(-2 * time.Hour)
	assert.Equal(t, time.Hour+time.Minute, passed(), "it never goes back")
	fake.Suspend(2 * time.Hour)
	assert.Equal(t, 3*time.Hour+time.Minute, passed(), "what was due while the clock was wrong is due again")
	for range 10 {
		fake.Suspend(300 * time.Millisecond)
		_ = passed()
	}
	assert.InDelta(t, float64(3*time.Hour+time.Minute+3*time.Second), float64(passed()), float64(time.Second), "small steps add up")
}
