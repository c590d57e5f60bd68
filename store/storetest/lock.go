package storetest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lockChecks are about a Locker's lock.
func lockChecks() []check {
	return all(
		needLock,
		check{name: "LockKeepsOthersOut", run: lockKeepsOthersOut},
		check{name: "LockKeepsTheSameValueOut", run: lockKeepsTheSameValueOut},
		check{name: "LockWaitEndsWithItsContext", run: lockWaitEndsWithItsContext},
		check{name: "LockOutlivesItsContext", run: lockOutlivesItsContext},
		check{name: "LockIsPassedOn", run: lockIsPassedOn},
		check{name: "LockOfNothing", run: lockOfNothing},
		check{name: "LockBarsNobodyFromTheRecord", run: lockBarsNobodyFromTheRecord},
		check{name: "UnlockTwice", run: unlockTwice},
	)
}

// assertLocked asserts that s cannot be locked now.
func assertLocked(t *testing.T, s Store) {
	t.Helper()
	unlock, err := acquire(tiring(t), t, s)
	require.Equal(t, errTired, err)
	require.Nil(t, unlock)
}

func lockKeepsOthersOut(t *testing.T, open Opener) {
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

func lockKeepsTheSameValueOut(t *testing.T, open Opener) {
	t.Helper()
	s := open()
	unlock := lock(t, s)
	assertLocked(t, s)
	require.NoError(t, unlock())
	require.NoError(t, lock(t, s)())
}

func lockWaitEndsWithItsContext(t *testing.T, open Opener) {
	t.Helper()
	s, other := open(), open()
	unlock := lock(t, s)
	ctx, cancel := context.WithCancelCause(t.Context())
	waiting := locking(ctx, other)
	cancel(errTired)
	assert.Equal(t, errTired, outcome(t, waiting).err)

	require.NoError(t, unlock())
	require.NoError(t, lock(t, other)(), "one that gave up leaves nothing behind")
}

func lockOutlivesItsContext(t *testing.T, open Opener) {
	t.Helper()
	s := open()
	ctx, cancel := context.WithCancel(t.Context())
	unlock, err := acquire(ctx, t, s)
	require.NoError(t, err)
	cancel()
	assertLocked(t, open())
	require.NoError(t, unlock())
	require.NoError(t, lock(t, open())())
}

func lockIsPassedOn(t *testing.T, open Opener) {
	t.Helper()
	s, other := open(), open()
	unlock := lock(t, s)
	waiting := locking(t.Context(), other)
	select {
	case <-waiting:
		t.Fatal("two hold the lock")
	case <-tiring(t).Done():
	}
	require.NoError(t, unlock())
	next := outcome(t, waiting)
	require.NoError(t, next.err)
	assertLocked(t, s)
	require.NoError(t, next.unlock())
}

func lockOfNothing(t *testing.T, open Opener) {
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

func lockBarsNobodyFromTheRecord(t *testing.T, open Opener) {
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
