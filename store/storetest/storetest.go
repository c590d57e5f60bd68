// Package storetest holds what every store of a session must do, as tests that
// any implementation can run. An implementation's own test is one call:
//
//	func TestConformance(t *testing.T) {
//		storetest.Run(t, func(tb testing.TB) storetest.Opener {
//			path := filepath.Join(tb.TempDir(), "session.json")
//			return func() storetest.Store { return &store.File{Path: path} }
//		})
//	}
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
// record, and it bars nobody from the record itself. To unlock twice does no more
// than to unlock once.
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
			t.Run(c.name, func(t *testing.T) { c.run(t, fresh(t)) })
		}
	}
}

type check struct {
	name string
	run  func(t *testing.T, open Opener)
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

// lock takes the lock of a store, or skips the check if there is none.
func lock(t *testing.T, s Store) (unlock func() error) {
	t.Helper()
	unlock, err := locker(t, s).Lock(t.Context())
	require.NoError(t, err)
	return unlock
}

func locker(t *testing.T, s Store) Locker {
	t.Helper()
	l, ok := s.(Locker)
	if !ok {
		t.Skip("not a Locker")
	}
	return l
}

func asider(t *testing.T, s Store) Asider {
	t.Helper()
	a, ok := s.(Asider)
	if !ok {
		t.Skip("not an Asider")
	}
	return a
}
