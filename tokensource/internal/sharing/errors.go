package sharing

import "errors"

// ErrDamaged is the error of a stored record that cannot be anybody's.
var ErrDamaged = errors.New("the stored record is damaged")

var (
	errNewer  error = unreadableError("the stored record was written by a newer version of this library, which is needed to read it")
	errSealed error = unreadableError("the stored record is sealed, and this Store does not open it")
)

// unreadableError says that a stored record must be left alone, by the method that errors
// of a Store have for that.
type unreadableError string

func (e unreadableError) Error() string  { return string(e) }
func (unreadableError) LeaveAlone() bool { return true }

// ErrLockHeld is the error of [Protocol.Lock] when another process has held the lock for
// as long as was waited.
var ErrLockHeld = errors.New("the lock is held by somebody else")

// Error is a call of the store that failed for another reason than that nothing is
// stored, or something newer: the store is away, slow, or full.
type Error struct {
	Op  string // "lock", "unlock", "load", "encode" or "save"
	Err error
}

// Error returns what failed, and why.
func (e *Error) Error() string { return e.Op + " the session: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// FailedTo reports whether err is of a store that has failed at op.
func FailedTo(op string, err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Op == op
}

// IsStoreError reports whether err is of the store, and not of the gateway.
func IsStoreError(err error) bool {
	var e *Error
	return errors.As(err, &e) || MustLeaveAlone(err) || errors.Is(err, ErrDamaged) || errors.Is(err, ErrLockHeld)
}

// MustLeaveAlone reports whether an error of Load says that something is stored that
// this store cannot read and that others may: a newer version, or another key, is
// needed. Then nothing is saved in its place, nobody is signed on, and no token is
// redeemed that others have, too.
func MustLeaveAlone(err error) bool {
	var e interface{ LeaveAlone() bool }
	return errors.As(err, &e) && e.LeaveAlone()
}

// isDamaged reports whether an error of Load says that what is stored cannot be
// anybody's record.
func isDamaged(err error) bool {
	var e interface{ Damaged() bool }
	return errors.As(err, &e) && e.Damaged()
}
