//go:build unix

package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const (
	// openFlags are the flags for opening a record. No link is followed, since resolve
	// has followed them all, and opening a pipe does not block.
	openFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK
	// lockFlags are the flags for opening a lock file. Links are followed only in
	// folders that others cannot write.
	lockFlags         = syscall.O_NONBLOCK
	lockFlagsShared   = lockFlags | syscall.O_NOFOLLOW
	createFlagsShared = os.O_EXCL | syscall.O_NOFOLLOW
)

// nameLength returns the length of a file name in the system's units.
func nameLength(name string) int { return len(name) }

// isPrivate reports whether only the owner has permissions.
func isPrivate(mode fs.FileMode) bool { return mode.Perm()&0o077 == 0 }

// inPlaceHelps reports whether a file may be written in place after a step of replacing
// it has failed: the file is a mount point, or no files can be created or removed in its
// folder. A read-only folder of the user's own is respected, since it was made read-only
// on purpose.
func inPlaceHelps(step string, err error, ownFolder bool) bool {
	switch {
	case step == stepOwner:
		return true
	case step != stepCreate && step != stepRename && step != stepRemove:
		return false
	case errors.Is(err, syscall.EROFS):
		return true
	case errors.Is(err, syscall.EBUSY), errors.Is(err, syscall.EXDEV):
		return step != stepCreate
	}
	return errors.Is(err, fs.ErrPermission) && !ownFolder
}

// cannotLock reports whether an error means that the file system has no locks, or that
// no lock file can be created on it.
func cannotLock(err error) bool {
	return errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOLCK) || errors.Is(err, errors.ErrUnsupported)
}

// syncFolder syncs a folder, so that a rename in it survives a crash of the machine.
func syncFolder(folder string) error {
	dir, err := os.Open(filepath.Clean(folder))
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	// Some file systems cannot sync a folder, and return one of these errors.
	if err := dir.Sync(); !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}
