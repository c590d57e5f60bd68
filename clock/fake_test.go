package clock_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/clock"
)

var (
	_ clock.Clock     = (*clock.Fake)(nil)
	_ clock.Monotonic = (*clock.Fake)(nil)
	_ clock.Clock     = clock.Real{}
)

// noon is the initial time of fake clocks.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// fired returns the time that the timer delivered, and whether it has fired.
func fired(timer clock.Timer) (time.Time, bool) {
	select {
	case at := <-timer.C():
		return at, true
	default:
		return time.Time{}, false
	}
}

func TestNewFake(t *testing.T) {
	f := clock.NewFake(noon)
	assert.Equal(t, noon, f.Now())
	assert.Zero(t, f.Elapsed())
}

func TestFake_HasNoMonotonicReading(t *testing.T) {
	f := clock.NewFake(time.Now())
	timer := f.NewTimer(time.Second)
	assert.NotContains(t, f.Now().String(), " m=")
	f.Advance(time.Minute)
	assert.NotContains(t, f.Now().String(), " m=")
	at, ok := fired(timer)
	require.True(t, ok)
	assert.NotContains(t, at.String(), " m=")
}

func TestFake_DoesNotMoveByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := clock.NewFake(noon)
		timer := f.NewTimer(time.Second)
		time.Sleep(time.Hour)
		assert.Equal(t, noon, f.Now())
		assert.Zero(t, f.Elapsed())
		_, ok := fired(timer)
		assert.False(t, ok)
	})
}

func TestFake_AdvanceMovesBothClocks(t *testing.T) {
	f := clock.NewFake(noon)
	f.Advance(90 * time.Second)
	f.Advance(0)
	f.Advance(time.Nanosecond)
	assert.Equal(t, noon.Add(90*time.Second+1), f.Now())
	assert.Equal(t, 90*time.Second+1, f.Elapsed())
}

func TestFake_AdvancePanicsWhenNegative(t *testing.T) {
	f := clock.NewFake(noon)
	assert.PanicsWithValue(t, "clock: Advance by a negative duration", func() { f.Advance(-1) })
	assert.Equal(t, noon, f.Now())
	f.Advance(1) // the panic released the lock
	assert.Equal(t, noon.Add(1), f.Now())
}

func TestFake_AdvanceStopsAtTheLongestDuration(t *testing.T) {
	f := clock.NewFake(noon)
	f.Advance(time.Hour)
	last := f.NewTimer(never)
	f.Advance(never)
	assert.Equal(t, never, f.Elapsed())
	assert.Equal(t, noon.Add(never), f.Now())
	at, ok := fired(last)
	assert.True(t, ok)
	assert.Equal(t, noon.Add(never), at)
	f.Advance(never)
	assert.Equal(t, never, f.Elapsed())
}

func TestFake_SuspendMovesOnlyTheWallClock(t *testing.T) {
	for _, d := range []time.Duration{8 * time.Hour, -8 * time.Hour} {
		t.Run(d.String(), func(t *testing.T) {
			f := clock.NewFake(noon)
			timer := f.NewTimer(time.Minute)
			f.Advance(time.Second)
			f.Suspend(d)
			assert.Equal(t, noon.Add(d+time.Second), f.Now())
			assert.Equal(t, time.Second, f.Elapsed())
			_, ok := fired(timer)
			assert.False(t, ok, "timers stop during a suspension")

			f.Advance(59 * time.Second)
			at, ok := fired(timer)
			require.True(t, ok, "timers continue after a suspension")
			assert.Equal(t, noon.Add(d+time.Minute), at, "the current wall-clock time")
			assert.Equal(t, time.Minute, f.Elapsed())
		})
	}
}

func TestFake_AdvanceToNext(t *testing.T) {
	f := clock.NewFake(noon)
	assert.Zero(t, f.AdvanceToNext(), "no timer is pending")
	assert.Equal(t, noon, f.Now())

	late, early, equal := f.NewTimer(5*time.Second), f.NewTimer(2*time.Second), f.NewTimer(2*time.Second)
	f.NewTimer(time.Second).Stop()
	f.Advance(time.Second)

	assert.Equal(t, time.Second, f.AdvanceToNext(), "the time from now")
	for _, timer := range []clock.Timer{early, equal} {
		at, ok := fired(timer)
		assert.True(t, ok)
		assert.Equal(t, noon.Add(2*time.Second), at)
	}
	_, ok := fired(late)
	assert.False(t, ok)

	f.Suspend(time.Hour)
	assert.Equal(t, 3*time.Second, f.AdvanceToNext(), "a suspension does not count")
	at, ok := fired(late)
	assert.True(t, ok)
	assert.Equal(t, noon.Add(time.Hour+5*time.Second), at)
	assert.Equal(t, 5*time.Second, f.Elapsed())
	assert.Zero(t, f.AdvanceToNext())
}

