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
)

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
