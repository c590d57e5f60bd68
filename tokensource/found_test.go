package tokensource_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// What random stories of whole Sources have found, each told as shortly as it can be.

// onDeafShelf is a story with a Source on a store whose answers can get lost.
func onDeafShelf(t *testing.T, tell func(*testing.T, *rig, *deafShelf)) {
	t.Helper()
	var shelf *deafShelf
	story(t, func(_ *rig, c *tokensource.Config) {
		shelf = &deafShelf{lockedShelf: newLockedShelf()}
		c.Store = shelf
	}, func(t *testing.T, r *rig) { tell(t, r, shelf) })
}

// theirs is the record of a session that somebody else has signed on to.
func (r *rig) theirs(generation int) string {
	now := r.clock.Now()
	return fmt.Sprintf(
		`{"version":1,"generation":%d,"access_token":"theirs","refresh_token":"r-theirs","client_id":"PUB_1","issued_at":%q,"expires_at":%q,"started_at":%q}`,
		generation, now.Format(time.RFC3339), now.Add(access).Format(time.RFC3339), now.Format(time.RFC3339))
}

// cut takes the store away but for its saves.
func (s *lockedShelf) cut(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loadErr, s.lockErr = err, err
}

func TestFound_AnUnlockThatHangsHoldsUpNobodyAtTheStart(t *testing.T) {
	onGatedShelf(t, func(t *testing.T, r *rig, shelf *gatedShelf) {
		shelf.unlocking.close()
		r.want("a1")
		shelf.unlocking.open()
		assert.Zero(t, r.gw.count())
	})
}

func TestFound_ARefusalIsNotForgottenForALookAtTheStore(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		shelf.cut(errAway)
		r.want("a1")
		r.clock.Advance(access)
		r.gw.fail(errSuspended)
		r.wantUnavailable()
		require.Equal(t, 1, r.gw.count())
		shelf.cut(nil)
		require.NoError(t, r.src.Sync(t.Context()))
		require.Equal(t, "a1 r1", shelf.pair())
		r.wantUnavailable()
		assert.Equal(t, 1, r.gw.count())
	})
}

func TestFound_WhatANeighbourHasMadeOfOurPairIsNewerWhateverItsClockSays(t *testing.T) {
	onDeafShelf(t, func(t *testing.T, r *rig, shelf *deafShelf) {
		shelf.cut(errAway)
		shelf.deaf = true
		r.want("a1")
		r.clock.Advance(access)
		r.want("a2") // and stored, though we do not know: the store is not readable
		require.Equal(t, "a2 r2", shelf.pair())
		shelf.edit(t, func(f map[string]any) {
			f["generation"] = f["generation"].(float64) + 1
			f["access_token"], f["refresh_token"] = "a3", "r3"
			f["issued_at"] = r.clock.Now().Add(-3 * time.Minute).Format(time.RFC3339)
		})
		shelf.cut(nil)
		shelf.deaf = false
		require.NoError(t, r.src.Sync(t.Context()))
		assert.Equal(t, "a3 r3", shelf.pair())
		r.want("a3")
	})
}

func TestFound_ASignOutThatIsStoredLateKeepsTheDevice(t *testing.T) {
	onShelf(t, func(_ *rig, c *tokensource.Config) { c.Token = nil }, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.wantEnded(tokensource.NoSession)
		shelf.put(r.theirs(1))
		shelf.cut(errAway)
		require.ErrorIs(t, r.src.SignOut(t.Context()), errAway)
		shelf.cut(nil)
		r.clock.Advance(2 * time.Second)
		r.wantEnded(tokensource.SignedOut)
		assert.NotNil(t, shelf.field("signed_out_at"))
		assert.Equal(t, "PUB_1", shelf.field("client_id"))
		assert.Zero(t, r.gw.count())
	})
}

func TestFound_ASignOutNextDoorEndsTheSessionThatItIsOf(t *testing.T) {
	t.Run("though we do not know that it was saved", func(t *testing.T) {
		onDeafShelf(t, func(t *testing.T, r *rig, shelf *deafShelf) {
			r.want("a1")
			shelf.deaf = true
			require.ErrorIs(t, r.setToken()(t.Context()), errAway)
			shelf.deaf = false
			shelf.edit(t, func(f map[string]any) { // a neighbour has adopted a2, and signs out
				f["generation"], f["signed_out_at"] = 7, r.clock.Now()
				delete(f, "access_token")
				delete(f, "refresh_token")
			})
			r.clock.Advance(2 * time.Second)
			_, _ = r.ask()
			r.wantEnded(tokensource.SignedOut)
			assert.NotNil(t, shelf.field("signed_out_at"), "the sign-out was undone")
			assert.Zero(t, r.gw.count())
		})
	})
	t.Run("as the mark tells", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			require.NoError(t, r.src.SignOut(t.Context()))
			assert.Equal(t, start.Format(time.RFC3339), shelf.field("started_at"))
			assert.Zero(t, r.gw.count())
		})
	})
}

