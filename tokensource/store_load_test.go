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
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.clock.Advance(access)
		r.want("a2")
		before := r.src.Status()
		r.clock.Advance(time.Minute)
		r.restart(nil, shelf)
		assert.Equal(t, tokensource.Unknown, r.src.Status().Phase)
		r.want("a2")
		after := r.src.Status()
		assert.Equal(t, before, after)
		r.clock.Advance(access)
		r.want("a4")
		assert.Equal(t, []string{"r1", "r2"}, r.gw.presented())
	})
}

func TestStoreLoad_RestoresTheStartOfTheSession(t *testing.T) {
	onShelf(t, func(r *rig, c *tokensource.Config) {
		r.gw.fixed = 100 * time.Hour // announced ten hours ahead
		c.Token = r.gw.signOn()
	}, func(t *testing.T, r *rig, shelf *lockedShelf) {
		for range 80 {
			r.clock.Advance(access)
			_, err := r.ask()
			require.NoError(t, err)
		}
		r.restart(nil, shelf)
		for range 9 {
			_, err := r.ask()
			require.NoError(t, err)
			r.clock.Advance(access)
		}
		_, err := r.ask()
		require.NoError(t, err)
		assert.Zero(t, r.events.count(tokensource.EventEnding))
		r.clock.Advance(access)
		_, err = r.ask()
		require.NoError(t, err)
		assert.Equal(t, 1, r.events.count(tokensource.EventEnding))
	})
}

func TestStoreLoad_TheLoadedTokenIsRefreshed(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		shelf.rotate(t, "theirs", start.Add(access))
		r.clock.Advance(access) // both are dead
		r.want("a2")
		assert.Equal(t, []string{"r-theirs"}, r.gw.presented())
		assert.InDelta(t, 3, shelf.field("generation"), 0)
	})
}

func TestStoreLoad_AnOlderRecordIsNotAdopted(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.clock.Advance(access)
		r.want("a2")
		shelf.edit(t, func(f map[string]any) {
			f["generation"], f["access_token"], f["issued_at"] = 1, "restored", start.Add(fixed)
		})
		require.NoError(t, r.src.Sync(t.Context()))
		r.want("a2")
		r.clock.Advance(access)
		r.want("a3")
		assert.Equal(t, []string{"r1", "r2"}, r.gw.presented())
		assert.InDelta(t, 4, shelf.field("generation"), 0)
	})
}

func TestStoreLoad_ARecordOfTheSameGenerationIsNotAdopted(t *testing.T) {
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
			r.gw.Refreshes.Do(func() error {
				shelf.edit(t, func(f map[string]any) { f["access_token"] = "restored" })
				return nil
			})
			r.clock.Advance(access)
			r.want("a2")
			assert.Equal(t, "a2 r2", shelf.pair())
			assert.Equal(t, 1, r.gw.Refreshes.Count())
		})
	})
}

func TestStoreLoad_AnEndedSessionReadsAtMostOnceASecond(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.gw.Refreshes.Fail(errUnauthorized)
		r.clock.Advance(access)
		r.wantEnded(tokensource.RefreshRejected)
		before := shelf.loads
		for range 100 { // ten seconds
			r.wantEnded(tokensource.RefreshRejected)
			r.clock.Advance(100 * time.Millisecond)
		}
		assert.InDelta(t, 10, shelf.loads-before, 1)
		shelf.rotate(t, "theirs", r.clock.Now().Add(access))
		r.clock.Advance(time.Second)
		r.want("theirs")
		assert.Equal(t, 1, r.gw.Refreshes.Count())
	})
}

func TestStoreLoad_ALaterGenerationIsNewerWhateverItsIssueTime(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		shelf.cut(errAway)
		shelf.lost = true
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
		shelf.lost = false
		require.NoError(t, r.src.Sync(t.Context()))
		assert.Equal(t, "a3 r3", shelf.pair())
		r.want("a3")
	})
}

func TestStoreLoad_IsRepeatedAfterALongWaitForTheLock(t *testing.T) {
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
			assert.Zero(t, r.gw.Refreshes.Count(), "r1 is spent")
			require.NoError(t, unlock())
		})
}

func TestStoreLoad_ItsOwnPairIsNotAdopted(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		shelf.lost = true
		r.clock.Advance(access)
		r.want("a2")
		require.Equal(t, "a2 r2", shelf.pair())
		shelf.lost = false
		r.clock.Suspend(-2 * access)
		r.clock.Advance(30 * time.Minute)
		require.NoError(t, r.src.Sync(t.Context()))
		assert.Zero(t, r.events.count(tokensource.EventAdopted))
		r.clock.Advance(30 * time.Minute) // a2 is an hour old
		r.want("a3")
	})
}
