package redisstore

import (
	"errors"
	"fmt"
	"io/fs"
)

// maxRecord is the size of the largest record, in bytes, as it is for the other
// stores.
const maxRecord = 1 << 20

// ErrLeaseLost is what unlock returns when the lock was not held to the end: the
// lease ran out, or the key was removed, or is somebody else's by now. What was
// done under the lock may have been done beside somebody else.
var ErrLeaseLost = errors.New("the lease was lost: others may have held the lock meanwhile")

var (
	errTooLarge = fmt.Errorf("larger than %d bytes", maxRecord)
	errStrange  = errors.New("what is stored is not a record")
	errAnswer   = errors.New("the server's answer makes no sense")
	errGarbled  = errors.New("the client cannot read the server's answer")
	errTimeout  = errors.New("no answer in time; the lease ends by itself")
)

// notStored, conflict and failed make every error of this package that is not
// the cause of a context's end. The first two are all that callers decide by.

func notStored(op string) error {
	return fmt.Errorf("redisstore: %s: nothing is stored: %w", op, fs.ErrNotExist)
}

func conflict(op string) error {
	return fmt.Errorf("redisstore: %s: the record is not the one last loaded: %w", op, fs.ErrExist)
}

func failed(op string, err error) error {
	if _, ok := errors.AsType[reply](err); ok {
		return fmt.Errorf("redisstore: %s: the server says: %w", op, err)
	}
	return fmt.Errorf("redisstore: %s: %w", op, err)
}

// unexpected is the error of an answer that is none of those that op can use.
func (a answer) unexpected(op string) error { return failed(op, a.problem()) }

// problem returns what is wrong with an answer that cannot be used.
func (a answer) problem() error {
	switch a.verdict { //nolint:exhaustive // all others are wrong where this is called
	case isStrange:
		return errStrange
	case isLarge:
		return errTooLarge
	case isDenied:
		return a.denied()
	default:
		return errAnswer
	}
}
