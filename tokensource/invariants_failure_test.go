package tokensource_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

func TestInvariant12_NothingOutlivesClose(t *testing.T) {
	story(t, func(_ *rig, c *tokensource.Config) { c.Store = &shelf{t: t, unused: true} }, func(t *testing.T, r *rig) {
		// Nothing runs before it is asked for: a strict shelf fails the test when
		// it is touched, and the bubble would not end with a goroutine left.
		assert.Zero(t, r.clock.AdvanceToNext(), "no timer")
		assert.Equal(t, tokensource.Unknown, r.src.Status().Phase)
	})
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.Refreshes.Hold()
		r.clock.Advance(access)
		collect := r.callers(t.Context(), 3)
		ran := make(chan error, 1)
		go func() { ran <- r.src.Run(t.Context()) }()
		synctest.Wait()
		done := make(chan error, 1)
		go func() { done <- r.src.Close() }()
		for _, a := range collect() {
			assert.ErrorIs(t, a.err, tokensource.ErrClosed)
		}
		assert.ErrorIs(t, <-ran, tokensource.ErrClosed)
		synctest.Wait()
		assert.Empty(t, done, "Close waits for the answer under way")
		r.gw.Refreshes.Release()
		require.NoError(t, <-done)
		assert.Zero(t, r.clock.AdvanceToNext(), "no timer")
		_, err := r.src.TokenContext(t.Context())
		assert.ErrorIs(t, err, tokensource.ErrClosed)
		assert.ErrorIs(t, r.src.SetToken(t.Context(), r.gw.grant()), tokensource.ErrClosed)
		assert.ErrorIs(t, r.src.SignOut(t.Context()), tokensource.ErrClosed)
		assert.ErrorIs(t, r.src.Sync(t.Context()), tokensource.ErrClosed)
		assert.ErrorIs(t, r.src.Run(t.Context()), tokensource.ErrClosed)
	})
}

func TestInvariant13_OneFailureAnswersAll(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.Refreshes.FailAlways(errBusy)
		r.gw.Refreshes.Hold()
		r.clock.Advance(access)
		collect := r.callers(t.Context(), 20)
		r.gw.Refreshes.Release()
		for _, a := range collect() {
			var later *tokensource.UnavailableError
			require.ErrorAs(t, a.err, &later)
			require.ErrorIs(t, a.err, ags.ErrUnavailable)
			// 250 ms, and a quarter less with a draw of 0.
			require.Equal(t, start.Add(access+187500*time.Microsecond), later.NextAt)
		}
		assert.Equal(t, 1, r.gw.Refreshes.Count(), "twenty callers are one call")
		for range 20 {
			r.wantUnavailable()
		}
		assert.Equal(t, 1, r.gw.Refreshes.Count(), "and the failure is remembered")
		r.clock.Advance(187500 * time.Microsecond)
		r.wantUnavailable()
		assert.Equal(t, 2, r.gw.Refreshes.Count(), "until the next attempt is due")
		r.gw.Refreshes.FailAlways(nil)
		r.clock.Advance(375 * time.Millisecond)
		r.want("a2")
	})
}

func TestInvariant13_RetryAfterIsAFloor(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.Refreshes.Fail(&ags.Error{Op: "refresh", Status: 429, RetryAfter: 42 * time.Second},
			&ags.Error{Op: "refresh", Status: 503, RetryAfter: time.Hour})
		r.clock.Advance(access)
		assert.Equal(t, r.clock.Now().Add(42*time.Second), r.wantUnavailable().NextAt)
		r.clock.Advance(42*time.Second - 1)
		r.wantUnavailable()
		assert.Equal(t, 1, r.gw.Refreshes.Count())
		r.clock.Advance(1)
		assert.Equal(t, r.clock.Now().Add(5*time.Minute), r.wantUnavailable().NextAt, "it is capped")
		r.clock.Advance(5 * time.Minute)
		r.want("a2")
	})
}

