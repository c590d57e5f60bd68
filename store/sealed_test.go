package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/store/storetest"
)

// rawKey returns the 32 bytes of the n-th test key.
func rawKey(n byte) []byte { return bytes.Repeat([]byte{'k', n}, 16) }

func keyOf(tb testing.TB, n byte) store.Key {
	tb.Helper()
	key, err := store.NewKey(rawKey(n))
	require.NoError(tb, err)
	return key
}

// sealedOver wraps inner with the name dave and the test keys.
func sealedOver(tb testing.TB, inner store.Store, keys ...byte) *store.Sealed {
	tb.Helper()
	s := &store.Sealed{Store: inner, Name: "dave"}
	for _, n := range keys {
		s.Keys = append(s.Keys, keyOf(tb, n))
	}
	return s
}

// assertNotOpened asserts that s does not open what is stored, and does not overwrite it.
func assertNotOpened(tb testing.TB, s *store.Sealed, reason string, damaged bool) {
	tb.Helper()
	data, err := s.Load(tb.Context())
	assert.Nil(tb, data)
	assertErrNotOpened(tb, err, reason, damaged)
	assertErrNotOpened(tb, s.Save(tb.Context(), []byte("record-two")), reason, damaged)
}

func assertErrNotOpened(tb testing.TB, err error, reason string, damaged bool) {
	tb.Helper()
	require.ErrorIs(tb, err, store.ErrNotOpened)
	assert.NotErrorIs(tb, err, fs.ErrNotExist)
	assert.NotErrorIs(tb, err, fs.ErrExist)
	require.ErrorContains(tb, err, reason)
	assert.NotContains(tb, err.Error(), "record-")
	assert.NotContains(tb, err.Error(), "dave")
	var recordErr interface {
		LeaveAlone() bool
		Damaged() bool
	}
	require.ErrorAs(tb, err, &recordErr)
	assert.Equal(tb, !damaged, recordErr.LeaveAlone())
	assert.Equal(tb, damaged, recordErr.Damaged())
}

// storedBytes returns the record in m.
func storedBytes(tb testing.TB, m *store.Memory) []byte {
	tb.Helper()
	data, err := m.Peer().Load(tb.Context())
	require.NoError(tb, err)
	return data
}

// memoryWith returns a Memory with a record.
func memoryWith(tb testing.TB, data []byte) *store.Memory {
	tb.Helper()
	m := &store.Memory{}
	require.NoError(tb, m.Save(tb.Context(), data))
	return m.Peer()
}

// sealRecord returns a record that is sealed for dave with the first key.
func sealRecord(tb testing.TB, record string) []byte {
	tb.Helper()
	var m store.Memory
	require.NoError(tb, sealedOver(tb, &m, 1).Save(tb.Context(), []byte(record)))
	return storedBytes(tb, &m)
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
	t.Run("store without Lock and SetAside", func(t *testing.T) {
		storetest.Run(t, func(tb testing.TB) storetest.Opener {
			tb.Helper()
			var m store.Memory
			return func() storetest.Store { return sealedOver(tb, minimalStore{m.Peer()}, 1) }
		})
	})
}

// minimalStore is a store without Lock and SetAside.
type minimalStore struct{ store.Store }

func TestSealed_LockAndSetAside(t *testing.T) {
	var m store.Memory
	s := sealedOver(t, &m, 1)
	unlock, err := s.Lock(t.Context())
	require.NoError(t, err)
	_, err = m.Peer().Lock(briefly(t))
	require.Equal(t, context.DeadlineExceeded, err, "it is the inner store's lock")
	require.NoError(t, unlock())
	require.NoError(t, s.Save(t.Context(), []byte("record-one")))
	sealed := storedBytes(t, &m)
	require.NoError(t, s.SetAside(t.Context(), "damaged"))
	assert.Equal(t, map[string][]byte{"damaged": sealed}, m.Aside(), "it stays sealed")

	s = sealedOver(t, minimalStore{&m}, 1)
	_, err = s.Lock(t.Context())
	require.ErrorIs(t, err, errors.ErrUnsupported)
	assertStoreError(t, err)
	err = s.SetAside(t.Context(), "damaged")
	require.ErrorIs(t, err, errors.ErrUnsupported)
	assertStoreError(t, err)
}

// failingStore is a store whose methods fail.
type failingStore struct{ err error }

func (b failingStore) Load(context.Context) ([]byte, error) { return nil, b.err }

func (b failingStore) Save(context.Context, []byte) error { return b.err }

func (b failingStore) Delete(context.Context) error { return b.err }

func (b failingStore) Lock(context.Context) (func() error, error) { return nil, b.err }

func (b failingStore) SetAside(context.Context, string) error { return b.err }

