package sharing

import "errors"

// recordError says why a stored record cannot be read. It has the same methods as the
// errors of a Store have, see tokensource.Store.
type recordError struct {
	text    string
	problem problem
}

type problem uint8

const (
	damaged    problem = iota // nobody can read it
	unreadable                // others may be able to
)

func (e *recordError) Error() string    { return e.text }
func (e *recordError) Damaged() bool    { return e.problem == damaged }
func (e *recordError) LeaveAlone() bool { return e.problem == unreadable }

// ErrDamaged is the error of a stored record that cannot be anybody's.
var ErrDamaged error = &recordError{"the stored record is damaged", damaged}

var (
	errNewer  error = &recordError{"the stored record was written by a newer version of this library, which is needed to read it", unreadable}
	errSealed error = &recordError{"the stored record is sealed, and this Store does not open it", unreadable}
)

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
