package redisstore

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/redis/go-redis/v9"
)

// maxRecord is the size of the largest record, in bytes, as it is for the other
// stores.
const maxRecord = 1 << 20

// maxReply bounds what is kept of the words of a server's error.
const maxReply = 200

// ErrLeaseLost is what unlock returns when the lock was not held to the end: the
// lease ran out, or the key was removed, or is somebody else's by now. What was
// done under the lock may have been done beside somebody else.
var ErrLeaseLost = errors.New("the lease was lost: others may have held the lock meanwhile")

var (
	errTooLarge = fmt.Errorf("larger than %d bytes", maxRecord)
	errStrange  = errors.New("what is stored is not a record")
	errAnswer   = errors.New("the server's answer makes no sense")
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
	var r redis.Error
	switch {
	case errors.As(err, &r):
		return fmt.Errorf("redisstore: %s: the server says: %w", op, newReply(r.Error()))
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrExist):
		// The chain ends here: the system means a socket or a certificate, and
		// whoever asks for these two means the record.
		return errors.New("redisstore: " + op + ": " + err.Error())
	default:
		return fmt.Errorf("redisstore: %s: %w", op, err)
	}
}

// unexpected is the error of an answer that a script does not give.
func (a answer) unexpected(op string) error {
	if a.verdict == isStrange {
		return failed(op, errStrange)
	}
	if a.verdict == isLarge {
		return failed(op, errTooLarge)
	}
	return failed(op, errAnswer)
}

// A reply is an error that the server answered, as far as it may be shown. To
// go-redis it is one of its own: redis.HasErrorPrefix(err, "NOPERM").
type reply string

func (r reply) Error() string { return string(r) }

// RedisError marks a reply as an error of the server's.
func (reply) RedisError() {}

// newReply leaves out what may be a quotation of the command, and the record with
// it: the general errors, of code ERR, quote what they complain of.
func newReply(text string) reply {
	if strings.HasPrefix(text, "ERR ") {
		if quoted := strings.IndexAny(text, "'\"`:"); quoted >= 0 {
			text = strings.TrimRight(text[:quoted], " ") + "…"
		}
	}
	if len(text) > maxReply {
		text = strings.ToValidUTF8(text[:maxReply], "") + "…"
	}
	return reply(text)
}

// refused reports whether err is the server's own word that it did not do as it
// was asked. Of any other error nothing is known.
func refused(err error) bool {
	var r redis.Error
	return errors.As(err, &r)
}
