package storetest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lockChecks test Lock.
func lockChecks() []check {
	return all(
		requireLock,
		check{name: "LockExcludesOthers", run: lockExcludesOthers},
		check{name: "LockExcludesSameValue", run: lockExcludesSameValue},
		check{name: "LockWaitEndsWithContext", run: lockWaitEndsWithContext},
		check{name: "LockOutlivesContext", run: lockOutlivesContext},
		check{name: "UnlockEndsWait", run: unlockEndsWait},
		check{name: "LockWithNothingStored", run: lockWithNothingStored},
		check{name: "LockDoesNotBlockRecord", run: lockDoesNotBlockRecord},
		check{name: "UnlockTwice", run: unlockTwice},
	)
}

// assertLocked asserts that s is locked.
func assertLocked(t *testing.T, s Store) {
	t.Helper()
	unlock, err := lockWithin(briefly(t), t, s)
	require.Equal(t, errCause, err)
	require.Nil(t, unlock)
}

func lockExcludesOthers(t *testing.T, open Opener) {
	t.Helper()
	s, other := open(), open()
	unlock := lock(t, s)
	assertLocked(t, other)
	require.NoError(t, unlock())
	unlock = lock(t, other)
	assertLocked(t, s)
	require.NoError(t, unlock())
	require.NoError(t, lock(t, s)())
}

func lockExcludesSameValue(t *testing.T, open Opener) {
	t.Helper()
	s := open()
	unlock := lock(t, s)
	assertLocked(t, s)
	require.NoError(t, unlock())
	require.NoError(t, lock(t, s)())
}

func lockWaitEndsWithContext(t *testing.T, open Opener) {
	t.Helper()
	s, other := open(), open()
	unlock := lock(t, s)
	ctx, cancel := context.WithCancelCause(t.Context())
	waiting := startLock(ctx, other)
	cancel(errCause)
	assert.Equal(t, errCause, awaitLock(t, waiting).err)

	require.NoError(t, unlock())
	require.NoError(t, lock(t, other)(), "the ended wait must not take the lock")
}

func lockOutlivesContext(t *testing.T, open Opener) {
	t.Helper()
	s := open()
	ctx, cancel := context.WithCancel(t.Context())
	unlock, err := lockWithin(ctx, t, s)
	require.NoError(t, err)
	cancel()
	assertLocked(t, open())
	require.NoError(t, unlock())
	require.NoError(t, lock(t, open())())
}

func unlockEndsWait(t *testing.T, open Opener) {
	t.Helper()
	s, other := open(), open()
	unlock := lock(t, s)
	waiting := startLock(t.Context(), other)
	select {
	case <-waiting:
		t.Fatal("two hold the lock")
	case <-briefly(t).Done():
	}
	require.NoError(t, unlock())
	next := awaitLock(t, waiting)
	require.NoError(t, next.err)
	assertLocked(t, s)
	require.NoError(t, next.unlock())
}

func lockWithNothingStored(t *testing.T, open Opener) {
	t.Helper()
	s := open()
	unlock := lock(t, s)
	assertNothing(t, s)
	save(t, s, "record-one")
	require.NoError(t, s.Delete(t.Context()))
	assertLocked(t, open())
	require.NoError(t, unlock())
	assertNothing(t, open())
}

func lockDoesNotBlockRecord(t *testing.T, open Opener) {
	t.Helper()
	s, other := open(), open()
	unlock := lock(t, s)
	save(t, s, "record-one")
	assert.Equal(t, "record-one", load(t, s))
	assert.Equal(t, "record-one", load(t, other))
	save(t, other, "record-two")
	assertConflict(t, s, "record-three")
	assert.Equal(t, "record-two", load(t, s))
	save(t, s, "record-three")
	require.NoError(t, unlock())
}

func unlockTwice(t *testing.T, open Opener) {
	t.Helper()
	s, other := open(), open()
	first := lock(t, s)
	require.NoError(t, first())
	require.NoError(t, first())

	second := lock(t, other)
	require.NoError(t, first())
	assertLocked(t, open())
	require.NoError(t, second())

	third := lock(t, s)
	require.NoError(t, first())
	assertLocked(t, s)
	require.NoError(t, third())
}
