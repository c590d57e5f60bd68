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
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			unlock, err := shelf.Lock(t.Context())
			require.NoError(t, err)
			r.clock.Advance(55 * time.Minute)
			r.want("a1")
			r.clock.Advance(time.Second)
			r.want("a1")
			shelf.rotate(t, "theirs", r.clock.Now().Add(access))
			r.clock.Advance(time.Second)
			synctest.Wait()
			r.want("theirs")
			require.NoError(t, unlock())
			assert.Zero(t, r.gw.Refreshes.Count())
		})
	})
	t.Run("is waited for when there is none", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			unlock, err := shelf.Lock(t.Context())
			require.NoError(t, err)
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 5)
			r.clock.Advance(29 * time.Second)
			synctest.Wait()
			shelf.rotate(t, "theirs", r.clock.Now().Add(access))
			require.NoError(t, unlock())
			for _, a := range collect() {
				assert.Equal(t, answer{token: "theirs"}, a)
			}
			assert.Zero(t, r.gw.Refreshes.Count())
		})
	})
	t.Run("by somebody who hangs is passed by in the end", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			unlock, err := shelf.Lock(t.Context())
			require.NoError(t, err)
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 5)
			r.clock.Advance(30 * time.Second)
			for _, a := range collect() {
				assert.Equal(t, answer{token: "a2"}, a)
			}
			assert.Equal(t, 1, r.events.count(tokensource.EventUnlocked))
			assert.Equal(t, "a2 r2", shelf.pair())
			require.NoError(t, unlock())
		})
	})
	t.Run("a login waits for it, and spends no sign-on", func(t *testing.T) {
		onShelf(t, withLoginOnly, func(t *testing.T, r *rig, shelf *lockedShelf) {
			unlock, err := shelf.Lock(t.Context())
			require.NoError(t, err)
			collect := r.callers(t.Context(), 2)
			r.clock.Advance(30 * time.Second)
			for _, a := range collect() {
				assert.ErrorIs(t, a.err, tokensource.ErrLoginRequired)
			}
			assert.Zero(t, r.gw.Logins.Count())
			require.NoError(t, unlock())
			r.clock.Advance(time.Second)
			r.want("a2")
		})
	})
}

func TestStoreLock_IsStillWaitedForWhenTheTokenExpires(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		unlock, err := shelf.Lock(t.Context()) // a neighbour refreshes, which takes three seconds
		require.NoError(t, err)
		r.clock.Advance(access - 1500*time.Millisecond)
		r.want("a1")                 // a refresh is due, and waits for a second
		r.clock.Advance(time.Second) // in which the token dies
		collect := r.callers(t.Context(), 1)
		r.clock.Advance(2 * time.Second)
		synctest.Wait()
		assert.Zero(t, r.gw.Refreshes.Count())
		shelf.rotate(t, "theirs", r.clock.Now().Add(access))
		require.NoError(t, unlock())
		assert.Equal(t, answer{token: "theirs"}, collect()[0])
		assert.Zero(t, r.gw.Refreshes.Count())
		assert.Zero(t, r.events.count(tokensource.EventUnlocked))
	})
}

// Where the file system says that there is no locking, nobody waits for it, in any
// process of many that live for a moment each.
func TestStoreLock_UnsupportedLockingDelaysNothing(t *testing.T) {
	none := &fs.PathError{Op: "open", Path: "session.lock", Err: syscall.EOPNOTSUPP}
	onShelf(t, func(_ *rig, c *tokensource.Config) {
		c.Store.(*lockedShelf).lockErr = none
	}, func(t *testing.T, r *rig, _ *lockedShelf) {
		r.want("a1")
		r.clock.Advance(access)
		r.want("a2")
		r.clock.Advance(access)
		r.want("a3")
		assert.Equal(t, []string{"r1", "r2"}, r.gw.presented())
		assert.Equal(t, 1, r.events.count(tokensource.EventUnlocked), "it is announced once")
	})
}

func TestStoreLock_AnEmptyStoreIsRefilledWithoutIt(t *testing.T) {
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
		assert.Equal(t, 1, r.gw.Refreshes.Count())
		require.NoError(t, unlock())
	})
}

func TestStoreLock_WithoutItOnlyAnExpiredTokenIsRefreshed(t *testing.T) {
	onShelf(t, func(_ *rig, c *tokensource.Config) { c.Rand = func() float64 { return 0.5 } },
		func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			unlock, err := shelf.Lock(t.Context())
			require.NoError(t, err)
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 1)
			r.clock.Advance(30 * time.Second) // LockTimeout; then a random wait
			synctest.Wait()
			require.Zero(t, r.gw.Refreshes.Count())
			// The clock of the one who rotates is ahead: it is due for refresh as it comes.
			shelf.rotate(t, "theirs", r.clock.Now().Add(access+2*time.Minute))
			r.clock.Advance(time.Second)
			assert.Equal(t, answer{token: "theirs"}, collect()[0])
			synctest.Wait()
			assert.Zero(t, r.gw.Refreshes.Count(), "it lives: its refresh can wait for the lock")
			require.NoError(t, unlock())
		})
}

func TestStoreLock_IsTakenWhenTheStoreIsBack(t *testing.T) {
	onShelf(t, func(_ *rig, c *tokensource.Config) { c.Rand = func() float64 { return 0.5 } },
		func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			shelf.away(errAway)
			shelf.lockErr = errAway
			r.clock.Advance(access)
			r.wantUnavailable()
			r.clock.Advance(40 * time.Second)
			collect := r.callers(t.Context(), 1) // given up: waits for the random second
			shelf.away(nil)                      // and it is back, and a neighbour refreshes
			shelf.lockErr = nil
			unlock, err := shelf.Lock(t.Context())
			require.NoError(t, err)
			r.clock.Advance(time.Second)
			synctest.Wait()
			assert.Zero(t, r.gw.Refreshes.Count(), "the store can be reached, and is not locked")
			shelf.rotate(t, "theirs", r.clock.Now().Add(access))
			require.NoError(t, unlock())
			assert.Equal(t, answer{token: "theirs"}, collect()[0])
		})
}

func TestStoreLock_AnUnlockThatHangs(t *testing.T) {
	t.Run("keeps nobody from what was adopted", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			r.clock.Advance(access)
			shelf.rotate(t, "theirs", r.clock.Now().Add(access))
			shelf.unlocking.close()
			assert.Equal(t, answer{token: "theirs"}, r.callers(t.Context(), 1)()[0])
			shelf.unlocking.open()
			assert.Zero(t, r.gw.Refreshes.Count())
		})
	})
	t.Run("lets nobody have what was signed out", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			shelf.edit(t, func(f map[string]any) { f["generation"], f["signed_out_at"] = 2, start })
			shelf.unlocking.close()
			r.clock.Advance(access - 5*time.Minute)
			r.want("a1") // and behind it the mark is found
			assert.Equal(t, tokensource.Ended, r.src.Status().Phase)
			r.wantEnded(tokensource.SignedOut)
			shelf.unlocking.open()
			assert.Zero(t, r.gw.Refreshes.Count())
		})
	})
}

func TestStoreLock_AnUnlockThatHangsDelaysNoFirstCaller(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		shelf.unlocking.close()
		r.want("a1")
		shelf.unlocking.open()
		assert.Zero(t, r.gw.Refreshes.Count())
	})
}
