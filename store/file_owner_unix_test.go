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

// requireRoot skips a test that changes the owner of files.
func requireRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can change the owner of a file")
	}
}

// attributesOf returns the owner, group and mode of a file or link.
func attributesOf(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Lstat(path)
	require.NoError(t, err)
	stat, ok := info.Sys().(*syscall.Stat_t)
	require.True(t, ok)
	return fmt.Sprintf("%d:%d %04o", stat.Uid, stat.Gid, info.Mode().Perm())
}

// If others have permissions to a record of the user's, as on a volume with fsGroup,
// they are removed.
func TestFile_OpenToOthersIsRepaired(t *testing.T) {
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o660, 0o602, 0o644, 0o666, 0o777} {
		t.Run(mode.String(), func(t *testing.T) {
			f := savedFile(t)
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
			assertStoreError(t, notices[0])
			assert.Contains(t, notices[0].Error(), fmt.Sprintf("%04o", mode))
			assert.Contains(t, notices[0].Error(), "session.json")
			assert.Empty(t, next.Notices(), "Notices returns it once")

			require.NoError(t, os.Chmod(f.Path, mode))
			require.NoError(t, f.Save(t.Context(), []byte("record-two")), "Save repairs the mode too")
			assert.Len(t, f.Notices(), 1)
		})
	}
}

func TestSealed_Notices(t *testing.T) {
	path := recordPath(t)
	s := sealedOver(t, &store.File{Path: path}, 1)
	require.NoError(t, s.Save(t.Context(), []byte("record-one")))
	assert.Empty(t, s.Notices())
	require.NoError(t, os.Chmod(path, 0o660))
	_, err := s.Load(t.Context())
	require.NoError(t, err)
	assert.Len(t, s.Notices(), 1)
	assert.Empty(t, s.Notices())
	assert.Empty(t, sealedOver(t, &store.Memory{}, 1).Notices(), "a Memory has no Notices")
	assert.Empty(t, (&store.Sealed{}).Notices())
}

// Others who can open a lock file could hold the lock.
func TestFile_ModeOfLockFilesIsRepaired(t *testing.T) {
	f := savedFile(t)
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

// If others have permissions to a record of another user's, it is refused.
func TestFile_OpenToOthersIsRefused(t *testing.T) {
	requireRoot(t)
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o660, 0o602, 0o644} {
		t.Run(mode.String(), func(t *testing.T) {
			f := savedFile(t)
			require.NoError(t, os.Chown(f.Path, nobody, nobody))
			require.NoError(t, os.Chmod(f.Path, mode))
			_, err := f.Load(t.Context())
			assertStoreError(t, err)
			assert.Contains(t, err.Error(), "chmod 600")
			assert.Contains(t, err.Error(), filepath.Base(f.Path))
			assertStoreError(t, f.Save(t.Context(), []byte("record-two")))
			assert.Equal(t, fmt.Sprintf("%d:%d %04o", nobody, nobody, mode), attributesOf(t, f.Path))

			require.NoError(t, os.Chmod(f.Path, 0o600))
			require.NoError(t, f.Save(t.Context(), []byte("record-two")), "nothing has changed")
		})
	}
}

// A command that is run once as root must not lock out the service.
func TestFile_RootKeepsTheOwner(t *testing.T) {
	requireRoot(t)
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
	ofFolder := fmt.Sprintf("%d:%d 0600", nobody, group)

	use(t, f, "record-one")
	assert.Equal(t, map[string]string{
		"session.json": ofFolder, "session.json.lock": ofFolder, ".session.json.guard": ofFolder,
	}, all(), "all files get the owner of the folder")
	use(t, f, "record-two")
	assert.Equal(t, ofFolder, attributesOf(t, f.Path), "the owner stays the same")

	require.NoError(t, os.Chown(f.Path, 4343, 4344))
	require.NoError(t, os.Chown(folder, 0, 0))
	require.NoError(t, os.Chmod(f.Path, 0o400))
	require.NoError(t, os.Remove(f.Path+".lock"))
	use(t, f, "record-three")
	assert.Equal(t, map[string]string{
		"session.json": "4343:4344 0400", "session.json.lock": "4343:4344 0600", ".session.json.guard": ofFolder,
	}, all(), "the owner of the record takes precedence")
	require.NoError(t, f.SetAside(t.Context(), "damaged"))
	assert.Equal(t, "4343:4344 0400", attributesOf(t, f.Path+".damaged"))
}

// A folder that root creates gets the owner of its parent.
func TestFile_RootCreatesFoldersForTheOwner(t *testing.T) {
	requireRoot(t)
	home := t.TempDir()
	require.NoError(t, os.Chown(home, nobody, nobody))
	f := &store.File{Path: filepath.Join(home, "config", "agsauth", "session.json")}
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	for _, made := range []string{"config", "config/agsauth"} {
		assert.Equal(t, fmt.Sprintf("%d:%d 0700", nobody, nobody), attributesOf(t, filepath.Join(home, made)))
	}
	assert.Equal(t, fmt.Sprintf("%d:%d 0600", nobody, nobody), attributesOf(t, f.Path))
}

// If root may not change owners, the record is written in place and keeps its owner.
func TestFile_RootWithoutTheRightToChown(t *testing.T) {
	requireRoot(t)
	f := savedFile(t)
	require.NoError(t, os.Chown(f.Path, nobody, nobody))
	f.SetFault(failingStep(syscall.EPERM, store.StepOwner))
	for _, record := range []string{strings.Repeat("record-two", 100), "record-three"} {
		require.NoError(t, f.Save(t.Context(), []byte(record)))
		assertRecord(t, f.Path, record)
		assert.Equal(t, fmt.Sprintf("%d:%d 0600", nobody, nobody), attributesOf(t, f.Path))
	}
	require.NoError(t, f.Delete(t.Context()))
	require.NoError(t, f.Save(t.Context(), []byte("record-four")), "a new record belongs to root")
}

// failingStep returns a fault that makes steps fail.
func failingStep(err error, steps ...string) faultFunc {
	return func(step, path string) error {
		if slices.Contains(steps, step) {
			return &fs.PathError{Op: step, Path: path, Err: err}
		}
		return nil
	}
}
