// Package storetest holds what every store of a session must do, as tests that
// any implementation can run. An implementation's own test is one call:
//
//	func TestConformance(t *testing.T) {
//		storetest.Run(t, func(tb testing.TB) storetest.Opener {
//			path := filepath.Join(tb.TempDir(), "session.json")
//			return func() storetest.Store { return &store.File{Path: path} }
//		})
//	}
//
// A store of your own has three methods, those of [Store]. It does well to have a
// lock besides, as a [Locker], if several processes share a record: without one each
// of them may spend the same refresh token. SetAside, of an [Asider], lets a session
// begin anew beside a record that is damaged; without it that record stays, and the
// session goes on in memory. What a store does not have is skipped, and so is what
// it answers with [errors.ErrUnsupported], as one does that is put around another.
//
// What is checked beyond the interfaces: a record is what was saved, to the byte and
// to whoever looks while another one is saved; a Save replaces only what the same
// value has seen; two who save at once are one who did and one who learns of it; a
// context that is over ends every call with its cause, and one that ends ends a wait
// for the lock, but no lock that is held. Use the race detector: it sees what the
// checks do not.
package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Store is what is checked. Load of nothing is an error that Is fs.ErrNotExist.
// Save replaces the record that the same value last loaded or saved; if another
// one is stored it changes nothing, and its error Is fs.ErrExist. A context that
// is over ends every method with its cause.
type Store interface {
	Load(ctx context.Context) ([]byte, error)
	Save(ctx context.Context, data []byte) error
	Delete(ctx context.Context) error
}

// Locker is checked of a [Store] that is one: at most one holds the lock of a
// record, and it bars nobody from the record itself. The context bounds the wait: the
// lock outlives it. To unlock twice does no more than to unlock once.
type Locker interface {
	Lock(ctx context.Context) (unlock func() error, err error)
}

// Asider is checked of a [Store] that is one: it takes the record away without
// overwriting what was set aside before. To do so with nothing stored is an error
// that Is fs.ErrNotExist.
type Asider interface {
	SetAside(ctx context.Context, suffix string) error
}

// Opener opens a store of one and the same record each time that it is called:
// each as another process would, or this one when it starts anew. It is called
// from the test's own goroutine only.
type Opener func() Store

// Run checks a store. It calls fresh once for each check, to be given a record of
// its own that does not exist yet.
func Run(t *testing.T, fresh func(tb testing.TB) Opener) {
	t.Helper()
	for _, group := range [][]check{recordChecks(), contextChecks(), lockChecks(), asideChecks(), togetherChecks()} {
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
	// needs skips the check for a store that cannot do what it is about.
	needs func(t *testing.T, s Store)
}

// all returns checks that need the same.
func all(needs func(*testing.T, Store), checks ...check) []check {
	for i := range checks {
		checks[i].needs = needs
	}
	return checks
}

// patience returns how long a check waits for what should come at once: a tenth of
// the time until the test's deadline, so that a busy machine fails no sound store, and
// 5 s at least.
func patience(t *testing.T) time.Duration {
	t.Helper()
	const least = 5 * time.Second
	deadline, bounded := t.Deadline()
	if !bounded {
		return least
	}
	return max(time.Until(deadline)/10, least)
}

// errTired is the cause of contexts that the checks end.
var errTired = errors.New("tired of waiting")

// tiring returns a context that ends soon, with errTired.
func tiring(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 60*time.Millisecond, errTired)
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

// needLock skips the check if s cannot be locked.
func needLock(t *testing.T, s Store) {
	t.Helper()
	if _, ok := s.(Locker); !ok {
		t.Skip("not a Locker")
	}
	unlock, err := acquire(t.Context(), t, s)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("a Locker that cannot lock")
	}
	require.NoError(t, err)
	require.NoError(t, unlock())
}

// needSetAside skips the check if s cannot set anything aside. Nothing is stored.
func needSetAside(t *testing.T, s Store) {
	t.Helper()
	a, ok := s.(Asider)
	if !ok {
		t.Skip("not an Asider")
	}
	if errors.Is(a.SetAside(t.Context(), "probe"), errors.ErrUnsupported) {
		t.Skip("an Asider that cannot set aside")
	}
}

// lock takes the lock of a store, which nobody holds.
func lock(t *testing.T, s Store) (unlock func() error) {
	t.Helper()
	unlock, err := acquire(t.Context(), t, s)
	require.NoError(t, err)
	return unlock
}

// result is what a Lock returns.
type result struct {
	unlock func() error
	err    error
}

// locking begins to lock a store.
func locking(ctx context.Context, s Store) <-chan result {
	got := make(chan result, 1)
	go func() {
		unlock, err := s.(Locker).Lock(ctx)
		got <- result{unlock, err}
	}()
	return got
}

// acquire locks a store, and fails the check when that does not end in time.
func acquire(ctx context.Context, t *testing.T, s Store) (unlock func() error, err error) {
	t.Helper()
	r := outcome(t, locking(ctx, s))
	return r.unlock, r.err
}

// outcome waits for a Lock to return.
func outcome(t *testing.T, got <-chan result) result {
	t.Helper()
	select {
	case r := <-got:
		return r
	case <-time.After(patience(t)):
		t.Fatal("Lock does not return, though the lock is free or its context is over")
		return result{}
	}
}
