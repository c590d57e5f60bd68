//go:build unix

package store_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
)

func TestFile_LinksAreFollowed(t *testing.T) {
	folder := t.TempDir()
	at := func(names ...string) string { return filepath.Join(append([]string{folder}, names...)...) }
	require.NoError(t, os.MkdirAll(at("real", "deep"), 0o700))
	links := map[string]string{ // the targets of the links
		at("absolute"):          at("real", "session.json"),
		at("relative"):          filepath.Join("real", "session.json"),
		at("twice"):             "relative",
		at("folder"):            "real",
		at("deep"):              filepath.Join("real", "deep"),
		at("real", "deep", "x"): filepath.Join("..", "session.json"),
		at("back"):              "deep" + "/../session.json", // not ./session.json, since deep is a link
	}
	for link, to := range links {
		require.NoError(t, os.Symlink(to, link))
	}
	paths := []string{
		at("absolute"), at("relative"), at("twice"), at("folder", "session.json"), at("deep", "x"), at("back"),
		folder + "/deep/../session.json", at("real", "session.json"),
	}
	for _, path := range paths {
		f := &store.File{Path: path}
		for _, record := range []string{"record-one", "record-two"} { // the target does not exist, and then does
			require.NoError(t, f.Save(t.Context(), []byte(record)), path)
			assertRecord(t, at("real", "session.json"), record)
			assertRecord(t, path, record)
		}
		require.NoError(t, f.Delete(t.Context()))
		assert.NoFileExists(t, at("real", "session.json"), path)
	}
	for link, to := range links {
		got, err := os.Readlink(link)
		require.NoError(t, err, "it is still a link")
		assert.Equal(t, to, got)
	}
	assert.Equal(t, []string{".session.json.guard", "deep"}, files(t, at("real")))
}

func TestFile_LinkIntoAMissingFolder(t *testing.T) {
	folder := t.TempDir()
	link := filepath.Join(folder, "session.json")
	require.NoError(t, os.Symlink(filepath.Join("new", "session.json"), link))
	f := &store.File{Path: link}
	_, err := f.Load(t.Context())
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	assertRecord(t, filepath.Join(folder, "new", "session.json"), "record-one")
}

func TestFile_LinksWithoutTarget(t *testing.T) {
	folder := t.TempDir()
	self, gone := filepath.Join(folder, "self"), filepath.Join(folder, "gone")
	require.NoError(t, os.Symlink("self", self))
	assertAllFail(t, &store.File{Path: self})
	assertAllFail(t, &store.File{Path: filepath.Join(self, "session.json")})

	// As on a disk that is not mounted: it is unknown what is stored.
	require.NoError(t, os.Symlink("nothing", gone))
	for _, path := range []string{filepath.Join(gone, "session.json"), filepath.Join(gone, "more", "session.json")} {
		assertAllFail(t, &store.File{Path: path})
		link := filepath.Join(folder, "link")
		require.NoError(t, os.Symlink(path, link))
		assertAllFail(t, &store.File{Path: link})
		require.NoError(t, os.Remove(link))
	}
	assert.Equal(t, []string{"gone", "self"}, files(t, folder))

	require.NoError(t, os.Mkdir(filepath.Join(folder, "nothing"), 0o700))
	f := &store.File{Path: filepath.Join(gone, "more", "session.json")}
	_, err := f.Load(t.Context())
	require.ErrorIs(t, err, fs.ErrNotExist, "the folder exists now, and is empty")
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	assertRecord(t, filepath.Join(folder, "nothing", "more", "session.json"), "record-one")
}

// All paths to one file use one record and one lock.
func TestFile_TwoPathsToOneFile(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	require.NoError(t, os.Mkdir("real", 0o700))
	require.NoError(t, os.Symlink("real", "folder"))
	require.NoError(t, os.Symlink(filepath.Join("real", "session.json"), "link"))
	f := &store.File{Path: filepath.Join(folder, "real", "session.json")}
	paths := []string{
		"link", "./link", "real/session.json", "folder/session.json", "real/../folder//session.json", filepath.Join(folder, "link"),
	}
	for i, path := range paths {
		other := &store.File{Path: path}
		unlock, err := f.Lock(t.Context())
		require.NoError(t, err)
		_, err = other.Lock(briefly(t))
		require.Equal(t, context.DeadlineExceeded, err, path)
		require.NoError(t, unlock())

		record := fmt.Sprint("record-", i)
		require.NoError(t, f.Save(t.Context(), []byte(record)))
		require.ErrorIs(t, other.Save(t.Context(), []byte("record-other")), fs.ErrExist, path)
		assertRecord(t, path, record)
	}
}

// If the folder is renamed, nothing is stored at the path any more.
func TestFile_FolderIsRenamed(t *testing.T) {
	root := t.TempDir()
	folder, away := filepath.Join(root, "here"), filepath.Join(root, "away")
	f := &store.File{Path: filepath.Join(folder, "session.json")}
	other := &store.File{Path: f.Path}
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	_, err := other.Load(t.Context())
	require.NoError(t, err)
	unlock, err := f.Lock(t.Context())
	require.NoError(t, err)

	require.NoError(t, os.Rename(folder, away))
	require.ErrorIs(t, f.Save(t.Context(), []byte("record-two")), fs.ErrExist, "the record is missing")
	_, err = f.Load(t.Context())
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, f.Save(t.Context(), []byte("record-two")))
	require.NoError(t, unlock(), "the lock file was renamed with the folder")
	require.ErrorIs(t, other.Save(t.Context(), []byte("record-three")), fs.ErrExist)
	assertRecord(t, f.Path, "record-two")
	assertRecord(t, filepath.Join(away, "session.json"), "record-one")
	info, err := os.Stat(folder)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o700), info.Mode().Perm())

	// After the folder is renamed back, the path is that of the old record again.
	require.NoError(t, os.RemoveAll(folder))
	require.NoError(t, os.Rename(away, folder))
	require.ErrorIs(t, f.Save(t.Context(), []byte("record-three")), fs.ErrExist)
	assertRecord(t, f.Path, "record-one")
}