func TestFound_APairThatWeHaveSpentIsNoNews(t *testing.T) {
	t.Run("stored by a note of ours that went unanswered", func(t *testing.T) {
		onDeafShelf(t, func(t *testing.T, r *rig, shelf *deafShelf) {
			r.want("a1")
			shelf.fail(errAway)
			require.ErrorIs(t, r.setToken()(t.Context()), errAway)
			shelf.fail(nil)
			shelf.deaf = true
			r.gw.script = append(r.gw.script, func(context.Context, *ags.Token) error {
				require.Equal(t, "a2 r2", shelf.pair(), "the note took effect")
				shelf.deaf = false
				shelf.fail(errAway)
				return nil
			})
			r.clock.Advance(access)
			r.want("a3")
			shelf.fail(nil)
			r.clock.Advance(2 * time.Second)
			r.want("a3")
			assert.Equal(t, "a3 r3", shelf.pair(), "the only pair that is good was given up for the one it was got for")
			assert.Equal(t, []string{"r2"}, r.gw.presented())
		})
	})
	t.Run("stored anew by somebody without our lock, who does not know", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			r.gw.script = append(r.gw.script, func(context.Context, *ags.Token) error {
				shelf.edit(t, func(f map[string]any) { f["generation"] = 7 })
				return nil
			})
			r.clock.Advance(access)
			r.want("a2")
			assert.Equal(t, "a2 r2", shelf.pair())
			assert.Equal(t, []string{"r1"}, r.gw.presented())
		})
	})
}

func TestFound_WithoutTheLockOnlyADeadTokenIsRefreshed(t *testing.T) {
	onShelf(t, func(_ *rig, c *tokensource.Config) { c.Rand = func() float64 { return 0.5 } },
		func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			unlock, err := shelf.Lock(t.Context())
			require.NoError(t, err)
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 1)
			r.clock.Advance(30 * time.Second) // LockTimeout; then a random wait
			synctest.Wait()
			require.Zero(t, r.gw.count())
			// The clock of the one who rotates is ahead: it is due for refresh as it comes.
			shelf.rotate(t, "theirs", r.clock.Now().Add(access+2*time.Minute))
			r.clock.Advance(time.Second)
			assert.Equal(t, answer{token: "theirs"}, collect()[0])
			synctest.Wait()
			assert.Zero(t, r.gw.count(), "it lives: its refresh can wait for the lock")
			require.NoError(t, unlock())
		})
}

func TestFound_WhatWasReadBeforeALongWaitIsReadAgain(t *testing.T) {
	onShelf(t, func(_ *rig, c *tokensource.Config) { c.Rand = func() float64 { return 0.5 } },
		func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			shelf.cut(errAway)
			r.clock.Advance(access)
			r.wantUnavailable()
			r.clock.Advance(40 * time.Second)
			collect := r.callers(t.Context(), 1) // given up: waits for the random second
			shelf.cut(nil)                       // and the store is back, and locked by somebody
			unlock, err := shelf.Lock(t.Context())
			require.NoError(t, err)
			r.clock.Advance(time.Second)
			synctest.Wait()
			shelf.rotate(t, "theirs", r.clock.Now().Add(2*access))
			r.clock.Advance(30 * time.Second) // LockTimeout, and the lock was not had
			assert.Equal(t, answer{token: "theirs"}, collect()[0])
			assert.Zero(t, r.gw.count(), "r1 is spent")
			require.NoError(t, unlock())
		})
}

func TestFound_ANoteThatWasTakenBackIsNotTakenForOneOfOurs(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.gw.fail(errBusy, errUnauthorized)
		r.clock.Advance(access)
		r.wantUnavailable()
		// Somebody else begins at that very instant, and dies.
		shelf.edit(t, func(f map[string]any) { f["attempt_at"] = r.clock.Now() })
		r.clock.Advance(time.Second)
		assert.True(t, r.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
		assert.Equal(t, 2, r.gw.count())
	})
}

