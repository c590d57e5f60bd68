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
			unlock, err := fake.Lock(t.Context())
			require.NoError(t, err)
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
	t.Run("is waited for when there is none", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			unlock, err := fake.Lock(t.Context())
			require.NoError(t, err)
			f.clock.Advance(access)
			collect := f.startCallers(t.Context(), 5)
			f.clock.Advance(29 * time.Second)
			synctest.Wait()
			fake.rotate(t, "theirs", f.clock.Now().Add(access))
			require.NoError(t, unlock())
			for _, a := range collect() {
				assert.Equal(t, answer{token: "theirs"}, a)
			}
			assert.Zero(t, f.gw.Refreshes.Count())
		})
	})
	t.Run("by somebody who hangs is passed by in the end", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			unlock, err := fake.Lock(t.Context())
			require.NoError(t, err)
			f.clock.Advance(access)
			collect := f.startCallers(t.Context(), 5)
			f.clock.Advance(30 * time.Second)
			for _, a := range collect() {
				assert.Equal(t, answer{token: "a2"}, a)
			}
			assert.Equal(t, 1, f.events.count(tokensource.EventUnlocked))
			assert.Equal(t, "a2 r2", fake.pair())
			require.NoError(t, unlock())
		})
	})
	t.Run("a login waits for it, and spends no sign-on", func(t *testing.T) {
		scenarioWithStore(t, withLoginOnly, func(t *testing.T, f *fixture, fake *lockingStore) {
			unlock, err := fake.Lock(t.Context())
			require.NoError(t, err)
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
		unlock, err := fake.Lock(t.Context()) // a neighbour refreshes, which takes three seconds
		require.NoError(t, err)
		f.clock.Advance(access - 1500*time.Millisecond)
		f.want("a1")                 // a refresh is due, and waits for a second
		f.clock.Advance(time.Second) // in which the token dies
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

// Where the file system says that there is no locking, nobody waits for it, in any
// process of many that live for a moment each.
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
		assert.Equal(t, 1, f.events.count(tokensource.EventUnlocked), "it is announced once")
	})
}

func TestStoreLock_AnEmptyStoreIsRefilledWithoutIt(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		unlock, err := fake.Lock(t.Context())
		require.NoError(t, err)
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
	scenarioWithStore(t, func(_ *fixture, c *tokensource.Config) { c.Rand = func() float64 { return 0.5 } },
		func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			unlock, err := fake.Lock(t.Context())
			require.NoError(t, err)
			f.clock.Advance(access)
			collect := f.startCallers(t.Context(), 1)
			f.clock.Advance(30 * time.Second) // LockTimeout; then a random wait
			synctest.Wait()
			require.Zero(t, f.gw.Refreshes.Count())
			// The clock of the one who rotates is ahead: it is due for refresh as it comes.
			fake.rotate(t, "theirs", f.clock.Now().Add(access+2*time.Minute))
			f.clock.Advance(time.Second)
			assert.Equal(t, answer{token: "theirs"}, collect()[0])
			synctest.Wait()
			assert.Zero(t, f.gw.Refreshes.Count(), "it lives: its refresh can wait for the lock")
			require.NoError(t, unlock())
		})
}

func TestStoreLock_IsTakenWhenTheStoreIsBack(t *testing.T) {
	scenarioWithStore(t, func(_ *fixture, c *tokensource.Config) { c.Rand = func() float64 { return 0.5 } },
		func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			fake.setUnavailable(errUnreachable)
			fake.lockErr = errUnreachable
			f.clock.Advance(access)
			f.wantUnavailable()
			f.clock.Advance(40 * time.Second)
			collect := f.startCallers(t.Context(), 1) // given up: waits for the random second
			fake.setUnavailable(nil)                  // and it is back, and a neighbour refreshes
			fake.lockErr = nil
			unlock, err := fake.Lock(t.Context())
			require.NoError(t, err)
			f.clock.Advance(time.Second)
			synctest.Wait()
			assert.Zero(t, f.gw.Refreshes.Count(), "the store can be reached, and is not locked")
			fake.rotate(t, "theirs", f.clock.Now().Add(access))
			require.NoError(t, unlock())
			assert.Equal(t, answer{token: "theirs"}, collect()[0])
		})
}

func TestStoreLock_AnUnlockThatHangs(t *testing.T) {
	t.Run("keeps nobody from what was adopted", func(t *testing.T) {
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
	t.Run("lets nobody have what was signed out", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			fake.edit(t, func(record map[string]any) { record["generation"], record["signed_out_at"] = 2, start })
			fake.unlocking.hold()
			f.clock.Advance(access - 5*time.Minute)
			f.want("a1") // and behind it the mark is found
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
