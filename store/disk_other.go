//go:build !unix

package store

import (
	"errors"
	"io/fs"
	"unicode/utf16"
)

const (
	openFlags       = 0
	lockFlags       = 0
	lockFlagsShared = 0
	makeFlagsShared = 0
)

// nameLength returns the length of a file's name, as the system counts it.
func nameLength(name string) int { return len(utf16.Encode([]rune(name))) }

// isPrivate reports true: here a file's mode does not tell who may access it. It has
// the access rights of the folder that it lies in.
func isPrivate(fs.FileMode) bool { return true }

// inPlaceHelps reports false: here no file is mounted by itself.
func inPlaceHelps(string, error, bool) bool { return false }

// cannotLock reports whether an error says that the file system has no locks.
func cannotLock(err error) bool { return errors.Is(err, errors.ErrUnsupported) }

// syncFolder does nothing: here folders cannot be synced.
func syncFolder(string) error { return nil }
