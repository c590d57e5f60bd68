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

// mountVariable is set in the process that has mounts of its own.
const mountVariable = "STORE_TEST_MOUNTS"

// ownMounts runs the test that calls it once more, in a process with a mount namespace
// of its own, and reports whether this is that process.
func ownMounts(t *testing.T) bool {
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
		t.Skipf("no mounts of one's own can be had: %v", err)
	} else if err != nil {
		require.NoError(t, err)
	}
	err = cmd.Wait()
	if bytes.Contains(out.Bytes(), []byte(cannotMount)) {
		t.Skip(cannotMount)
	}
	require.NoError(t, err, "%s", &out)
	require.Contains(t, out.String(), "--- PASS: "+t.Name())
	return false
}

const cannotMount = "nothing can be mounted here"

func mount(t *testing.T, source, target, fstype string, flags uintptr) {
	t.Helper()
	if err := syscall.Mount(source, target, fstype, flags, ""); errors.Is(err, fs.ErrPermission) {
		t.Skip(cannotMount)
	} else if err != nil {
		require.NoError(t, err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(target, syscall.MNT_DETACH) })
}

// private keeps what is mounted from all other processes.
func private(t *testing.T) {
	t.Helper()
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Skipf("%s: %v", cannotMount, err)
	}
}

// mountFile mounts a file over another one, the record, in a folder that is read-only
// or not, and returns the path of the record.
func mountFile(t *testing.T, record []byte, readOnly bool) string {
	t.Helper()
	host, folder := t.TempDir(), t.TempDir()
	for _, at := range []string{host, folder} {
		mount(t, "none", at, "tmpfs", 0) // in memory, where a sync takes no time
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

// A single file that is mounted into a container is a store like any other.
func TestFile_Mounted(t *testing.T) {
	if !ownMounts(t) {
		return
	}
	private(t)
	storetest.Run(t, func(tb testing.TB) storetest.Opener {
		tb.Helper()
		path := mountFile(tb.(*testing.T), nil, false)
		require.NoError(tb, (&store.File{Path: path}).Delete(tb.Context()))
		return func() storetest.Store { return &store.File{Path: path} }
	})
	for _, readOnly := range []bool{false, true} {
		t.Run(fmt.Sprintf("keeps its place, in a folder that is read-only: %v", readOnly), func(t *testing.T) {
			path := mountFile(t, long("record-one"), readOnly)
			require.ErrorIs(t, os.Remove(path), map[bool]error{false: syscall.EBUSY, true: syscall.EROFS}[readOnly])
			f := &store.File{Path: path}
			_, err := f.Load(t.Context())
			require.NoError(t, err)
			require.NoError(t, f.Save(t.Context(), long("record-two")))
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, string(long("record-two")), string(data))
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

// On a volume that can only be read, what is there can be read, and a lock file that is
// there can be locked. Where there is none, nothing can be locked, and it is said so.
func TestFile_ReadOnlyVolume(t *testing.T) {
	if !ownMounts(t) {
		return
	}
	private(t)
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
		assertOther(t, err)
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
	assertOther(t, err)
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

// Whenever a process is killed while it writes in place, a record is whole, and nothing
// is locked.
func TestFile_KilledWhileItWritesInPlace(t *testing.T) {
	half := 0
	// When the signal arrives is for the system to say: mostly in the middle.
	for round := 0; round < 5 || half == 0 && round < 200; round++ {
		f := saveOne(t)
		p := start(t, partInPlace, f.Path)
		waitFor(t, f.Path, syscall.IN_MODIFY)
		require.NoError(t, p.Process.Kill())
		require.Error(t, p.Wait(), "it was killed")
		next := inPlace(f.Path, mounted)
		data, err := next.Load(t.Context())
		require.NoError(t, err)
		assert.Contains(t, []string{string(large), string(long("record-one"))}, string(data))
		half += len(next.Notices())
		require.NoError(t, next.Save(t.Context(), long("record-three")))
		assertRecord(t, f.Path, string(long("record-three")))
		assert.Equal(t, []string{".session.json.guard", "session.json"}, files(t, filepath.Dir(f.Path)))
	}
	assert.Positive(t, half, "one at least was killed in the middle")
}

// Where the former record cannot be kept, a record is whole, or known not to be.
func TestFile_KilledWhileItWritesInPlaceAndKeepsNothing(t *testing.T) {
	half := 0
	for round := 0; round < 5 || half == 0 && round < 200; round++ {
		f := saveOne(t)
		p := start(t, partUnkept, f.Path)
		waitFor(t, f.Path, syscall.IN_MODIFY)
		require.NoError(t, p.Process.Kill())
		require.Error(t, p.Wait(), "it was killed")
		next := inPlace(f.Path, readOnlyFolder)
		data, err := next.Load(t.Context())
		if err != nil {
			half++
			assertLost(t, next, err)
			continue
		}
		assert.Contains(t, []string{string(large), string(long("record-one"))}, string(data))
	}
	assert.Positive(t, half, "one at least was killed in the middle")
}
