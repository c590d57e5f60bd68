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

// named returns a name of so many characters.
func named(length int, with string) string {
	return strings.Repeat(with, length)[:length-len(".json")] + ".json"
}

// Every name that leaves room for its lock file works in all respects.
func TestFile_LongNames(t *testing.T) {
	for length := 206; length <= 250; length += 4 - 3*(length/236) {
		folder := t.TempDir()
		name := named(length, "long-name")
		f := &store.File{Path: filepath.Join(folder, name)}
		// Of one that differs in the last letter alone: none of its files are ours.
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
		assert.Contains(t, names, name+".lock", "is never shortened")
		assert.Len(t, names, 7, "a guard, a lock, and what was set aside thrice; the other's record and guard")
		assert.Equal(t, length <= 248, slices.Contains(names, "."+name+".guard"), "is shortened only where it must be: %d", length)
	}
}

// A name is not cut in the middle of a character.
func TestFile_LongNamesOfManyByteCharacters(t *testing.T) {
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

// What was left over is swept also under a short name.
func TestFile_LongNamesAreSwept(t *testing.T) {
	folder := t.TempDir()
	f := &store.File{Path: filepath.Join(folder, named(250, "long-name"))}
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

// A name that is too long even for the lock is refused by every method, and by name.
func TestFile_NamesThatAreTooLong(t *testing.T) {
	for _, length := range []int{251, 255, 256, 4000} {
		folder := t.TempDir()
		name := named(length, "long-name")
		if length == 251 { // is there, and could be read
			require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte("record-one"), 0o600))
		}
		f := &store.File{Path: filepath.Join(folder, name)}
		assertUnusable(t, f)
		_, err := f.Load(t.Context())
		var pathError *fs.PathError
		require.ErrorAs(t, err, &pathError)
		assert.Contains(t, pathError.Path, name)
		assert.LessOrEqual(t, len(files(t, folder)), 1, "nothing is made")
	}
}
