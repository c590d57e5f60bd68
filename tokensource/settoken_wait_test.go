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
	begin := func(t *testing.T, r *rig) func() []answer {
		t.Helper()
		r.want("a1")
		r.gw.Refreshes.Hold()
		r.clock.Advance(access)
		return r.callers(t.Context(), 1)
	}
	t.Run("by SetToken, whose token is saved after all", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			collect := begin(t, r)
			set := make(chan error, 1)
			go func() { set <- r.src.SetToken(t.Context(), r.gw.signOn()) }()
			synctest.Wait()
			assert.Empty(t, set)
			r.gw.Refreshes.Release()
			require.NoError(t, <-set)
			assert.Equal(t, answer{token: "a2"}, collect()[0])
			assert.Equal(t, "a2 r2", shelf.pair())
			assert.Equal(t, []string{"a1 r1", "a1 r1", "a3 r3", "a2 r2"}, shelf.saves,
				"until then neighbours find the pair that was granted, not the one that it was granted for")
		})
	})
	t.Run("by SetToken until its context ends", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			collect := begin(t, r)
			ctx, cancel := context.WithCancel(t.Context())
			set := make(chan error, 1)
			go func() { set <- r.src.SetToken(ctx, r.gw.signOn()) }()
			synctest.Wait()
			cancel()
			require.ErrorIs(t, <-set, context.Canceled)
			assert.Equal(t, answer{token: "a2"}, collect()[0], "it is in use all the same")
			r.gw.Refreshes.Release()
			r.clock.Advance(2 * time.Second)
			r.want("a2")
			r.want("a2")
			assert.Equal(t, "a2 r2", shelf.pair())
		})
	})
	t.Run("by SetToken, until another one comes", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			collect := begin(t, r)
			first, second := make(chan error, 1), make(chan error, 1)
			go func() { first <- r.src.SetToken(t.Context(), r.gw.signOn()) }()
			synctest.Wait()
			go func() { second <- r.src.SetToken(t.Context(), r.gw.signOn()) }()
			synctest.Wait()
			r.gw.Refreshes.Release()
			require.ErrorContains(t, <-first, "another")
			require.NoError(t, <-second)
			assert.Equal(t, answer{token: "a3"}, collect()[0])
			assert.Equal(t, "a3 r3", shelf.pair())
		})
	})
	t.Run("by SignOut, which leaves its mark last", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			collect := begin(t, r)
			out := make(chan error, 1)
			go func() { out <- r.src.SignOut(t.Context()) }()
			assert.ErrorIs(t, collect()[0].err, tokensource.ErrLoginRequired, "the local end is at once")
			r.gw.Refreshes.Release()
			require.NoError(t, <-out)
			assert.NotNil(t, shelf.field("signed_out_at"))
		})
	})
	t.Run("by Sync and SignOut until Close", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, _ *lockedShelf) {
			collect := begin(t, r)
			synced := make(chan error, 1)
			go func() { synced <- r.src.Sync(t.Context()) }()
			synctest.Wait()
			assert.Empty(t, synced)
			go func() { _ = r.src.Close() }()
			assert.ErrorIs(t, <-synced, tokensource.ErrClosed)
			assert.ErrorIs(t, collect()[0].err, tokensource.ErrClosed)
		})
	})
}

func TestSetToken_StopsWaitingForTheSlotAtClose(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, _ *lockedShelf) {
		r.want("a1")
		r.gw.Refreshes.Hold()
		r.clock.Advance(access)
		collect := r.callers(t.Context(), 1)
		_, set := begin(t, r.setToken())
		closing := make(chan error, 1)
		go func() { closing <- r.src.Close() }()
		assert.Equal(t, tokensource.ErrClosed, <-set, "it is not in use")
		assert.ErrorIs(t, collect()[0].err, tokensource.ErrClosed)
		r.gw.Refreshes.Release()
		require.NoError(t, <-closing)
		assert.Zero(t, r.events.count(tokensource.EventTokenSet))
	})
}

func TestSetToken_CompletesItsSaveDuringClose(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		shelf.saving.close()
		_, set := begin(t, r.setToken())
		closing := make(chan error, 1)
		go func() { closing <- r.src.Close() }()
		synctest.Wait()
		shelf.saving.open()
		require.NoError(t, <-set, "the next process goes on with it")
		require.NoError(t, <-closing)
		assert.Equal(t, "a2 r2", shelf.pair())
	})
}

