//go:build unix

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// openRecord opens the file for reading. It does not wait for somebody to write
// to it, as opening a pipe would.
func openRecord(path string) (*os.File, error) {
	return os.OpenFile(filepath.Clean(path), os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// checkPrivate refuses a file that others have any permission to: who can read
// it has the session, who can write it can give us another one.
func checkPrivate(info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("its mode %04o gives other users access; run chmod 600 on it", mode)
	}
	return nil
}

// syncFolder sees to it that a rename in folder outlives a crash of the machine.
func syncFolder(folder string) error {
	dir, err := os.Open(filepath.Clean(folder))
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	// Some file systems know no such thing, and say so in either of two ways.
	if err := dir.Sync(); !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}
