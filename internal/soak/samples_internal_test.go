package main

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func samples(heap func(i int) int, goroutines func(i int) int) []sample {
	var all []sample
	for i := range 60 {
		all = append(all, sample{time.Duration(i) * sampleInterval, int64(heap(i)), goroutines(i)})
	}
	return all
}

func TestGrown(t *testing.T) {
	level := func(int) int { return 1000 }
	heap, goroutines := growth(samples(level, level))
	assert.Zero(t, heap)
	assert.Zero(t, goroutines)

	// What goes up and down is no growth, nor is the warm-up.
	heap, _ = growth(samples(func(i int) int {
		if i < 5 || i%7 == 0 {
			return 50 << 20
		}
		return 1000
	}, level))
	assert.Zero(t, heap)

	heap, goroutines = growth(samples(func(i int) int { return i << 20 }, func(i int) int { return 10 * i }))
	assert.Greater(t, heap, int64(heapGrowth))
	assert.Greater(t, goroutines, moreGoroutines)

	heap, goroutines = growth(nil)
	assert.Zero(t, heap)
	assert.Zero(t, goroutines)
}

func TestJumpingClock_OnlyTheWallClockJumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newJumpingClock()
		begin := c.Now()
		time.Sleep(time.Second)
		c.jump(-time.Hour)
		assert.Equal(t, time.Second-time.Hour, c.Now().Sub(begin))
		assert.Equal(t, time.Second, c.Elapsed())
		timer := c.NewTimer(time.Minute)
		c.jump(2 * time.Hour)
		<-timer.C()
		assert.Equal(t, time.Minute+time.Second, c.Elapsed())
	})
}
