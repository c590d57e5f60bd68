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
	// openFlags are those that a record is opened with: a link is not followed, as
	// resolve has followed them all, and nobody is waited for at the other end of a
	// pipe.
	openFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK
	// lockFlags are those that a lock file is opened with. A link is followed where
	// nobody else can have put it.
	lockFlags       = syscall.O_NONBLOCK
	lockFlagsShared = lockFlags | syscall.O_NOFOLLOW
	makeFlagsShared = os.O_EXCL | syscall.O_NOFOLLOW
)

// nameLength returns the length of a file's name, as the system counts it.
func nameLength(name string) int { return len(name) }

// isPrivate reports whether nobody but its owner may access a file.
func isPrivate(mode fs.FileMode) bool { return mode.Perm()&0o077 == 0 }

// inPlaceHelps reports whether a file may be written in place when a step of
// replacing it has failed: it is mounted by itself, so that nothing can be renamed to
// it, or nothing can be made or removed in its folder. A folder of the user's own that
// is closed to its owner was closed on purpose.
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

// cannotLock reports whether an error says that the file system has no locks, or that
// no file to be locked can be made on it.
func cannotLock(err error) bool {
	return errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOLCK) || errors.Is(err, errors.ErrUnsupported)
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
