// Package storetest tests that a store of a session behaves as package tokensource
// requires. The test of a store is one call:
//
//	func TestConformance(t *testing.T) {
//		storetest.Run(t, func(tb testing.TB) storetest.Opener {
//			path := filepath.Join(tb.TempDir(), "session.json")
//			return func() storetest.Store { return &store.File{Path: path} }
//		})
//	}
//
// A store has the three methods of [Store]. If several processes share a record, it
// should also have the method of [Locker]; otherwise each of them may use the same
// refresh token. With the method of [Asider] a new session can replace a damaged record;
// without it the damaged record stays, and the session exists only in memory. Run skips the
// checks of methods that a store does not have, or that return
// [errors.ErrUnsupported], as those of a wrapper may.
//
// The checks cover more than the interfaces say: Load returns a record exactly as it was
// saved, even during a Save; Save replaces only the record that the same value last
// loaded or saved; of two simultaneous Saves one succeeds and one fails; every method
// returns the cause of a context that has ended; and a context ends a wait for the lock,
// but not a lock that is held. Run the checks with the race detector.
package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Store is a store of one record. If nothing is stored, the error of Load Is
// fs.ErrNotExist. Save replaces the record that the same value last loaded or saved; if
// another one is stored, Save changes nothing and its error Is fs.ErrExist. Every method
// returns the cause of a context that has ended.
type Store interface {
	Load(ctx context.Context) ([]byte, error)
	Save(ctx context.Context, data []byte) error
	Delete(ctx context.Context) error
}

// Locker is an optional interface of a [Store]. At most one user holds the lock of a
// record. The lock does not block the methods of Store. The context limits the wait, but
// not how long the lock is held. A second call of unlock does nothing.
type Locker interface {
	Lock(ctx context.Context) (unlock func() error, err error)
}

// Asider is an optional interface of a [Store]. SetAside moves the record to another
// place, without overwriting records that were set aside before. If nothing is stored,
// its error Is fs.ErrNotExist.
type Asider interface {
	SetAside(ctx context.Context, suffix string) error
}

// Opener returns a new user of the same record each time it is called, like another
// process or this one after a restart. It is called only from the goroutine of the test.
type Opener func() Store

// Run checks a store. It calls fresh for each check; each Opener that fresh returns must
// have its own record, which does not exist yet.
func Run(t *testing.T, fresh func(tb testing.TB) Opener) {
	t.Helper()
	for _, group := range [][]check{recordChecks(), contextChecks(), lockChecks(), asideChecks(), concurrentChecks()} {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) {
				open := fresh(t)
				if c.needs != nil {
					c.needs(t, open())
				}
				c.run(t, open)
			})
		}
	}
}

type check struct {
	name string
	run  func(t *testing.T, open Opener)
	// needs skips the check if the store lacks a method.
	needs func(t *testing.T, s Store)
}

// all sets the needs of checks.
func all(needs func(*testing.T, Store), checks ...check) []check {
	for i := range checks {
		checks[i].needs = needs
	}
	return checks
}

// waitLimit returns how long a check waits for an event that should happen at once: a
// tenth of the time until the deadline of the test, at least 5 s, so that a correct store
// passes on a slow machine.
func waitLimit(t *testing.T) time.Duration {
	t.Helper()
	const least = 5 * time.Second
	deadline, bounded := t.Deadline()
	if !bounded {
		return least
	}
	return max(time.Until(deadline)/10, least)
}

// errCause is the cause of contexts that the checks end.
var errCause = errors.New("the check has ended the context")

// briefly returns a context that ends soon, with errCause.
func briefly(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 60*time.Millisecond, errCause)
	t.Cleanup(cancel)
	return ctx
}

func save(t *testing.T, s Store, record string) {
	t.Helper()
	require.NoError(t, s.Save(t.Context(), []byte(record)))
}

func load(t *testing.T, s Store) string {
	t.Helper()
	data, err := s.Load(t.Context())
	require.NoError(t, err)
	return string(data)
}

// requireLock skips the check if s cannot be locked.
func requireLock(t *testing.T, s Store) {
	t.Helper()
	if _, ok := s.(Locker); !ok {
		t.Skip("not a Locker")
	}
	unlock, err := lockWithin(t.Context(), t, s)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("Lock is not supported")
	}
	require.NoError(t, err)
	require.NoError(t, unlock())
}

// requireSetAside skips the check if s has no SetAside. Nothing is stored in s.
func requireSetAside(t *testing.T, s Store) {
	t.Helper()
	a, ok := s.(Asider)
	if !ok {
		t.Skip("not an Asider")
	}
	if errors.Is(a.SetAside(t.Context(), "probe"), errors.ErrUnsupported) {
		t.Skip("SetAside is not supported")
	}
}

// lock locks a store that is not locked.
func lock(t *testing.T, s Store) (unlock func() error) {
	t.Helper()
	unlock, err := lockWithin(t.Context(), t, s)
	require.NoError(t, err)
	return unlock
}

// result is the result of Lock.
type result struct {
	unlock func() error
	err    error
}

// startLock calls Lock in a goroutine.
func startLock(ctx context.Context, s Store) <-chan result {
	got := make(chan result, 1)
	go func() {
		unlock, err := s.(Locker).Lock(ctx)
		got <- result{unlock, err}
	}()
	return got
}

// lockWithin calls Lock, and fails the check if it does not return within waitLimit.
func lockWithin(ctx context.Context, t *testing.T, s Store) (unlock func() error, err error) {
	t.Helper()
	r := awaitLock(t, startLock(ctx, s))
	return r.unlock, r.err
}

// awaitLock waits for the result of startLock.
func awaitLock(t *testing.T, got <-chan result) result {
	t.Helper()
	select {
	case r := <-got:
		return r
	case <-time.After(waitLimit(t)):
		t.Fatal("Lock does not return, though the lock is free or its context has ended")
		return result{}
	}
}
