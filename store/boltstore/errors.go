package boltstore

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"

	berrors "go.etcd.io/bbolt/errors"
)

// ErrInUse is the error of Open if the file is open already, in another process or in
// this one.
var ErrInUse = errors.New("it is open already, in another process or in this one: only one can use it at a time")

// ErrClosed is the error of every method after [DB.Close].
var ErrClosed = errors.New("the database is closed")

var (
	errTooLarge = fmt.Errorf("larger than %d bytes", maxRecord)
	errEmptyKey = errors.New("the key is empty")
	errLongKey  = fmt.Errorf("the key is longer than %d bytes", maxKey)
	errNewer    = &recordError{"the record was saved by a newer version of this library", false}
	errDamaged  = &recordError{"the record is damaged", true}
	// errFile is also the error of a panic of bbolt, see guarded.
	errFile    = errors.New("the file is damaged: restore a copy of it, or move it away to begin without sessions")
	errForeign = errors.New("the file has no sessions of this library: use another path")
	errNewFile = errors.New("the file was written by a newer version of this library")
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

// notStored, conflict and failed make all errors of a Store, except the causes of
// contexts.

func notStored(op string) error {
	return fmt.Errorf("boltstore: %s: nothing is stored: %w", op, fs.ErrNotExist)
}

func conflict(op string) error {
	return fmt.Errorf("boltstore: %s: the record is not the one last loaded: %w", op, fs.ErrExist)
}

func failed(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return fmt.Errorf("boltstore: %s: %w", op, ErrClosed)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrExist):
		// Not wrapped: callers would take it for a statement about the record.
		return errors.New("boltstore: " + op + ": " + err.Error())
	default:
		return fmt.Errorf("boltstore: %s: %w", op, err)
	}
}

// guarded calls f, which uses the database. In a damaged file bbolt panics, and a page
// that the file no longer has is a memory fault.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			err = errFile
		}
	}()
	return f()
}
