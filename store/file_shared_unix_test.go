//go:build unix

package store_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
)

// sharedModes are modes of folders that others can write.
var sharedModes = []fs.FileMode{0o777, 0o777 | fs.ModeSticky, 0o775, 0o773}

// inSharedFolders runs a test in folders that others can write, and checks afterwards
// that victim, a file in another folder, has not changed.
func inSharedFolders(t *testing.T, test func(t *testing.T, folder, victim string)) {
	t.Helper()
	for _, mode := range sharedModes {
		t.Run(mode.String(), func(t *testing.T) {
			root := t.TempDir()
			folder, elsewhere := filepath.Join(root, "shared"), filepath.Join(root, "elsewhere")
			victim := filepath.Join(elsewhere, "key")
			require.NoError(t, os.Mkdir(folder, 0o700))
			require.NoError(t, os.Chmod(folder, mode))
			require.NoError(t, os.Mkdir(elsewhere, 0o700))
			require.NoError(t, os.WriteFile(victim, []byte("key of the victim"), 0o600))
			test(t, folder, victim)
			data, err := os.ReadFile(victim)
			require.NoError(t, err)
			assert.Equal(t, "key of the victim", string(data))
			assert.Equal(t, []string{"key"}, files(t, elsewhere))
		})
	}
}

// assertRefusedWith asserts that each method fails, with advice in the error.
func assertRefusedWith(t *testing.T, path, advice string) {
	t.Helper()
	f := &store.File{Path: path}
	assertAllFail(t, f)
	_, err := f.Load(t.Context())
	require.ErrorContains(t, err, advice)
}

// All methods work in a folder that others can write.
func TestFile_SharedFolder(t *testing.T) {
	inSharedFolders(t, func(t *testing.T, folder, _ string) {
		for _, path := range []string{filepath.Join(folder, "session.json"), filepath.Join(folder, "new", "session.json")} {
			f := &store.File{Path: path}
			unlock, err := f.Lock(t.Context())
			require.NoError(t, err)
			require.NoError(t, f.Save(t.Context(), []byte("record-one")))
			require.NoError(t, f.Save(t.Context(), []byte("record-two")))
			require.NoError(t, unlock())
			assertRecord(t, path, "record-two")
			require.NoError(t, f.SetAside(t.Context(), "damaged"))
			require.NoError(t, f.Delete(t.Context()))
		}
	})
}

// No link on the path is followed: its target is not read or changed, and nothing is
// created there.
func TestFile_SharedFolderWithALinkAsRecord(t *testing.T) {
	inSharedFolders(t, func(t *testing.T, folder, victim string) {
		for name, to := range map[string]string{
			"key": victim, "none": filepath.Join(filepath.Dir(victim), "new"), "relative": "../elsewhere/key", "twice": "key",
		} {
			require.NoError(t, os.Symlink(to, filepath.Join(folder, name)))
			assertRefusedWith(t, filepath.Join(folder, name), "is not followed")
		}
		require.NoError(t, os.Symlink(filepath.Dir(victim), filepath.Join(folder, "folder")))
		assertRefusedWith(t, filepath.Join(folder, "folder", "session.json"), "is not followed")
		assertRefusedWith(t, filepath.Join(folder, "folder", "new", "session.json"), "is not followed")

		// Nor through a link in a folder of the user's.
		own := filepath.Join(t.TempDir(), "session.json")
		require.NoError(t, os.Symlink(filepath.Join(folder, "key"), own))
		assertRefusedWith(t, own, "is not followed")
		assert.Equal(t, []string{"folder", "key", "none", "relative", "twice"}, files(t, folder))
	})
}

// The same holds for the lock file and the guard.
func TestFile_SharedFolderWithALinkAsLock(t *testing.T) {
	inSharedFolders(t, func(t *testing.T, folder, victim string) {
		for _, to := range []string{victim, filepath.Join(filepath.Dir(victim), "new")} {
			f := &store.File{Path: filepath.Join(folder, "session.json")}
			lock, guard := f.Path+".lock", filepath.Join(folder, ".session.json.guard")
			require.NoError(t, os.Symlink(to, lock))
			require.NoError(t, os.Symlink(to, guard))
			_, err := f.Lock(t.Context())
			assertStoreError(t, err)
			assert.ErrorContains(t, err, "is not followed")
			for _, err := range []error{
				f.Save(t.Context(), []byte("record-one")), f.Delete(t.Context()), f.SetAside(t.Context(), "damaged"),
			} {
				assertStoreError(t, err)
				assert.ErrorContains(t, err, "is not followed")
			}
			require.NoError(t, os.Remove(lock))
			require.NoError(t, os.Remove(guard))
		}
	})
}

// A record, lock file or guard of another user may be an attack, and is refused.
func TestFile_SharedFolderWithAnothersFiles(t *testing.T) {
	requireRoot(t)
	inSharedFolders(t, func(t *testing.T, folder, _ string) {
		f := &store.File{Path: filepath.Join(folder, "session.json")}
		create := func(path string) {
			require.NoError(t, os.WriteFile(path, []byte("record-theirs"), 0o600))
			require.NoError(t, os.Chown(path, nobody, nobody))
		}
		create(f.Path)
		assertRefusedWith(t, f.Path, fmt.Sprintf("belongs to user %d", nobody))
		assert.Equal(t, []string{"session.json"}, files(t, folder), "nothing is created")
		require.NoError(t, os.Remove(f.Path))

		guard := filepath.Join(folder, ".session.json.guard")
		create(guard)
		create(f.Path + ".lock")
		_, err := f.Lock(t.Context())
		assertStoreError(t, err)
		require.ErrorContains(t, err, "remove it")
		err = f.Save(t.Context(), []byte("record-one"))
		assertStoreError(t, err)
		require.ErrorContains(t, err, "remove it")
		require.NoError(t, os.Remove(guard))
		require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	})
}

