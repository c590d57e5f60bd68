package tokensource_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/tokensource"
)

func TestStoreLoad_RestoresTheSession(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.clock.Advance(access)
		f.want("a2")
		before := f.src.Status()
		f.clock.Advance(time.Minute)
		f.restart(nil, fake)
		assert.Equal(t, tokensource.Unknown, f.src.Status().Phase)
		f.want("a2")
		after := f.src.Status()
		assert.Equal(t, before, after)
		f.clock.Advance(access)
		f.want("a4")
		assert.Equal(t, []string{"r1", "r2"}, f.gw.presented())
	})
}

func TestStoreLoad_RestoresTheStartOfTheSession(t *testing.T) {
	scenarioWithStore(t, func(f *fixture, c *tokensource.Config) {
		f.gw.fixed = 100 * time.Hour // the warning is due ten hours before
		c.Token = f.gw.signOn()
	}, func(t *testing.T, f *fixture, fake *lockingStore) {
		for range 80 {
			f.clock.Advance(access)
			f.wantAny()
		}
		f.restart(nil, fake)
		for range 9 {
			f.wantAny()
			f.clock.Advance(access)
		}
		f.wantAny()
		assert.Zero(t, f.events.count(tokensource.EventEnding))
		f.clock.Advance(access)
		f.wantAny()
		assert.Equal(t, 1, f.events.count(tokensource.EventEnding))
	})
}

func TestStoreLoad_TheLoadedTokenIsRefreshed(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.rotate(t, "theirs", start.Add(access))
		f.clock.Advance(access) // both have expired
		f.want("a2")
		assert.Equal(t, []string{"r-theirs"}, f.gw.presented())
		assert.InDelta(t, 3, fake.field("generation"), 0)
	})
}

func TestStoreLoad_AnOlderRecordIsNotAdopted(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.clock.Advance(access)
		f.want("a2")
		fake.edit(t, func(record map[string]any) {
			record["generation"], record["access_token"], record["issued_at"] = 1, "restored", start.Add(fixed)
		})
		require.NoError(t, f.src.Sync(t.Context()))
		f.want("a2")
		f.clock.Advance(access)
		f.want("a3")
		assert.Equal(t, []string{"r1", "r2"}, f.gw.presented())
		assert.InDelta(t, 4, fake.field("generation"), 0)
	})
}

func TestStoreLoad_ARecordOfTheSameGenerationIsNotAdopted(t *testing.T) {
	t.Run("when the store is read", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			fake.edit(t, func(record map[string]any) { record["access_token"] = "restored" })
			require.NoError(t, f.src.Sync(t.Context()))
			f.want("a1")
			assert.Zero(t, f.events.count(tokensource.EventAdopted))
		})
	})
	t.Run("when a save finds it", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			f.gw.Refreshes.Do(func() error {
				fake.edit(t, func(record map[string]any) { record["access_token"] = "restored" })
				return nil
			})
			f.clock.Advance(access)
			f.want("a2")
			assert.Equal(t, "a2 r2", fake.pair())
			assert.Equal(t, 1, f.gw.Refreshes.Count())
		})
	})
}

func TestStoreLoad_AnEndedSessionReadsAtMostOnceASecond(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		f.gw.Refreshes.Fail(errUnauthorized)
		f.clock.Advance(access)
		f.wantEnded(tokensource.RefreshRejected)
		before := fake.loads
		for range 100 { // ten seconds
			f.wantEnded(tokensource.RefreshRejected)
			f.clock.Advance(100 * time.Millisecond)
		}
		assert.InDelta(t, 10, fake.loads-before, 1)
		fake.rotate(t, "theirs", f.clock.Now().Add(access))
		f.clock.Advance(time.Second)
		f.want("theirs")
		assert.Equal(t, 1, f.gw.Refreshes.Count())
	})
}

func TestStoreLoad_ALaterGenerationIsNewerWhateverItsIssueTime(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		fake.failReads(errUnreachable)
		fake.lost = true
		f.want("a1")
		f.clock.Advance(access)
		f.want("a2") // saved, but the answer is lost, and loads fail
		require.Equal(t, "a2 r2", fake.pair())
		fake.edit(t, func(record map[string]any) {
			record["generation"] = record["generation"].(float64) + 1
			record["access_token"], record["refresh_token"] = "a3", "r3"
			record["issued_at"] = f.clock.Now().Add(-3 * time.Minute).Format(time.RFC3339)
		})
		fake.failReads(nil)
		fake.lost = false
		require.NoError(t, f.src.Sync(t.Context()))
		assert.Equal(t, "a3 r3", fake.pair())
		f.want("a3")
	})
}

func TestStoreLoad_IsRepeatedAfterALongWaitForTheLock(t *testing.T) {
	scenarioWithStore(t, withMedianRand, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.failReads(errUnreachable)
		f.clock.Advance(access)
		f.wantUnavailable()
		f.clock.Advance(40 * time.Second)
		collect := f.startCallers(t.Context(), 1) // the store is given up; waits for a random second
		fake.failReads(nil)                       // the store is back, and locked by another process
		unlock := fake.lock(t)
		f.clock.Advance(time.Second)
		synctest.Wait()
		fake.rotate(t, "theirs", f.clock.Now().Add(2*access))
		f.clock.Advance(30 * time.Second) // LockTimeout passes without the lock
		assert.Equal(t, answer{token: "theirs"}, collect()[0])
		assert.Zero(t, f.gw.Refreshes.Count(), "r1 is spent")
		require.NoError(t, unlock())
	})
}

func TestStoreLoad_ItsOwnPairIsNotAdopted(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.lost = true
		f.clock.Advance(access)
		f.want("a2")
		require.Equal(t, "a2 r2", fake.pair())
		fake.lost = false
		f.clock.Suspend(-2 * access)
		f.clock.Advance(30 * time.Minute)
		require.NoError(t, f.src.Sync(t.Context()))
		assert.Zero(t, f.events.count(tokensource.EventAdopted))
		f.clock.Advance(30 * time.Minute) // a2 is an hour old
		f.want("a3")
	})
}

// A caller whose wait for the store ends before the load has ended is served, and its call
// is enough for a refresh that is due.
func TestStoreLoad_ACallerServedBeforeTheEndStartsARefresh(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.clock.Advance(access - time.Minute)
		fake.unlocking.hold()
		f.want("a1")
		assert.Empty(t, f.gw.presented(), "the load goes on")
		fake.unlocking.release()
		synctest.Wait()
		assert.Equal(t, []string{"r1"}, f.gw.presented())
		f.want("a2")
	})
}
