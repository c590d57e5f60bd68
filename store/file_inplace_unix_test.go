//go:build unix

package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

// mounted is the fault of a record that is mounted by itself: nothing takes its place,
// and it stays where it is.
func mounted(step, path string) error {
	if step != store.StepRename && step != store.StepRemove || strings.HasSuffix(path, ".kept") {
		return nil
	}
	return &fs.PathError{Op: step, Path: path, Err: syscall.EBUSY}
}

// readOnlyFolder is the fault of a record that is mounted by itself into a file system
// that cannot be written: no file is made or removed beside it.
func readOnlyFolder(step, path string) error {
	switch step {
	case store.StepCreate, store.StepRename, store.StepRemove:
		return &fs.PathError{Op: step, Path: path, Err: syscall.EROFS}
	}
	return nil
}

// places are those in which a record is written in place.
var places = map[string]func(step, path string) error{"mounted": mounted, "in a read-only folder": readOnlyFolder}

// inPlace returns a File that is written in place.
func inPlace(path string, fault func(step, path string) error) *store.File {
	f := &store.File{Path: path}
	f.SetFault(fault)
	return f
}

// long returns a record that is long enough to be stored as it is.
func long(name string) []byte { return []byte(strings.Repeat(name+" ", 100)) }

func TestFile_InPlaceConformance(t *testing.T) {
	for name, fault := range places {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(tb testing.TB) storetest.Opener {
				tb.Helper()
				path := filepath.Join(tb.TempDir(), "session.json")
				// One that is mounted is there, and has been emptied.
				first := &store.File{Path: path}
				require.NoError(tb, first.Save(tb.Context(), nil))
				require.NoError(tb, inPlace(path, mounted).Delete(tb.Context()))
				return func() storetest.Store {
					if name == "mounted" {
						return inPlace(path, fault)
					}
					f := inPlace(path, fault)
					return lockedOnly{f, f} // there is no place to set anything aside
				}
			})
		})
	}
}

// lockedOnly is a store that sets nothing aside.
type lockedOnly struct {
	storetest.Store
	storetest.Locker
}

