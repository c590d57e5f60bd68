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
	scenario(t, nil, func(t *testing.T, f *fixture) {
		cancel, ran := begin(t, f.src.Run)
		assert.ErrorContains(t, f.src.Run(t.Context()), "Run", "one at a time")
		for f.clock.Now().Before(start.Add(5 * 24 * time.Hour)) {
			require.NoError(t, f.clock.BlockUntil(t.Context(), 1))
			require.LessOrEqual(t, f.clock.AdvanceToNext(), time.Minute, "at least once a minute")
			synctest.Wait()
		}
		assert.InDelta(t, 5*24*60/55, f.gw.Refreshes.Count(), 1)
		cancel()
		assert.ErrorIs(t, <-ran, context.Canceled)
	})
}

func TestRun_NoticesTheEndAndWaits(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		ended := f.src.LoginRequired()
		f.gw.Refreshes.FailAlways(errUnauthorized)
		begin(t, f.src.Run)
		for range 120 {
			f.clock.Advance(time.Minute)
			synctest.Wait()
		}
		assert.True(t, closed(ended))
		assert.Equal(t, 1, f.gw.Refreshes.Count())
		assert.Equal(t, 1, f.events.count(tokensource.EventEnded))
		f.gw.Refreshes.FailAlways(nil)
		require.NoError(t, f.src.SetToken(t.Context(), f.gw.signOn()))
		for range 56 {
			f.clock.Advance(time.Minute)
			synctest.Wait()
		}
		assert.Equal(t, 2, f.gw.Refreshes.Count(), "Run goes on with the next session")
	})
}

func TestRun_RetriesOnTheBackoff(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.gw.Refreshes.Fail(errBusy, errBusy, errBusy)
		begin(t, f.src.Run)
		for f.gw.Refreshes.Count() < 4 {
			require.NotZero(t, f.clock.AdvanceToNext())
			synctest.Wait()
		}
		assert.Equal(t, start.Add(55*time.Minute+(250+500+1000)*time.Millisecond*3/4), f.src.Status().IssuedAt)
	})
}

func TestRun_ReadsTheStoreOnceAMinuteAfterTheEnd(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		f.gw.Refreshes.Fail(errUnauthorized)
		f.clock.Advance(access)
		f.wantEnded(tokensource.RefreshRejected)
		begin(t, f.src.Run)
		before := fake.loads
		for range 10 * 60 {
			f.clock.Advance(time.Second)
			synctest.Wait()
		}
		assert.InDelta(t, 10, fake.loads-before, 1, "once a minute, not once a second as for callers")
		fake.rotate(t, "theirs", f.clock.Now().Add(access))
		f.clock.Advance(time.Minute)
		synctest.Wait()
		assert.Equal(t, tokensource.Fresh, f.src.Status().Phase)
		assert.Equal(t, 1, f.gw.Refreshes.Count())
	})
}
