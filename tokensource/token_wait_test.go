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

// onHeldTurn is a story in which a Sync has the turn, and does not give it back
// until the store answers. The store is waited for for a day.
func onHeldTurn(t *testing.T, tell func(*testing.T, *rig)) {
	t.Helper()
	set := func(_ *rig, c *tokensource.Config) { c.StoreTimeout = 24 * time.Hour }
	onShelf(t, set, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		shelf.loading.close()
		_, synced := begin(t, r.src.Sync)
		tell(t, r)
		shelf.loading.open()
		require.NoError(t, <-synced)
		synctest.Wait()
	})
}

func TestTokenContext_WaitsForTheExclusiveSlot(t *testing.T) {
	t.Run("is no failure while there is a live token", func(t *testing.T) {
		onHeldTurn(t, func(t *testing.T, r *rig) {
			r.clock.Advance(access - 5*time.Minute)
			for range 10 {
				r.want("a1")
				r.clock.Advance(time.Second)
			}
			assert.NoError(t, r.src.Status().Err)
			assert.Zero(t, r.events.count(tokensource.EventRefreshFailed))
			assert.Zero(t, r.gw.Refreshes.Count())
		})
	})
	t.Run("is one when there is none, after LockTimeout", func(t *testing.T) {
		onHeldTurn(t, func(t *testing.T, r *rig) {
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 2)
			r.clock.Advance(30*time.Second - 1)
			synctest.Wait()
			assert.Zero(t, r.events.count(tokensource.EventRefreshFailed))
			r.clock.Advance(1)
			for _, a := range collect() {
				var later *tokensource.UnavailableError
				require.ErrorAs(t, a.err, &later)
				assert.ErrorContains(t, later, "still under way")
			}
			assert.Zero(t, r.gw.Refreshes.Count())
		})
	})
}

var errNoLock = errors.New("permission denied")

// A one-shot command asks once, and has a minute: it gets its token though the lock
// cannot be had, as soon as the store is given up for it.
func TestTokenContext_WithADeadlineWaitsForTheStore(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.clock.Advance(access)
		shelf.lockErr = errNoLock
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		collect := r.callers(ctx, 3)
		for began := r.clock.Now(); r.gw.Refreshes.Count() == 0; {
			require.Less(t, r.clock.Now().Sub(began), time.Minute)
			r.clock.AdvanceToNext()
			synctest.Wait()
		}
		for _, a := range collect() {
			require.NoError(t, a.err)
			assert.Equal(t, "a2", a.token)
		}
		assert.Equal(t, 1, r.events.count(tokensource.EventUnlocked))
	})
}

func TestTokenContext_WithoutADeadlineReportsALockFailureAtOnce(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.clock.Advance(access)
		shelf.lockErr = errNoLock
		assert.ErrorIs(t, r.wantUnavailable(), errNoLock)
	})
}

func TestTokenContext_StopsWaitingForTheStoreAtItsDeadline(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.clock.Advance(access)
		shelf.lockErr = errNoLock
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := r.src.TokenContext(ctx) // the Source's clock stands still
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorIs(t, err, errNoLock, "it says what was waited for")
		assert.Zero(t, r.gw.Refreshes.Count())
	})
}
