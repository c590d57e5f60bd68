package tokensource

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/agsauth/agsauth/ags"
)

var (
	// ErrLoginRequired says that the session has ended: a human, or a [LoginFunc], has to
	// sign on again. Every [*LoginRequiredError] matches it with errors.Is.
	ErrLoginRequired = errors.New("tokensource: login required")
	// ErrClosed says that the Source was closed.
	ErrClosed = errors.New("tokensource: closed")
)

var (
	errInLogin    = errors.New("tokensource: called by the Login that this call would wait for")
	errRunning    = errors.New("tokensource: Run is running already")
	errSignedOut  = errors.New("tokensource: signed out meanwhile")
	errSuperseded = errors.New("tokensource: another SetToken or SignOut came in between")
	errNoToken    = errors.New("no access token was given")
)

// Reason is why a session ended.
type Reason uint8

// The reasons. The zero Reason means that the session has not ended.
const (
	// NoSession says that there is no session: nothing was handed in and nothing is
	// stored.
	NoSession Reason = iota + 1
	// RefreshExpired says that the refresh token has expired; or the access token, if
	// there is no refresh token.
	RefreshExpired
	// FixedExpired says that the session has reached the fixed horizon, which was set at
	// sign-on and which no refresh moves.
	FixedExpired
	// RefreshRejected says that the gateway does not accept the refresh token.
	RefreshRejected
	// SignedOut says that the session was signed out, here or in another process.
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
	// Reason says why the session ended.
	Reason Reason
	// At is the horizon that passed, or when the end was noticed.
	At time.Time
	// Err is the gateway's rejection, or what the last Login failed with. It is nil if
	// there was neither.
	Err error
	// ClientID is the client identifier to send with the next sign-on, so that it does
	// not register another device. It is empty if none is known, or if the device was
	// deleted.
	ClientID string
	// AccountID is the account of the session. It is empty if unknown.
	AccountID string
	// OutcomeUnknown is set if an earlier refresh had no answer. The gateway may have
	// granted that one, and rejected the token for that reason.
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

// UnavailableError says that there is no live token now, or none that is valid for as long
// as [Source.TokenValidFor] was asked for, because the last attempt to get one has failed.
// The session goes on, and another attempt will be made.
type UnavailableError struct {
	// NextAt is when the next attempt is due. Until then every call returns this error at
	// once, without asking the gateway.
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

// IsFinal reports whether err, or an error that it wraps, says that the session has ended or
// that the Source was closed. Clients that retry should stop then. It returns false if
// Login has failed because the gateway is unavailable, since a later call may succeed.
func IsFinal(err error) bool {
	if errors.Is(err, ErrLoginRequired) {
		return !errors.Is(err, ags.ErrUnavailable) && !errors.Is(err, ags.ErrProtocol)
	}
	return errors.Is(err, ErrClosed)
}

// callError names the public call that failed. If the caller has ended it, by its context
// or by Close, the error is returned as it is.
func callError(ctx context.Context, call string, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("tokensource: %s: %w", call, err)
}
