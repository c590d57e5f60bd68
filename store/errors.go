package store

import (
	"errors"
	"fmt"
	"io/fs"
)

// maxRecord is the size of the largest record, in bytes. A session takes a few
// thousand; what is larger is not ours, and not to be read into memory.
const maxRecord = 1 << 20

var (
	errNoPath     = errors.New("no path is set")
	errNotRegular = errors.New("not a regular file")
	errTooLarge   = fmt.Errorf("larger than %d bytes", maxRecord)
	errLinks      = errors.New("too many links")
	errDangling   = errors.New("the link leads to nothing that exists now")
	errLongName   = fmt.Errorf("the name is too long: with \".%s\" behind it, for the lock file, it would have more than %d bytes",
		lockSuffix, maxName)
	errSharedLink = errors.New("a link in a folder that others can write is not followed: " +
		"give the path that it leads to, or take the right to write from the others")
	errForeign   = errors.New("it belongs to another user, or is a hard link in a folder that others can write")
	errKeepsMode = errors.New("the file system keeps it as it is")
	errUnsettled = errors.New("it changes faster than it can be read")
	// errChanged and errNothing are for callers within this package, which make a
	// conflict or notStored of them.
	errChanged = errors.New("the record has changed")
	errNothing = errors.New("nothing is stored")
)

// recordError is about what is stored. Its methods say what to do.
type recordError struct {
	why     string
	damaged bool
}

func (e *recordError) Error() string { return e.why }

// LeaveAlone reports whether what is stored may be good for a newer version.
func (e *recordError) LeaveAlone() bool { return !e.damaged }

// Damaged reports whether what is stored can be nobody's record.
func (e *recordError) Damaged() bool { return e.damaged }

// stepError is the error of one step in replacing a file.
type stepError struct {
	step string
	err  error
}

func (e *stepError) Error() string { return e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

// The steps that are told apart.
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

// unlockable is the error of a file system that has no locks, or does not let the
// file be made that is to be locked.
type unlockable struct{ error }

func (e unlockable) Unwrap() error { return e.error }

func (unlockable) Is(target error) bool { return target == errors.ErrUnsupported }

// notStored, conflict and failed make every error of this package that is not
// the cause of a context's end. The first two are all that callers decide by.

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
		// The chain ends here: the system means a folder, a lock or a temporary
		// file, and whoever asks for these two means the record.
		return errors.New("store: " + op + ": " + err.Error())
	default:
		return fmt.Errorf("store: %s: %w", op, err)
	}
}
