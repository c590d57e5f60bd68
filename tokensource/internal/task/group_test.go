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
		end, waited := make(chan struct{}), false
		g.GoDetached(func() { <-end }, func() {})
		_, leave := g.Enter(t.Context())
		go func() {
			g.Wait()
			waited = true
		}()
		synctest.Wait()
		assert.False(t, waited)
		close(end)
		synctest.Wait()
		assert.False(t, waited, "the call has not ended")
		leave()
		synctest.Wait()
		assert.True(t, waited)
	})
}

func TestGroup_CancelEndsTheContextsOfCalls(t *testing.T) {
	var g task.Group
	g.Cancel(errBoom) // of no call
	ctx, cancel := context.WithCancelCause(t.Context())
	first, leaveFirst := g.Enter(t.Context())
	second, leaveSecond := g.Enter(t.Context())
	third, leaveThird := g.Enter(ctx)
	leaveFirst()
	cancel(errBoom)
	require.NoError(t, second.Err())
	g.Cancel(errEnded)
	for want, ctx := range map[error]context.Context{context.Canceled: first, errEnded: second, errBoom: third} {
		require.ErrorIs(t, context.Cause(ctx), want)
	}
	leaveSecond()
	assert.True(t, g.Active(), "until the last call leaves")
	leaveThird()
	assert.True(t, g.Idle())
}
