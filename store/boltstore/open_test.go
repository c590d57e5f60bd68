package boltstore_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/agsauth/agsauth/store/boltstore"
)

func keys(tb testing.TB, db *boltstore.DB) (all []string) {
	tb.Helper()
	for key, err := range db.Keys(tb.Context()) {
		require.NoError(tb, err)
		all = append(all, key)
	}
	return all
}

func TestOpen_SurvivesRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "folder", "sessions.db")
	db := openAt(t, path)
	one := db.Store("one")
	save(t, one, "record-one")
	save(t, db.Store("two"), "record-two")
	require.NoError(t, db.Close())
	db = openAt(t, path)
	assert.Equal(t, []string{"one", "two"}, keys(t, db))
	s := db.Store("one")
	require.ErrorIs(t, s.Save(t.Context(), []byte("next")), fs.ErrExist, "it has loaded nothing")
	assert.Equal(t, "record-one", load(t, s))
	save(t, s, "next")
	assert.Equal(t, "next", load(t, db.Store("one")))
	require.Empty(t, s.Notices())
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, left, 1, "no temporary file")
}

// A second user of the file gets an error, at once or after a bounded wait.
func TestOpen_InUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	db := openAt(t, path)
	for _, timeout := range []time.Duration{-1, 100 * time.Millisecond} {
		began := time.Now()
		_, err := boltstore.Open(path, boltstore.Options{Timeout: timeout})
		require.ErrorIs(t, err, boltstore.ErrInUse)
		require.ErrorContains(t, err, path)
		if timeout > 0 {
			assert.GreaterOrEqual(t, time.Since(began), timeout/2)
		}
	}
	opened := make(chan error)
	go func() {
		next, err := boltstore.Open(path, boltstore.Options{Timeout: time.Minute})
		if err == nil {
			err = next.Close()
		}
		opened <- err
	}()
	require.NoError(t, db.Close())
	require.NoError(t, <-opened, "it waits")
}

// Of many that create the file at once, all use the same one.
func TestOpen_CreatedAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	saved := make(chan error)
	for i := range 8 {
		go func() {
			db, err := boltstore.Open(path, boltstore.Options{Timeout: time.Minute})
			if err == nil {
				err = db.Store(strconv.Itoa(i)).Save(t.Context(), []byte("record"))
				_ = db.Close()
			}
			saved <- err
		}()
	}
	for range 8 {
		require.NoError(t, <-saved)
	}
	assert.Len(t, keys(t, openAt(t, path)), 8)
}

// A file that cannot be used has a clear error, and stays as it is.
func TestOpen_Refuses(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "whole.db")
	db := openAt(t, whole)
	for i := range 500 {
		go func() { _ = db.Store(strconv.Itoa(i)).Save(context.WithoutCancel(t.Context()), make([]byte, 2500)) }()
	}
	require.Eventually(t, func() bool { return len(keys(t, db)) == 500 }, time.Minute, time.Millisecond)
	require.NoError(t, db.Close())
	content, err := os.ReadFile(whole)
	require.NoError(t, err)
	foreign := filepath.Join(t.TempDir(), "foreign.db")
	other, err := bbolt.Open(foreign, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, other.Close())
	newer := filepath.Join(t.TempDir(), "newer.db")
	require.NoError(t, os.WriteFile(newer, content, 0o600))
	other, err = bbolt.Open(newer, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, other.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("agsauth")).Put([]byte("layout"), []byte("2")) }))
	require.NoError(t, other.Close())
	read := func(path string) []byte { data, _ := os.ReadFile(path); return data }
	noPages := append([]byte{}, content...)
	clear(noPages[2*os.Getpagesize():])
	noMeta := append([]byte{}, content...)
	clear(noMeta[:2*os.Getpagesize()])
	const damaged = "the file is damaged: restore a copy"
	for name, tt := range map[string]struct {
		content []byte
		want    string
	}{
		"empty": {[]byte{}, damaged}, "text": {[]byte("a text"), damaged}, "zeros": {make([]byte, 1<<16), damaged},
		"no meta pages": {noMeta, damaged}, "no other pages": {noPages, damaged},
		"one page": {content[:os.Getpagesize()], damaged}, "half": {content[:len(content)/4], damaged},
		"another program's": {read(foreign), "no sessions of this library"}, "newer": {read(newer), "newer version"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sessions.db")
			require.NoError(t, os.WriteFile(path, tt.content, 0o600))
			for range 2 { // the lock of the file is released
				db, err := boltstore.Open(path, boltstore.Options{Timeout: -1})
				require.ErrorContains(t, err, tt.want)
				require.ErrorContains(t, err, "boltstore: open "+path+": ")
				assert.Nil(t, db)
			}
			assert.Equal(t, len(tt.content), len(read(path)), "it is not replaced")
			assert.Equal(t, string(tt.content), string(read(path)), "it is not replaced")
		})
	}
}

