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
	scenario(t, func(_ *fixture, c *tokensource.Config) { c.Store = &fakeStore{t: t, unused: true} }, func(t *testing.T, f *fixture) {
		// Nothing runs before the first call: the store fails the test if it is called,
		// and the bubble does not end while a goroutine is left.
		assert.Zero(t, f.clock.AdvanceToNext(), "no timer")
		assert.Equal(t, tokensource.Unknown, f.src.Status().Phase)
	})
	scenario(t, nil, func(t *testing.T, f *fixture) {
		collect := f.holdRefresh(3)
		ran := make(chan error, 1)
		go func() { ran <- f.src.Run(t.Context()) }()
		synctest.Wait()
		done := f.startClose()
		for _, a := range collect() {
			assert.ErrorIs(t, a.err, tokensource.ErrClosed)
		}
		assert.ErrorIs(t, <-ran, tokensource.ErrClosed)
		synctest.Wait()
		assert.Empty(t, done, "Close waits for the refresh in flight")
		f.gw.Refreshes.Release()
		require.NoError(t, <-done)
		assert.Zero(t, f.clock.AdvanceToNext(), "no timer")
		_, err := f.src.TokenContext(t.Context())
		assert.ErrorIs(t, err, tokensource.ErrClosed)
		assert.ErrorIs(t, f.src.SetToken(t.Context(), f.gw.grant()), tokensource.ErrClosed)
		assert.ErrorIs(t, f.src.SignOut(t.Context()), tokensource.ErrClosed)
		assert.ErrorIs(t, f.src.Sync(t.Context()), tokensource.ErrClosed)
		assert.ErrorIs(t, f.src.Run(t.Context()), tokensource.ErrClosed)
	})
}

func TestInvariant13_OneFailureAnswersAll(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.gw.Refreshes.FailAlways(errBusy)
		collect := f.holdRefresh(20)
		f.gw.Refreshes.Release()
		for _, a := range collect() {
			var later *tokensource.UnavailableError
			require.ErrorAs(t, a.err, &later)
			require.ErrorIs(t, a.err, ags.ErrUnavailable)
			// 250 ms, and a quarter less with a draw of 0.
			require.Equal(t, start.Add(access+187500*time.Microsecond), later.NextAt)
		}
		assert.Equal(t, 1, f.gw.Refreshes.Count(), "twenty callers are one call")
		for range 20 {
			f.wantUnavailable()
		}
		assert.Equal(t, 1, f.gw.Refreshes.Count(), "and the failure is remembered")
		f.clock.Advance(187500 * time.Microsecond)
		f.wantUnavailable()
		assert.Equal(t, 2, f.gw.Refreshes.Count(), "until the next attempt is due")
		f.gw.Refreshes.FailAlways(nil)
		f.clock.Advance(375 * time.Millisecond)
		f.want("a2")
	})
}

func TestInvariant13_RetryAfterIsAFloor(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.gw.Refreshes.Fail(&ags.Error{Op: "refresh", Status: 429, RetryAfter: 42 * time.Second},
			&ags.Error{Op: "refresh", Status: 503, RetryAfter: time.Hour})
		f.clock.Advance(access)
		assert.Equal(t, f.clock.Now().Add(42*time.Second), f.wantUnavailable().NextAt)
		f.clock.Advance(42*time.Second - 1)
		f.wantUnavailable()
		assert.Equal(t, 1, f.gw.Refreshes.Count())
		f.clock.Advance(1)
		assert.Equal(t, f.clock.Now().Add(5*time.Minute), f.wantUnavailable().NextAt, "it is capped")
		f.clock.Advance(5 * time.Minute)
		f.want("a2")
	})
}

