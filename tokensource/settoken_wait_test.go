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

func TestSetToken_WaitsForTheExclusiveSlot(t *testing.T) {
	t.Run("and saves its token then", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			collect := f.holdRefresh(1)
			_, set := begin(t, f.setToken())
			f.gw.Refreshes.Release()
			require.NoError(t, <-set)
			assert.Equal(t, answer{token: "a2"}, collect()[0])
			assert.Equal(t, "a2 r2", fake.pair())
			assert.Equal(t, []string{"a1 r1", "a1 r1", "a3 r3", "a2 r2"}, fake.saves,
				"until then other processes find the refreshed pair, not the spent one")
		})
	})
	t.Run("until its context ends", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			collect := f.holdRefresh(1)
			cancel, set := begin(t, f.setToken())
			cancel()
			require.ErrorIs(t, <-set, context.Canceled)
			assert.Equal(t, answer{token: "a2"}, collect()[0], "the token is in use")
			f.gw.Refreshes.Release()
			f.clock.Advance(2 * time.Second)
			f.want("a2")
			f.want("a2")
			assert.Equal(t, "a2 r2", fake.pair())
		})
	})
	t.Run("until another SetToken supersedes it", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			collect := f.holdRefresh(1)
			_, first := begin(t, f.setToken())
			_, second := begin(t, f.setToken())
			f.gw.Refreshes.Release()
			require.ErrorContains(t, <-first, "another")
			require.NoError(t, <-second)
			assert.Equal(t, answer{token: "a3"}, collect()[0])
			assert.Equal(t, "a3 r3", fake.pair())
		})
	})
}

func TestSetToken_StopsWaitingForTheSlotAtClose(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, _ *lockingStore) {
		collect := f.holdRefresh(1)
		_, set := begin(t, f.setToken())
		closing := f.startClose()
		assert.Equal(t, tokensource.ErrClosed, <-set, "the token is not in use")
		assert.ErrorIs(t, collect()[0].err, tokensource.ErrClosed)
		f.gw.Refreshes.Release()
		require.NoError(t, <-closing)
		assert.Zero(t, f.events.count(tokensource.EventTokenSet))
	})
}

func TestSetToken_CompletesItsSaveDuringClose(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.saving.hold()
		_, set := begin(t, f.setToken())
		closing := f.startClose()
		synctest.Wait()
		fake.saving.release()
		require.NoError(t, <-set, "the next process can use it")
		require.NoError(t, <-closing)
		assert.Equal(t, "a2 r2", fake.pair())
	})
}

// The superseded refresh blocks in the save of its attempt mark, which is not a save of
// the new session.
func TestSetToken_IsNotSavedByALateAttemptMark(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.saving.hold()
		f.clock.Advance(access)
		collect := f.startCallers(t.Context(), 1)
		cancel, set := begin(t, f.setToken())
		cancel()
		require.ErrorIs(t, <-set, context.Canceled)
		require.True(t, f.src.Status().Unsaved)
		fake.saving.release()
		assert.Equal(t, answer{token: "a2"}, collect()[0])
		synctest.Wait()
		assert.True(t, f.src.Status().Unsaved)
		assert.Equal(t, "a1 r1", fake.pair())
		f.clock.Advance(2 * time.Second)
		f.want("a2")
		assert.Equal(t, "a2 r2", fake.pair())
		assert.Zero(t, f.gw.Refreshes.Count())
	})
}

func TestSetToken_IsNotEndedByALateRejection(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		f.gw.Refreshes.Do(func() error {
			fake.setUnavailable(errUnreachable) // defers the rejection
			return errUnauthorized
		})
		collect := f.holdRefresh(1)
		cancel, returned := begin(t, f.setToken())
		cancel()
		require.ErrorIs(t, <-returned, context.Canceled)
		assert.Equal(t, answer{token: "a2"}, collect()[0])
		f.gw.Refreshes.Release()
		synctest.Wait()
		fake.setUnavailable(nil)
		f.clock.Advance(access)
		f.want("a3")
		assert.Equal(t, []string{"r1", "r2"}, f.gw.presented(), "the next session is refreshed with its own token")
		assert.Zero(t, f.events.count(tokensource.EventEnded))
	})
}

func TestSetToken_KeepsItsIdentityDespiteALateLoad(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.edit(t, func(record map[string]any) { record["client_id"] = "PUB_stored" })
		require.NoError(t, f.src.Close())
		f.src = f.source(func(_ *fixture, c *tokensource.Config) { c.Store, c.Token = fake, nil })

		fake.loading.hold()
		_, signedOut := begin(t, f.src.SignOut) // loads the identity of the session
		cancel, set := begin(t, f.setToken())
		cancel()
		require.ErrorIs(t, <-set, context.Canceled)
		fake.loading.release()
		require.NoError(t, <-signedOut)
		assert.Equal(t, "PUB_989", f.src.Status().ClientID)
		assert.Zero(t, f.gw.Refreshes.Count())
	})
}

func TestSetToken_ASupersededOneKeepsItsGeneration(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.saving.hold()
		_, first := begin(t, f.setToken()) // blocks in its save
		fake.mu.Lock()
		fake.lockErr = errUnreachable
		fake.mu.Unlock()
		_, second := begin(t, f.setToken())
		fake.saving.release()
		require.ErrorContains(t, <-first, "another")
		require.ErrorIs(t, <-second, errUnreachable)
		require.Equal(t, "a2 r2", fake.pair())
		stored := fake.field("generation")

		// The store is unavailable for so long that the Source goes on without it.
		fake.mu.Lock()
		fake.loadErr = errUnreachable
		fake.mu.Unlock()
		f.clock.Advance(access)
		f.want("a4")
		require.Equal(t, "a4 r4", fake.pair())
		assert.Greater(t, fake.field("generation"), stored, "otherwise a process that has adopted a2 would not adopt a4")
	})
}
