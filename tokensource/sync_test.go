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

func TestSync_AdoptsAndDoesNotCallTheGateway(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		shelf.rotate(t, "theirs", r.clock.Now().Add(access))
		r.want("a1")
		require.NoError(t, r.src.Sync(t.Context()))
		r.want("theirs")
		require.NoError(t, r.src.Sync(t.Context()), "nothing newer is nothing wrong")
		r.clock.Advance(access)
		require.NoError(t, r.src.Sync(t.Context()))
		away := errAway
		shelf.away(away)
		assert.ErrorIs(t, r.src.Sync(t.Context()), away)
		assert.Zero(t, r.gw.Refreshes.Count())
		assert.Equal(t, 1, r.events.count(tokensource.EventAdopted))
	})
	story(t, nil, func(t *testing.T, r *rig) { assert.NoError(t, r.src.Sync(t.Context())) })
}

func TestSync_AdoptsForOperationsThatWaitForTheSlot(t *testing.T) {
	t.Run("it is not refreshed", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			r.clock.Advance(access)
			shelf.rotate(t, "theirs", r.clock.Now().Add(access))
			shelf.loading.close()
			_, synced := begin(t, r.src.Sync)
			collect := r.callers(t.Context(), 1)
			shelf.loading.open()
			require.NoError(t, <-synced)
			assert.Equal(t, answer{token: "theirs"}, collect()[0])
			synctest.Wait()
			assert.Zero(t, r.gw.Refreshes.Count())
		})
	})
	t.Run("it is not replaced by a login", func(t *testing.T) {
		onShelf(t, withLogin, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			r.gw.Refreshes.Fail(errUnauthorized)
			r.gw.Logins.Fail(errSuspended)
			r.clock.Advance(access)
			r.wantEnded(tokensource.RefreshRejected)
			require.Equal(t, 1, r.gw.Logins.Count())
			r.clock.Advance(time.Minute) // the next login is due
			shelf.rotate(t, "theirs", r.clock.Now().Add(access))
			shelf.loading.close()
			_, synced := begin(t, r.src.Sync)
			collect := r.callers(t.Context(), 1)
			shelf.loading.open()
			require.NoError(t, <-synced)
			assert.Equal(t, answer{token: "theirs"}, collect()[0])
			synctest.Wait()
			assert.Equal(t, 1, r.gw.Logins.Count())
			assert.Equal(t, 1, r.gw.Refreshes.Count())
		})
	})
}

func TestSync_CancellationIsNoStoreFailure(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		shelf.loading.close()
		cancel, synced := begin(t, r.src.Sync)
		cancel()
		assert.Equal(t, context.Canceled, <-synced, "what the caller did is returned as it is")
		shelf.loading.open()
		synctest.Wait()
		assert.Zero(t, r.events.count(tokensource.EventStoreFailed))
		shelf.away(errAway)
		err := r.src.Sync(t.Context())
		require.ErrorIs(t, err, errAway)
		assert.ErrorContains(t, err, "tokensource: sync: ", "what failed is named")
	})
}

func TestSync_DoesNotForgetARefusal(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		shelf.cut(errAway)
		r.want("a1")
		r.clock.Advance(access)
		r.gw.Refreshes.Fail(errSuspended)
		r.wantUnavailable()
		require.Equal(t, 1, r.gw.Refreshes.Count())
		shelf.cut(nil)
		require.NoError(t, r.src.Sync(t.Context()))
		require.Equal(t, "a1 r1", shelf.pair())
		r.wantUnavailable()
		assert.Equal(t, 1, r.gw.Refreshes.Count())
	})
}

func TestSync_CancelsASaveThatIsNoLongerNeeded(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.gw.Refreshes.Do(func() error { shelf.fail(errAway); return nil })
		r.clock.Advance(access)
		r.want("a2") // not saved
		shelf.fail(nil)
		shelf.edit(t, func(f map[string]any) { // somebody signs out
			f["generation"], f["signed_out_at"] = 7, r.clock.Now()
			delete(f, "access_token")
		})
		r.clock.Advance(2 * time.Second)
		shelf.loading.close()
		_, synced := begin(t, r.src.Sync)
		r.want("a2") // and the save that is due waits for its turn
		shelf.loading.open()
		require.NoError(t, <-synced)
		r.wantEnded(tokensource.SignedOut)
		assert.EqualValues(t, 7, shelf.field("generation"))
		assert.Equal(t, 1, r.gw.Refreshes.Count())
	})
}
