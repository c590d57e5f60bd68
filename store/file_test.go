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
	"testing"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
)

func TestFile_PathUnusable(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	tests := []struct{ name, path string }{
		{"none", ""},
		{"a folder", folder},
		{"a missing folder", filepath.Join(folder, "new") + string(filepath.Separator)},
		{"the working directory", "."},
		{"the root", string(filepath.Separator)},
		{"below a file", filepath.Join(file, "session.json")},
		{"far below a file", filepath.Join(file, "new", "session.json")},
		{"not a path", filepath.Join(folder, "nul\x00nul")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assertAllFail(t, &store.File{Path: tt.path})
			assert.Equal(t, []string{"file"}, files(t, folder), "nothing is created")
		})
	}
}

func TestFile_FilesInTheFolder(t *testing.T) {
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
	assert.Equal(t, "record-two", string(data), "the file contains exactly the record")

	unlock, err := f.Lock(t.Context())
	require.NoError(t, err)
	require.NoError(t, unlock())
	require.NoError(t, f.Delete(t.Context()))
	assert.Equal(t, []string{".session.json.guard", "session.json.lock"}, files(t, folder), "lock files stay")
}

func TestFile_FolderIsCreatedOnlyToSave(t *testing.T) {
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
	assert.FileExists(t, f.Path+".___damaged", "Delete keeps it")
}

// A path without a folder means the working directory, for all files.
func TestFile_PathWithoutFolder(t *testing.T) {
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

// The name of a record that is set aside must not be that of the lock file.
func TestFile_SetAsideAvoidsTheLockFile(t *testing.T) {
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
	assertStoreError(t, f.Save(t.Context(), make([]byte, limit+1)))
	data, err = f.Load(t.Context())
	require.NoError(t, err)
	assert.Len(t, data, limit, "nothing is changed")

	require.NoError(t, os.WriteFile(f.Path, make([]byte, limit+1), 0o600))
	_, err = f.Load(t.Context())
	assertStoreError(t, err)
	assertStoreError(t, f.Save(t.Context(), []byte("record-one")))
	require.NoError(t, f.SetAside(t.Context(), "large"), "SetAside works")
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
}

// An edited file is another record.
func TestFile_SaveOntoAnEditedRecord(t *testing.T) {
	f := &store.File{Path: recordPath(t)}
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	require.NoError(t, os.WriteFile(f.Path, []byte("record-One"), 0o600))
	require.ErrorIs(t, f.Save(t.Context(), []byte("record-two")), fs.ErrExist)
	require.NoError(t, os.WriteFile(f.Path, []byte("record-one"), 0o600))
	require.NoError(t, f.Save(t.Context(), []byte("record-two")), "the bytes are those that were loaded")
}

// Save and Delete remove the temporary files of dead processes, and no other files.
func TestFile_RemovesTemporaryFiles(t *testing.T) {
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

// A wait for the guard ends with the context, and so does a wait for another method of
// the same File.
func TestFile_WaitForGuardEndsWithContext(t *testing.T) {
	f := &store.File{Path: recordPath(t)}
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	guard := flock.New(filepath.Join(filepath.Dir(f.Path), ".session.json.guard"))
	require.NoError(t, guard.Lock())

	cause := errors.New("gave up")
	ctx, cancel := context.WithTimeoutCause(t.Context(), briefWait, cause)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() { assert.Equal(t, cause, f.Save(ctx, []byte("record-two"))) })
	all.Go(func() { assert.Equal(t, cause, f.Delete(ctx)) })
	all.Go(func() { assert.Equal(t, cause, f.SetAside(ctx, "damaged")) })
	all.Wait()

	other := &store.File{Path: f.Path}
	data, err := other.Load(t.Context())
	require.NoError(t, err, "Load does not wait")
	assert.Equal(t, "record-one", string(data))
	require.NoError(t, guard.Unlock())
	require.NoError(t, f.Save(t.Context(), []byte("record-two")))
}

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

// For every suffix the record is set aside in the same folder, under an unused name.
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
