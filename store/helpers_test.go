package store_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
)

// briefWait is how long a test waits for an event that must not happen.
const briefWait = 60 * time.Millisecond

// briefly returns a context that ends after briefWait.
func briefly(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), briefWait)
	t.Cleanup(cancel)
	return ctx
}

// recordPath returns the path of a record in a new folder.
func recordPath(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "session.json")
}

// savedFile returns a File with a stored record.
func savedFile(t *testing.T) *store.File {
	t.Helper()
	f := &store.File{Path: recordPath(t)}
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	return f
}

func assertRecord(t *testing.T, path, want string) {
	t.Helper()
	data, err := (&store.File{Path: path}).Load(t.Context())
	require.NoError(t, err)
	assert.Equal(t, want, string(data))
}

// files returns the names of the entries of a folder.
func files(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	names := []string{}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// assertStoreError asserts that err says nothing about what is stored.
func assertStoreError(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	assert.NotErrorIs(t, err, fs.ErrNotExist)
	assert.NotErrorIs(t, err, fs.ErrExist)
	assert.NotContains(t, err.Error(), "record-")
	assert.True(t, strings.HasPrefix(err.Error(), "store: "), "%v", err)
}

// assertAllFail asserts that every method fails with a store error.
func assertAllFail(t *testing.T, f *store.File) {
	t.Helper()
	_, err := f.Load(t.Context())
	assertStoreError(t, err)
	assertStoreError(t, f.Save(t.Context(), []byte("record-one")))
	assertStoreError(t, f.Delete(t.Context()))
	assertStoreError(t, f.SetAside(t.Context(), "damaged"))
	_, err = f.Lock(t.Context())
	assertStoreError(t, err)
}
