package tokensource_test

import (
	"io/fs"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/tokensource"
)

func TestStoreLock_HeldByAnotherProcess(t *testing.T) {
	t.Run("is not waited for while there is a live token", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			unlock := fake.lock(t)
			f.clock.Advance(55 * time.Minute)
			f.want("a1")
			f.clock.Advance(time.Second)
			f.want("a1")
			fake.rotate(t, "theirs", f.clock.Now().Add(access))
			f.clock.Advance(time.Second)
			synctest.Wait()
			f.want("theirs")
			require.NoError(t, unlock())
			assert.Zero(t, f.gw.Refreshes.Count())
		})
	})
	t.Run("is waited for without a live token", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			unlock := fake.lock(t)
			f.clock.Advance(access)
			collect := f.startCallers(t.Context(), 5)
			f.clock.Advance(29 * time.Second)
			synctest.Wait()
			fake.rotate(t, "theirs", f.clock.Now().Add(access))
			require.NoError(t, unlock())
			wantAll(t, collect, "theirs")
			assert.Zero(t, f.gw.Refreshes.Count())
		})
	})
	t.Run("is given up after LockTimeout", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			unlock := fake.lock(t)
			f.clock.Advance(access)
			collect := f.startCallers(t.Context(), 5)
			f.clock.Advance(30 * time.Second)
			wantAll(t, collect, "a2")
			assert.Equal(t, 1, f.events.count(tokensource.EventUnlocked))
			assert.Equal(t, "a2 r2", fake.pair())
			require.NoError(t, unlock())
		})
	})
	t.Run("delays a login", func(t *testing.T) {
		scenarioWithStore(t, withLoginOnly, func(t *testing.T, f *fixture, fake *lockingStore) {
			unlock := fake.lock(t)
			collect := f.startCallers(t.Context(), 2)
			f.clock.Advance(30 * time.Second)
			for _, a := range collect() {
				assert.ErrorIs(t, a.err, tokensource.ErrLoginRequired)
			}
			assert.Zero(t, f.gw.Logins.Count())
			require.NoError(t, unlock())
			f.clock.Advance(time.Second)
			f.want("a2")
		})
	})
}

func TestStoreLock_IsStillWaitedForWhenTheTokenExpires(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		unlock := fake.lock(t) // another process refreshes for three seconds
		f.clock.Advance(access - 1500*time.Millisecond)
		f.want("a1")                 // a refresh is due, and waits for a second
		f.clock.Advance(time.Second) // the token expires meanwhile
		collect := f.startCallers(t.Context(), 1)
		f.clock.Advance(2 * time.Second)
		synctest.Wait()
		assert.Zero(t, f.gw.Refreshes.Count())
		fake.rotate(t, "theirs", f.clock.Now().Add(access))
		require.NoError(t, unlock())
		assert.Equal(t, answer{token: "theirs"}, collect()[0])
		assert.Zero(t, f.gw.Refreshes.Count())
		assert.Zero(t, f.events.count(tokensource.EventUnlocked))
	})
}

// If the file system does not support locks, no process waits for one, however short
// it lives.
func TestStoreLock_UnsupportedLockingDelaysNothing(t *testing.T) {
	none := &fs.PathError{Op: "open", Path: "session.lock", Err: syscall.EOPNOTSUPP}
	scenarioWithStore(t, func(_ *fixture, c *tokensource.Config) {
		c.Store.(*lockingStore).lockErr = none
	}, func(t *testing.T, f *fixture, _ *lockingStore) {
		f.want("a1")
		f.clock.Advance(access)
		f.want("a2")
		f.clock.Advance(access)
		f.want("a3")
		assert.Equal(t, []string{"r1", "r2"}, f.gw.presented())
		assert.Equal(t, 1, f.events.count(tokensource.EventUnlocked), "emitted once")
	})
}

func TestStoreLock_AnEmptyStoreIsRefilledWithoutIt(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		unlock := fake.lock(t)
		fake.replace("")
		f.clock.Advance(access)
		collect := f.startCallers(t.Context(), 1)
		f.clock.Advance(30 * time.Second) // LockTimeout
		assert.Equal(t, answer{token: "a2"}, collect()[0])
		assert.Equal(t, "a2 r2", fake.pair())
		assert.Equal(t, 1, f.gw.Refreshes.Count())
		require.NoError(t, unlock())
	})
}

func TestStoreLock_WithoutItOnlyAnExpiredTokenIsRefreshed(t *testing.T) {
	scenarioWithStore(t, withMedianRand, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		unlock := fake.lock(t)
		f.clock.Advance(access)
		collect := f.startCallers(t.Context(), 1)
		f.clock.Advance(30 * time.Second) // LockTimeout; a random wait follows
		synctest.Wait()
		require.Zero(t, f.gw.Refreshes.Count())
		// The clock of the other process is ahead: its pair is due for refresh at once.
		fake.rotate(t, "theirs", f.clock.Now().Add(access+2*time.Minute))
		f.clock.Advance(time.Second)
		assert.Equal(t, answer{token: "theirs"}, collect()[0])
		synctest.Wait()
		assert.Zero(t, f.gw.Refreshes.Count(), "it has not expired, so that its refresh waits for the lock")
		require.NoError(t, unlock())
	})
}

func TestStoreLock_IsTakenWhenTheStoreIsBack(t *testing.T) {
	scenarioWithStore(t, withMedianRand, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.setUnavailable(errUnreachable)
		fake.lockErr = errUnreachable
		f.clock.Advance(access)
		f.wantUnavailable()
		f.clock.Advance(40 * time.Second)
		collect := f.startCallers(t.Context(), 1) // the store is given up; waits for a random second
		fake.setUnavailable(nil)                  // the store is back, and another process refreshes
		fake.lockErr = nil
		unlock := fake.lock(t)
		f.clock.Advance(time.Second)
		synctest.Wait()
		assert.Zero(t, f.gw.Refreshes.Count(), "no refresh without the lock of a store that is back")
		fake.rotate(t, "theirs", f.clock.Now().Add(access))
		require.NoError(t, unlock())
		assert.Equal(t, answer{token: "theirs"}, collect()[0])
	})
}

func TestStoreLock_AnUnlockThatHangs(t *testing.T) {
	t.Run("does not delay callers of an adopted token", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			f.clock.Advance(access)
			fake.rotate(t, "theirs", f.clock.Now().Add(access))
			fake.unlocking.hold()
			assert.Equal(t, answer{token: "theirs"}, f.startCallers(t.Context(), 1)()[0])
			fake.unlocking.release()
			assert.Zero(t, f.gw.Refreshes.Count())
		})
	})
	t.Run("does not delay the end after a sign-out", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			fake.edit(t, func(record map[string]any) { record["generation"], record["signed_out_at"] = 2, start })
			fake.unlocking.hold()
			f.clock.Advance(access - 5*time.Minute)
			f.want("a1") // the mark is found in the background
			assert.Equal(t, tokensource.Ended, f.src.Status().Phase)
			f.wantEnded(tokensource.SignedOut)
			fake.unlocking.release()
			assert.Zero(t, f.gw.Refreshes.Count())
		})
	})
}

func TestStoreLock_AnUnlockThatHangsDelaysNoFirstCaller(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		fake.unlocking.hold()
		f.want("a1")
		fake.unlocking.release()
		assert.Zero(t, f.gw.Refreshes.Count())
	})
}