func TestFound_AWishThatHasCometoNothingGoesOverNobody(t *testing.T) {
	t.Run("rejected", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			shelf.fail(errAway)
			require.ErrorIs(t, r.setToken()(t.Context()), errAway)
			r.gw.script = append(r.gw.script, func(context.Context, *ags.Token) error {
				shelf.fail(nil)
				shelf.put(r.theirs(7))
				return errUnauthorized
			})
			r.clock.Advance(access)
			r.want("theirs")
			assert.Equal(t, "theirs r-theirs", shelf.pair())
			assert.Equal(t, []string{"r2"}, r.gw.presented())
		})
	})
	t.Run("over by time", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			shelf.fail(errAway)
			require.ErrorIs(t, r.setToken()(t.Context()), errAway)
			r.clock.Advance(sliding)
			shelf.fail(nil)
			shelf.put(r.theirs(7))
			_, _ = r.ask()
			r.want("theirs")
			assert.Equal(t, "theirs r-theirs", shelf.pair())
			assert.Zero(t, r.gw.count())
		})
	})
}

func TestFound_ATokenOfTheConfigThatHasEndedGoesOverNobody(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		shelf.cut(errAway)
		r.want("a1")
		r.clock.Advance(sliding)
		shelf.cut(nil)
		shelf.put(r.theirs(1)) // somebody else has signed on
		_, _ = r.ask()
		r.want("theirs")
		assert.Equal(t, "theirs r-theirs", shelf.pair())
		assert.Zero(t, r.gw.count())
	})
}

func TestFound_ANewerVersionIsLeftAloneThoughItCannotBeReadAnyMore(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		shelf.put(`{"version":99}`)
		r.want("a1")
		shelf.cut(errAway)
		r.clock.Advance(access)
		for range 10 {
			r.wantUnavailable()
			r.clock.Advance(30 * time.Second)
		}
		assert.Zero(t, r.gw.count())
		assert.EqualValues(t, 99, shelf.field("version"))
	})
}

func TestFound_WhatIsSavedAlreadyIsNotSavedAgain(t *testing.T) {
	onGatedShelf(t, func(t *testing.T, r *rig, shelf *gatedShelf) {
		r.want("a1")
		r.gw.script = append(r.gw.script, func(context.Context, *ags.Token) error { shelf.fail(errAway); return nil })
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
		assert.Equal(t, 1, r.gw.count())
	})
}

func TestFound_NobodyWaitsForALockThatIsItsOwn(t *testing.T) {
	onShelf(t, func(_ *rig, c *tokensource.Config) { c.Rand = func() float64 { return 0.5 } },
		func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			noted := shelf.attempts
			load := func(err error) { shelf.mu.Lock(); defer shelf.mu.Unlock(); shelf.loadErr = err }
			load(errAway) // the lock can be had, and the record cannot be read
			r.clock.Advance(access)
			r.wantUnavailable()
			r.clock.Advance(40 * time.Second)
			ctx, leave := context.WithCancel(t.Context())
			collect := r.callers(ctx, 1) // given up: waits for the random second
			load(nil)
			r.clock.Advance(time.Second)
			synctest.Wait()
			leave()
			assert.Equal(t, answer{token: "a2"}, collect()[0])
			assert.Equal(t, noted+1, shelf.attempts, "and the attempt is noted, as ever under the lock")
			assert.Equal(t, 1, r.gw.count())
		})
}

func TestFound_WhatAHumanHasReplacedIsNotGoneBackTo(t *testing.T) {
	onDeafShelf(t, func(t *testing.T, r *rig, shelf *deafShelf) {
		shelf.deaf = true
		r.want("a1") // stored, though we do not know
		require.Equal(t, "a1 r1", shelf.pair())
		shelf.deaf = false
		shelf.fail(errAway)
		require.ErrorIs(t, r.src.SignOut(t.Context()), errAway)
		require.ErrorIs(t, r.setToken()(t.Context()), errAway)
		r.gw.fail(errUnauthorized)
		r.clock.Advance(access)
		r.wantEnded(tokensource.RefreshRejected)
		assert.Equal(t, []string{"r2"}, r.gw.presented())
		assert.Zero(t, r.events.count(tokensource.EventAdopted))
	})
}

func TestFound_WhoComesWhenTheClockIsSetBackIsServedWhatLives(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.hold()
		r.clock.Suspend(access)
		_, err := r.ask() // and leaves
		require.ErrorIs(t, err, context.Canceled)
		r.clock.Suspend(-2 * time.Second)
		r.want("a1")
		r.clock.Suspend(2 * time.Second)
		_, err = r.ask()
		require.ErrorIs(t, err, context.Canceled, "no longer")
		r.gw.release()
		r.want("a2")
		assert.Equal(t, 1, r.gw.count())
	})
}
