package tokensource_test

import (
	"context"
	"errors"
	"io/fs"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/tokensource"
)

var errNoLock = errors.New("permission denied")

// A one-shot command asks once, and has a minute: it gets its token though the lock
// cannot be had, as soon as the store is given up for it.
func TestStoreLock_ACallerWithADeadlineWaitsForIt(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.clock.Advance(access)
		shelf.lockErr = errNoLock
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		collect := r.callers(ctx, 3)
		for began := r.clock.Now(); r.gw.count() == 0; {
			require.Less(t, r.clock.Now().Sub(began), time.Minute)
			r.clock.AdvanceToNext()
			synctest.Wait()
		}
		for _, a := range collect() {
			require.NoError(t, a.err)
			assert.Equal(t, "a2", a.token)
		}
		assert.Equal(t, 1, r.events.count(tokensource.EventUnlocked))
	})
}

func TestStoreLock_ACallerWithoutADeadlineIsToldAtOnce(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.clock.Advance(access)
		shelf.lockErr = errNoLock
		assert.ErrorIs(t, r.wantUnavailable(), errNoLock)
	})
}

func TestStoreLock_TheDeadlineEndsTheWait(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.clock.Advance(access)
		shelf.lockErr = errNoLock
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := r.src.TokenContext(ctx) // the Source's clock stands still
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorIs(t, err, errNoLock, "it says what was waited for")
		assert.Zero(t, r.gw.count())
	})
}

// Where the file system says that there is no locking, nobody waits for it, in any
// process of many that live for a moment each.
func TestStoreLock_WithoutLockingWorkGoesOnAtOnce(t *testing.T) {
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
