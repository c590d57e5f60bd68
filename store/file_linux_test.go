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

// Whenever a process dies, a record is whole, nothing is locked, and what is left
// of its work is swept by the next that saves.
func TestFile_KilledWhileItSaves(t *testing.T) {
	leftovers := 0
	// When the signal arrives is for the system to say: mostly in the middle.
	for round := 0; round < 5 || leftovers == 0 && round < 100; round++ {
		f := saveOne(t)
		p := start(t, partEndless, f.Path)
		waitForCreation(t, filepath.Dir(f.Path))
		require.NoError(t, p.Process.Kill())
		require.Error(t, p.Wait(), "it was killed")
		assertRecord(t, f.Path, string(large))
		leftovers += len(files(t, filepath.Dir(f.Path))) - 2

		next := &store.File{Path: f.Path}
		_, err := next.Load(t.Context())
		require.NoError(t, err)
		require.NoError(t, next.Save(t.Context(), []byte("record-three")))
		assertRecord(t, f.Path, "record-three")
		assert.Equal(t, []string{".session.json.guard", "session.json"}, files(t, filepath.Dir(f.Path)))
	}
	assert.Positive(t, leftovers, "one at least was killed in the middle")
}

// A process that is stopped in the middle of a Save keeps others from saving, for as
// long as they care to wait; not from loading, nor from the lock. When it dies, or
// goes on, so do they.
func TestFile_StoppedWhileItSaves(t *testing.T) {
	for _, ending := range []string{"and killed", "and woken"} {
		t.Run(ending, func(t *testing.T) {
			f := saveOne(t)
			folder := filepath.Dir(f.Path)
			p := start(t, partEndless, f.Path)
			// When the signal arrives is for the system to say: mostly in the middle.
			guard := flock.New(filepath.Join(folder, ".session.json.guard"))
			for {
				waitForCreation(t, folder)
				p.freeze(t)
				free, err := guard.TryLock()
				require.NoError(t, err)
				if !free {
					break
				}
				require.NoError(t, guard.Unlock())
				p.thaw(t)
			}

			other := &store.File{Path: f.Path}
			_, err := other.Load(t.Context())
			require.NoError(t, err)
			require.Equal(t, context.DeadlineExceeded, other.Save(briefly(t), []byte("record-three")))
			unlock, err := other.Lock(t.Context())
			require.NoError(t, err)
			assertRecord(t, f.Path, string(large))

			if ending == "and killed" {
				require.NoError(t, p.Process.Kill())
				require.Error(t, p.Wait(), "it was killed")
			} else {
				p.thaw(t)
				p.goOn(t) // which ends it after this Save
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

// Where no file can be made the system says that there is none. That is no word
// about the record.
func TestFile_NoFileCanBeMade(t *testing.T) {
	f := &store.File{Path: "/proc/self/session.json"}
	assertOther(t, f.Save(t.Context(), []byte("record-one")))
	assertOther(t, f.Delete(t.Context()))
	assertOther(t, f.SetAside(t.Context(), "damaged"))
	_, err := f.Lock(t.Context())
	assertOther(t, err)
}

// waitForCreation returns when somebody has made a file in folder.
func waitForCreation(t *testing.T, folder string) {
	t.Helper()
	waitFor(t, folder, syscall.IN_CREATE)
}

// waitFor returns when one of some events has happened to a file, or in a folder.
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
