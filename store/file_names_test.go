package store_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
)

// nameOfLength returns a name of length characters.
func nameOfLength(length int, with string) string {
	return strings.Repeat(with, length)[:length-len(".json")] + ".json"
}

// All methods work for every name that is short enough for its lock file.
func TestFile_LongNames(t *testing.T) {
	for length := 206; length <= 250; length += 4 - 3*(length/236) {
		folder := t.TempDir()
		name := nameOfLength(length, "long-name")
		f := &store.File{Path: filepath.Join(folder, name)}
		// Two names that differ only in the last letter share no files.
		other := &store.File{Path: filepath.Join(folder, name[:length-1]+"x")}
		require.NoError(t, other.Save(t.Context(), []byte("record-other")), length)
		unlock, err := f.Lock(t.Context())
		require.NoError(t, err, length)
		require.NoError(t, f.Save(t.Context(), []byte("record-one")), length)
		require.NoError(t, f.Save(t.Context(), []byte("record-two")), length)
		for range 3 {
			require.NoError(t, f.SetAside(t.Context(), strings.Repeat("damaged", 5)), length)
			require.NoError(t, f.Save(t.Context(), []byte("record-two")), length)
		}
		require.NoError(t, f.Delete(t.Context()), length)
		require.NoError(t, unlock(), length)
		data, err := other.Load(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "record-other", string(data))

		names := files(t, folder)
		assert.Contains(t, names, name+".lock", "the name of the lock file is never shortened")
		assert.Len(t, names, 7, "a guard, a lock file and three records set aside; a record and a guard of the other")
		assert.Equal(t, length <= 248, slices.Contains(names, "."+name+".guard"), "the name is shortened only if it must be: %d", length)
	}
}

// A name is not cut inside a character.
func TestFile_LongNamesOfMultibyteCharacters(t *testing.T) {
	for length := 246; length <= 250; length++ {
		folder := t.TempDir()
		name := strings.Repeat("é", 118) + strings.Repeat("x", length-236)
		f := &store.File{Path: filepath.Join(folder, name)}
		require.NoError(t, f.Save(t.Context(), []byte("record-one")))
		require.NoError(t, f.SetAside(t.Context(), "damaged"))
		for _, name := range files(t, folder) {
			assert.True(t, utf8.ValidString(name), "%q", name)
		}
	}
}

// Temporary files with shortened names are removed too.
func TestFile_RemovesTemporaryFilesOfLongNames(t *testing.T) {
	folder := t.TempDir()
	f := &store.File{Path: filepath.Join(folder, nameOfLength(250, "long-name"))}
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	guard := ""
	for _, name := range files(t, folder) {
		if strings.HasSuffix(name, ".guard") {
			guard = name
		}
	}
	require.NotEmpty(t, guard)
	left := filepath.Join(folder, store.TemporaryStart(filepath.Base(f.Path))+"123.tmp")
	require.NoError(t, os.WriteFile(left, nil, 0o600))
	require.NoError(t, (&store.File{Path: f.Path}).Delete(t.Context()))
	assert.Equal(t, []string{guard}, files(t, folder))
}

// Every method refuses a name that is too long for its lock file.
func TestFile_NameTooLong(t *testing.T) {
	for _, length := range []int{251, 255, 256, 4000} {
		folder := t.TempDir()
		name := nameOfLength(length, "long-name")
		if length == 251 { // a file of that name can exist
			require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte("record-one"), 0o600))
		}
		f := &store.File{Path: filepath.Join(folder, name)}
		assertAllFail(t, f)
		_, err := f.Load(t.Context())
		var pathError *fs.PathError
		require.ErrorAs(t, err, &pathError)
		assert.Contains(t, pathError.Path, name)
		assert.LessOrEqual(t, len(files(t, folder)), 1, "nothing is created")
	}
}
