//go:build unix

package boltstore_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store/boltstore"
)

func modeOf(tb testing.TB, path string) os.FileMode {
	tb.Helper()
	info, err := os.Stat(path)
	require.NoError(tb, err)
	return info.Mode().Perm()
}

func TestOpen_Modes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "sessions.db")
	db := openAt(t, path)
	assert.EqualValues(t, 0o700, modeOf(t, filepath.Dir(path)))
	assert.EqualValues(t, 0o600, modeOf(t, path))
	require.NoError(t, db.Close())
	require.NoError(t, os.Chmod(path, 0o640))
	s := openAt(t, path).Store("session")
	assert.EqualValues(t, 0o600, modeOf(t, path))
	notices := s.Notices()
	require.Len(t, notices, 1)
	require.ErrorContains(t, notices[0], "0640")
	assert.Empty(t, s.Notices())
}

func TestOpen_RefusesAFolderOfEverybody(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "open")
	require.NoError(t, os.Mkdir(folder, 0o700))
	require.NoError(t, os.Chmod(folder, 0o777|os.ModeSticky))
	_, err := boltstore.Open(filepath.Join(folder, "sessions.db"), boltstore.Options{})
	require.ErrorContains(t, err, "anybody can write the folder")
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Empty(t, left)
}