// The mode and the content of a file are not changed through a hard link.
func TestFile_SharedFolderWithHardLink(t *testing.T) {
	inSharedFolders(t, func(t *testing.T, folder, victim string) {
		require.NoError(t, os.Chmod(victim, 0o644))
		path := filepath.Join(folder, "session.json")
		require.NoError(t, os.Link(victim, path))
		f := &store.File{Path: path}
		_, err := f.Load(t.Context())
		assertStoreError(t, err)
		info, err := os.Stat(victim)
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o644), info.Mode().Perm())

		require.NoError(t, os.Chmod(victim, 0o600))
		_, err = f.Load(t.Context())
		require.NoError(t, err)
		f.SetFault(mountPoint)
		assertStoreError(t, f.Save(t.Context(), []byte("record-one")))
		assertStoreError(t, f.Delete(t.Context()))
	})
}

// In a folder of another user root follows no links.
func TestFile_RootFollowsNoLinkOfTheOwner(t *testing.T) {
	requireRoot(t)
	root := t.TempDir()
	folder, victim := filepath.Join(root, "theirs"), filepath.Join(root, "key")
	require.NoError(t, os.Mkdir(folder, 0o755))
	require.NoError(t, os.WriteFile(victim, []byte("key of the victim"), 0o600))
	require.NoError(t, os.Chown(folder, nobody, nobody))
	f := &store.File{Path: filepath.Join(folder, "session.json")}
	require.NoError(t, os.Symlink(victim, f.Path))
	assertRefusedWith(t, f.Path, "is not followed")
	require.NoError(t, os.Remove(f.Path))
	require.NoError(t, os.Symlink(filepath.Join(root, "new"), f.Path+".lock"))
	_, err := f.Lock(t.Context())
	assertStoreError(t, err)
	assert.Equal(t, []string{"key", "theirs"}, files(t, root))
}

func TestRulesFor(t *testing.T) {
	const user, service, another = 1000, 2000, 3000
	root := store.Folder{Mode: 0o755}
	tmp := store.Folder{Mode: 0o777 | fs.ModeSticky}
	of := func(owner int, mode fs.FileMode) store.Folder { return store.Folder{Owner: owner, Mode: mode} }
	for name, tt := range map[string]struct {
		user     int
		path     []store.Folder
		shared   bool
		owners   []int
		newOwner int
	}{
		"the user's":                          {user, []store.Folder{root, of(user, 0o700)}, false, []int{0, user}, 0},
		"the user's, readable by others":      {user, []store.Folder{root, of(user, 0o755)}, false, []int{0, user}, 0},
		"the user's in /tmp":                  {user, []store.Folder{root, tmp, of(user, 0o700)}, false, []int{0, user}, 0},
		"root's":                              {user, []store.Folder{root, root}, false, []int{0, user}, 0},
		"/tmp":                                {user, []store.Folder{root, tmp}, true, []int{0, user}, 0},
		"writable by a group":                 {user, []store.Folder{root, of(user, 0o775)}, true, []int{0, user}, 0},
		"another user's":                      {user, []store.Folder{root, of(another, 0o755)}, true, []int{0, user}, 0},
		"root, in root's":                     {0, []store.Folder{root, root}, false, []int{0}, 0},
		"root, in /tmp":                       {0, []store.Folder{root, tmp}, true, []int{0}, 0},
		"root, in a service's":                {0, []store.Folder{root, of(service, 0o700)}, true, []int{0, service}, service},
		"root, in a service's, with a parent": {0, []store.Folder{root, of(service, 0o755), of(service, 0o700)}, true, []int{0, service}, service},
		"root, in a service's, writable by a group":  {0, []store.Folder{root, of(service, 0o775)}, true, []int{0, service}, service},
		"root, in a world-writable one":              {0, []store.Folder{root, of(service, 0o777)}, true, []int{0}, 0},
		"root, in one that anybody created in /tmp":  {0, []store.Folder{root, tmp, of(another, 0o700)}, true, []int{0}, 0},
		"root, in one that another user can replace": {0, []store.Folder{root, of(another, 0o755), of(service, 0o700)}, true, []int{0}, 0},
		"root, below root's in /tmp":                 {0, []store.Folder{root, tmp, root, of(service, 0o700)}, true, []int{0, service}, service},
		"nothing is known":                           {user, nil, false, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			shared, owners, newOwner := store.RulesFor(tt.path, tt.user)
			assert.Equal(t, tt.shared, shared)
			assert.ElementsMatch(t, tt.owners, unique(owners))
			assert.Equal(t, tt.newOwner, newOwner)
		})
	}
}

func unique(numbers []int) []int {
	seen, all := map[int]bool{}, []int{}
	for _, n := range numbers {
		if !seen[n] {
			all = append(all, n)
		}
		seen[n] = true
	}
	return all
}