// blocked calls BlockUntil in a goroutine and returns the channel of its result.
func blocked(ctx context.Context, f *clock.Fake, n int) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f.BlockUntil(ctx, n) }()
	synctest.Wait()
	return done
}

func TestFake_BlockUntilEnoughTimersAreSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := clock.NewFake(noon)
		done := blocked(t.Context(), f, 2)
		f.NewTimer(time.Second)
		synctest.Wait()
		assert.Empty(t, done, "only one timer is pending")
		f.NewTimer(time.Second)
		synctest.Wait()
		require.Len(t, done, 1)
		assert.NoError(t, <-done)
	})
}

func TestFake_BlockUntilCountsOnlyPendingTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := clock.NewFake(noon)
		f.NewTimer(time.Second).Stop()
		f.NewTimer(time.Second)
		f.Advance(time.Second)
		f.NewTimer(0)
		f.NewTimer(-1)
		done := blocked(t.Context(), f, 1)
		assert.Empty(t, done, "stopped and fired timers are not pending")
		f.NewTimer(time.Second)
		synctest.Wait()
		require.Len(t, done, 1)
		assert.NoError(t, <-done)
	})
}

func TestFake_BlockUntilWakesAllCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := clock.NewFake(noon)
		one, another, three := blocked(t.Context(), f, 1), blocked(t.Context(), f, 1), blocked(t.Context(), f, 3)
		f.NewTimer(time.Second)
		synctest.Wait()
		assert.Len(t, one, 1)
		assert.Len(t, another, 1)
		assert.Empty(t, three)
		f.NewTimer(time.Second)
		f.NewTimer(time.Second)
		synctest.Wait()
		assert.Len(t, three, 1)
	})
}

func TestFake_BlockUntilEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := clock.NewFake(noon)
		cause := errors.New("cause")
		ctx, cancel := context.WithCancelCause(t.Context())
		done := blocked(ctx, f, 1)
		cancel(cause)
		synctest.Wait()
		require.Len(t, done, 1)
		assert.Equal(t, cause, <-done)
		assert.Equal(t, cause, f.BlockUntil(ctx, 1), "the context ended before the call")

		f.NewTimer(time.Second)
		assert.NoError(t, f.BlockUntil(ctx, 1), "enough timers are pending")
		assert.NoError(t, f.BlockUntil(ctx, 0))
	})
}

// BlockUntil and Advance step a goroutine through its waits without a bubble.
func TestFake_BlockUntilStepsAGoroutine(t *testing.T) {
	f := clock.NewFake(time.Unix(0, 0))
	received := make(chan time.Time)
	go repeat(f, 100, time.Second, func(at time.Time) { received <- at })
	for i := range int64(100) {
		require.NoError(t, f.BlockUntil(t.Context(), 1))
		f.Advance(time.Second)
		require.Equal(t, time.Unix(i+1, 0), <-received)
	}
}

// Every timer ends exactly once: its event is received, or Stop prevents that.
func TestFake_ConcurrentUse(t *testing.T) {
	const goroutines, each = 8, 200
	f := clock.NewFake(noon)
	var ended, both, neither atomic.Int64
	var users, mover sync.WaitGroup
	quit := make(chan struct{})

	mover.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-quit:
				return
			default:
			}
			f.Advance(time.Duration(i % 3))
			f.AdvanceToNext()
			f.Suspend(time.Duration(i%5 - 2))
		}
	})
	for g := range goroutines {
		users.Go(func() {
			for i := range each {
				timer := f.NewTimer(time.Duration((g+i)%7 - 1))
				_ = f.BlockUntil(t.Context(), 0)
				_, _ = f.Now(), f.Elapsed()
				if i%2 == 0 {
					<-timer.C()
					ended.Add(1)
					continue
				}
				_, received := fired(timer)
				switch stopped := timer.Stop(); {
				case received && stopped:
					both.Add(1)
				case received || stopped:
					ended.Add(1)
				default:
					neither.Add(1)
				}
			}
		})
	}
	users.Wait()
	close(quit)
	mover.Wait()
	assert.EqualValues(t, goroutines*each, ended.Load())
	assert.Zero(t, both.Load(), "received and stopped")
	assert.Zero(t, neither.Load(), "neither received nor stopped")
	assert.Zero(t, f.AdvanceToNext(), "no timer is pending")
}

// After Stop returns, nothing can be received, even if the timer fires concurrently.
func TestFake_StopRacesWithAdvance(t *testing.T) {
	f := clock.NewFake(noon)
	for range 500 {
		timer := f.NewTimer(1)
		var wg sync.WaitGroup
		wg.Go(func() { f.Advance(1) })
		stopped := timer.Stop()
		_, received := fired(timer)
		assert.True(t, stopped)
		assert.False(t, received)
		wg.Wait()
		_, received = fired(timer)
		assert.False(t, received)
	}
}
