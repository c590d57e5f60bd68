package boltstore_test

import (
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
	"github.com/agsauth/agsauth/store/boltstore"
	"github.com/agsauth/agsauth/store/storetest"
)

var errCause = errors.New("the test has ended the context")

func openDB(tb testing.TB) *boltstore.DB {
	tb.Helper()
	return openAt(tb, filepath.Join(tb.TempDir(), "sessions.db"))
}

func openAt(tb testing.TB, path string) *boltstore.DB {
	tb.Helper()
	db, err := boltstore.Open(path, boltstore.Options{})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	return db
}

func save(tb testing.TB, s *boltstore.Store, record string) {
	tb.Helper()
	require.NoError(tb, s.Save(tb.Context(), []byte(record)))
}

func load(tb testing.TB, s *boltstore.Store) string {
	tb.Helper()
	data, err := s.Load(tb.Context())
	require.NoError(tb, err)
	return string(data)
}

// methods returns all methods with a context.
func methods(s *boltstore.Store) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"load":      func(ctx context.Context) error { _, err := s.Load(ctx); return err },
		"save":      func(ctx context.Context) error { return s.Save(ctx, []byte("record-of-secrets")) },
		"delete":    s.Delete,
		"set aside": func(ctx context.Context) error { return s.SetAside(ctx, "damaged") },
		"lock":      func(ctx context.Context) error { _, err := s.Lock(ctx); return err },
	}
}

// assertStoreError asserts that err says nothing about what is stored.
func assertStoreError(tb testing.TB, op string, err error) {
	tb.Helper()
	require.Error(tb, err, op)
	assert.NotErrorIs(tb, err, fs.ErrNotExist, op)
	assert.NotErrorIs(tb, err, fs.ErrExist, op)
	assert.NotContains(tb, err.Error(), "record-of")
	assert.True(tb, strings.HasPrefix(err.Error(), "boltstore: "+op+": "), "%v", err)
}

func TestStore_Conformance(t *testing.T) {
	db, sessions := openDB(t), 0
	storetest.Run(t, func(testing.TB) storetest.Opener {
		sessions++
		key := fmt.Sprint("session ", sessions)
		return func() storetest.Store { return db.Store(key) }
	})
}

func TestStore_ConformanceSealed(t *testing.T) {
	db, sessions := openDB(t), 0
	key, err := store.NewKey([]byte(strings.Repeat("k", 32)))
	require.NoError(t, err)
	storetest.Run(t, func(testing.TB) storetest.Opener {
		sessions++
		name := fmt.Sprint("session ", sessions)
		return func() storetest.Store {
			return &store.Sealed{Store: db.Store(name), Name: name, Keys: []store.Key{key}}
		}
	})
}

func TestStore_RefusesKeys(t *testing.T) {
	db := openDB(t)
	for key, want := range map[string]string{"": "the key is empty", strings.Repeat("k", 513): "the key is longer than 512 bytes"} {
		for op, call := range methods(db.Store(key)) {
			err := call(t.Context())
			assertStoreError(t, op, err)
			require.EqualError(t, err, "boltstore: "+op+": "+want)
		}
	}
	longest, binary := db.Store(strings.Repeat("k", 512)), db.Store("\x00{}\xff")
	for _, s := range []*boltstore.Store{longest, binary} {
		save(t, s, "record")
		require.NoError(t, s.SetAside(t.Context(), strings.Repeat("s", 99)))
	}
}

// What is closed or cannot be used has a clear error, and unlock works nevertheless.
func TestDB_Close(t *testing.T) {
	db := openDB(t)
	s := db.Store("session")
	save(t, s, "record-of-one")
	unlock, err := s.Lock(t.Context())
	require.NoError(t, err)
	require.NoError(t, db.Close())
	require.NoError(t, db.Close())
	for op, call := range methods(s) {
		err := call(t.Context())
		assertStoreError(t, op, err)
		require.ErrorIs(t, err, boltstore.ErrClosed)
	}
	for _, err := range db.Keys(t.Context()) {
		require.ErrorIs(t, err, boltstore.ErrClosed)
	}
	require.NoError(t, unlock())
	require.NoError(t, unlock())
}

// If the disk is full, the Save fails, and can be repeated.
func TestStore_NoSpace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	require.NoError(t, openAt(t, path).Close())
	db, err := boltstore.Open(path, boltstore.WithMaxSize(1<<20))
	require.NoError(t, err)
	s := db.Store("session")
	save(t, s, "record-one")
	for range 3 {
		assertStoreError(t, "save", s.Save(t.Context(), []byte(strings.Repeat("record-of", 1<<20/9))))
	}
	assert.Equal(t, "record-one", load(t, db.Store("session")))
	save(t, s, "record-two")
	require.NoError(t, db.Close())
	assert.Equal(t, "record-two", load(t, openAt(t, path).Store("session")))
}

func TestStore_DamagedRecord(t *testing.T) {
	whole := boltstore.Encode("session", 7, []byte("record-of-secrets"))
	changed := append([]byte{}, whole...)
	changed[len(changed)-1]++
	newer := append([]byte{}, whole...)
	newer[0]++
	for name, value := range map[string][]byte{
		"empty": {}, "short": whole[:5], "changed": changed, "newer": newer,
		"of another key": boltstore.Encode("other", 7, []byte("record-of-secrets")),
	} {
		t.Run(name, func(t *testing.T) {
			db := openDB(t)
			require.NoError(t, db.Replace("session", value))
			s := db.Store("session")
			_, err := s.Load(t.Context())
			assertStoreError(t, "load", err)
			var unusable interface {
				Damaged() bool
				LeaveAlone() bool
			}
			require.ErrorAs(t, err, &unusable)
			assert.Equal(t, name == "newer", unusable.LeaveAlone())
			assert.Equal(t, name != "newer", unusable.Damaged())
			require.ErrorIs(t, s.Save(t.Context(), []byte("next")), fs.ErrExist, "it is not overwritten")
			require.NoError(t, s.SetAside(t.Context(), "damaged/1"))
			save(t, s, "next")
			aside := db.Aside()
			require.Len(t, aside, 1)
			for key, kept := range aside {
				assert.Regexp(t, `^damaged_1\.\d+\.session$`, key)
				assert.Equal(t, string(value), kept)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("session", boltstore.Encode("session", 1, []byte("record")))
	f.Add("", []byte{})
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		version, data, err := boltstore.Decode(key, value)
		if err != nil {
			assert.Nil(t, data)
			return
		}
		assert.Equal(t, value, boltstore.Encode(key, version, data), "a value has one meaning")
		for i := range min(len(value), 200) {
			damaged := append([]byte{}, value...)
			damaged[i] ^= 0x40
			_, _, err := boltstore.Decode(key, damaged)
			require.Error(t, err)
		}
	})
}
