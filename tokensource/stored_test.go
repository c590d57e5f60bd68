package tokensource_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// What is newer than what, and whose turn it is: the rules of a shared record at
// their edges.

func TestStore_ARecordOfTheSameGenerationIsNotNewer(t *testing.T) {
	t.Run("when the store is read", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			shelf.edit(t, func(f map[string]any) { f["access_token"] = "restored" })
			require.NoError(t, r.src.Sync(t.Context()))
			r.want("a1")
			assert.Zero(t, r.events.count(tokensource.EventAdopted))
		})
	})
	t.Run("nor when it is found instead of what was loaded", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			r.gw.script = append(r.gw.script, func(context.Context, *ags.Token) error {
				shelf.edit(t, func(f map[string]any) { f["access_token"] = "restored" })
				return nil
			})
			r.clock.Advance(access)
			r.want("a2")
			assert.Equal(t, "a2 r2", shelf.pair())
			assert.Equal(t, 1, r.gw.count())
		})
	})
}

func TestStore_ARefreshThatIsNotSavedGivesWayHoweverOftenThatFailed(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.gw.script = append(r.gw.script, func(context.Context, *ags.Token) error { shelf.fail(errAway); return nil })
		r.clock.Advance(access)
		r.want("a2")
		for range 3 {
			r.clock.Advance(time.Minute)
			r.want("a2")
		}
		require.GreaterOrEqual(t, r.events.count(tokensource.EventStoreFailed), 3)
		shelf.fail(nil)
		shelf.put(r.theirs(7)) // no wish of a human went before it
		r.clock.Advance(time.Minute)
		_, _ = r.ask()
		r.want("theirs")
		assert.Equal(t, "theirs r-theirs", shelf.pair())
		assert.Equal(t, 1, r.gw.count())
	})
}

func TestSignOut_OfATokenOfTheConfigThatNobodyHasAskedFor(t *testing.T) {
	var gw *signer
	onShelf(t, func(r *rig, c *tokensource.Config) {
		gw = &signer{gateway: r.gw}
		c.Refresher = gw
	}, func(t *testing.T, r *rig, shelf *lockedShelf) {
		require.NoError(t, r.src.SignOut(t.Context()))
		assert.Equal(t, []string{"a1"}, gw.signedOut)
		assert.NotNil(t, shelf.field("signed_out_at"))
		r.wantEnded(tokensource.SignedOut)
	})
}

func TestStore_AnAttemptIsNotedInAStoreThatIsBack(t *testing.T) {
	onShelf(t, func(_ *rig, c *tokensource.Config) { c.Rand = func() float64 { return 0.5 } },
		func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			shelf.cut(errAway)
			r.clock.Advance(access)
			r.wantUnavailable()
			r.clock.Advance(40 * time.Second)
			noted := shelf.attempts
			collect := r.callers(t.Context(), 1) // given up: waits for the random second
			shelf.cut(nil)
			r.clock.Advance(time.Second)
			assert.Equal(t, answer{token: "a2"}, collect()[0])
			assert.Equal(t, noted+1, shelf.attempts, "under the lock, as ever")
			assert.Equal(t, 1, r.gw.count())
		})
}

func TestStore_ACallBrokenOffIsNoTroubleOfTheStore(t *testing.T) {
	onGatedShelf(t, func(t *testing.T, r *rig, shelf *gatedShelf) {
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

func TestStore_WithoutTheLockAnEmptyStoreHasNothingToHeed(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		unlock, err := shelf.Lock(t.Context())
		require.NoError(t, err)
		shelf.put("")
		r.clock.Advance(access)
		collect := r.callers(t.Context(), 1)
		r.clock.Advance(30 * time.Second) // LockTimeout
		assert.Equal(t, answer{token: "a2"}, collect()[0])
		assert.Equal(t, "a2 r2", shelf.pair())
		assert.Equal(t, 1, r.gw.count())
		require.NoError(t, unlock())
	})
}

func TestStore_ANoteThatWasTakenBackUnansweredLeavesNoDoubt(t *testing.T) {
	onDeafShelf(t, func(t *testing.T, r *rig, shelf *deafShelf) {
		r.want("a1")
		r.gw.script = append(r.gw.script, func(context.Context, *ags.Token) error {
			shelf.deaf = true
			return errBusy
		})
		r.gw.fail(errUnauthorized)
		r.clock.Advance(access)
		r.wantUnavailable()
		require.Nil(t, shelf.field("attempt_at"))
		shelf.deaf = false
		r.clock.Advance(time.Second)
		assert.False(t, r.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
		assert.Equal(t, 2, r.gw.count())
	})
}

// onHeldTurn is a story in which a Sync has the turn, and does not give it back
// until the store answers. The store is waited for for a day.
func onHeldTurn(t *testing.T, tell func(*testing.T, *rig)) {
	t.Helper()
	shelf := &gatedShelf{}
	story(t, func(_ *rig, c *tokensource.Config) {
		shelf = &gatedShelf{lockedShelf: newLockedShelf()}
		c.Store, c.StoreTimeout = shelf, 24*time.Hour
	}, func(t *testing.T, r *rig) {
		r.want("a1")
		shelf.loading.close()
		_, synced := begin(t, r.src.Sync)
		tell(t, r)
		shelf.loading.open()
		require.NoError(t, <-synced)
		synctest.Wait()
	})
}

func TestStore_ATurnThatIsNotHad(t *testing.T) {
	t.Run("is no failure while there is a live token", func(t *testing.T) {
		onHeldTurn(t, func(t *testing.T, r *rig) {
			r.clock.Advance(access - 5*time.Minute)
			for range 10 {
				r.want("a1")
				r.clock.Advance(time.Second)
			}
			assert.NoError(t, r.src.Status().Err)
			assert.Zero(t, r.events.count(tokensource.EventRefreshFailed))
			assert.Zero(t, r.gw.count())
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
			assert.Zero(t, r.gw.count())
		})
	})
}

func TestSetToken_WaitsForItsTurnUntilClose(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, _ *lockedShelf) {
		r.want("a1")
		r.gw.hold()
		r.clock.Advance(access)
		collect := r.callers(t.Context(), 1)
		_, set := begin(t, r.setToken())
		closing := make(chan error, 1)
		go func() { closing <- r.src.Close() }()
		assert.Equal(t, tokensource.ErrClosed, <-set, "it is not in use")
		assert.ErrorIs(t, collect()[0].err, tokensource.ErrClosed)
		r.gw.release()
		require.NoError(t, <-closing)
		assert.Zero(t, r.events.count(tokensource.EventTokenSet))
	})
}

func TestSetToken_ThatIsSavedIsSavedThoughTheSourceIsClosed(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		shelf.hold()
		_, set := begin(t, r.setToken())
		closing := make(chan error, 1)
		go func() { closing <- r.src.Close() }()
		synctest.Wait()
		shelf.release()
		require.NoError(t, <-set, "the next process goes on with it")
		require.NoError(t, <-closing)
		assert.Equal(t, "a2 r2", shelf.pair())
	})
}

func TestRun_ReadsForAnEndedSessionOnceAMinute(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.gw.fail(errUnauthorized)
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
		assert.Equal(t, 1, r.gw.count())
	})
}
