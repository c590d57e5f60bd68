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

// sharedModes are those of folders in which others can make files.
var sharedModes = []fs.FileMode{0o777, 0o777 | fs.ModeSticky, 0o775, 0o773}

// inSharedFolders runs a test in folders that others can write. victim is a file of
// the user's elsewhere, which nobody is to touch, and is checked afterwards.
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

// assertRefusedWith asserts that each method fails and says what to do.
func assertRefusedWith(t *testing.T, path, advice string) {
	t.Helper()
	f := &store.File{Path: path}
	assertUnusable(t, f)
	_, err := f.Load(t.Context())
	require.ErrorContains(t, err, advice)
}

// In a folder that others can write a store works as it does elsewhere.
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

// A link that lies in the record's place, or on the way to it, is not followed: nothing
// that it leads to is read, renamed, or overwritten, and nothing is made there.
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

		// Nor does a link from a folder of our own help.
		own := filepath.Join(t.TempDir(), "session.json")
		require.NoError(t, os.Symlink(filepath.Join(folder, "key"), own))
		assertRefusedWith(t, own, "is not followed")
		assert.Equal(t, []string{"folder", "key", "none", "relative", "twice"}, files(t, folder))
	})
}

// The same holds for the files that are locked.
func TestFile_SharedFolderWithALinkAsLock(t *testing.T) {
	inSharedFolders(t, func(t *testing.T, folder, victim string) {
		for _, to := range []string{victim, filepath.Join(filepath.Dir(victim), "new")} {
			f := &store.File{Path: filepath.Join(folder, "session.json")}
			lock, guard := f.Path+".lock", filepath.Join(folder, ".session.json.guard")
			require.NoError(t, os.Symlink(to, lock))
			require.NoError(t, os.Symlink(to, guard))
			_, err := f.Lock(t.Context())
			assertOther(t, err)
			assert.ErrorContains(t, err, "is not followed")
			for _, err := range []error{
				f.Save(t.Context(), []byte("record-one")), f.Delete(t.Context()), f.SetAside(t.Context(), "damaged"),
			} {
				assertOther(t, err)
				assert.ErrorContains(t, err, "is not followed")
			}
			require.NoError(t, os.Remove(lock))
			require.NoError(t, os.Remove(guard))
		}
	})
}

// A record, a lock or a guard of another user's may be a trap, and is refused at once,
// also while that user holds the lock.
func TestFile_SharedFolderWithAnothersFiles(t *testing.T) {
	needRoot(t)
	inSharedFolders(t, func(t *testing.T, folder, _ string) {
		f := &store.File{Path: filepath.Join(folder, "session.json")}
		prepare := func(path string) {
			require.NoError(t, os.WriteFile(path, []byte("record-theirs"), 0o600))
			require.NoError(t, os.Chown(path, nobody, nobody))
		}
		prepare(f.Path)
		assertRefusedWith(t, f.Path, fmt.Sprintf("belongs to user %d", nobody))
		assert.Equal(t, []string{"session.json"}, files(t, folder), "and nothing is made")
		require.NoError(t, os.Remove(f.Path))

		guard := filepath.Join(folder, ".session.json.guard")
		prepare(guard)
		prepare(f.Path + ".lock")
		_, err := f.Lock(t.Context())
		assertOther(t, err)
		require.ErrorContains(t, err, "remove it")
		err = f.Save(t.Context(), []byte("record-one"))
		assertOther(t, err)
		require.ErrorContains(t, err, "remove it")
		require.NoError(t, os.Remove(guard))
		require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	})
}

// A file of the user's that is given another name in a folder that others can write is
// not changed.
func TestFile_SharedFolderWithAHardLink(t *testing.T) {
	inSharedFolders(t, func(t *testing.T, folder, victim string) {
		require.NoError(t, os.Chmod(victim, 0o644))
		path := filepath.Join(folder, "session.json")
		require.NoError(t, os.Link(victim, path))
		f := &store.File{Path: path}
		_, err := f.Load(t.Context())
		assertOther(t, err)
		info, err := os.Stat(victim)
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o644), info.Mode().Perm())

		require.NoError(t, os.Chmod(victim, 0o600))
		_, err = f.Load(t.Context())
		require.NoError(t, err)
		f.SetFault(mounted)
		assertOther(t, f.Save(t.Context(), []byte("record-one")))
		assertOther(t, f.Delete(t.Context()))
	})
}

// Root follows no link of the one whose folder it works in.
func TestFile_RootFollowsNoLinkOfTheOwner(t *testing.T) {
	needRoot(t)
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
	assertOther(t, err)
	assert.Equal(t, []string{"key", "theirs"}, files(t, root))
}

// Whom root trusts: see the documentation of File.
func TestRulesFor(t *testing.T) {
	const us, service, another = 1000, 2000, 3000
	root := store.Folder{Mode: 0o755}
	tmp := store.Folder{Mode: 0o777 | fs.ModeSticky}
	of := func(owner int, mode fs.FileMode) store.Folder { return store.Folder{Owner: owner, Mode: mode} }
	for name, tt := range map[string]struct {
		user   int
		way    []store.Folder
		shared bool
		owners []int
		heir   int
	}{
		"our own":                       {us, []store.Folder{root, of(us, 0o700)}, false, []int{0, us}, 0},
		"our own, to be read":           {us, []store.Folder{root, of(us, 0o755)}, false, []int{0, us}, 0},
		"our own in /tmp":               {us, []store.Folder{root, tmp, of(us, 0o700)}, false, []int{0, us}, 0},
		"root's":                        {us, []store.Folder{root, root}, false, []int{0, us}, 0},
		"/tmp":                          {us, []store.Folder{root, tmp}, true, []int{0, us}, 0},
		"a group's":                     {us, []store.Folder{root, of(us, 0o775)}, true, []int{0, us}, 0},
		"another user's":                {us, []store.Folder{root, of(another, 0o755)}, true, []int{0, us}, 0},
		"root, in its own":              {0, []store.Folder{root, root}, false, []int{0}, 0},
		"root, in /tmp":                 {0, []store.Folder{root, tmp}, true, []int{0}, 0},
		"root, in a service's":          {0, []store.Folder{root, of(service, 0o700)}, true, []int{0, service}, service},
		"root, in a service's, deep":    {0, []store.Folder{root, of(service, 0o755), of(service, 0o700)}, true, []int{0, service}, service},
		"root, in a service's group's":  {0, []store.Folder{root, of(service, 0o775)}, true, []int{0, service}, service},
		"root, where everybody writes":  {0, []store.Folder{root, of(service, 0o777)}, true, []int{0}, 0},
		"root, in anybody's of /tmp":    {0, []store.Folder{root, tmp, of(another, 0o700)}, true, []int{0}, 0},
		"root, in what another can put": {0, []store.Folder{root, of(another, 0o755), of(service, 0o700)}, true, []int{0}, 0},
		"root, below its own of /tmp":   {0, []store.Folder{root, tmp, root, of(service, 0o700)}, true, []int{0, service}, service},
		"nothing is known":              {us, nil, false, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			shared, owners, heir := store.RulesFor(tt.way, tt.user)
			assert.Equal(t, tt.shared, shared)
			assert.ElementsMatch(t, tt.owners, unique(owners))
			assert.Equal(t, tt.heir, heir)
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
