package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/store/storetest"
)

// rawKey returns the n-th key of these tests: 32 bytes that tell it from others.
func rawKey(n byte) []byte { return bytes.Repeat([]byte{'k', n}, 16) }

func keyOf(tb testing.TB, n byte) store.Key {
	tb.Helper()
	key, err := store.NewKey(rawKey(n))
	require.NoError(tb, err)
	return key
}

// sealedOver returns a store around inner, for dave, with some keys.
func sealedOver(tb testing.TB, inner store.Store, keys ...byte) *store.Sealed {
	tb.Helper()
	s := &store.Sealed{Store: inner, Name: "dave"}
	for _, n := range keys {
		s.Keys = append(s.Keys, keyOf(tb, n))
	}
	return s
}

// assertClosed asserts that s does not open what is stored, for a reason, and that
// it leaves it alone, as it may be somebody's.
func assertClosed(tb testing.TB, s *store.Sealed, why string) {
	tb.Helper()
	data, err := s.Load(tb.Context())
	assert.Nil(tb, data)
	assertNotOpened(tb, err, why)
	assertNotOpened(tb, s.Save(tb.Context(), []byte("record-two")), why)
}

// assertDamaged asserts that s says of what is stored that it can be nobody's, and
// overwrites it no more than what may be.
func assertDamaged(tb testing.TB, s *store.Sealed) {
	tb.Helper()
	data, err := s.Load(tb.Context())
	assert.Nil(tb, data)
	assertRefused(tb, err, "damaged", true)
	assertRefused(tb, s.Save(tb.Context(), []byte("record-two")), "damaged", true)
}

func assertNotOpened(tb testing.TB, err error, why string) {
	tb.Helper()
	assertRefused(tb, err, why, false)
}

func assertRefused(tb testing.TB, err error, why string, damaged bool) {
	tb.Helper()
	require.ErrorIs(tb, err, store.ErrNotOpened)
	assert.NotErrorIs(tb, err, fs.ErrNotExist)
	assert.NotErrorIs(tb, err, fs.ErrExist)
	require.ErrorContains(tb, err, why)
	assert.NotContains(tb, err.Error(), "record-")
	assert.NotContains(tb, err.Error(), "dave")
	var says interface {
		LeaveAlone() bool
		Damaged() bool
	}
	require.ErrorAs(tb, err, &says)
	assert.Equal(tb, !damaged, says.LeaveAlone())
	assert.Equal(tb, damaged, says.Damaged())
}

// bytesOf returns what is stored in m.
func bytesOf(tb testing.TB, m *store.Memory) []byte {
	tb.Helper()
	data, err := m.Peer().Load(tb.Context())
	require.NoError(tb, err)
	return data
}

// put stores data in a new Memory.
func put(tb testing.TB, data []byte) *store.Memory {
	tb.Helper()
	m := &store.Memory{}
	require.NoError(tb, m.Save(tb.Context(), data))
	return m.Peer()
}

// sealOne returns a record sealed for dave with the first key.
func sealOne(tb testing.TB, record string) []byte {
	tb.Helper()
	var m store.Memory
	require.NoError(tb, sealedOver(tb, &m, 1).Save(tb.Context(), []byte(record)))
	return bytesOf(tb, &m)
}

func TestSealed_Conformance(t *testing.T) {
	t.Run("File", func(t *testing.T) {
		storetest.Run(t, func(tb testing.TB) storetest.Opener {
			tb.Helper()
			path := filepath.Join(tb.TempDir(), "new", "session.json")
			return func() storetest.Store { return sealedOver(tb, &store.File{Path: path}, 1) }
		})
	})
	t.Run("Memory", func(t *testing.T) {
		storetest.Run(t, func(tb testing.TB) storetest.Opener {
			tb.Helper()
			var m store.Memory
			return func() storetest.Store { return sealedOver(tb, m.Peer(), 1) }
		})
	})
	t.Run("over one that can do nothing more", func(t *testing.T) {
		storetest.Run(t, func(tb testing.TB) storetest.Opener {
			tb.Helper()
			var m store.Memory
			return func() storetest.Store { return sealedOver(tb, bare{m.Peer()}, 1) }
		})
	})
}

// bare is a store without a lock, that sets nothing aside.
type bare struct{ store.Store }

func TestSealed_PassesOnWhatTheInnerStoreCanDo(t *testing.T) {
	var m store.Memory
	s := sealedOver(t, &m, 1)
	unlock, err := s.Lock(t.Context())
	require.NoError(t, err)
	_, err = m.Peer().Lock(briefly(t))
	require.Equal(t, context.DeadlineExceeded, err, "it is the inner store's lock")
	require.NoError(t, unlock())
	require.NoError(t, s.Save(t.Context(), []byte("record-one")))
	sealed := bytesOf(t, &m)
	require.NoError(t, s.SetAside(t.Context(), "damaged"))
	assert.Equal(t, map[string][]byte{"damaged": sealed}, m.Aside(), "it stays sealed")

	s = sealedOver(t, bare{&m}, 1)
	_, err = s.Lock(t.Context())
	require.ErrorIs(t, err, errors.ErrUnsupported)
	assertOther(t, err)
	err = s.SetAside(t.Context(), "damaged")
	require.ErrorIs(t, err, errors.ErrUnsupported)
	assertOther(t, err)
}

