package store_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
)

// assertOther asserts that err tells a caller nothing of what is stored.
func assertOther(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	assert.NotErrorIs(t, err, fs.ErrNotExist)
	assert.NotErrorIs(t, err, fs.ErrExist)
	assert.NotContains(t, err.Error(), "record-")
	assert.True(t, strings.HasPrefix(err.Error(), "store: "), "%v", err)
}

// assertUnusable asserts that every method that touches the record fails.
func assertUnusable(t *testing.T, f *store.File) {
	t.Helper()
	_, err := f.Load(t.Context())
	assertOther(t, err)
	assertOther(t, f.Save(t.Context(), []byte("record-one")))
	assertOther(t, f.Delete(t.Context()))
	assertOther(t, f.SetAside(t.Context(), "damaged"))
	_, err = f.Lock(t.Context())
	assertOther(t, err)
}

// files returns the names of what is in a folder.
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

func TestFile_PathUnusable(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	tests := []struct{ name, path string }{
		{"none", ""},
		{"a folder", folder},
		{"a folder that is to be", filepath.Join(folder, "new") + string(filepath.Separator)},
		{"the working directory", "."},
		{"the root", string(filepath.Separator)},
		{"below a file", filepath.Join(file, "session.json")},
		{"far below a file", filepath.Join(file, "new", "session.json")},
		{"not a path", filepath.Join(folder, "nul\x00nul")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assertUnusable(t, &store.File{Path: tt.path})
			assert.Equal(t, []string{"file"}, files(t, folder), "and nothing is made")
		})
	}
}

func TestFile_WhatLiesInTheFolder(t *testing.T) {
	f := &store.File{Path: recordPath(t)}
	folder := filepath.Dir(f.Path)
	_, err := f.Load(t.Context())
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, f.Delete(t.Context()))
	require.ErrorIs(t, f.SetAside(t.Context(), "damaged"), fs.ErrNotExist)

	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	require.NoError(t, f.Save(t.Context(), []byte("record-two")))
	assert.Equal(t, []string{".session.json.guard", "session.json"}, files(t, folder), "no temporary file")
	data, err := os.ReadFile(f.Path)
	require.NoError(t, err)
	assert.Equal(t, "record-two", string(data), "the record is the file, no more and no less")

	unlock, err := f.Lock(t.Context())
	require.NoError(t, err)
	require.NoError(t, unlock())
	require.NoError(t, f.Delete(t.Context()))
	assert.Equal(t, []string{".session.json.guard", "session.json.lock"}, files(t, folder), "locks stay")
}

func TestFile_NothingIsMadeWithoutNeed(t *testing.T) {
	folder := t.TempDir()
	f := &store.File{Path: filepath.Join(folder, "new", "session.json")}
	_, err := f.Load(t.Context())
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, f.Delete(t.Context()))
	require.ErrorIs(t, f.SetAside(t.Context(), "damaged"), fs.ErrNotExist)
	assert.Empty(t, files(t, folder))
}

func TestFile_SetAsideOverwritesNothing(t *testing.T) {
	f := &store.File{Path: recordPath(t)}
	for i := range 3 {
		require.NoError(t, f.Save(t.Context(), fmt.Appendf(nil, "record-%d", i)))
		require.NoError(t, f.SetAside(t.Context(), "../damaged"))
	}
	for i, suffix := range []string{".___damaged", ".___damaged.1", ".___damaged.2"} {
		data, err := os.ReadFile(f.Path + suffix)
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("record-%d", i), string(data))
	}
	require.NoError(t, f.Delete(t.Context()))
	assert.FileExists(t, f.Path+".___damaged", "is not deleted with the record")
}

