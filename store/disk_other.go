//go:build !unix

package store

import (
	"errors"
	"io/fs"
	"unicode/utf16"
)

const (
	openFlags         = 0
	lockFlags         = 0
	lockFlagsShared   = 0
	createFlagsShared = 0
)

// nameLength returns the length of a file name in the system's units.
func nameLength(name string) int { return len(utf16.Encode([]rune(name))) }

// isPrivate returns true: the mode of a file does not tell who has access.
func isPrivate(fs.FileMode) bool { return true }

// inPlaceHelps returns false: no file is a mount point.
func inPlaceHelps(string, error, bool) bool { return false }

// cannotLock reports whether an error means that the file system has no locks.
func cannotLock(err error) bool { return errors.Is(err, errors.ErrUnsupported) }

// syncFolder does nothing: folders cannot be synced.
func syncFolder(string) error { return nil }