func useAll(t *testing.T, s *store.Sealed) []error {
	t.Helper()
	_, loadErr := s.Load(t.Context())
	_, lockErr := s.Lock(t.Context())
	return []error{
		loadErr, s.Save(t.Context(), []byte("record-one")), s.Delete(t.Context()), lockErr, s.SetAside(t.Context(), "damaged"),
	}
}

func TestSealed_ErrorsOfTheInnerStore(t *testing.T) {
	cause := errors.New("connection refused")
	for _, err := range useAll(t, sealedOver(t, failingStore{cause}, 1)) {
		assert.Equal(t, cause, err)
	}
}

// A missing field is an error of every method that needs it.
func TestSealed_MissingFields(t *testing.T) {
	full := func() *store.Sealed { return sealedOver(t, &store.Memory{}, 1) }
	t.Run("no store", func(t *testing.T) {
		s := full()
		s.Store = nil
		for _, err := range useAll(t, s) {
			assertErrNotOpened(t, err, "Sealed.Store is nil", false)
		}
	})
	for name, tt := range map[string]struct {
		change func(*store.Sealed)
		reason string
	}{
		"no name":             {func(s *store.Sealed) { s.Name = "" }, "Sealed.Name is empty"},
		"no keys":             {func(s *store.Sealed) { s.Keys = nil }, "Sealed.Keys is empty"},
		"zero key":            {func(s *store.Sealed) { s.Keys = append(s.Keys, store.Key{}) }, "Sealed.Keys[1] is the zero Key"},
		"zero key that seals": {func(s *store.Sealed) { s.Keys[0] = store.Key{} }, "Sealed.Keys[0] is the zero Key"},
	} {
		t.Run(name, func(t *testing.T) {
			s := full()
			tt.change(s)
			assertNotOpened(t, s, tt.reason, false)
			require.NoError(t, s.Delete(t.Context()), "Delete needs no key")
		})
	}
}

func assertSealed(tb testing.TB, m *store.Memory, key byte, want string) {
	tb.Helper()
	data, err := sealedOver(tb, m.Peer(), key).Load(tb.Context())
	require.NoError(tb, err)
	assert.Equal(tb, want, string(data))
}

// Keys can be replaced while processes with the old and with the new Keys run.
func TestSealed_KeysRotate(t *testing.T) {
	ctx := t.Context()
	var m store.Memory
	require.NoError(t, sealedOver(t, m.Peer(), 1).Save(ctx, []byte("record-0")))
	steps := [][]byte{{1}, {1, 2}, {2, 1}, {2}}
	for i, step := range steps[1:] {
		before, after := sealedOver(t, m.Peer(), steps[i]...), sealedOver(t, m.Peer(), step...)
		for n, s := range []*store.Sealed{before, after, before} { // both are running
			data, err := s.Load(ctx)
			require.NoError(t, err, "step %d, %d", i, n)
			assert.True(t, strings.HasPrefix(string(data), "record-"))
			require.NoError(t, s.Save(ctx, fmt.Appendf(nil, "record-%d-%d", i, n)))
		}
		data, err := after.Load(ctx)
		require.NoError(t, err)
		require.NoError(t, after.Save(ctx, data), "as each refresh does")
	}
	assertSealed(t, &m, 2, "record-2-2")
	assertNotOpened(t, sealedOver(t, m.Peer(), 1), "none of Keys", false)
}

func TestSealed_RecordTooLarge(t *testing.T) {
	const limit = 1<<20 - 59
	s := sealedOver(t, &store.File{Path: recordPath(t)}, 1)
	require.NoError(t, s.Save(t.Context(), make([]byte, limit)))
	data, err := s.Load(t.Context())
	require.NoError(t, err)
	assert.Len(t, data, limit)
	assertStoreError(t, s.Save(t.Context(), make([]byte, limit+1)))
	require.NoError(t, s.Save(t.Context(), []byte("record-one")), "the refused record is not the one last saved")
	// Also over a store that accepts larger records, so that the record fits a File.
	assertStoreError(t, sealedOver(t, unbounded{}, 1).Save(t.Context(), make([]byte, limit+1)))
}

// An unsealed record can be sealed as the documentation describes.
func TestSealed_Migration(t *testing.T) {
	const plain = `{"access_token":"record-one"}`
	ctx := t.Context()
	path := recordPath(t)
	require.NoError(t, (&store.File{Path: path}).Save(ctx, []byte(plain)))
	assertNotOpened(t, sealedOver(t, &store.File{Path: path}, 1), "not sealed", false)

	file := &store.File{Path: path}
	record, err := file.Load(ctx)
	require.NoError(t, err)
	require.NoError(t, sealedOver(t, file, 1).Save(ctx, record))
	data, err := sealedOver(t, &store.File{Path: path}, 1).Load(ctx)
	require.NoError(t, err)
	assert.Equal(t, plain, string(data))
}
