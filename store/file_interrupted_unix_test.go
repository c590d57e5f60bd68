//go:build unix

package store_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
)

// diesAt returns a fault that simulates the death of the process at the nth step of
// writing in place: this step and all that follow fail.
func diesAt(fault faultFunc, nth int) faultFunc {
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

// If a process dies at any step of writing in place, the next Load returns the previous
// record, or an error if there was no backup.
func TestFile_InPlaceDiesAtAnyStep(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault faultFunc
		at    int
		lost  bool
	}{
		{"backup, before the head", mountPoint, 1, false},
		{"backup, after the head", mountPoint, 2, false},
		{"backup, before the beginning", mountPoint, 3, false},
		{"no backup, before the head", readOnlyParent, 1, false},
		{"no backup, after the head", readOnlyParent, 2, true},
		{"no backup, before the beginning", readOnlyParent, 3, true},
	} {
		for _, record := range [][]byte{[]byte("record-two"), longRecord("record-two"), largeRecord} {
			t.Run(fmt.Sprintf("%s, %d bytes", tt.name, len(record)), func(t *testing.T) {
				f := &store.File{Path: recordPath(t)}
				require.NoError(t, f.Save(t.Context(), longRecord("record-one")))
				f.SetFault(diesAt(tt.fault, tt.at))
				assertStoreError(t, f.Save(t.Context(), record))

				next := inPlaceFile(f.Path, tt.fault)
				data, err := next.Load(t.Context())
				if tt.lost {
					assertRecordLost(t, next, err)
					return
				}
				require.NoError(t, err)
				assert.Equal(t, string(longRecord("record-one")), string(data))
				assert.Len(t, next.Notices(), min(tt.at-1, 1), "an incomplete record causes a notice")
				require.NoError(t, next.Save(t.Context(), []byte("record-three")))
				assertRecord(t, f.Path, "record-three")
				assert.Equal(t, []string{".session.json.guard", "session.json"}, files(t, filepath.Dir(f.Path)))
			})
		}
	}
}

// assertRecordLost asserts that err says that the record is damaged, and that after
// SetAside a new record can be saved.
func assertRecordLost(t *testing.T, f *store.File, err error) {
	t.Helper()
	assertStoreError(t, err)
	var recordErr interface {
		Damaged() bool
		LeaveAlone() bool
	}
	require.ErrorAs(t, err, &recordErr)
	assert.True(t, recordErr.Damaged())
	assert.False(t, recordErr.LeaveAlone())
	assertStoreError(t, f.Save(t.Context(), []byte("record-three")))
	require.NoError(t, f.SetAside(t.Context(), "damaged"))
	_, err = f.Load(t.Context())
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, f.Save(t.Context(), []byte("record-three")))
	assertRecord(t, f.Path, "record-three")
}

// If nothing was stored before, nothing is stored afterwards.
func TestFile_InPlaceDiesWithNothingStored(t *testing.T) {
	for name, fault := range inPlaceFaults {
		t.Run(name, func(t *testing.T) {
			f := savedFile(t)
			f.SetFault(mountPoint)
			require.NoError(t, f.Delete(t.Context()))
			f.SetFault(diesAt(fault, 3))
			assertStoreError(t, f.Save(t.Context(), longRecord("record-two")))
			next := inPlaceFile(f.Path, fault)
			_, err := next.Load(t.Context())
			require.ErrorIs(t, err, fs.ErrNotExist)
			require.NoError(t, next.Save(t.Context(), longRecord("record-two")))
		})
	}
}

// A backup of another record is not used.
func TestFile_InPlaceBackupOfAnotherRecord(t *testing.T) {
	f := &store.File{Path: recordPath(t)}
	require.NoError(t, f.Save(t.Context(), longRecord("record-one")))
	f.SetFault(diesAt(mountPoint, 3))
	assertStoreError(t, f.Save(t.Context(), longRecord("record-two")))
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(f.Path), ".session.json.kept"), longRecord("record-old"), 0o600))
	next := inPlaceFile(f.Path, mountPoint)
	_, err := next.Load(t.Context())
	assertRecordLost(t, next, err)
}

// If the disk is full, the previous record is restored.
func TestFile_InPlaceDiskFull(t *testing.T) {
	for name, fault := range inPlaceFaults {
		for _, step := range []string{store.StepHead, store.StepBody, store.StepBegin} {
			t.Run(name+", "+step, func(t *testing.T) {
				f := &store.File{Path: recordPath(t)}
				require.NoError(t, f.Save(t.Context(), longRecord("record-one")))
				full := true
				f.SetFault(func(at, path string) error {
					if at == step && full {
						full = false
						return &fs.PathError{Op: "write", Path: path, Err: syscall.ENOSPC}
					}
					return fault(at, path)
				})
				err := f.Save(t.Context(), longRecord("record-two"))
				assertStoreError(t, err)
				require.ErrorIs(t, err, syscall.ENOSPC)
				assertRecord(t, f.Path, string(longRecord("record-one")))
				require.NoError(t, f.Save(t.Context(), longRecord("record-three")), "the stored record is the one last loaded")
			})
		}
	}
}

// If the disk is full when the backup is written, nothing is changed.
func TestFile_InPlaceDiskFullDuringBackup(t *testing.T) {
	f := savedFile(t)
	f.SetFault(func(step, path string) error {
		if step == store.StepRename && strings.HasSuffix(path, ".kept") {
			return &fs.PathError{Op: "write", Path: path, Err: syscall.ENOSPC}
		}
		return mountPoint(step, path)
	})
	require.ErrorIs(t, f.Save(t.Context(), longRecord("record-two")), syscall.ENOSPC)
	assertRecord(t, f.Path, "record-one")
}