func TestOpen_RefusesPaths(t *testing.T) {
	folder := t.TempDir()
	_, err := boltstore.Open("", boltstore.Options{})
	require.ErrorContains(t, err, "no path")
	_, err = boltstore.Open(folder, boltstore.Options{})
	require.ErrorContains(t, err, "not a regular file")
	require.NoError(t, os.WriteFile(filepath.Join(folder, "file"), nil, 0o600))
	_, err = boltstore.Open(filepath.Join(folder, "file", "sessions.db"), boltstore.Options{})
	require.Error(t, err)
	require.NoError(t, os.Symlink(filepath.Join(folder, "target"), filepath.Join(folder, "link")))
	_, err = boltstore.Open(filepath.Join(folder, "link"), boltstore.Options{})
	require.ErrorContains(t, err, "not a regular file")
}

// A damaged page is an error of what needs it, and not the end of the process.
func TestStore_DamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	db := openAt(t, path)
	for i := range 50 {
		save(t, db.Store(fmt.Sprint(i)), "record-of-"+fmt.Sprint(i))
	}
	require.NoError(t, db.Close())
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	page := os.Getpagesize()
	for first := 2 * page; first < len(content); first += page {
		damaged := append([]byte{}, content...)
		for i := first; i < first+page; i++ {
			damaged[i] = 0xa5
		}
		path := filepath.Join(t.TempDir(), "damaged.db")
		require.NoError(t, os.WriteFile(path, damaged, 0o600))
		db, err := boltstore.Open(path, boltstore.Options{})
		if err != nil {
			continue // its freelist, or its root
		}
		for i := range 50 {
			data, err := db.Store(fmt.Sprint(i)).Load(t.Context())
			if err != nil {
				assertStoreError(t, "load", err)
				continue
			}
			assert.Equal(t, "record-of-"+fmt.Sprint(i), string(data))
		}
		for i := range 50 {
			s := db.Store(fmt.Sprint(i))
			_, _ = s.Load(t.Context())
			if err := s.Save(t.Context(), []byte("next")); err != nil {
				assert.NotContains(t, err.Error(), "record-of")
			}
		}
		_ = db.Close()
	}
}

func TestDB_Keys(t *testing.T) {
	db := openDB(t)
	assert.Empty(t, keys(t, db))
	var want []string
	done := make(chan error)
	for i := range 2500 {
		key := fmt.Sprintf("%04d", i)
		want = append(want, key)
		go func() { done <- db.Store(key).Save(t.Context(), []byte("record")) }()
	}
	for range want {
		require.NoError(t, <-done)
	}
	assert.Equal(t, want, keys(t, db))
	seen := 0
	for key, err := range db.Keys(t.Context()) { // which may change what is stored
		require.NoError(t, err)
		require.NoError(t, db.Store(key).Delete(t.Context()))
		if seen++; seen == 1100 {
			break
		}
	}
	assert.Equal(t, want[1100:], keys(t, db))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errCause)
	for key, err := range db.Keys(ctx) {
		assert.Empty(t, key)
		assert.Equal(t, errCause, err)
	}
}
