package main

import (
	"sync/atomic"
	"time"

	"github.com/agsauth/agsauth/clock"
)

// jumpingClock is the system's clock with a wall clock that can be set forward and back.
type jumpingClock struct {
	clock.Real

	began  time.Time
	offset atomic.Int64
}

func newJumpingClock() *jumpingClock { return &jumpingClock{began: time.Now()} }

// Now returns the wall clock's instant, without a monotonic reading.
func (j *jumpingClock) Now() time.Time {
	return time.Now().Round(0).Add(time.Duration(j.offset.Load()))
}

// Elapsed returns the time that has passed, whatever the wall clock says.
func (j *jumpingClock) Elapsed() time.Duration { return time.Since(j.began) }

// jump sets the wall clock forward or back.
func (j *jumpingClock) jump(by time.Duration) { j.offset.Add(int64(by)) }
