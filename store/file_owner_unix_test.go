//go:build unix

package store_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
)

// needRoot skips a test that gives files to other users.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
}

// attributesOf returns owner, group and mode of a file, without following a link.
func attributesOf(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Lstat(path)
	require.NoError(t, err)
	stat, ok := info.Sys().(*syscall.Stat_t)
	require.True(t, ok)
	return fmt.Sprintf("%d:%d %04o", stat.Uid, stat.Gid, info.Mode().Perm())
}

// A volume with fsGroup opens each file to a group whenever it is mounted. A record of
// our own is made private again, and nothing is lost.
func TestFile_OpenToOthersIsRepaired(t *testing.T) {
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o660, 0o602, 0o644, 0o666, 0o777} {
		t.Run(mode.String(), func(t *testing.T) {
			f := saveOne(t)
			require.NoError(t, os.Chmod(f.Path, mode))
			next := &store.File{Path: f.Path}
			data, err := next.Load(t.Context())
			require.NoError(t, err)
			assert.Equal(t, "record-one", string(data))
			info, err := os.Stat(f.Path)
			require.NoError(t, err)
			assert.Equal(t, fs.FileMode(0o600), info.Mode().Perm())

			notices := next.Notices()
			require.Len(t, notices, 1)
			assertOther(t, notices[0])
			assert.Contains(t, notices[0].Error(), fmt.Sprintf("%04o", mode))
			assert.Contains(t, notices[0].Error(), "session.json")
			assert.Empty(t, next.Notices(), "is told once")

			require.NoError(t, os.Chmod(f.Path, mode))
			require.NoError(t, f.Save(t.Context(), []byte("record-two")), "which looks at the old one")
			assert.Len(t, f.Notices(), 1)
		})
	}
}

func TestSealed_PassesOnNotices(t *testing.T) {
	path := recordPath(t)
	s := sealedOver(t, &store.File{Path: path}, 1)
	require.NoError(t, s.Save(t.Context(), []byte("record-one")))
	assert.Empty(t, s.Notices())
	require.NoError(t, os.Chmod(path, 0o660))
	_, err := s.Load(t.Context())
	require.NoError(t, err)
	assert.Len(t, s.Notices(), 1)
	assert.Empty(t, s.Notices())
	assert.Empty(t, sealedOver(t, &store.Memory{}, 1).Notices(), "a Memory has none")
	assert.Empty(t, (&store.Sealed{}).Notices())
}

// A lock that others can open is a lock that others can hold.
func TestFile_LocksOpenToOthersAreRepaired(t *testing.T) {
	f := saveOne(t)
	folder := filepath.Dir(f.Path)
	unlock, err := f.Lock(t.Context())
	require.NoError(t, err)
	require.NoError(t, unlock())
	locks := []string{f.Path + ".lock", filepath.Join(folder, ".session.json.guard")}
	for _, lock := range locks {
		require.NoError(t, os.Chmod(lock, 0o664))
	}
	unlock, err = f.Lock(t.Context())
	require.NoError(t, err)
	require.NoError(t, unlock())
	require.NoError(t, f.Save(t.Context(), []byte("record-two")))
	for _, lock := range locks {
		info, err := os.Stat(lock)
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	}
}

// A record that others may access is refused if it is not ours: it is not ours to change.
func TestFile_OpenToOthersIsRefused(t *testing.T) {
	needRoot(t)
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o660, 0o602, 0o644} {
		t.Run(mode.String(), func(t *testing.T) {
			f := saveOne(t)
			require.NoError(t, os.Chown(f.Path, nobody, nobody))
			require.NoError(t, os.Chmod(f.Path, mode))
			_, err := f.Load(t.Context())
			assertOther(t, err)
			assert.Contains(t, err.Error(), "chmod 600")
			assert.Contains(t, err.Error(), filepath.Base(f.Path))
			assertOther(t, f.Save(t.Context(), []byte("record-two")))
			assert.Equal(t, fmt.Sprintf("%d:%d %04o", nobody, nobody, mode), attributesOf(t, f.Path))

			require.NoError(t, os.Chmod(f.Path, 0o600))
			require.NoError(t, f.Save(t.Context(), []byte("record-two")), "nothing was lost")
		})
	}
}

