package tokensource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/agsauth/agsauth/ags"
)

var (
	// ErrLoginRequired says that the session has ended: a human, or a
	// [LoginFunc], has to sign on again. Every [*LoginRequiredError] is one.
	ErrLoginRequired = errors.New("tokensource: login required")
	// ErrClosed says that the Source was closed.
	ErrClosed = errors.New("tokensource: closed")
)

var (
	errInLogin    = errors.New("tokensource: called by the Login that this call would wait for")
	errRunning    = errors.New("tokensource: Run is running already")
	errSignedOut  = errors.New("tokensource: signed out meanwhile")
	errSuperseded = errors.New("tokensource: another SetToken or SignOut came in between")
	errTimeout    = fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
	errLockHeld   = errors.New("the lock is held by somebody else")
	errTurnTaken  = errors.New("a refresh or login of this Source is still under way")
	errDeadAnswer = errors.New("the token given had expired when it arrived")
	errDueAnswer  = errors.New("the token given is so near its end that it is due again")
	errNoToken    = errors.New("no access token was given")
	errGone       = errors.New("the call ended its goroutine")
)

// Reason is why a session ended.
type Reason uint8

// The reasons. The zero Reason is none: the session has not ended.
const (
	// NoSession says that there is none: nothing was handed in, nothing is stored.
	NoSession Reason = iota + 1
	// RefreshExpired says that the refresh token has expired, or that there never
	// was one and the access token has.
	RefreshExpired
	// FixedExpired says that the session has reached the end that was set at
	// sign-on, which no refresh moves.
	FixedExpired
	// RefreshRejected says that the gateway does not accept the refresh token.
	RefreshRejected
	// SignedOut says that somebody signed out, here or in another process.
	SignedOut
)

// String returns the reason in words.
func (r Reason) String() string {
	switch r {
	case NoSession:
		return "no session"
	case RefreshExpired:
		return "refresh token expired"
	case FixedExpired:
		return "fixed horizon passed"
	case RefreshRejected:
		return "refresh rejected"
	case SignedOut:
		return "signed out"
	}
	return "none"
}

// LoginRequiredError says that the session has ended, and why. It Is
// [ErrLoginRequired]. Its text carries no secret.
type LoginRequiredError struct {
	// Reason is why.
	Reason Reason
	// At is when: the horizon that passed, or else when the end was noticed.
	At time.Time
	// Err is what the gateway said, or what the last Login failed with; nil when
	// neither was asked.
	Err error
	// ClientID is what to send as the client identifier with the next sign-on,
	// so that it does not register another device. It is empty when the next
	// sign-on is a first one: none is known, or the device was deleted.
	ClientID string
	// AccountID is the account of the session, where known.
	AccountID string
	// OutcomeUnknown is set when an earlier refresh had no answer: the gateway
	// may have granted that one, and so rejected this one.
	OutcomeUnknown bool
}

// Error returns the reason and the cause.
func (e *LoginRequiredError) Error() string {
	text := fmt.Sprintf("tokensource: login required: %s at %s", e.Reason, e.At.UTC().Format(time.RFC3339))
	if e.OutcomeUnknown {
		text += " (the outcome of an earlier refresh is unknown)"
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Is reports whether target is [ErrLoginRequired].
func (e *LoginRequiredError) Is(target error) bool { return target == ErrLoginRequired }

// Unwrap returns the cause.
func (e *LoginRequiredError) Unwrap() error { return e.Err }

// UnavailableError says that there is no live token now, and that the last
// attempt to get one failed in a way that will pass. The session goes on.
type UnavailableError struct {
	// NextAt is when the next attempt is due. Until then every call is answered
	// with this error, at once and without asking the gateway.
	NextAt time.Time
	// Err is what the attempt failed with.
	Err error
}

// Error returns the cause and when the next attempt is due.
func (e *UnavailableError) Error() string {
	return fmt.Sprintf("tokensource: unavailable until %s: %v", e.NextAt.UTC().Format(time.RFC3339), e.Err)
}

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// callError names the public call that failed. What the caller did itself, by
// ending its context or closing the Source, is returned as it is.
func callError(ctx context.Context, call string, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("tokensource: %s: %w", call, err)
}

// class is what a failed refresh or login means for the session.
type class uint8

const (
	passing  class = iota // try again soon
	refusal               // the same request would be refused again: try again, but rarely
	terminal              // the refresh token is dead
)

// classifyRefresh reads the class of a Refresher's error. What is not the
// gateway's own word is passing: it says nothing about the session.
func classifyRefresh(err error) class {
	var e *ags.Error
	switch {
	case errors.Is(err, ags.ErrUnauthorized):
		return terminal
	case errors.Is(err, ags.ErrUnavailable), errors.Is(err, ags.ErrProtocol):
		return passing
	case errors.Is(err, ags.ErrForbidden), errors.As(err, &e):
		return refusal
	default:
		return passing
	}
}

// classifyLogin reads the class of a Login's error. What is not known to pass is
// a refusal: wrong credentials do not become right by being sent again, and each
// sign-on may register a device.
func classifyLogin(err error) class {
	if errors.Is(err, ags.ErrUnavailable) || errors.Is(err, ags.ErrProtocol) || isStoreTrouble(err) {
		return passing
	}
	return refusal
}

// briefAnswer returns what is wrong with a pair that is dead, or will be very soon.
func briefAnswer(dead bool) error {
	if dead {
		return errDeadAnswer
	}
	return errDueAnswer
}

// outcomeUnknown reports whether the gateway may have done what was asked though
// we have no answer that says so. Under single-use refresh tokens the one that
// was sent may then be spent.
func outcomeUnknown(err error) bool {
	var e *ags.Error
	switch {
	case !errors.As(err, &e), e.NotFromGateway, e.OutcomeUnknown:
		return true
	case errors.Is(err, ags.ErrUnauthorized):
		return false // the gateway's own word, whatever its status
	case e.Status == 0:
		return !e.NotSent
	case e.Status == statusBadGateway, e.Status == statusGatewayTimeout:
		return true
	case e.Malformed && (e.Status < 100 || e.Status > 599):
		return true // no server of HTTP says this, so nobody can tell who did
	default:
		return e.Status/100 == 2
	}
}

// A proxy's word that it lost the gateway's answer.
const (
	statusBadGateway     = 502
	statusGatewayTimeout = 504
)

// lostAnswer reports whether the request was, as far as we know, delivered and
// only its answer, or the rest of it, lost on the way: then asking again at once
// may yet bring the answer, while the gateway still remembers.
func lostAnswer(err error) bool {
	e, ok := errors.AsType[*ags.Error](err)
	if !ok || e.NotSent {
		return false
	}
	return e.Status == 0 && !e.Malformed || e.Status/100 == 2 && errors.Is(e.Err, io.ErrUnexpectedEOF)
}

// lateAnswer is lostAnswer for a call whose time has run out: a Refresher need not
// say by an [ags.Error] that it has no answer.
func lateAnswer(err error) bool {
	if _, ok := errors.AsType[*ags.Error](err); !ok {
		return err != nil
	}
	return lostAnswer(err)
}
