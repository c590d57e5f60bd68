//go:build unix

package store_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/store/storetest"
)

// A faultFunc returns the error of a step, or nil.
type faultFunc = func(step, path string) error

// mountPoint is the fault of a record that is a mount point: it cannot be replaced or
// removed.
func mountPoint(step, path string) error {
	if step != store.StepRename && step != store.StepRemove || strings.HasSuffix(path, ".kept") {
		return nil
	}
	return &fs.PathError{Op: step, Path: path, Err: syscall.EBUSY}
}

// readOnlyParent is the fault of a mount point in a read-only file system: no files can
// be created or removed beside it.
func readOnlyParent(step, path string) error {
	switch step {
	case store.StepCreate, store.StepRename, store.StepRemove:
		return &fs.PathError{Op: step, Path: path, Err: syscall.EROFS}
	}
	return nil
}

// inPlaceFaults are the faults after which a record is written in place.
var inPlaceFaults = map[string]faultFunc{"mount point": mountPoint, "read-only parent": readOnlyParent}

// inPlaceFile returns a File that writes in place.
func inPlaceFile(path string, fault faultFunc) *store.File {
	f := &store.File{Path: path}
	f.SetFault(fault)
	return f
}

// longRecord returns a record that is long enough to be written in place without a frame.
func longRecord(name string) []byte { return []byte(strings.Repeat(name+" ", 100)) }

func TestFile_InPlaceConformance(t *testing.T) {
	for name, fault := range inPlaceFaults {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(tb testing.TB) storetest.Opener {
				tb.Helper()
				path := filepath.Join(tb.TempDir(), "session.json")
				// A mount point exists, so that nothing stored must be written to it.
				first := &store.File{Path: path}
				require.NoError(tb, first.Save(tb.Context(), nil))
				require.NoError(tb, inPlaceFile(path, mountPoint).Delete(tb.Context()))
				return func() storetest.Store {
					if name == "mount point" {
						return inPlaceFile(path, fault)
					}
					f := inPlaceFile(path, fault)
					return lockedOnly{f, f} // SetAside cannot create a file
				}
			})
		})
	}
}

// lockedOnly is a store without SetAside.
type lockedOnly struct {
	storetest.Store
	storetest.Locker
}

// A file that is written in place contains exactly the record, which older versions can
// read. No other file is left.
func TestFile_InPlaceContent(t *testing.T) {
	for name, fault := range inPlaceFaults {
		t.Run(name, func(t *testing.T) {
			f := savedFile(t)
			before, err := os.Stat(f.Path)
			require.NoError(t, err)
			f.SetFault(fault)
			for _, record := range [][]byte{longRecord("record-two"), longRecord("three"), bytes.Repeat([]byte{0}, 64), longRecord("record-four"), largeRecord} {
				require.NoError(t, f.Save(t.Context(), record))
				data, err := os.ReadFile(f.Path)
				require.NoError(t, err)
				assert.True(t, bytes.Equal(record, data))
			}
			after, err := os.Stat(f.Path)
			require.NoError(t, err)
			assert.True(t, os.SameFile(before, after))
			assert.Equal(t, []string{".session.json.guard", "session.json"}, files(t, filepath.Dir(f.Path)))
			assert.Empty(t, f.Notices())
		})
	}
}

// Records that begin like a frame are loaded as they were saved.
func TestFile_RecordsThatLookLikeFrames(t *testing.T) {
	const mark = "\x15agsauth-file "
	f := &store.File{Path: recordPath(t)}
	for _, fault := range []faultFunc{nil, mountPoint} {
		f.SetFault(fault)
		for _, record := range []string{
			mark, mark[:1], mark[:5], mark + "k\n", mark + "u\n" + strings.Repeat("x", 100), mark + "-\n" + strings.Repeat("\x00", 48),
			mark + "r\n\x00\x00\x00\x00\x00\x00\x00\x01xyz", strings.Repeat("y", 63), strings.Repeat("y", 64), "",
		} {
			require.NoError(t, f.Save(t.Context(), []byte(record)))
			assertRecord(t, f.Path, record)
		}
	}
}

