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
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.rotate(t, "theirs", f.clock.Now().Add(access))
		f.want("a1")
		require.NoError(t, f.src.Sync(t.Context()))
		f.want("theirs")
		require.NoError(t, f.src.Sync(t.Context()), "no newer record is no error")
		f.clock.Advance(access)
		require.NoError(t, f.src.Sync(t.Context()))
		fake.setUnavailable(errUnreachable)
		assert.ErrorIs(t, f.src.Sync(t.Context()), errUnreachable)
		assert.Zero(t, f.gw.Refreshes.Count())
		assert.Equal(t, 1, f.events.count(tokensource.EventAdopted))
	})
	scenario(t, nil, func(t *testing.T, f *fixture) { assert.NoError(t, f.src.Sync(t.Context())) })
}

func TestSync_AdoptsForOperationsThatWaitForTheSlot(t *testing.T) {
	t.Run("a refresh", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			f.clock.Advance(access)
			fake.rotate(t, "theirs", f.clock.Now().Add(access))
			fake.loading.hold()
			_, synced := begin(t, f.src.Sync)
			collect := f.startCallers(t.Context(), 1)
			fake.loading.release()
			require.NoError(t, <-synced)
			assert.Equal(t, answer{token: "theirs"}, collect()[0])
			synctest.Wait()
			assert.Zero(t, f.gw.Refreshes.Count())
		})
	})
	t.Run("a login", func(t *testing.T) {
		scenarioWithStore(t, withLogin, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			f.gw.Refreshes.Fail(errUnauthorized)
			f.gw.Logins.Fail(errSuspended)
			f.clock.Advance(access)
			f.wantEnded(tokensource.RefreshRejected)
			require.Equal(t, 1, f.gw.Logins.Count())
			f.clock.Advance(time.Minute) // the next login is due
			fake.rotate(t, "theirs", f.clock.Now().Add(access))
			fake.loading.hold()
			_, synced := begin(t, f.src.Sync)
			collect := f.startCallers(t.Context(), 1)
			fake.loading.release()
			require.NoError(t, <-synced)
			assert.Equal(t, answer{token: "theirs"}, collect()[0])
			synctest.Wait()
			assert.Equal(t, 1, f.gw.Logins.Count())
			assert.Equal(t, 1, f.gw.Refreshes.Count())
		})
	})
}

func TestSync_CancellationIsNoStoreFailure(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.loading.hold()
		cancel, synced := begin(t, f.src.Sync)
		cancel()
		assert.Equal(t, context.Canceled, <-synced, "the error is not wrapped")
		fake.loading.release()
		synctest.Wait()
		assert.Zero(t, f.events.count(tokensource.EventStoreFailed))
		fake.setUnavailable(errUnreachable)
		err := f.src.Sync(t.Context())
		require.ErrorIs(t, err, errUnreachable)
		assert.ErrorContains(t, err, "tokensource: sync: ", "the error names the operation")
	})
}

func TestSync_DoesNotForgetARefusal(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		fake.failReads(errUnreachable)
		f.want("a1")
		f.clock.Advance(access)
		f.gw.Refreshes.Fail(errSuspended)
		f.wantUnavailable()
		require.Equal(t, 1, f.gw.Refreshes.Count())
		fake.failReads(nil)
		require.NoError(t, f.src.Sync(t.Context()))
		require.Equal(t, "a1 r1", fake.pair())
		f.wantUnavailable()
		assert.Equal(t, 1, f.gw.Refreshes.Count())
	})
}

func TestSync_CancelsASaveThatIsNoLongerNeeded(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		f.gw.Refreshes.Do(func() error { fake.failSaves(errUnreachable); return nil })
		f.clock.Advance(access)
		f.want("a2") // not saved
		fake.failSaves(nil)
		fake.edit(t, func(record map[string]any) { // another process signs out
			record["generation"], record["signed_out_at"] = 7, f.clock.Now()
			delete(record, "access_token")
		})
		f.clock.Advance(2 * time.Second)
		fake.loading.hold()
		_, synced := begin(t, f.src.Sync)
		f.want("a2") // the save that is due waits for the slot
		fake.loading.release()
		require.NoError(t, <-synced)
		f.wantEnded(tokensource.SignedOut)
		assert.EqualValues(t, 7, fake.field("generation"))
		assert.Equal(t, 1, f.gw.Refreshes.Count())
	})
}

func TestSync_WaitsForTheSlotUntilClose(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, _ *lockingStore) {
		collect := f.holdRefresh(1)
		_, synced := begin(t, f.src.Sync)
		go func() { _ = f.src.Close() }()
		assert.ErrorIs(t, <-synced, tokensource.ErrClosed)
		assert.ErrorIs(t, collect()[0].err, tokensource.ErrClosed)
	})
}
