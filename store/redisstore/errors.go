package redisstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// maxRecord is the size limit of a record, in bytes, as in the other stores.
const maxRecord = 1 << 20

// ErrLeaseLost is the error of an unlock whose lock was not held all the time: the
// lease expired, or the key was removed or belongs to another holder. Another process
// may have held the lock at the same time.
var ErrLeaseLost = errors.New("the lease was lost: others may have held the lock meanwhile")

var (
	errTooLarge = fmt.Errorf("larger than %d bytes", maxRecord)
	errInvalid  = errors.New("what is stored is not a record")
	errResult   = errors.New("the server's answer makes no sense")
	errGarbled  = errors.New("the client cannot read the server's answer")
	errEmpty    = errors.New("is empty")
	errBraces   = errors.New("has braces")
	errLong     = fmt.Errorf("is longer than %d bytes", maxName)
	errTimeout  = errors.New("no answer in time; the lease ends by itself")
)

// notStored, conflict, badName and failed make all errors of this package, except the causes
// of contexts.

func notStored(op string) error {
	return fmt.Errorf("redisstore: %s: nothing is stored: %w", op, fs.ErrNotExist)
}

func conflict(op string) error {
	return fmt.Errorf("redisstore: %s: the record is not the one last loaded: %w", op, fs.ErrExist)
}

func badName(op string, err error) error {
	return fmt.Errorf("redisstore: %s: the name of the session %w", op, err)
}

func failed(op string, err error) error {
	if _, ok := errors.AsType[serverError](err); ok {
		return fmt.Errorf("redisstore: %s: the server says: %w", op, err)
	}
	return fmt.Errorf("redisstore: %s: %w", op, err)
}

// endedOr returns the cause of ctx's end if ctx has ended, and otherwise
// failed(op, err).
func endedOr(ctx context.Context, op string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	default:
		return failed(op, err)
	}
}
