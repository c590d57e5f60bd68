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
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		f.clock.Advance(access)
		fake.rotate(t, "theirs", f.clock.Now().Add(access))
		f.want("theirs")
		assert.Nil(t, fake.field("attempt_at"), "or a neighbour's next rejection would be of unknown outcome")
		assert.Zero(t, f.gw.Refreshes.Count())
	})
}

func TestStoreAttempt_IsMarkedBeforeTheRefresh(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		f.gw.Refreshes.Hold()
		f.clock.Advance(access)
		collect := f.startCallers(t.Context(), 1)
		assert.NotNil(t, fake.field("attempt_at"))
		assert.Equal(t, "a1 r1", fake.pair())
		assert.InDelta(t, 1, fake.field("generation"), 0, "no pair, no generation")
		f.gw.Refreshes.Release()
		collect()
		assert.Nil(t, fake.field("attempt_at"))
		assert.InDelta(t, 2, fake.field("generation"), 0)
	})
}

// Who finds under the lock that somebody else has refreshed notes no attempt of its
// own: it makes none.
func TestStoreAttempt_IsNotMarkedWithoutARefresh(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		f.clock.Advance(access)
		fake.rotate(t, "theirs", f.clock.Now().Add(access))
		saves := len(fake.saves)
		f.want("theirs")
		assert.Nil(t, fake.field("attempt_at"))
		assert.Len(t, fake.saves, saves)
		assert.Zero(t, f.gw.Refreshes.Count())
	})
}

func TestStoreAttempt_ARejectionAfterACrashHasAnUnknownOutcome(t *testing.T) {
	for name, crashed := range map[string]bool{"crashed in the middle": true, "ended well": false} {
		t.Run(name, func(t *testing.T) {
			scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
				f.gw.Refreshes.Fail(errBusy) // after a plain failure the note is taken back
				f.want("a1")
				f.clock.Advance(access)
				f.wantUnavailable()
				assert.Nil(t, fake.field("attempt_at"))
				if crashed {
					fake.edit(t, func(record map[string]any) { record["attempt_at"] = start })
				}
				f.restart(nil, fake)
				f.gw.Refreshes.Fail(errUnauthorized)
				assert.Equal(t, crashed, f.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
			})
		})
	}
}

func TestStoreAttempt_DecidesWhetherTheOutcomeIsKnown(t *testing.T) {
	t.Run("a lost answer is not forgotten over what was answered since", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			f.gw.Refreshes.Fail(errLost, errLost, errBusy, errUnauthorized)
			f.clock.Advance(access)
			f.wantUnavailable()
			f.clock.Advance(10 * time.Second)
			f.wantUnavailable()
			assert.NotNil(t, fake.field("attempt_at"), "the note is not taken back")
			f.restart(nil, fake)
			assert.True(t, f.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
			assert.Equal(t, 4, f.gw.Refreshes.Count())
		})
	})
	t.Run("the note of somebody who hangs counts though the lock is passed by", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			unlock, err := fake.Lock(t.Context())
			require.NoError(t, err)
			f.clock.Advance(access)
			fake.edit(t, func(record map[string]any) { record["attempt_at"] = f.clock.Now() })
			f.gw.Refreshes.Fail(errUnauthorized)
			collect := f.startCallers(t.Context(), 1)
			f.clock.Advance(30 * time.Second)
			var ended *tokensource.LoginRequiredError
			require.ErrorAs(t, collect()[0].err, &ended)
			assert.True(t, ended.OutcomeUnknown)
			assert.NotNil(t, fake.field("attempt_at"), "it is not ours to take back")
			require.NoError(t, unlock())
			assert.Equal(t, 1, f.gw.Refreshes.Count())
		})
	})
	t.Run("a rejection that was answered is known to the next process too", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			f.gw.Refreshes.FailAlways(errUnauthorized)
			f.clock.Advance(access)
			assert.False(t, f.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
			f.restart(nil, fake)
			assert.False(t, f.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
			assert.Equal(t, 2, f.gw.Refreshes.Count())
		})
	})
}

func TestStoreAttempt_AMarkRemovedWithALostAnswerIsRemoved(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		f.gw.Refreshes.Do(func() error {
			fake.lost = true
			return errBusy
		})
		f.gw.Refreshes.Fail(errUnauthorized)
		f.clock.Advance(access)
		f.wantUnavailable()
		require.Nil(t, fake.field("attempt_at"))
		fake.lost = false
		f.clock.Advance(time.Second)
		assert.False(t, f.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
		assert.Equal(t, 2, f.gw.Refreshes.Count())
	})
}

func TestStoreAttempt_AMarkOfAnotherProcessIsNotItsOwn(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		f.gw.Refreshes.Fail(errBusy, errUnauthorized)
		f.clock.Advance(access)
		f.wantUnavailable()
		// Somebody else begins at that very instant, and dies.
		fake.edit(t, func(record map[string]any) { record["attempt_at"] = f.clock.Now() })
		f.clock.Advance(time.Second)
		assert.True(t, f.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
		assert.Equal(t, 2, f.gw.Refreshes.Count())
	})
}

func TestStoreAttempt_IsMarkedInAStoreThatIsBack(t *testing.T) {
	scenarioWithStore(t, func(_ *fixture, c *tokensource.Config) { c.Rand = func() float64 { return 0.5 } },
		func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			fake.failReads(errUnreachable)
			f.clock.Advance(access)
			f.wantUnavailable()
			f.clock.Advance(40 * time.Second)
			noted := fake.attempts
			collect := f.startCallers(t.Context(), 1) // given up: waits for the random second
			fake.failReads(nil)
			f.clock.Advance(time.Second)
			assert.Equal(t, answer{token: "a2"}, collect()[0])
			assert.Equal(t, noted+1, fake.attempts, "under the lock, as ever")
			assert.Equal(t, 1, f.gw.Refreshes.Count())
		})
}

func TestStoreAttempt_IsMarkedUnderTheLockThatIsHeld(t *testing.T) {
	scenarioWithStore(t, func(_ *fixture, c *tokensource.Config) { c.Rand = func() float64 { return 0.5 } },
		func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			noted := fake.attempts
			load := func(err error) { fake.mu.Lock(); defer fake.mu.Unlock(); fake.loadErr = err }
			load(errUnreachable) // the lock can be had, and the record cannot be read
			f.clock.Advance(access)
			f.wantUnavailable()
			f.clock.Advance(40 * time.Second)
			ctx, leave := context.WithCancel(t.Context())
			collect := f.startCallers(ctx, 1) // given up: waits for the random second
			load(nil)
			f.clock.Advance(time.Second)
			synctest.Wait()
			leave()
			assert.Equal(t, answer{token: "a2"}, collect()[0])
			assert.Equal(t, noted+1, fake.attempts, "and the attempt is noted, as ever under the lock")
			assert.Equal(t, 1, f.gw.Refreshes.Count())
		})
}