func TestFile_InPlaceSetAside(t *testing.T) {
	t.Run("record is copied", func(t *testing.T) {
		f := savedFile(t)
		f.SetFault(mountPoint)
		require.NoError(t, f.SetAside(t.Context(), "damaged"))
		data, err := os.ReadFile(f.Path + ".damaged")
		require.NoError(t, err)
		assert.Equal(t, "record-one", string(data))
		require.ErrorIs(t, f.SetAside(t.Context(), "damaged"), fs.ErrNotExist)
	})
	t.Run("record stays if it cannot be copied", func(t *testing.T) {
		f := savedFile(t)
		f.SetFault(readOnlyParent)
		err := f.SetAside(t.Context(), "damaged")
		require.ErrorIs(t, err, syscall.EROFS)
		assertRecord(t, f.Path, "record-one")
	})
	for name, left := range map[string][]byte{"zero-length records": {}, "zero bytes": make([]byte, 100)} {
		t.Run(name+" are given up if they cannot be copied", func(t *testing.T) {
			f := inPlaceFile(recordPath(t), readOnlyParent)
			require.NoError(t, os.WriteFile(f.Path, left, 0o600))
			data, err := f.Load(t.Context())
			require.NoError(t, err)
			assert.Equal(t, left, append([]byte{}, data...), "File does not interpret the record")
			require.NoError(t, f.SetAside(t.Context(), "damaged"))
			require.NoError(t, f.Save(t.Context(), longRecord("record-one")))
			assertRecord(t, f.Path, string(longRecord("record-one")))
		})
	}
}

// Without a backup Load waits for the writer, until its context ends.
func TestFile_InPlaceReaderWaitsForWriter(t *testing.T) {
	f := &store.File{Path: recordPath(t)}
	require.NoError(t, f.Save(t.Context(), longRecord("record-one")))
	next := &store.File{Path: f.Path}
	f.SetFault(func(step, path string) error {
		if step == store.StepBegin {
			_, err := next.Load(briefly(t))
			assert.Equal(t, context.DeadlineExceeded, err)
		}
		return readOnlyParent(step, path)
	})
	require.NoError(t, f.Save(t.Context(), longRecord("record-two")))
	assertRecord(t, f.Path, string(longRecord("record-two")))
}

// Two containers may share only the file, and no guard.
func TestFile_InPlaceWritersExcludeEachOther(t *testing.T) {
	f := &store.File{Path: recordPath(t)}
	require.NoError(t, f.Save(t.Context(), longRecord("record-one")))
	f.SetFault(readOnlyParent)
	writer := flock.New(f.Path)
	locked, err := writer.TryLock()
	require.NoError(t, err)
	require.True(t, locked)
	require.Equal(t, context.DeadlineExceeded, f.Save(briefly(t), longRecord("record-two")))
	require.NoError(t, os.WriteFile(f.Path, longRecord("record-three"), 0o600))
	require.NoError(t, writer.Unlock())
	require.ErrorIs(t, f.Save(t.Context(), longRecord("record-two")), fs.ErrExist)
	assertRecord(t, f.Path, string(longRecord("record-three")))
}

// In a read-only folder of another user the record is written in place; for one of the
// user's see TestFile_ReadOnlyFolder.
func TestFile_InPlaceInFolderOfAnotherUser(t *testing.T) {
	requireRoot(t)
	f := savedFile(t)
	folder := filepath.Dir(f.Path)
	require.NoError(t, os.Remove(filepath.Join(folder, ".session.json.guard")))
	require.NoError(t, os.Chown(f.Path, nobody, nobody))
	p := start(t, childReadOnly, f.Path)
	p.proceed(t)
	for range 3 { // Load, Save, Delete
		assertPrints(t, p, "none")
	}
	assertPrints(t, p, "about the record") // nothing is stored
	assertPrints(t, p, "unsupported")
	require.NoError(t, p.Wait())
	assert.Equal(t, []string{"session.json"}, files(t, folder))
	_, err := f.Load(t.Context())
	require.ErrorIs(t, err, fs.ErrNotExist)
}