// One run as root, for a look at a service's session, must not lock the service out.
func TestFile_RootKeepsTheOwner(t *testing.T) {
	needRoot(t)
	const group = 4242
	folder := t.TempDir()
	require.NoError(t, os.Chown(folder, nobody, group))
	f := &store.File{Path: filepath.Join(folder, "session.json")}
	use := func(t *testing.T, f *store.File, record string) {
		t.Helper()
		unlock, err := f.Lock(t.Context())
		require.NoError(t, err)
		require.NoError(t, f.Save(t.Context(), []byte(record)))
		require.NoError(t, unlock())
	}
	all := func() map[string]string {
		is := map[string]string{}
		for _, name := range files(t, folder) {
			is[name] = attributesOf(t, filepath.Join(folder, name))
		}
		return is
	}
	ofTheFolder := fmt.Sprintf("%d:%d 0600", nobody, group)

	use(t, f, "record-one")
	assert.Equal(t, map[string]string{
		"session.json": ofTheFolder, "session.json.lock": ofTheFolder, ".session.json.guard": ofTheFolder,
	}, all(), "all is made the folder's owner's")
	use(t, f, "record-two")
	assert.Equal(t, ofTheFolder, attributesOf(t, f.Path), "and stays that")

	require.NoError(t, os.Chown(f.Path, 4343, 4344))
	require.NoError(t, os.Chown(folder, 0, 0))
	require.NoError(t, os.Chmod(f.Path, 0o400))
	require.NoError(t, os.Remove(f.Path+".lock"))
	use(t, f, "record-three")
	assert.Equal(t, map[string]string{
		"session.json": "4343:4344 0400", "session.json.lock": "4343:4344 0600", ".session.json.guard": ofTheFolder,
	}, all(), "the record's owner goes before the folder's")
	require.NoError(t, f.SetAside(t.Context(), "damaged"))
	assert.Equal(t, "4343:4344 0400", attributesOf(t, f.Path+".damaged"))
}

// A folder that root makes on the way is the owner's of the one that it lies in.
func TestFile_RootMakesFoldersForTheOwner(t *testing.T) {
	needRoot(t)
	home := t.TempDir()
	require.NoError(t, os.Chown(home, nobody, nobody))
	f := &store.File{Path: filepath.Join(home, "config", "agsauth", "session.json")}
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	for _, made := range []string{"config", "config/agsauth"} {
		assert.Equal(t, fmt.Sprintf("%d:%d 0700", nobody, nobody), attributesOf(t, filepath.Join(home, made)))
	}
	assert.Equal(t, fmt.Sprintf("%d:%d 0600", nobody, nobody), attributesOf(t, f.Path))
}

// Where root may not give files away the record is written in place, and so keeps its
// owner.
func TestFile_RootWithoutTheRightToGiveAway(t *testing.T) {
	needRoot(t)
	f := saveOne(t)
	require.NoError(t, os.Chown(f.Path, nobody, nobody))
	f.SetFault(failing(syscall.EPERM, store.StepOwner))
	for _, record := range []string{strings.Repeat("record-two", 100), "record-three"} {
		require.NoError(t, f.Save(t.Context(), []byte(record)))
		assertRecord(t, f.Path, record)
		assert.Equal(t, fmt.Sprintf("%d:%d 0600", nobody, nobody), attributesOf(t, f.Path))
	}
	require.NoError(t, f.Delete(t.Context()))
	require.NoError(t, f.Save(t.Context(), []byte("record-four")), "better root's than lost")
}

// failing returns a fault that makes steps fail.
func failing(err error, steps ...string) func(step, path string) error {
	return func(step, path string) error {
		if slices.Contains(steps, step) {
			return &fs.PathError{Op: step, Path: path, Err: err}
		}
		return nil
	}
}