// A bare name is a file in the working directory, and nothing of it is anywhere else.
func TestFile_PathIsABareName(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	t.Setenv("TMPDIR", filepath.Join(folder, "none"))
	t.Setenv("TMP", filepath.Join(folder, "none"))
	f := &store.File{Path: "session.json"}
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	require.NoError(t, f.SetAside(t.Context(), "damaged"))
	require.NoError(t, f.Save(t.Context(), []byte("record-two")))
	unlock, err := f.Lock(t.Context())
	require.NoError(t, err)
	require.NoError(t, unlock())
	assert.Equal(t, []string{".session.json.guard", "session.json", "session.json.damaged", "session.json.lock"}, files(t, folder))
	require.NoError(t, f.Delete(t.Context()))
}

// A record must not become the file that is locked.
func TestFile_SetAsideSparesTheLock(t *testing.T) {
	f := &store.File{Path: recordPath(t)}
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	require.NoError(t, f.SetAside(t.Context(), "lock"))
	assert.Equal(t, []string{".session.json.guard", "session.json.lock.1"}, files(t, filepath.Dir(f.Path)))
}

func TestFile_RecordTooLarge(t *testing.T) {
	const limit = 1 << 20
	f := &store.File{Path: recordPath(t)}
	require.NoError(t, f.Save(t.Context(), make([]byte, limit)))
	data, err := f.Load(t.Context())
	require.NoError(t, err)
	assert.Len(t, data, limit)
	assertOther(t, f.Save(t.Context(), make([]byte, limit+1)))
	data, err = f.Load(t.Context())
	require.NoError(t, err)
	assert.Len(t, data, limit, "is untouched")

	require.NoError(t, os.WriteFile(f.Path, make([]byte, limit+1), 0o600))
	_, err = f.Load(t.Context())
	assertOther(t, err)
	assertOther(t, f.Save(t.Context(), []byte("record-one")))
	require.NoError(t, f.SetAside(t.Context(), "large"), "can be taken out of the way")
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
}

// One that was edited by hand is another record.
func TestFile_SaveOntoAnEditedRecord(t *testing.T) {
	f := &store.File{Path: recordPath(t)}
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	require.NoError(t, os.WriteFile(f.Path, []byte("record-One"), 0o600))
	require.ErrorIs(t, f.Save(t.Context(), []byte("record-two")), fs.ErrExist)
	require.NoError(t, os.WriteFile(f.Path, []byte("record-one"), 0o600))
	require.NoError(t, f.Save(t.Context(), []byte("record-two")), "is again what was loaded")
}

// What a process leaves behind that dies while it saves is removed by the next
// one that saves, and nothing else is.
func TestFile_LeftoversAreSwept(t *testing.T) {
	others := []string{
		".session.json.tmp", ".session.json..tmp", ".session.json.12a.tmp", ".session.json.5.12.tmp", ".session.json.12",
		"session.json.12.tmp", ".session.12.tmp", ".other.json.12.tmp",
	}
	for _, sweep := range []string{"Save", "Delete"} {
		t.Run(sweep, func(t *testing.T) {
			f := &store.File{Path: recordPath(t)}
			folder := filepath.Dir(f.Path)
			for _, name := range append([]string{".session.json.123.tmp", ".session.json.0.tmp"}, others...) {
				require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte("left over"), 0o600))
			}
			require.NoError(t, os.Mkdir(filepath.Join(folder, ".session.json.7.tmp"), 0o700))
			want := append([]string{".session.json.7.tmp", ".session.json.guard"}, others...)
			if sweep == "Save" {
				require.NoError(t, f.Save(t.Context(), []byte("record-one")))
				want = append(want, "session.json")
			} else {
				require.NoError(t, f.Delete(t.Context()))
			}
			assert.ElementsMatch(t, want, files(t, folder))
		})
	}
}