// broken is a store that cannot be used now.
type broken struct{ err error }

func (b broken) Load(context.Context) ([]byte, error)       { return nil, b.err }
func (b broken) Save(context.Context, []byte) error         { return b.err }
func (b broken) Delete(context.Context) error               { return b.err }
func (b broken) Lock(context.Context) (func() error, error) { return nil, b.err }
func (b broken) SetAside(context.Context, string) error     { return b.err }

func useAll(t *testing.T, s *store.Sealed) []error {
	t.Helper()
	_, loadErr := s.Load(t.Context())
	_, lockErr := s.Lock(t.Context())
	return []error{
		loadErr, s.Save(t.Context(), []byte("record-one")), s.Delete(t.Context()), lockErr, s.SetAside(t.Context(), "damaged"),
	}
}

func TestSealed_ErrorsOfTheInnerStoreAreItsOwn(t *testing.T) {
	away := errors.New("connection refused")
	for _, err := range useAll(t, sealedOver(t, broken{away}, 1)) {
		assert.Equal(t, away, err)
	}
}

// What is not set is an error of every call that needs it, and no panic.
func TestSealed_Misuse(t *testing.T) {
	full := func() *store.Sealed { return sealedOver(t, &store.Memory{}, 1) }
	t.Run("no store", func(t *testing.T) {
		s := full()
		s.Store = nil
		for _, err := range useAll(t, s) {
			assertNotOpened(t, err, "Sealed.Store is nil")
		}
	})
	for name, tt := range map[string]struct {
		spoil func(*store.Sealed)
		why   string
	}{
		"no name":                  {func(s *store.Sealed) { s.Name = "" }, "Sealed.Name is empty"},
		"no keys":                  {func(s *store.Sealed) { s.Keys = nil }, "Sealed.Keys is empty"},
		"zero key":                 {func(s *store.Sealed) { s.Keys = append(s.Keys, store.Key{}) }, "Sealed.Keys[1] is the zero Key"},
		"zero key that is to seal": {func(s *store.Sealed) { s.Keys[0] = store.Key{} }, "Sealed.Keys[0] is the zero Key"},
	} {
		t.Run(name, func(t *testing.T) {
			s := full()
			tt.spoil(s)
			assertClosed(t, s, tt.why)
			require.NoError(t, s.Delete(t.Context()), "takes no key")
		})
	}
}

// A record that did not open is left alone until another is found, or it is taken
// out of the way by somebody who means it.
func TestSealed_LeftAlone(t *testing.T) {
	for name, tt := range map[string]struct {
		then  func(t *testing.T, m *store.Memory, s *store.Sealed) error
		freed bool
	}{
		"and nothing happens": {func(*testing.T, *store.Memory, *store.Sealed) error { return nil }, false},
		"and loaded again": {func(t *testing.T, _ *store.Memory, s *store.Sealed) error {
			t.Helper()
			_, err := s.Load(t.Context())
			assertNotOpened(t, err, "none of Keys")
			return nil
		}, false},
		"and replaced, but not loaded": {func(t *testing.T, m *store.Memory, _ *store.Sealed) error {
			t.Helper()
			return errors.Join(m.Delete(t.Context()), sealedOver(t, m, 2).Save(t.Context(), []byte("record-one")))
		}, false},
		"and replaced": {func(t *testing.T, m *store.Memory, s *store.Sealed) error {
			t.Helper()
			err := errors.Join(m.Delete(t.Context()), sealedOver(t, m, 2).Save(t.Context(), []byte("record-one")))
			_, loadErr := s.Load(t.Context())
			return errors.Join(err, loadErr)
		}, true},
		"and deleted by another": {func(t *testing.T, m *store.Memory, s *store.Sealed) error {
			t.Helper()
			err := m.Delete(t.Context())
			_, loadErr := s.Load(t.Context())
			require.ErrorIs(t, loadErr, fs.ErrNotExist)
			return err
		}, true},
		"and deleted": {func(t *testing.T, _ *store.Memory, s *store.Sealed) error {
			t.Helper()
			return s.Delete(t.Context())
		}, true},
		"and set aside": {func(t *testing.T, _ *store.Memory, s *store.Sealed) error {
			t.Helper()
			return s.SetAside(t.Context(), "lost-key")
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			m := put(t, sealOne(t, "record-one"))
			s := sealedOver(t, m.Peer(), 2)
			assertClosed(t, s, "none of Keys")
			require.NoError(t, tt.then(t, m.Peer(), s))
			before, _ := m.Peer().Load(t.Context())
			if err := s.Save(t.Context(), []byte("record-two")); tt.freed {
				require.NoError(t, err)
				assertSealed(t, m, 2, "record-two")
			} else {
				assertNotOpened(t, err, "left alone")
				assert.Equal(t, before, bytesOf(t, m))
			}
		})
	}
}

