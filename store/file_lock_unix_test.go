//go:build unix

package store_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
)

// A lock file that is not a regular file is refused at once, and not opened.
func TestFile_LockIsNotARegularFile(t *testing.T) {
	for name, create := range map[string]func(path string) error{
		"pipe":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"link to a pipe": func(path string) error {
			return errors.Join(syscall.Mkfifo(path+".pipe", 0o600), os.Symlink(path+".pipe", path))
		},
		"socket": func(path string) error {
			fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			if err == nil {
				err = errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: filepath.Base(path)}), syscall.Close(fd))
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			t.Chdir(folder) // the path of a socket must be short
			f := &store.File{Path: filepath.Join(folder, "s")}
			lock, guard := f.Path+".lock", filepath.Join(folder, ".s.guard")
			require.NoError(t, create(lock))
			require.NoError(t, create(guard))
			_, lockErr := f.Lock(t.Context())
			for path, errs := range map[string][]error{
				lock: {lockErr},
				guard: {
					f.Save(t.Context(), []byte("record-one")), f.Delete(t.Context()), f.SetAside(t.Context(), "damaged"),
				},
			} {
				for _, err := range errs {
					assertStoreError(t, err)
					require.ErrorContains(t, err, path)
					require.ErrorContains(t, err, "not a regular file")
				}
			}
			require.NoError(t, os.RemoveAll(lock))
			require.NoError(t, os.RemoveAll(guard))
			unlock, err := f.Lock(t.Context())
			require.NoError(t, err)
			require.NoError(t, unlock())
		})
	}
}

// A file system without locks returns one of several errors when a file is locked or
// created. Save works without the lock.
func TestFile_FileSystemWithoutLocks(t *testing.T) {
	for _, step := range []string{store.StepLock, store.StepCreate} {
		for _, errno := range []syscall.Errno{syscall.EROFS, syscall.ENOLCK, syscall.ENOSYS, syscall.EOPNOTSUPP} {
			t.Run(step+", "+errno.Error(), func(t *testing.T) {
				f := &store.File{Path: recordPath(t)}
				f.SetFault(func(at, path string) error {
					if at == step && (step == store.StepLock || filepath.Base(path) != "session.json") {
						return &fs.PathError{Op: at, Path: path, Err: errno}
					}
					return nil
				})
				_, err := f.Lock(t.Context())
				assertStoreError(t, err)
				require.ErrorIs(t, err, errors.ErrUnsupported)
				require.ErrorIs(t, err, errno)

				require.NoError(t, f.Save(t.Context(), []byte("record-one")))
				other := &store.File{Path: f.Path}
				_, err = other.Load(t.Context())
				require.NoError(t, err)
				require.NoError(t, f.Save(t.Context(), []byte("record-two")))
				require.ErrorIs(t, other.Save(t.Context(), []byte("record-three")), fs.ErrExist)
				require.NoError(t, f.SetAside(t.Context(), "damaged"))
				require.NoError(t, f.Delete(t.Context()))
			})
		}
	}
}

// Other errors do not mean that no locks are possible.
func TestFile_LockFailsForAnotherReason(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EACCES, syscall.EIO, syscall.ENOSPC, syscall.EMFILE, syscall.ENOENT} {
		t.Run(errno.Error(), func(t *testing.T) {
			f := savedFile(t)
			f.SetFault(failingStep(errno, store.StepCreate))
			_, err := f.Lock(t.Context())
			assertStoreError(t, err)
			assert.NotErrorIs(t, err, errors.ErrUnsupported)
		})
	}
}

// If the lock file belongs to another user, the error names the owner.
func TestFile_LockFileOfAnotherUser(t *testing.T) {
	requireRoot(t)
	f := savedFile(t)
	folder := filepath.Dir(f.Path)
	unlock, err := f.Lock(t.Context())
	require.NoError(t, err)
	require.NoError(t, unlock())
	require.NoError(t, os.Chown(folder, nobody, nobody))
	require.NoError(t, os.Chown(f.Path, nobody, nobody))
	p := start(t, childReadOnly, f.Path)
	p.proceed(t)
	assertPrints(t, p, "none") // Load
	for range 4 {
		line := p.readLine(t)
		assert.Contains(t, line, "not permitted: ")
		assert.Contains(t, line, "belongs to user 0")
	}
	require.NoError(t, p.Wait())
}
