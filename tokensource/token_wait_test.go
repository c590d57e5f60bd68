package tokensource_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/tokensource"
)

// scenarioWithSlotHeld is a scenario in which a Sync holds the exclusive slot.
func scenarioWithSlotHeld(t *testing.T, body func(*testing.T, *fixture)) {
	t.Helper()
	set := func(_ *fixture, c *tokensource.Config) { c.StoreTimeout = 24 * time.Hour }
	scenarioWithStore(t, set, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.loading.hold()
		_, synced := begin(t, f.src.Sync)
		body(t, f)
		fake.loading.release()
		require.NoError(t, <-synced)
		synctest.Wait()
	})
}

func TestTokenContext_WaitsForTheExclusiveSlot(t *testing.T) {
	t.Run("in the background while the token is live", func(t *testing.T) {
		scenarioWithSlotHeld(t, func(t *testing.T, f *fixture) {
			f.clock.Advance(access - 5*time.Minute)
			for range 10 {
				f.want("a1")
				f.clock.Advance(time.Second)
			}
			assert.NoError(t, f.src.Status().Err)
			assert.Zero(t, f.events.count(tokensource.EventRefreshFailed))
			assert.Zero(t, f.gw.Refreshes.Count())
		})
	})
	t.Run("for LockTimeout without a live token", func(t *testing.T) {
		scenarioWithSlotHeld(t, func(t *testing.T, f *fixture) {
			f.clock.Advance(access)
			collect := f.startCallers(t.Context(), 2)
			f.clock.Advance(30*time.Second - 1)
			synctest.Wait()
			assert.Zero(t, f.events.count(tokensource.EventRefreshFailed))
			f.clock.Advance(1)
			for _, a := range collect() {
				var later *tokensource.UnavailableError
				require.ErrorAs(t, a.err, &later)
				assert.ErrorContains(t, later, "still under way")
			}
			assert.Zero(t, f.gw.Refreshes.Count())
		})
	})
}

var errNoLock = errors.New("permission denied")

// scenarioWithoutLock runs a scenario whose access token has expired and whose store
// cannot be locked.
func scenarioWithoutLock(t *testing.T, test func(*testing.T, *fixture)) {
	t.Helper()
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		f.clock.Advance(access)
		fake.lockErr = errNoLock
		test(t, f)
	})
}

// A command that asks once gets its token even without the lock, as soon as the store is
// given up.
func TestTokenContext_WithADeadlineWaitsForTheStore(t *testing.T) {
	scenarioWithoutLock(t, func(t *testing.T, f *fixture) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		collect := f.startCallers(ctx, 3)
		for began := f.clock.Now(); f.gw.Refreshes.Count() == 0; {
			require.Less(t, f.clock.Now().Sub(began), time.Minute)
			f.clock.AdvanceToNext()
			synctest.Wait()
		}
		for _, a := range collect() {
			require.NoError(t, a.err)
			assert.Equal(t, "a2", a.token)
		}
		assert.Equal(t, 1, f.events.count(tokensource.EventUnlocked))
	})
}

func TestTokenContext_WithoutADeadlineReportsALockFailureAtOnce(t *testing.T) {
	scenarioWithoutLock(t, func(t *testing.T, f *fixture) {
		assert.ErrorIs(t, f.wantUnavailable(), errNoLock)
	})
}

func TestTokenContext_StopsWaitingForTheStoreAtItsDeadline(t *testing.T) {
	scenarioWithoutLock(t, func(t *testing.T, f *fixture) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := f.src.TokenContext(ctx) // the Source's clock stands still
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorIs(t, err, errNoLock, "the error names the reason for the wait")
		assert.Zero(t, f.gw.Refreshes.Count())
	})
}

func TestTokenContext_WaitingForTheStoreIsAnswered(t *testing.T) {
	for name, tt := range map[string]struct {
		act  func(*testing.T, *fixture)
		want answer
	}{
		"by Close":    {func(t *testing.T, f *fixture) { require.NoError(t, f.src.Close()) }, answer{err: tokensource.ErrClosed}},
		"by SetToken": {func(t *testing.T, f *fixture) { require.Error(t, f.setToken()(t.Context()), "unsaved") }, answer{token: "a2"}},
	} {
		t.Run(name, func(t *testing.T) {
			scenarioWithoutLock(t, func(t *testing.T, f *fixture) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				collect := f.startCallers(ctx, 1)
				synctest.Wait()
				tt.act(t, f) // the Source's clock stands still
				got := collect()[0]
				assert.Equal(t, tt.want.token, got.token)
				assert.ErrorIs(t, got.err, tt.want.err)
			})
		})
	}
}