// A Load that failed for another reason has told nothing new.
func TestSealed_LeftAloneWhileTheStoreIsAway(t *testing.T) {
	inner := &switched{Store: put(t, sealOne(t, "record-one"))}
	s := sealedOver(t, inner, 2)
	assertClosed(t, s, "none of Keys")
	inner.err = errors.New("connection refused")
	_, err := s.Load(t.Context())
	require.Equal(t, inner.err, err)
	assertNotOpened(t, s.Save(t.Context(), []byte("record-two")), "left alone")
}

// switched is a store whose Load fails while err is set.
type switched struct {
	store.Store
	err error
}

func (s *switched) Load(ctx context.Context) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.Store.Load(ctx)
}

// One goroutine loads what does not open, while another one saves: that must not
// come between what the inner store knows as loaded and what Sealed knows of it.
func TestSealed_SaveDuringALoadThatDoesNotOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := put(t, sealOne(t, "record-one"))
		before := bytesOf(t, m)
		inner := &slow{Memory: m.Peer(), loaded: make(chan struct{})}
		s := sealedOver(t, inner, 2)
		var both sync.WaitGroup
		both.Go(func() {
			_, err := s.Load(t.Context())
			assertNotOpened(t, err, "none of Keys")
		})
		synctest.Wait()
		both.Go(func() { assertNotOpened(t, s.Save(t.Context(), []byte("record-two")), "left alone") })
		both.Go(func() { assert.Equal(t, context.DeadlineExceeded, s.Save(briefly(t), []byte("record-two"))) })
		time.Sleep(2 * briefWait)
		synctest.Wait()
		close(inner.loaded)
		both.Wait()
		assert.Equal(t, before, bytesOf(t, m))
	})
}

// slow is a store whose Load has read, and does not return before loaded is closed.
type slow struct {
	*store.Memory
	loaded chan struct{}
}

func (s *slow) Load(ctx context.Context) ([]byte, error) {
	data, err := s.Memory.Load(ctx)
	<-s.loaded
	return data, err
}

func assertSealed(tb testing.TB, m *store.Memory, key byte, want string) {
	tb.Helper()
	data, err := sealedOver(tb, m.Peer(), key).Load(tb.Context())
	require.NoError(tb, err)
	assert.Equal(tb, want, string(data))
}

// Keys are replaced without a moment in which a process cannot go on.
func TestSealed_KeysRotate(t *testing.T) {
	ctx := t.Context()
	var m store.Memory
	require.NoError(t, sealedOver(t, m.Peer(), 1).Save(ctx, []byte("record-0")))
	steps := [][]byte{{1}, {1, 2}, {2, 1}, {2}}
	for i, step := range steps[1:] {
		before, after := sealedOver(t, m.Peer(), steps[i]...), sealedOver(t, m.Peer(), step...)
		for n, s := range []*store.Sealed{before, after, before} { // while one has the new keys, and one does not yet
			data, err := s.Load(ctx)
			require.NoError(t, err, "step %d, %d", i, n)
			assert.True(t, strings.HasPrefix(string(data), "record-"))
			require.NoError(t, s.Save(ctx, fmt.Appendf(nil, "record-%d-%d", i, n)))
		}
		data, err := after.Load(ctx)
		require.NoError(t, err)
		require.NoError(t, after.Save(ctx, data), "which a session is with each refresh")
	}
	assertSealed(t, &m, 2, "record-2-2")
	assertClosed(t, sealedOver(t, m.Peer(), 1), "none of Keys")
}

func TestSealed_RecordTooLarge(t *testing.T) {
	const limit = 1<<20 - 59
	s := sealedOver(t, &store.File{Path: recordPath(t)}, 1)
	require.NoError(t, s.Save(t.Context(), make([]byte, limit)))
	data, err := s.Load(t.Context())
	require.NoError(t, err)
	assert.Len(t, data, limit)
	assertOther(t, s.Save(t.Context(), make([]byte, limit+1)))
	require.NoError(t, s.Save(t.Context(), []byte("record-one")), "nothing was lost")
	// Another store would take more, and not be able to move to a file then.
	assertOther(t, sealedOver(t, unbounded{}, 1).Save(t.Context(), make([]byte, limit+1)))
}

// The recipe of the documentation: what was never sealed is sealed once.
func TestSealed_Migration(t *testing.T) {
	const plain = `{"access_token":"record-one"}`
	ctx := t.Context()
	path := recordPath(t)
	require.NoError(t, (&store.File{Path: path}).Save(ctx, []byte(plain)))
	assertClosed(t, sealedOver(t, &store.File{Path: path}, 1), "not sealed")

	file := &store.File{Path: path}
	record, err := file.Load(ctx)
	require.NoError(t, err)
	require.NoError(t, sealedOver(t, file, 1).Save(ctx, record))
	data, err := sealedOver(t, &store.File{Path: path}, 1).Load(ctx)
	require.NoError(t, err)
	assert.Equal(t, plain, string(data))
}
