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
	// begin starts a refresh that the gateway does not answer yet.
	begin := func(t *testing.T, f *fixture) func() []answer {
		t.Helper()
		f.want("a1")
		f.gw.Refreshes.Hold()
		f.clock.Advance(access)
		return f.startCallers(t.Context(), 1)
	}
	t.Run("by SetToken, whose token is saved after all", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			collect := begin(t, f)
			set := make(chan error, 1)
			go func() { set <- f.src.SetToken(t.Context(), f.gw.signOn()) }()
			synctest.Wait()
			assert.Empty(t, set)
			f.gw.Refreshes.Release()
			require.NoError(t, <-set)
			assert.Equal(t, answer{token: "a2"}, collect()[0])
			assert.Equal(t, "a2 r2", fake.pair())
			assert.Equal(t, []string{"a1 r1", "a1 r1", "a3 r3", "a2 r2"}, fake.saves,
				"until then neighbours find the pair that was granted, not the one that it was granted for")
		})
	})
	t.Run("by SetToken until its context ends", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			collect := begin(t, f)
			ctx, cancel := context.WithCancel(t.Context())
			set := make(chan error, 1)
			go func() { set <- f.src.SetToken(ctx, f.gw.signOn()) }()
			synctest.Wait()
			cancel()
			require.ErrorIs(t, <-set, context.Canceled)
			assert.Equal(t, answer{token: "a2"}, collect()[0], "it is in use all the same")
			f.gw.Refreshes.Release()
			f.clock.Advance(2 * time.Second)
			f.want("a2")
			f.want("a2")
			assert.Equal(t, "a2 r2", fake.pair())
		})
	})
	t.Run("by SetToken, until another one comes", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			collect := begin(t, f)
			first, second := make(chan error, 1), make(chan error, 1)
			go func() { first <- f.src.SetToken(t.Context(), f.gw.signOn()) }()
			synctest.Wait()
			go func() { second <- f.src.SetToken(t.Context(), f.gw.signOn()) }()
			synctest.Wait()
			f.gw.Refreshes.Release()
			require.ErrorContains(t, <-first, "another")
			require.NoError(t, <-second)
			assert.Equal(t, answer{token: "a3"}, collect()[0])
			assert.Equal(t, "a3 r3", fake.pair())
		})
	})
	t.Run("by SignOut, which leaves its mark last", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			collect := begin(t, f)
			out := make(chan error, 1)
			go func() { out <- f.src.SignOut(t.Context()) }()
			assert.ErrorIs(t, collect()[0].err, tokensource.ErrLoginRequired, "the local end is at once")
			f.gw.Refreshes.Release()
			require.NoError(t, <-out)
			assert.NotNil(t, fake.field("signed_out_at"))
		})
	})
	t.Run("by Sync and SignOut until Close", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, _ *lockingStore) {
			collect := begin(t, f)
			synced := make(chan error, 1)
			go func() { synced <- f.src.Sync(t.Context()) }()
			synctest.Wait()
			assert.Empty(t, synced)
			go func() { _ = f.src.Close() }()
			assert.ErrorIs(t, <-synced, tokensource.ErrClosed)
			assert.ErrorIs(t, collect()[0].err, tokensource.ErrClosed)
		})
	})
}

func TestSetToken_StopsWaitingForTheSlotAtClose(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, _ *lockingStore) {
		f.want("a1")
		f.gw.Refreshes.Hold()
		f.clock.Advance(access)
		collect := f.startCallers(t.Context(), 1)
		_, set := begin(t, f.setToken())
		closing := make(chan error, 1)
		go func() { closing <- f.src.Close() }()
		assert.Equal(t, tokensource.ErrClosed, <-set, "it is not in use")
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
		closing := make(chan error, 1)
		go func() { closing <- f.src.Close() }()
		synctest.Wait()
		fake.saving.release()
		require.NoError(t, <-set, "the next process goes on with it")
		require.NoError(t, <-closing)
		assert.Equal(t, "a2 r2", fake.pair())
	})
}

func TestSetToken_IsNotSavedByALateAttemptMark(t *testing.T) {
	// The refresh of a former session hangs while it notes that it is made. What a
	// human wants meanwhile cannot be saved before somebody gives up.
	t.Run("the token of SetToken is saved later", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			fake.saving.hold()
			f.clock.Advance(access)
			collect := f.startCallers(t.Context(), 1)
			cancel, came := begin(t, f.setToken())
			cancel()
			require.ErrorIs(t, <-came, context.Canceled)
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
	})
	t.Run("the mark of SignOut is stored later, and holds over a restart", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			fake.saving.hold()
			f.clock.Advance(access)
			collect := f.startCallers(t.Context(), 1)
			cancel, came := begin(t, f.src.SignOut)
			cancel()
			require.ErrorIs(t, <-came, context.Canceled)
			fake.saving.release()
			assert.ErrorIs(t, collect()[0].err, tokensource.ErrLoginRequired)
			synctest.Wait()
			assert.Equal(t, "a1 r1", fake.pair())
			f.clock.Advance(2 * time.Second)
			f.wantEnded(tokensource.SignedOut)
			assert.NotNil(t, fake.field("signed_out_at"))
			f.restart(nil, fake)
			f.wantEnded(tokensource.SignedOut)
			assert.Zero(t, f.gw.Refreshes.Count())
		})
	})
}

func TestSetToken_IsNotEndedByALateRejection(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		f.gw.Refreshes.Do(func() error {
			fake.setUnavailable(errUnreachable) // so that the rejection is withheld
			return errUnauthorized
		})
		f.gw.Refreshes.Hold()
		f.clock.Advance(access)
		collect := f.startCallers(t.Context(), 1)
		cancel, came := begin(t, f.setToken())
		cancel()
		require.ErrorIs(t, <-came, context.Canceled)
		assert.Equal(t, answer{token: "a2"}, collect()[0])
		f.gw.Refreshes.Release()
		synctest.Wait()
		fake.setUnavailable(nil)
		f.clock.Advance(access)
		f.want("a3")
		assert.Equal(t, []string{"r1", "r2"}, f.gw.presented(), "the next session's token is presented for itself")
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
		_, signedOut := begin(t, f.src.SignOut) // reads whose session it is
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
		_, first := begin(t, f.setToken()) // hangs in its save
		fake.mu.Lock()
		fake.lockErr = errUnreachable
		fake.mu.Unlock()
		_, second := begin(t, f.setToken())
		fake.saving.release()
		require.ErrorContains(t, <-first, "another")
		require.ErrorIs(t, <-second, errUnreachable)
		require.Equal(t, "a2 r2", fake.pair())
		stored := fake.field("generation")

		// The store cannot be read, nor locked, for so long that it is done without.
		fake.mu.Lock()
		fake.loadErr = errUnreachable
		fake.mu.Unlock()
		f.clock.Advance(access)
		f.want("a4")
		require.Equal(t, "a4 r4", fake.pair())
		assert.Greater(t, fake.field("generation"), stored, "or a neighbour that has adopted a2 takes a4 for no news")
	})
}
