package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/store/storetest"
)

// mountVariable is set in the child process with its own mount namespace.
const mountVariable = "STORE_TEST_MOUNTS"

// inMountNamespace runs the calling test again in a child process with its own mount
// namespace, and reports whether this is that process.
func inMountNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(mountVariable) != "" {
		return true
	}
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), mountVariable+"=1", "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if uid := os.Geteuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL) {
		t.Skipf("mount namespaces are unavailable: %v", err)
	} else if err != nil {
		require.NoError(t, err)
	}
	err = cmd.Wait()
	if bytes.Contains(out.Bytes(), []byte(mountsUnavailable)) {
		t.Skip(mountsUnavailable)
	}
	require.NoError(t, err, "%s", &out)
	require.Contains(t, out.String(), "--- PASS: "+t.Name())
	return false
}

const mountsUnavailable = "mounts are unavailable"

func mount(t *testing.T, source, target, fstype string, flags uintptr) {
	t.Helper()
	if err := syscall.Mount(source, target, fstype, flags, ""); errors.Is(err, fs.ErrPermission) {
		t.Skip(mountsUnavailable)
	} else if err != nil {
		require.NoError(t, err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(target, syscall.MNT_DETACH) })
}

// makeMountsPrivate hides new mounts from other processes.
func makeMountsPrivate(t *testing.T) {
	t.Helper()
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Skipf("%s: %v", mountsUnavailable, err)
	}
}

// mountFile mounts a file with a record over another file, and returns its path.
func mountFile(t *testing.T, record []byte, readOnly bool) string {
	t.Helper()
	host, folder := t.TempDir(), t.TempDir()
	for _, at := range []string{host, folder} {
		mount(t, "none", at, "tmpfs", 0) // in memory, where a sync is fast
	}
	file, path := filepath.Join(host, "host.json"), filepath.Join(folder, "session.json")
	require.NoError(t, os.WriteFile(file, record, 0o600))
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	if readOnly {
		mount(t, "none", folder, "", syscall.MS_REMOUNT|syscall.MS_RDONLY)
	}
	mount(t, file, path, "", syscall.MS_BIND)
	return path
}

// A record can be a mount point, like a single file that is mounted into a container.
func TestFile_MountPoint(t *testing.T) {
	if !inMountNamespace(t) {
		return
	}
	makeMountsPrivate(t)
	storetest.Run(t, func(tb testing.TB) storetest.Opener {
		tb.Helper()
		path := mountFile(tb.(*testing.T), nil, false)
		require.NoError(tb, (&store.File{Path: path}).Delete(tb.Context()))
		return func() storetest.Store { return &store.File{Path: path} }
	})
	for _, readOnly := range []bool{false, true} {
		t.Run(fmt.Sprintf("read-only folder: %v", readOnly), func(t *testing.T) {
			path := mountFile(t, longRecord("record-one"), readOnly)
			require.ErrorIs(t, os.Remove(path), map[bool]error{false: syscall.EBUSY, true: syscall.EROFS}[readOnly])
			f := &store.File{Path: path}
			_, err := f.Load(t.Context())
			require.NoError(t, err)
			require.NoError(t, f.Save(t.Context(), longRecord("record-two")))
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, string(longRecord("record-two")), string(data))
			_, err = f.Lock(t.Context())
			assert.Equal(t, readOnly, errors.Is(err, errors.ErrUnsupported))
			require.NoError(t, f.Delete(t.Context()))
			_, err = (&store.File{Path: path}).Load(t.Context())
			require.ErrorIs(t, err, fs.ErrNotExist)
			require.NoError(t, f.Save(t.Context(), []byte("record-three")))
			assertRecord(t, path, "record-three")
		})
	}
}

// On a read-only volume Load works. Lock works if there is a lock file; otherwise its
// error Is errors.ErrUnsupported.
func TestFile_ReadOnlyVolume(t *testing.T) {
	if !inMountNamespace(t) {
		return
	}
	makeMountsPrivate(t)
	folder := t.TempDir()
	mount(t, "none", folder, "tmpfs", 0)
	require.NoError(t, os.Mkdir(filepath.Join(folder, "locked"), 0o700))
	f := &store.File{Path: filepath.Join(folder, "session.json")}
	locked := &store.File{Path: filepath.Join(folder, "locked", "session.json")}
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	unlock, err := locked.Lock(t.Context())
	require.NoError(t, err)
	require.NoError(t, unlock())
	mount(t, "none", folder, "", syscall.MS_REMOUNT|syscall.MS_RDONLY)

	assertRecord(t, f.Path, "record-one")
	_, err = f.Lock(t.Context())
	assertUnsupported(t, err)
	_, err = (&store.File{Path: filepath.Join(folder, "new", "session.json")}).Lock(t.Context())
	assertUnsupported(t, err)
	for _, err := range []error{f.Save(t.Context(), []byte("record-two")), f.Delete(t.Context()), f.SetAside(t.Context(), "damaged")} {
		assertStoreError(t, err)
		require.ErrorIs(t, err, syscall.EROFS)
	}
	unlock, err = locked.Lock(t.Context())
	require.NoError(t, err)
	_, err = (&store.File{Path: locked.Path}).Lock(briefly(t))
	require.Equal(t, context.DeadlineExceeded, err)
	require.NoError(t, unlock())
}

func assertUnsupported(t *testing.T, err error) {
	t.Helper()
	assertStoreError(t, err)
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

// After a process dies while it writes in place, nothing is locked, and the record is
// complete; without a backup it may be damaged.
func TestFile_KilledDuringSaveInPlace(t *testing.T) {
	for _, tt := range []struct {
		child string
		fault faultFunc
	}{{childInPlace, mountPoint}, {childNoBackup, readOnlyParent}} {
		t.Run(tt.child, func(t *testing.T) {
			incomplete := 0
			// The signal mostly arrives during the Save.
			for round := 0; round < 5 || incomplete == 0 && round < 200; round++ {
				f := savedFile(t)
				p := start(t, tt.child, f.Path)
				waitFor(t, f.Path, syscall.IN_MODIFY)
				require.NoError(t, p.Process.Kill())
				require.Error(t, p.Wait(), "it was killed")
				next := inPlaceFile(f.Path, tt.fault)
				data, err := next.Load(t.Context())
				if err != nil {
					require.Equal(t, childNoBackup, tt.child)
					incomplete++
					assertRecordLost(t, next, err)
					continue
				}
				assert.Contains(t, []string{string(largeRecord), string(longRecord("record-one"))}, string(data))
				incomplete += len(next.Notices())
				require.NoError(t, next.Save(t.Context(), longRecord("record-three")))
				assertRecord(t, f.Path, string(longRecord("record-three")))
				assert.Equal(t, []string{".session.json.guard", "session.json"}, files(t, filepath.Dir(f.Path)))
			}
			assert.Positive(t, incomplete, "at least one was killed during the Save")
		})
	}
}
