package tokensource_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/tokensource"
)

func TestRun_KeepsAnIdleSessionAlive(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- r.src.Run(ctx) }()
		synctest.Wait()
		assert.ErrorContains(t, r.src.Run(ctx), "Run", "one at a time")
		for r.clock.Now().Before(start.Add(5 * 24 * time.Hour)) {
			require.NoError(t, r.clock.BlockUntil(ctx, 1))
			require.LessOrEqual(t, r.clock.AdvanceToNext(), time.Minute, "it looks at least once a minute")
			synctest.Wait()
		}
		assert.InDelta(t, 5*24*60/55, r.gw.Refreshes.Count(), 1)
		cancel()
		assert.ErrorIs(t, <-ran, context.Canceled)
	})
}

func TestRun_NoticesTheEndAndWaits(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		ended := r.src.LoginRequired()
		r.gw.Refreshes.FailAlways(errUnauthorized)
		go func() { _ = r.src.Run(t.Context()) }()
		synctest.Wait()
		for range 120 {
			r.clock.Advance(time.Minute)
			synctest.Wait()
		}
		assert.True(t, closed(ended))
		assert.Equal(t, 1, r.gw.Refreshes.Count())
		assert.Equal(t, 1, r.events.count(tokensource.EventEnded))
		r.gw.Refreshes.FailAlways(nil)
		require.NoError(t, r.src.SetToken(t.Context(), r.gw.signOn()))
		for range 56 {
			r.clock.Advance(time.Minute)
			synctest.Wait()
		}
		assert.Equal(t, 2, r.gw.Refreshes.Count(), "and goes on when there is a session")
	})
}

func TestRun_RetriesOnTheBackoff(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.Refreshes.Fail(errBusy, errBusy, errBusy)
		go func() { _ = r.src.Run(t.Context()) }()
		synctest.Wait()
		for r.gw.Refreshes.Count() < 4 {
			require.NotZero(t, r.clock.AdvanceToNext())
			synctest.Wait()
		}
		assert.Equal(t, start.Add(55*time.Minute+(250+500+1000)*time.Millisecond*3/4), r.src.Status().IssuedAt)
	})
}

func TestRun_ReadsTheStoreOnceAMinuteAfterTheEnd(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.gw.Refreshes.Fail(errUnauthorized)
		r.clock.Advance(access)
		r.wantEnded(tokensource.RefreshRejected)
		go func() { _ = r.src.Run(t.Context()) }()
		synctest.Wait()
		before := shelf.loads
		for range 10 * 60 {
			r.clock.Advance(time.Second)
			synctest.Wait()
		}
		assert.InDelta(t, 10, shelf.loads-before, 1, "on its tick, not once a second as for who asks")
		shelf.rotate(t, "theirs", r.clock.Now().Add(access))
		r.clock.Advance(time.Minute)
		synctest.Wait()
		assert.Equal(t, tokensource.Fresh, r.src.Status().Phase)
		assert.Equal(t, 1, r.gw.Refreshes.Count())
	})
}
