package store_test

import (
	"context"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
)

// After a process dies during Save, the record is complete, nothing is locked, and the
// next Save removes the temporary file.
func TestFile_KilledDuringSave(t *testing.T) {
	leftovers := 0
	// The signal mostly arrives during the Save.
	for round := 0; round < 5 || leftovers == 0 && round < 100; round++ {
		f := savedFile(t)
		p := start(t, childEndless, f.Path)
		waitForCreation(t, filepath.Dir(f.Path))
		require.NoError(t, p.Process.Kill())
		require.Error(t, p.Wait(), "it was killed")
		assertRecord(t, f.Path, string(largeRecord))
		leftovers += len(files(t, filepath.Dir(f.Path))) - 2

		next := &store.File{Path: f.Path}
		_, err := next.Load(t.Context())
		require.NoError(t, err)
		require.NoError(t, next.Save(t.Context(), []byte("record-three")))
		assertRecord(t, f.Path, "record-three")
		assert.Equal(t, []string{".session.json.guard", "session.json"}, files(t, filepath.Dir(f.Path)))
	}
	assert.Positive(t, leftovers, "at least one was killed during the Save")
}

// A process that is stopped during Save blocks Save, but neither Load nor Lock, until
// it dies or continues.
func TestFile_StoppedDuringSave(t *testing.T) {
	for _, ending := range []string{"killed", "resumed"} {
		t.Run(ending, func(t *testing.T) {
			f := savedFile(t)
			folder := filepath.Dir(f.Path)
			p := start(t, childEndless, f.Path)
			// The signal mostly arrives during the Save.
			guard := flock.New(filepath.Join(folder, ".session.json.guard"))
			for {
				waitForCreation(t, folder)
				p.suspend(t)
				free, err := guard.TryLock()
				require.NoError(t, err)
				if !free {
					break
				}
				require.NoError(t, guard.Unlock())
				p.resume(t)
			}

			other := &store.File{Path: f.Path}
			_, err := other.Load(t.Context())
			require.NoError(t, err)
			require.Equal(t, context.DeadlineExceeded, other.Save(briefly(t), []byte("record-three")))
			unlock, err := other.Lock(t.Context())
			require.NoError(t, err)
			assertRecord(t, f.Path, string(largeRecord))

			if ending == "killed" {
				require.NoError(t, p.Process.Kill())
				require.Error(t, p.Wait(), "it was killed")
			} else {
				p.resume(t)
				p.proceed(t) // it ends after this Save
				require.NoError(t, p.Wait())
			}
			_, err = other.Load(t.Context())
			require.NoError(t, err)
			require.NoError(t, other.Save(t.Context(), []byte("record-three")))
			require.NoError(t, unlock())
			assertRecord(t, f.Path, "record-three")
		})
	}
}

// If no file can be created, the system returns ENOENT, which says nothing about the
// record.
func TestFile_NoFileCanBeCreated(t *testing.T) {
	f := &store.File{Path: "/proc/self/session.json"}
	assertStoreError(t, f.Save(t.Context(), []byte("record-one")))
	assertStoreError(t, f.Delete(t.Context()))
	assertStoreError(t, f.SetAside(t.Context(), "damaged"))
	_, err := f.Lock(t.Context())
	assertStoreError(t, err)
}

// waitForCreation returns when a file was created in folder.
func waitForCreation(t *testing.T, folder string) {
	t.Helper()
	waitFor(t, folder, syscall.IN_CREATE)
}

// waitFor returns after one of events happened to a file or in a folder.
func waitFor(t *testing.T, path string, events uint32) {
	t.Helper()
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC)
	require.NoError(t, err)
	defer func() { require.NoError(t, syscall.Close(fd)) }()
	_, err = syscall.InotifyAddWatch(fd, path, events)
	require.NoError(t, err)
	_, err = syscall.Read(fd, make([]byte, 4096))
	require.NoError(t, err)
}
