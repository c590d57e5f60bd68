package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// maxRecord is the size limit of a record, in bytes. A session takes a few thousand.
const maxRecord = 1 << 20

var (
	errNoPath     = errors.New("no path is set")
	errNotRegular = errors.New("not a regular file")
	errTooLarge   = fmt.Errorf("larger than %d bytes", maxRecord)
	errLinks      = errors.New("too many links")
	errDangling   = errors.New("the target of the link does not exist")
	errLongName   = fmt.Errorf("the name is too long: the name of its lock file, which adds \".%s\", would exceed %d bytes",
		lockSuffix, maxName)
	errSharedLink = errors.New("a link in a folder that others can write is not followed: " +
		"use the path of its target, or remove the others' permission to write")
	errOtherOwner = errors.New("it belongs to another user, or is a hard link in a folder that others can write")
	errModeKept   = errors.New("the file system did not change it")
	errUnstable   = errors.New("it changed during every attempt to read it")
	// errChanged and errNothing are internal: the methods of File return conflict and
	// notStored in their place.
	errChanged = errors.New("the record has changed")
	errNothing = errors.New("nothing is stored")
)

// recordError is the error of a record that cannot be used.
type recordError struct {
	reason  string
	damaged bool
}

func (e *recordError) Error() string { return e.reason }

// LeaveAlone reports whether a newer version may be able to use the record.
func (e *recordError) LeaveAlone() bool { return !e.damaged }

// Damaged reports whether nobody can use the record.
func (e *recordError) Damaged() bool { return e.damaged }

// stepError is the error of one step of a change on disk.
type stepError struct {
	step string
	err  error
}

func (e *stepError) Error() string { return e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

const (
	stepCreate = "create"
	stepOwner  = "chown"
	stepRename = "rename"
	stepRemove = "remove"
	stepLock   = "lock"
	stepSync   = "sync"
	stepHead   = "write the head"
	stepBody   = "write the body"
	stepBegin  = "write the beginning"
)

// noLockError is the error of a file system that has no locks, or on which the
// lock file cannot be created.
type noLockError struct{ error }

func (e noLockError) Unwrap() error { return e.error }

func (noLockError) Is(target error) bool { return target == errors.ErrUnsupported }

// notStored, conflict and failed make all errors of this package, except the causes
// of contexts.

func notStored(op string) error {
	return fmt.Errorf("store: %s: nothing is stored: %w", op, fs.ErrNotExist)
}

func conflict(op string) error {
	return fmt.Errorf("store: %s: the record is not the one last loaded: %w", op, fs.ErrExist)
}

func failed(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrExist):
		// Not wrapped: it concerns a folder, a lock file or a temporary file, and
		// callers would take it for a statement about the record.
		return errors.New("store: " + op + ": " + err.Error())
	default:
		return fmt.Errorf("store: %s: %w", op, err)
	}
}

// endedOr returns the cause of ctx's end if err is that cause, and otherwise
// failed(op, err).
func endedOr(ctx context.Context, op string, err error) error {
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, cause) {
		return cause
	}
	return failed(op, err)
}

// both joins two errors. If then is nil it returns err unwrapped, as it may be the
// cause of a context's end, which callers compare.
func both(err, then error) error {
	if then == nil {
		return err
	}
	return errors.Join(err, then)
}
