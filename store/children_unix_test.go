//go:build unix

package store_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
)

// Children that need resource limits and users.
const (
	childFull     = "full"      // saves with a limit of the file size, and prints the errors
	childEndless  = "endless"   // saves until it is told to end
	childReadOnly = "read-only" // uses a read-only folder as another user, and prints the errors
	childInPlace  = "in place"  // saves in place until it is told to end
	childNoBackup = "no backup" // saves in place without backups until it is told to end
	childUnlisted = "unlisted"  // saves in a folder that it may not read, and prints the errors
)

func unixChildren() map[string]childFunc {
	return map[string]childFunc{
		childFull: runFull, childEndless: runEndless, childReadOnly: runReadOnly, childUnlisted: runUnlisted,
		childInPlace: runInPlace(mountPoint), childNoBackup: runInPlace(readOnlyParent),
	}
}

// sizeLimit is the limit of the file size of childFull, in bytes.
const sizeLimit = 1000

// largeRecord exceeds sizeLimit, and takes a while to write.
var largeRecord = []byte(strings.Repeat("record-two ", 90_000))

func runFull(ctx context.Context, f *store.File, in lines) error {
	if _, err := f.Load(ctx); err != nil {
		return err
	}
	if err := ready(in); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: sizeLimit, Max: sizeLimit}); err != nil {
		return err
	}
	return printErrors(f.Save(ctx, largeRecord), f.Save(ctx, []byte("record-three")))
}

func runEndless(ctx context.Context, f *store.File, in lines) error {
	ctx, cancel := context.WithCancel(ctx)
	go func() { _ = in.wait(); cancel() }()
	_, err := f.Load(ctx)
	for err == nil {
		if err = f.Save(ctx, largeRecord); err == nil {
			fmt.Println("saved")
		}
	}
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return err
}

func runInPlace(fault faultFunc) childFunc {
	return func(ctx context.Context, f *store.File, in lines) error {
		ctx, cancel := context.WithCancel(ctx)
		go func() { _ = in.wait(); cancel() }()
		f.SetFault(fault)
		_, err := f.Load(ctx)
		for n := 0; err == nil; n++ {
			record := largeRecord
			if n%2 == 0 {
				record = longRecord("record-one")
			}
			if err = f.Save(ctx, record); err == nil && n > 0 {
				fmt.Println("saved")
			}
		}
		return err
	}
}

func runReadOnly(ctx context.Context, f *store.File, in lines) error {
	f, err := becomeNobody(f)
	if err != nil {
		return err
	}
	if err := ready(in); err != nil {
		return err
	}
	data, err := f.Load(ctx)
	if err == nil && string(data) != "record-one" {
		err = errors.New("another record")
	}
	_, lockErr := f.Lock(ctx)
	return printErrors(err, f.Save(ctx, []byte("record-two")), f.Delete(ctx), f.SetAside(ctx, "damaged"), lockErr)
}

func runUnlisted(ctx context.Context, f *store.File, in lines) error {
	f, err := becomeNobody(f)
	if err != nil {
		return err
	}
	if _, err := f.Load(ctx); err != nil {
		return err
	}
	// It may create and replace files in the folder, but not list or sync it.
	if err := os.Chmod(".", 0o300); err != nil {
		return err
	}
	unsynced := []error{f.Save(ctx, []byte("record-two")), f.Save(ctx, []byte("record-three"))}
	if err := os.Chmod(".", 0o700); err != nil {
		return err
	}
	if err := ready(in); err != nil {
		return err
	}
	return printErrors(append(unsynced, f.Save(ctx, []byte("record-four")))...)
}

// becomeNobody changes the user of the process from root to nobody. It returns f with
// a relative path, since nobody may have no access to the parents of the folder.
func becomeNobody(f *store.File) (*store.File, error) {
	if err := os.Chdir(filepath.Dir(f.Path)); err != nil {
		return nil, err
	}
	f = &store.File{Path: filepath.Base(f.Path)}
	if os.Geteuid() == 0 {
		return f, syscall.Setuid(nobody)
	}
	return f, nil
}

// nobody is the ID of a user without privileges.
const nobody = 65534

// printErrors prints a line for each error: its class and its text.
func printErrors(errs ...error) error {
	for _, err := range errs {
		class := "other"
		switch {
		case err == nil:
			class = "none"
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrExist):
			class = "about the record"
		case errors.Is(err, syscall.EFBIG):
			class = "too large"
		case errors.Is(err, errors.ErrUnsupported):
			class = "unsupported"
		case errors.Is(err, fs.ErrPermission):
			class = "not permitted"
		}
		fmt.Printf("%s: %v\n", class, err)
	}
	return nil
}

// assertPrints asserts that the next line is an error of class want.
func assertPrints(t *testing.T, p *process, want string) {
	t.Helper()
	line := p.readLine(t)
	assert.True(t, strings.HasPrefix(line, want+": "), line)
	assert.NotContains(t, line, "record-")
}

// suspend stops a process, and returns when it has stopped.
func (p *process) suspend(t *testing.T) {
	t.Helper()
	require.NoError(t, p.Process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	_, err := syscall.Wait4(p.Process.Pid, &status, syscall.WUNTRACED, nil)
	require.NoError(t, err)
	require.True(t, status.Stopped(), "%v", status)
}

func (p *process) resume(t *testing.T) {
	t.Helper()
	require.NoError(t, p.Process.Signal(syscall.SIGCONT))
}