// What is written in place is what was saved, to the byte, as it is when a file is
// replaced: older versions read it. It is the same file, and nothing is left beside it.
func TestFile_InPlaceIsByteForByte(t *testing.T) {
	for name, fault := range places {
		t.Run(name, func(t *testing.T) {
			f := saveOne(t)
			before, err := os.Stat(f.Path)
			require.NoError(t, err)
			f.SetFault(fault)
			for _, record := range [][]byte{long("record-two"), long("three"), bytes.Repeat([]byte{0}, 64), long("record-four"), large} {
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

// Some bytes mean something to this package when a file begins with them. They are
// loaded as they were saved all the same.
func TestFile_RecordsThatLookLikeOurs(t *testing.T) {
	const mark = "\x15agsauth-file "
	f := &store.File{Path: recordPath(t)}
	for _, fault := range []func(step, path string) error{nil, mounted} {
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

// dying returns a fault under which the process dies at the nth of the steps that
// write in place: that one, and all that follow, have no effect.
func dying(fault func(step, path string) error, nth int) func(step, path string) error {
	count := 0
	return func(step, path string) error {
		switch step {
		case store.StepHead, store.StepBody, store.StepBegin:
			if count++; count >= nth {
				return errors.New("died")
			}
		}
		return fault(step, path)
	}
}

// Whenever a process dies that writes in place, the next reader finds the old record or
// the new one; or, where the old one could not be kept, it is told.
func TestFile_InPlaceDiesAtAnyStep(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault func(step, path string) error
		at    int
		lost  bool
	}{
		{"mounted, before the head", mounted, 1, false},
		{"mounted, behind the head", mounted, 2, false},
		{"mounted, before the beginning", mounted, 3, false},
		{"nothing kept, before the head", readOnlyFolder, 1, false},
		{"nothing kept, behind the head", readOnlyFolder, 2, true},
		{"nothing kept, before the beginning", readOnlyFolder, 3, true},
	} {
		for _, record := range [][]byte{[]byte("record-two"), long("record-two"), large} {
			t.Run(fmt.Sprintf("%s, %d bytes", tt.name, len(record)), func(t *testing.T) {
				f := &store.File{Path: recordPath(t)}
				require.NoError(t, f.Save(t.Context(), long("record-one")))
				f.SetFault(dying(tt.fault, tt.at))
				assertOther(t, f.Save(t.Context(), record))

				next := inPlace(f.Path, tt.fault)
				data, err := next.Load(t.Context())
				if tt.lost {
					assertLost(t, next, err)
					return
				}
				require.NoError(t, err)
				assert.Equal(t, string(long("record-one")), string(data))
				assert.Len(t, next.Notices(), min(tt.at-1, 1), "a half is told of")
				require.NoError(t, next.Save(t.Context(), []byte("record-three")))
				assertRecord(t, f.Path, "record-three")
				assert.Equal(t, []string{".session.json.guard", "session.json"}, files(t, filepath.Dir(f.Path)))
			})
		}
	}
}

// assertLost asserts that err says that a record is damaged, and that one can begin
// anew.
func assertLost(t *testing.T, f *store.File, err error) {
	t.Helper()
	assertOther(t, err)
	var says interface {
		Damaged() bool
		LeaveAlone() bool
	}
	require.ErrorAs(t, err, &says)
	assert.True(t, says.Damaged())
	assert.False(t, says.LeaveAlone())
	assertOther(t, f.Save(t.Context(), []byte("record-three")))
	require.NoError(t, f.SetAside(t.Context(), "damaged"))
	_, err = f.Load(t.Context())
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, f.Save(t.Context(), []byte("record-three")))
	assertRecord(t, f.Path, "record-three")
}

// With nothing stored before, nothing is what is found.
func TestFile_InPlaceDiesWithNothingStored(t *testing.T) {
	for name, fault := range places {
		t.Run(name, func(t *testing.T) {
			f := saveOne(t)
			f.SetFault(mounted)
			require.NoError(t, f.Delete(t.Context()))
			f.SetFault(dying(fault, 3))
			assertOther(t, f.Save(t.Context(), long("record-two")))
			next := inPlace(f.Path, fault)
			_, err := next.Load(t.Context())
			require.ErrorIs(t, err, fs.ErrNotExist)
			require.NoError(t, next.Save(t.Context(), long("record-two")))
		})
	}
}

// Where what was kept is not the predecessor of what was half written, it is not
// taken for it.
func TestFile_InPlaceKeptIsAnothers(t *testing.T) {
	f := &store.File{Path: recordPath(t)}
	require.NoError(t, f.Save(t.Context(), long("record-one")))
	f.SetFault(dying(mounted, 3))
	assertOther(t, f.Save(t.Context(), long("record-two")))
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(f.Path), ".session.json.kept"), long("record-old"), 0o600))
	next := inPlace(f.Path, mounted)
	_, err := next.Load(t.Context())
	assertLost(t, next, err)
}

// A full disk gives the old record back.
func TestFile_InPlaceDiskFull(t *testing.T) {
	for name, fault := range places {
		for _, step := range []string{store.StepHead, store.StepBody, store.StepBegin} {
			t.Run(name+", "+step, func(t *testing.T) {
				f := &store.File{Path: recordPath(t)}
				require.NoError(t, f.Save(t.Context(), long("record-one")))
				full := true
				f.SetFault(func(at, path string) error {
					if at == step && full {
						full = false
						return &fs.PathError{Op: "write", Path: path, Err: syscall.ENOSPC}
					}
					return fault(at, path)
				})
				err := f.Save(t.Context(), long("record-two"))
				assertOther(t, err)
				require.ErrorIs(t, err, syscall.ENOSPC)
				assertRecord(t, f.Path, string(long("record-one")))
				require.NoError(t, f.Save(t.Context(), long("record-three")), "and what was loaded has not changed")
			})
		}
	}
}

// A disk that is full where the old record is to be kept leaves it as it is.
func TestFile_InPlaceNoRoomToKeep(t *testing.T) {
	f := saveOne(t)
	f.SetFault(func(step, path string) error {
		if step == store.StepRename && strings.HasSuffix(path, ".kept") {
			return &fs.PathError{Op: "write", Path: path, Err: syscall.ENOSPC}
		}
		return mounted(step, path)
	})
	require.ErrorIs(t, f.Save(t.Context(), long("record-two")), syscall.ENOSPC)
	assertRecord(t, f.Path, "record-one")
}

func TestFile_InPlaceSetAside(t *testing.T) {
	t.Run("is copied", func(t *testing.T) {
		f := saveOne(t)
		f.SetFault(mounted)
		require.NoError(t, f.SetAside(t.Context(), "damaged"))
		data, err := os.ReadFile(f.Path + ".damaged")
		require.NoError(t, err)
		assert.Equal(t, "record-one", string(data))
		require.ErrorIs(t, f.SetAside(t.Context(), "damaged"), fs.ErrNotExist)
	})
	t.Run("is left where it cannot be copied", func(t *testing.T) {
		f := saveOne(t)
		f.SetFault(readOnlyFolder)
		err := f.SetAside(t.Context(), "damaged")
		require.ErrorIs(t, err, syscall.EROFS)
		assertRecord(t, f.Path, "record-one")
	})
	for name, left := range map[string][]byte{"empty": {}, "zero bytes": make([]byte, 100)} {
		t.Run(name+" is given up where it cannot be copied", func(t *testing.T) {
			f := inPlace(recordPath(t), readOnlyFolder)
			require.NoError(t, os.WriteFile(f.Path, left, 0o600))
			data, err := f.Load(t.Context())
			require.NoError(t, err)
			assert.Equal(t, left, append([]byte{}, data...), "for the caller to judge")
			require.NoError(t, f.SetAside(t.Context(), "damaged"))
			require.NoError(t, f.Save(t.Context(), long("record-one")))
			assertRecord(t, f.Path, string(long("record-one")))
		})
	}
}

// Where the old record could not be kept, a reader waits for the writer, as long as it
// cares to.
func TestFile_InPlaceReaderWaitsForTheWriter(t *testing.T) {
	f := &store.File{Path: recordPath(t)}
	require.NoError(t, f.Save(t.Context(), long("record-one")))
	next := &store.File{Path: f.Path}
	f.SetFault(func(step, path string) error {
		if step == store.StepBegin {
			_, err := next.Load(briefly(t))
			assert.Equal(t, context.DeadlineExceeded, err)
		}
		return readOnlyFolder(step, path)
	})
	require.NoError(t, f.Save(t.Context(), long("record-two")))
	assertRecord(t, f.Path, string(long("record-two")))
}

// Two containers have the file in common, and nothing beside it.
func TestFile_InPlaceWritersExcludeEachOther(t *testing.T) {
	f := &store.File{Path: recordPath(t)}
	require.NoError(t, f.Save(t.Context(), long("record-one")))
	f.SetFault(readOnlyFolder)
	theirs := flock.New(f.Path)
	locked, err := theirs.TryLock()
	require.NoError(t, err)
	require.True(t, locked)
	require.Equal(t, context.DeadlineExceeded, f.Save(briefly(t), long("record-two")))
	require.NoError(t, os.WriteFile(f.Path, long("record-three"), 0o600))
	require.NoError(t, theirs.Unlock())
	require.ErrorIs(t, f.Save(t.Context(), long("record-two")), fs.ErrExist)
	assertRecord(t, f.Path, string(long("record-three")))
}

// A folder of one's own that is closed to oneself was closed on purpose:
// TestFile_ReadOnlyFolder. Another's is where a file is mounted.
func TestFile_InPlaceInAFolderOfAnothers(t *testing.T) {
	needRoot(t)
	f := saveOne(t)
	folder := filepath.Dir(f.Path)
	require.NoError(t, os.Remove(filepath.Join(folder, ".session.json.guard")))
	require.NoError(t, os.Chown(f.Path, nobody, nobody))
	p := start(t, partReadOnly, f.Path)
	p.goOn(t)
	for range 3 { // Load, Save, Delete
		assertSays(t, p, "fine")
	}
	assertSays(t, p, "about the record") // there is nothing to set aside
	assertSays(t, p, "no locking")
	require.NoError(t, p.Wait())
	assert.Equal(t, []string{"session.json"}, files(t, folder))
	_, err := f.Load(t.Context())
	require.ErrorIs(t, err, fs.ErrNotExist)
}
