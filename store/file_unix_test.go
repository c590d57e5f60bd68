//go:build unix

package store_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
)

func TestFile_DiskFull(t *testing.T) {
	f := savedFile(t)
	p := start(t, childFull, f.Path)
	p.proceed(t)
	assertPrints(t, p, "too large")
	assertPrints(t, p, "none") // the failed Save has changed nothing, so this one is no conflict
	require.NoError(t, p.Wait())
	assertRecord(t, f.Path, "record-three")
	assert.Equal(t, []string{".session.json.guard", "session.json"}, files(t, filepath.Dir(f.Path)), "no temporary file is left")
}

// chownToNobody gives a folder and the files in it to nobody.
func chownToNobody(t *testing.T, folder string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	require.NoError(t, os.Chown(folder, nobody, nobody))
	for _, name := range files(t, folder) {
		require.NoError(t, os.Chown(filepath.Join(folder, name), nobody, nobody))
	}
}

func TestFile_ReadOnlyFolder(t *testing.T) {
	f := savedFile(t)
	folder := filepath.Dir(f.Path)
	names := files(t, folder)
	chownToNobody(t, folder)
	require.NoError(t, os.Chmod(folder, 0o500))
	t.Cleanup(func() { _ = os.Chmod(folder, 0o700) })
	p := start(t, childReadOnly, f.Path)
	p.proceed(t)
	assertPrints(t, p, "none") // Load
	for range 4 {
		assertPrints(t, p, "not permitted")
	}
	require.NoError(t, p.Wait())
	assert.Equal(t, names, files(t, folder))
	assertRecord(t, f.Path, "record-one")
}

// If the folder cannot be synced, Save stores the record and returns an error, and can
// be repeated. Temporary files that could not be removed are removed later.
func TestFile_FolderThatCannotBeSynced(t *testing.T) {
	f := savedFile(t)
	folder := filepath.Dir(f.Path)
	leftover := filepath.Join(folder, ".session.json.123.tmp")
	require.NoError(t, os.WriteFile(leftover, []byte("left over"), 0o600))
	chownToNobody(t, folder)
	t.Cleanup(func() { _ = os.Chmod(folder, 0o700) })
	p := start(t, childUnlisted, f.Path)
	assertRecord(t, f.Path, "record-three")
	assert.FileExists(t, leftover)
	p.proceed(t)
	for range 2 {
		assertPrints(t, p, "not permitted")
	}
	assertPrints(t, p, "none")
	require.NoError(t, p.Wait())
	assertRecord(t, f.Path, "record-four")
	assert.NoFileExists(t, leftover)
}

func TestFile_Modes(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	folder := filepath.Join(t.TempDir(), "one", "two")
	f := &store.File{Path: filepath.Join(folder, "session.json")}
	unlock, err := f.Lock(t.Context())
	require.NoError(t, err)
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	require.NoError(t, f.Save(t.Context(), []byte("record-two")))
	require.NoError(t, unlock())
	for name, want := range map[string]fs.FileMode{
		filepath.Dir(folder): 0o700, folder: 0o700,
		f.Path: 0o600, f.Path + ".lock": 0o600, filepath.Join(folder, ".session.json.guard"): 0o600,
	} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		assert.Equal(t, want, info.Mode().Perm(), name)
	}
}

func TestFile_NotARegularFile(t *testing.T) {
	pipe := recordPath(t)
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for _, path := range []string{pipe, os.DevNull} {
		t.Run(path, func(t *testing.T) { assertAllFail(t, &store.File{Path: path}) })
	}
}

// A process that is stopped while it holds the lock blocks only Lock.
func TestFile_LockHolderIsStopped(t *testing.T) {
	f := savedFile(t)
	holder := start(t, childHold, f.Path)
	holder.suspend(t)
	_, err := f.Lock(briefly(t))
	require.Equal(t, context.DeadlineExceeded, err)
	require.NoError(t, f.Save(t.Context(), []byte("record-two")))
	assertRecord(t, f.Path, "record-two")

	holder.resume(t)
	holder.proceed(t)
	unlock, err := f.Lock(t.Context())
	require.NoError(t, err)
	require.NoError(t, unlock())
	require.NoError(t, holder.Wait())
}
