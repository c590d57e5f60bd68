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

func TestStoreAttempt_IsNotMarkedOnAnAdoptedFreshPair(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.clock.Advance(access)
		shelf.rotate(t, "theirs", r.clock.Now().Add(access))
		r.want("theirs")
		assert.Nil(t, shelf.field("attempt_at"), "or a neighbour's next rejection would be of unknown outcome")
		assert.Zero(t, r.gw.Refreshes.Count())
	})
}

func TestStoreAttempt_IsMarkedBeforeTheRefresh(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.gw.Refreshes.Hold()
		r.clock.Advance(access)
		collect := r.callers(t.Context(), 1)
		assert.NotNil(t, shelf.field("attempt_at"))
		assert.Equal(t, "a1 r1", shelf.pair())
		assert.InDelta(t, 1, shelf.field("generation"), 0, "no pair, no generation")
		r.gw.Refreshes.Release()
		collect()
		assert.Nil(t, shelf.field("attempt_at"))
		assert.InDelta(t, 2, shelf.field("generation"), 0)
	})
}

// Who finds under the lock that somebody else has refreshed notes no attempt of its
// own: it makes none.
func TestStoreAttempt_IsNotMarkedWithoutARefresh(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.clock.Advance(access)
		shelf.rotate(t, "theirs", r.clock.Now().Add(access))
		saves := len(shelf.saves)
		r.want("theirs")
		assert.Nil(t, shelf.field("attempt_at"))
		assert.Len(t, shelf.saves, saves)
		assert.Zero(t, r.gw.Refreshes.Count())
	})
}

func TestStoreAttempt_ARejectionAfterACrashHasAnUnknownOutcome(t *testing.T) {
	for name, crashed := range map[string]bool{"crashed in the middle": true, "ended well": false} {
		t.Run(name, func(t *testing.T) {
			onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
				r.gw.Refreshes.Fail(errBusy) // after a plain failure the note is taken back
				r.want("a1")
				r.clock.Advance(access)
				r.wantUnavailable()
				assert.Nil(t, shelf.field("attempt_at"))
				if crashed {
					shelf.edit(t, func(f map[string]any) { f["attempt_at"] = start })
				}
				r.restart(nil, shelf)
				r.gw.Refreshes.Fail(errUnauthorized)
				assert.Equal(t, crashed, r.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
			})
		})
	}
}

func TestStoreAttempt_DecidesWhetherTheOutcomeIsKnown(t *testing.T) {
	t.Run("a lost answer is not forgotten over what was answered since", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			r.gw.Refreshes.Fail(errLost, errLost, errBusy, errUnauthorized)
			r.clock.Advance(access)
			r.wantUnavailable()
			r.clock.Advance(10 * time.Second)
			r.wantUnavailable()
			assert.NotNil(t, shelf.field("attempt_at"), "the note is not taken back")
			r.restart(nil, shelf)
			assert.True(t, r.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
			assert.Equal(t, 4, r.gw.Refreshes.Count())
		})
	})
	t.Run("the note of somebody who hangs counts though the lock is passed by", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			unlock, err := shelf.Lock(t.Context())
			require.NoError(t, err)
			r.clock.Advance(access)
			shelf.edit(t, func(f map[string]any) { f["attempt_at"] = r.clock.Now() })
			r.gw.Refreshes.Fail(errUnauthorized)
			collect := r.callers(t.Context(), 1)
			r.clock.Advance(30 * time.Second)
			var ended *tokensource.LoginRequiredError
			require.ErrorAs(t, collect()[0].err, &ended)
			assert.True(t, ended.OutcomeUnknown)
			assert.NotNil(t, shelf.field("attempt_at"), "it is not ours to take back")
			require.NoError(t, unlock())
			assert.Equal(t, 1, r.gw.Refreshes.Count())
		})
	})
	t.Run("a rejection that was answered is known to the next process too", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			r.gw.Refreshes.FailAlways(errUnauthorized)
			r.clock.Advance(access)
			assert.False(t, r.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
			r.restart(nil, shelf)
			assert.False(t, r.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
			assert.Equal(t, 2, r.gw.Refreshes.Count())
		})
	})
}

func TestStoreAttempt_AMarkRemovedWithALostAnswerIsRemoved(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.gw.Refreshes.Do(func() error {
			shelf.lost = true
			return errBusy
		})
		r.gw.Refreshes.Fail(errUnauthorized)
		r.clock.Advance(access)
		r.wantUnavailable()
		require.Nil(t, shelf.field("attempt_at"))
		shelf.lost = false
		r.clock.Advance(time.Second)
		assert.False(t, r.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
		assert.Equal(t, 2, r.gw.Refreshes.Count())
	})
}

func TestStoreAttempt_AMarkOfAnotherProcessIsNotItsOwn(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.gw.Refreshes.Fail(errBusy, errUnauthorized)
		r.clock.Advance(access)
		r.wantUnavailable()
		// Somebody else begins at that very instant, and dies.
		shelf.edit(t, func(f map[string]any) { f["attempt_at"] = r.clock.Now() })
		r.clock.Advance(time.Second)
		assert.True(t, r.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
		assert.Equal(t, 2, r.gw.Refreshes.Count())
	})
}

func TestStoreAttempt_IsMarkedInAStoreThatIsBack(t *testing.T) {
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
			assert.Equal(t, 1, r.gw.Refreshes.Count())
		})
}

func TestStoreAttempt_IsMarkedUnderTheLockThatIsHeld(t *testing.T) {
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
			assert.Equal(t, 1, r.gw.Refreshes.Count())
		})
}