func TestSetToken_IsNotSavedByALateAttemptMark(t *testing.T) {
	// The refresh of a former session hangs while it notes that it is made. What a
	// human wants meanwhile cannot be saved before somebody gives up.
	t.Run("the token of SetToken is saved later", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			shelf.saving.close()
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 1)
			cancel, came := begin(t, r.setToken())
			cancel()
			require.ErrorIs(t, <-came, context.Canceled)
			require.True(t, r.src.Status().Unsaved)
			shelf.saving.open()
			assert.Equal(t, answer{token: "a2"}, collect()[0])
			synctest.Wait()
			assert.True(t, r.src.Status().Unsaved)
			assert.Equal(t, "a1 r1", shelf.pair())
			r.clock.Advance(2 * time.Second)
			r.want("a2")
			assert.Equal(t, "a2 r2", shelf.pair())
			assert.Zero(t, r.gw.Refreshes.Count())
		})
	})
	t.Run("the mark of SignOut is stored later, and holds over a restart", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			shelf.saving.close()
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 1)
			cancel, came := begin(t, r.src.SignOut)
			cancel()
			require.ErrorIs(t, <-came, context.Canceled)
			shelf.saving.open()
			assert.ErrorIs(t, collect()[0].err, tokensource.ErrLoginRequired)
			synctest.Wait()
			assert.Equal(t, "a1 r1", shelf.pair())
			r.clock.Advance(2 * time.Second)
			r.wantEnded(tokensource.SignedOut)
			assert.NotNil(t, shelf.field("signed_out_at"))
			r.restart(nil, shelf)
			r.wantEnded(tokensource.SignedOut)
			assert.Zero(t, r.gw.Refreshes.Count())
		})
	})
}

func TestSetToken_IsNotEndedByALateRejection(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.gw.Refreshes.Do(func() error {
			shelf.away(errAway) // so that the rejection is withheld
			return errUnauthorized
		})
		r.gw.Refreshes.Hold()
		r.clock.Advance(access)
		collect := r.callers(t.Context(), 1)
		cancel, came := begin(t, r.setToken())
		cancel()
		require.ErrorIs(t, <-came, context.Canceled)
		assert.Equal(t, answer{token: "a2"}, collect()[0])
		r.gw.Refreshes.Release()
		synctest.Wait()
		shelf.away(nil)
		r.clock.Advance(access)
		r.want("a3")
		assert.Equal(t, []string{"r1", "r2"}, r.gw.presented(), "the next session's token is presented for itself")
		assert.Zero(t, r.events.count(tokensource.EventEnded))
	})
}

func TestSetToken_KeepsItsIdentityDespiteALateLoad(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		shelf.edit(t, func(f map[string]any) { f["client_id"] = "PUB_stored" })
		require.NoError(t, r.src.Close())
		r.src = r.source(func(_ *rig, c *tokensource.Config) { c.Store, c.Token = shelf, nil })

		shelf.loading.close()
		_, signedOut := begin(t, r.src.SignOut) // reads whose session it is
		cancel, set := begin(t, r.setToken())
		cancel()
		require.ErrorIs(t, <-set, context.Canceled)
		shelf.loading.open()
		require.NoError(t, <-signedOut)
		assert.Equal(t, "PUB_989", r.src.Status().ClientID)
		assert.Zero(t, r.gw.Refreshes.Count())
	})
}

func TestSetToken_ASupersededOneKeepsItsGeneration(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		shelf.saving.close()
		_, first := begin(t, r.setToken()) // hangs in its save
		shelf.mu.Lock()
		shelf.lockErr = errAway
		shelf.mu.Unlock()
		_, second := begin(t, r.setToken())
		shelf.saving.open()
		require.ErrorContains(t, <-first, "another")
		require.ErrorIs(t, <-second, errAway)
		require.Equal(t, "a2 r2", shelf.pair())
		stored := shelf.field("generation")

		// The store cannot be read, nor locked, for so long that it is done without.
		shelf.mu.Lock()
		shelf.loadErr = errAway
		shelf.mu.Unlock()
		r.clock.Advance(access)
		r.want("a4")
		require.Equal(t, "a4 r4", shelf.pair())
		assert.Greater(t, shelf.field("generation"), stored, "or a neighbour that has adopted a2 takes a4 for no news")
	})
}
