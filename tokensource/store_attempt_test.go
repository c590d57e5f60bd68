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

func TestStoreAttempt_IsMarkedBeforeTheRefresh(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		collect := f.holdRefresh(1)
		assert.NotNil(t, fake.field("attempt_at"))
		assert.Equal(t, "a1 r1", fake.pair())
		assert.InDelta(t, 1, fake.field("generation"), 0, "the mark alone is no new generation")
		f.gw.Refreshes.Release()
		collect()
		assert.Nil(t, fake.field("attempt_at"))
		assert.InDelta(t, 2, fake.field("generation"), 0)
	})
}

// A process that finds a refreshed pair under the lock makes no attempt of its own.
func TestStoreAttempt_IsNotMarkedWithoutARefresh(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		f.clock.Advance(access)
		fake.rotate(t, "theirs", f.clock.Now().Add(access))
		saves := len(fake.saves)
		f.want("theirs")
		assert.Nil(t, fake.field("attempt_at"), "otherwise the next rejection in another process would have an unknown outcome")
		assert.Len(t, fake.saves, saves)
		assert.Zero(t, f.gw.Refreshes.Count())
	})
}

func TestStoreAttempt_ARejectionAfterACrashHasAnUnknownOutcome(t *testing.T) {
	for name, crashed := range map[string]bool{"after a crash": true, "after a regular end": false} {
		t.Run(name, func(t *testing.T) {
			scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
				f.gw.Refreshes.Fail(errBusy) // a plain failure removes the mark
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
	t.Run("a later answer does not remove the mark of a lost one", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			f.gw.Refreshes.Fail(errLost, errLost, errBusy, errUnauthorized)
			f.clock.Advance(access)
			f.wantUnavailable()
			f.clock.Advance(10 * time.Second)
			f.wantUnavailable()
			assert.NotNil(t, fake.field("attempt_at"), "the mark is not removed")
			f.restart(nil, fake)
			assert.True(t, f.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
			assert.Equal(t, 4, f.gw.Refreshes.Count())
		})
	})
	t.Run("the mark of another process counts even without the lock", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			unlock := fake.lock(t)
			f.clock.Advance(access)
			fake.edit(t, func(record map[string]any) { record["attempt_at"] = f.clock.Now() })
			f.gw.Refreshes.Fail(errUnauthorized)
			collect := f.startCallers(t.Context(), 1)
			f.clock.Advance(30 * time.Second)
			var ended *tokensource.LoginRequiredError
			require.ErrorAs(t, collect()[0].err, &ended)
			assert.True(t, ended.OutcomeUnknown)
			assert.NotNil(t, fake.field("attempt_at"), "the mark belongs to the other process")
			require.NoError(t, unlock())
			assert.Equal(t, 1, f.gw.Refreshes.Count())
		})
	})
	t.Run("an answered rejection leaves no mark", func(t *testing.T) {
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
		// Another process marks an attempt at the same instant, and crashes.
		fake.edit(t, func(record map[string]any) { record["attempt_at"] = f.clock.Now() })
		f.clock.Advance(time.Second)
		assert.True(t, f.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
		assert.Equal(t, 2, f.gw.Refreshes.Count())
	})
}

func TestStoreAttempt_IsMarkedInAStoreThatIsBack(t *testing.T) {
	scenarioWithStore(t, withMedianRand, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.failReads(errUnreachable)
		f.clock.Advance(access)
		f.wantUnavailable()
		f.clock.Advance(40 * time.Second)
		before := fake.attempts
		collect := f.startCallers(t.Context(), 1) // the store is given up; waits for a random second
		fake.failReads(nil)
		f.clock.Advance(time.Second)
		assert.Equal(t, answer{token: "a2"}, collect()[0])
		assert.Equal(t, before+1, fake.attempts, "under the lock")
		assert.Equal(t, 1, f.gw.Refreshes.Count())
	})
}

func TestStoreAttempt_IsMarkedUnderTheLockThatIsHeld(t *testing.T) {
	scenarioWithStore(t, withMedianRand, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		before := fake.attempts
		load := func(err error) { fake.mu.Lock(); defer fake.mu.Unlock(); fake.loadErr = err }
		load(errUnreachable) // the lock works, and loads fail
		f.clock.Advance(access)
		f.wantUnavailable()
		f.clock.Advance(40 * time.Second)
		ctx, leave := context.WithCancel(t.Context())
		collect := f.startCallers(ctx, 1) // the store is given up; waits for a random second
		load(nil)
		f.clock.Advance(time.Second)
		synctest.Wait()
		leave()
		assert.Equal(t, answer{token: "a2"}, collect()[0])
		assert.Equal(t, before+1, fake.attempts, "the attempt is marked under the lock")
		assert.Equal(t, 1, f.gw.Refreshes.Count())
	})
}