func TestInvariant14_ARefreshHasALifeOfItsOwn(t *testing.T) {
	type key struct{}
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.gw.Refreshes.Hold()
		f.clock.Advance(access)
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "trace"), time.Hour)
		collect := f.startCallers(ctx, 1)
		inner := f.gw.Refreshes.Context(0)
		_, limited := inner.Deadline()
		assert.False(t, limited, "no caller's deadline")
		assert.Equal(t, "trace", inner.Value(key{}), "but its values")
		cancel()
		assert.ErrorIs(t, collect()[0].err, context.Canceled)
		assert.NoError(t, inner.Err())

		others := f.startCallers(t.Context(), 2)
		f.clock.Advance(10*time.Second - 1)
		synctest.Wait()
		assert.NoError(t, inner.Err())
		f.clock.Advance(1)
		synctest.Wait()
		assert.Error(t, inner.Err(), "two thirds of its own timeout")
		require.Equal(t, 2, f.gw.Refreshes.Count(), "the answer counts as lost, and the refresh is repeated")
		again := f.gw.Refreshes.Context(1)
		f.clock.Advance(5*time.Second - 1)
		synctest.Wait()
		assert.NoError(t, again.Err())
		f.clock.Advance(1)
		synctest.Wait()
		assert.Error(t, again.Err(), "all of it")
		for _, a := range others() {
			assert.ErrorIs(t, a.err, context.DeadlineExceeded)
		}
		assert.Equal(t, 2, f.gw.Refreshes.Count())
	})
}

func TestInvariant14_ARefresherThatNeverReturnsHangsNobody(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		block := make(chan struct{})
		f.gw.Refreshes.Do(
			func() error { <-block; return errBusy },
			func() error { panic("secret r1") },
			func() error { runtime.Goexit(); return nil })
		f.clock.Advance(access)
		collect := f.startCallers(t.Context(), 2)
		f.clock.Advance(15 * time.Second)
		for _, a := range collect() {
			assert.ErrorIs(t, a.err, context.DeadlineExceeded)
		}
		close(block)
		for range 2 {
			f.clock.Advance(10 * time.Second)
			later := f.wantUnavailable()
			assert.NotContains(t, later.Error(), "r1")
		}
		f.clock.Advance(10 * time.Second)
		f.want("a2")
		assert.Equal(t, 4, f.gw.Refreshes.Count())
	})
}

func TestInvariant15_UnknownIsSaidToBeUnknown(t *testing.T) {
	t.Run("a refresh whose answer is lost is repeated at once", func(t *testing.T) {
		scenario(t, nil, func(t *testing.T, f *fixture) {
			f.gw.Refreshes.Fail(errLost)
			f.clock.Advance(access)
			f.want("a2")
			assert.Equal(t, 2, f.gw.Refreshes.Count())
		})
	})
	t.Run("rejected after a lost answer", func(t *testing.T) {
		scenario(t, nil, func(t *testing.T, f *fixture) {
			f.gw.Refreshes.Fail(errLost, errUnauthorized)
			f.clock.Advance(access)
			assert.True(t, f.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
		})
	})
	t.Run("rejected after a timeout, and failures in between", func(t *testing.T) {
		scenario(t, nil, func(t *testing.T, f *fixture) {
			f.gw.Refreshes.Fail(errLost, errLost, errBusy, errUnauthorized)
			f.clock.Advance(access)
			f.wantUnavailable()
			f.clock.Advance(10 * time.Second)
			f.wantUnavailable()
			f.clock.Advance(10 * time.Second)
			assert.True(t, f.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
			assert.Equal(t, 4, f.gw.Refreshes.Count())
		})
	})
	t.Run("known if every request was answered or not sent", func(t *testing.T) {
		scenario(t, nil, func(t *testing.T, f *fixture) {
			f.gw.Refreshes.Fail(errBusy, errRefused, errUnauthorized)
			f.clock.Advance(access)
			for range 2 {
				f.wantUnavailable()
				f.clock.Advance(10 * time.Second)
			}
			ended := f.wantEnded(tokensource.RefreshRejected)
			assert.False(t, ended.OutcomeUnknown)
			assert.Equal(t, 3, f.gw.Refreshes.Count())
		})
	})
}