// Whoever reads sees one record or the other, never a part or none.
func TestFile_ReadersSeeWholeRecords(t *testing.T) {
	f := &store.File{Path: recordPath(t)}
	record := func(n int) []byte { return []byte(strings.Repeat(string(rune('a'+n%26)), 1+n*997%20000)) }
	require.NoError(t, f.Save(t.Context(), record(0)))
	whole := map[string]bool{}
	for n := range 100 {
		whole[string(record(n))] = true
	}

	var over atomic.Bool
	var readers sync.WaitGroup
	begun := make(chan struct{}, 2)
	for range cap(begun) {
		readers.Go(func() {
			reader := &store.File{Path: f.Path}
			for first := true; !over.Load(); first = false {
				data, err := reader.Load(t.Context())
				if !assert.NoError(t, err) || !assert.True(t, whole[string(data)], "%d bytes that nobody saved", len(data)) {
					begun <- struct{}{}
					return
				}
				if first {
					begun <- struct{}{}
				}
			}
		})
	}
	for range cap(begun) {
		<-begun
	}
	for n := range 100 {
		require.NoError(t, f.Save(t.Context(), record(n)))
	}
	over.Store(true)
	readers.Wait()
}

// What waits for the guard, which a process holds that was stopped in the middle
// of a Save, is ended by its own context, and so is what waits behind it.
func TestFile_WaitForAnothersSaveEndsWithTheContext(t *testing.T) {
	f := &store.File{Path: recordPath(t)}
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	guard := flock.New(filepath.Join(filepath.Dir(f.Path), ".session.json.guard"))
	require.NoError(t, guard.Lock())

	tired := errors.New("tired of waiting")
	ctx, cancel := context.WithTimeoutCause(t.Context(), briefWait, tired)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() { assert.Equal(t, tired, f.Save(ctx, []byte("record-two"))) })
	all.Go(func() { assert.Equal(t, tired, f.Delete(ctx)) })
	all.Go(func() { assert.Equal(t, tired, f.SetAside(ctx, "damaged")) })
	all.Wait()

	other := &store.File{Path: f.Path}
	data, err := other.Load(t.Context())
	require.NoError(t, err, "who only reads does not wait")
	assert.Equal(t, "record-one", string(data))
	require.NoError(t, guard.Unlock())
	require.NoError(t, f.Save(t.Context(), []byte("record-two")))
}

// The errors of the system are there to be asked for.
func TestFile_ErrorsKeepTheirCause(t *testing.T) {
	folder := t.TempDir()
	_, err := (&store.File{Path: folder}).Load(t.Context())
	var pathError *fs.PathError
	require.ErrorAs(t, err, &pathError)
	want, err := filepath.EvalSymlinks(folder)
	require.NoError(t, err)
	assert.Equal(t, want, pathError.Path)
}

func FuzzFile_SavedIsLoaded(f *testing.F) {
	f.Add([]byte("{}"), []byte{})
	f.Add([]byte{0}, []byte{0xff, '\r', '\n'})
	f.Fuzz(func(t *testing.T, one, two []byte) {
		file := &store.File{Path: recordPath(t)}
		for _, record := range [][]byte{one, two} {
			require.NoError(t, file.Save(t.Context(), record))
			data, err := (&store.File{Path: file.Path}).Load(t.Context())
			require.NoError(t, err)
			require.Equal(t, append([]byte{}, record...), append([]byte{}, data...))
		}
	})
}

// Whatever the suffix, a record set aside is beside the file, whole, under a name
// that no file had.
func FuzzFile_SetAside(f *testing.F) {
	for _, seed := range []string{"damaged", "", "..", "../../x", "lock", "a\x00b", "é", strings.Repeat("x", 300)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, suffix string) {
		file := &store.File{Path: recordPath(t)}
		unlock, err := file.Lock(t.Context())
		require.NoError(t, err)
		defer func() { require.NoError(t, unlock()) }()
		for _, record := range []string{"record-one", "record-two"} {
			require.NoError(t, file.Save(t.Context(), []byte(record)))
			require.NoError(t, file.SetAside(t.Context(), suffix))
		}
		folder, found := filepath.Dir(file.Path), []string{}
		for _, name := range files(t, folder) {
			data, err := os.ReadFile(filepath.Join(folder, name))
			require.NoError(t, err)
			if len(data) > 0 {
				require.True(t, strings.HasPrefix(name, "session.json."), name)
				found = append(found, string(data))
			}
		}
		require.ElementsMatch(t, []string{"record-one", "record-two"}, found)
	})
}