func TestInvariant14_ARefreshHasALifeOfItsOwn(t *testing.T) {
	type key struct{}
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.Refreshes.Hold()
		r.clock.Advance(access)
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "trace"), time.Hour)
		collect := r.callers(ctx, 1)
		inner := r.gw.Refreshes.Context(0)
		_, limited := inner.Deadline()
		assert.False(t, limited, "no caller's deadline")
		assert.Equal(t, "trace", inner.Value(key{}), "but its values")
		cancel()
		assert.ErrorIs(t, collect()[0].err, context.Canceled)
		assert.NoError(t, inner.Err())

		others := r.callers(t.Context(), 2)
		r.clock.Advance(10*time.Second - 1)
		synctest.Wait()
		assert.NoError(t, inner.Err())
		r.clock.Advance(1)
		synctest.Wait()
		assert.Error(t, inner.Err(), "two thirds of its own timeout")
		require.Equal(t, 2, r.gw.Refreshes.Count(), "the answer is taken for lost, and asked for again")
		again := r.gw.Refreshes.Context(1)
		r.clock.Advance(5*time.Second - 1)
		synctest.Wait()
		assert.NoError(t, again.Err())
		r.clock.Advance(1)
		synctest.Wait()
		assert.Error(t, again.Err(), "all of it")
		for _, a := range others() {
			assert.ErrorIs(t, a.err, context.DeadlineExceeded)
		}
		assert.Equal(t, 2, r.gw.Refreshes.Count())
	})
}

func TestInvariant14_ARefresherThatNeverReturnsHangsNobody(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		block := make(chan struct{})
		r.gw.Refreshes.Do(
			func() error { <-block; return errBusy },
			func() error { panic("secret r1") },
			func() error { runtime.Goexit(); return nil })
		r.clock.Advance(access)
		collect := r.callers(t.Context(), 2)
		r.clock.Advance(15 * time.Second)
		for _, a := range collect() {
			assert.ErrorIs(t, a.err, context.DeadlineExceeded)
		}
		close(block)
		for range 2 {
			r.clock.Advance(10 * time.Second)
			later := r.wantUnavailable()
			assert.NotContains(t, later.Error(), "r1")
		}
		r.clock.Advance(10 * time.Second)
		r.want("a2")
		assert.Equal(t, 4, r.gw.Refreshes.Count())
	})
}

func TestInvariant15_UnknownIsSaidToBeUnknown(t *testing.T) {
	t.Run("a lost answer is asked for again at once", func(t *testing.T) {
		story(t, nil, func(t *testing.T, r *rig) {
			r.gw.Refreshes.Fail(errLost)
			r.clock.Advance(access)
			r.want("a2")
			assert.Equal(t, 2, r.gw.Refreshes.Count())
		})
	})
	t.Run("rejected after a lost answer", func(t *testing.T) {
		story(t, nil, func(t *testing.T, r *rig) {
			r.gw.Refreshes.Fail(errLost, errUnauthorized)
			r.clock.Advance(access)
			assert.True(t, r.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
		})
	})
	t.Run("rejected after a timeout, and failures in between", func(t *testing.T) {
		story(t, nil, func(t *testing.T, r *rig) {
			r.gw.Refreshes.Fail(errLost, errLost, errBusy, errUnauthorized)
			r.clock.Advance(access)
			r.wantUnavailable()
			r.clock.Advance(10 * time.Second)
			r.wantUnavailable()
			r.clock.Advance(10 * time.Second)
			assert.True(t, r.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
			assert.Equal(t, 4, r.gw.Refreshes.Count())
		})
	})
	t.Run("known when all was answered, or never sent", func(t *testing.T) {
		story(t, nil, func(t *testing.T, r *rig) {
			r.gw.Refreshes.Fail(errBusy, errRefused, errUnauthorized)
			r.clock.Advance(access)
			for range 2 {
				r.wantUnavailable()
				r.clock.Advance(10 * time.Second)
			}
			ended := r.wantEnded(tokensource.RefreshRejected)
			assert.False(t, ended.OutcomeUnknown)
			assert.Equal(t, 3, r.gw.Refreshes.Count())
		})
	})
}
