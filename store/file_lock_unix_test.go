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

// Whatever lies in the place of a lock file, no call waits for it beyond its context:
// what is no regular file is refused at once, and not opened.
func TestFile_LockIsNoRegularFile(t *testing.T) {
	for name, put := range map[string]func(path string) error{
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
			t.Chdir(folder) // the name of a socket is short, and that of a test's folder is not
			f := &store.File{Path: filepath.Join(folder, "s")}
			lock, guard := f.Path+".lock", filepath.Join(folder, ".s.guard")
			require.NoError(t, put(lock))
			require.NoError(t, put(guard))
			_, lockErr := f.Lock(t.Context())
			for path, errs := range map[string][]error{
				lock: {lockErr},
				guard: {
					f.Save(t.Context(), []byte("record-one")), f.Delete(t.Context()), f.SetAside(t.Context(), "damaged"),
				},
			} {
				for _, err := range errs {
					assertOther(t, err)
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

// A file system without locks says so in one of several ways, when a file is to be
// locked or to be made. A session goes on without the lock, and is saved.
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
				assertOther(t, err)
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

// Other errors say nothing of the kind.
func TestFile_LockFailsForAnotherReason(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EACCES, syscall.EIO, syscall.ENOSPC, syscall.EMFILE, syscall.ENOENT} {
		t.Run(errno.Error(), func(t *testing.T) {
			f := saveOne(t)
			f.SetFault(failing(errno, store.StepCreate))
			_, err := f.Lock(t.Context())
			assertOther(t, err)
			assert.NotErrorIs(t, err, errors.ErrUnsupported)
		})
	}
}

// The lock of another user, of one that was run as root before owners were kept, say,
// is told with its owner.
func TestFile_LockOfAnotherUser(t *testing.T) {
	needRoot(t)
	f := saveOne(t)
	folder := filepath.Dir(f.Path)
	unlock, err := f.Lock(t.Context())
	require.NoError(t, err)
	require.NoError(t, unlock())
	require.NoError(t, os.Chown(folder, nobody, nobody))
	require.NoError(t, os.Chown(f.Path, nobody, nobody))
	p := start(t, partReadOnly, f.Path)
	p.goOn(t)
	assertSays(t, p, "fine") // Load
	for range 4 {
		line := p.hear(t)
		assert.Contains(t, line, "not permitted: ")
		assert.Contains(t, line, "belongs to user 0")
	}
	require.NoError(t, p.Wait())
}
