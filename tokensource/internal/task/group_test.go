package task_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/tokensource/internal/task"
)

func TestSlot_IsHeldByOneAtATime(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		slot := task.NewSlot()
		require.NoError(t, slot.Acquire(t.Context(), b.Clock, 0), "a free slot is had without a wait")
		require.ErrorIs(t, slot.Acquire(t.Context(), b.Clock, time.Minute), task.ErrBusy)
		assert.Equal(t, time.Minute, b.elapsed())

		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errEnded)
		defer cancel()
		require.ErrorIs(t, slot.Acquire(ctx, b.Clock, time.Minute), errEnded)

		next := make(chan error)
		go func() { next <- slot.Acquire(t.Context(), b.Clock, time.Minute) }()
		synctest.Wait()
		slot.Release()
		require.NoError(t, <-next)
		slot.Release()
		require.NoError(t, slot.Acquire(t.Context(), b.Clock, 0))
	})
}

func TestGroup_KnowsWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g task.Group
		type counts struct{ active, idle bool }
		now := func() counts { return counts{g.Active(), g.Idle()} }
		assert.Equal(t, counts{false, true}, now())
		for name, tt := range map[string]struct {
			run  func(f, done func())
			want counts
		}{"active": {g.Go, counts{true, false}}, "detached": {g.GoDetached, counts{false, false}}} {
			end, done := make(chan struct{}), make(chan counts, 1)
			tt.run(func() { <-end }, func() { done <- now() })
			assert.Equal(t, tt.want, now(), name)
			close(end)
			assert.Equal(t, counts{false, true}, <-done, "%s: done finds it ended", name)
		}
		g.Wait()
	})
}

func TestGroup_WaitsForGoroutinesAndCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g task.Group
		end, waited := make(chan struct{}), make(chan struct{})
		g.GoDetached(func() { <-end }, func() {})
		_, leave := g.Enter(t.Context())
		go func() {
			g.Wait()
			close(waited)
		}()
		isWaiting := func() bool {
			synctest.Wait()
			select {
			case <-waited:
				return false
			default:
				return true
			}
		}
		assert.True(t, isWaiting())
		close(end)
		assert.True(t, isWaiting(), "for the call")
		leave()
		assert.False(t, isWaiting())
	})
}

func TestGroup_CancelEndsTheContextsOfCalls(t *testing.T) {
	var g task.Group
	g.Cancel(errBoom) // of no call
	first, leaveFirst := g.Enter(t.Context())
	second, leaveSecond := g.Enter(t.Context())
	leaveFirst()
	require.ErrorIs(t, context.Cause(first), context.Canceled, "a call that has left ends by itself")
	require.NoError(t, second.Err())
	assert.True(t, g.Active())
	g.Cancel(errEnded)
	require.ErrorIs(t, context.Cause(second), errEnded)
	assert.True(t, g.Active(), "until it leaves")
	leaveSecond()
	assert.True(t, g.Idle())

	ctx, cancel := context.WithCancelCause(t.Context())
	third, leaveThird := g.Enter(ctx)
	cancel(errBoom)
	require.ErrorIs(t, context.Cause(third), errBoom)
	leaveThird()
	g.Wait()
}
