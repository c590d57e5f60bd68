package ags

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// The classes of failure: what a caller decides by. An [*Error] is (in the sense
// of [errors.Is]) at most one of them; one that is none, such as a 400 or a 404,
// reports a request that no repetition mends.
var (
	// ErrUnauthorized says that the credentials are dead: wrong ones at a
	// sign-on, a spent or withdrawn refresh token at a refresh. Only a new
	// sign-on helps. It is a 401; a 403 with one of the codes 20003, 20006 and
	// 1016 (device deleted) and 20020 (token validity check failed); or a 403 or
	// 200 with one of the codes 99999, 1024 and 1025, by which the platform's
	// APIs reject a token.
	ErrUnauthorized = errors.New("ags: unauthorized")
	// ErrForbidden says that the gateway knows the caller and refuses: account
	// suspended, device disabled, device limit, a blocked location. The session
	// is not ended by it; the operator, or the user, can change what it is about.
	// It is a 403 with any other code.
	ErrForbidden = errors.New("ags: forbidden")
	// ErrUnavailable says that the gateway could not answer now: a 408, a 425, a
	// 429, a 5xx, or no answer at all. Try later.
	ErrUnavailable = errors.New("ags: unavailable")
	// ErrProtocol says that the answer is not one that the gateway gives: a
	// proxy's page, a redirect, a body cut off, a token without an expiry that
	// makes sense. It says nothing about the session.
	ErrProtocol = errors.New("ags: protocol error")
)

// The platform's codes that say that the credentials are dead. Those of a deleted
// device differ between releases and front ends; see also deviceDeletedName. The last
// three are those by which the platform's APIs reject a token: 99999 is written
// "99999:403".
const (
	codeDeviceDeleted      = 20003
	codeDeviceDeletedToo   = 20006
	codeDeviceDeletedOlder = 1016
	codeTokenInvalid       = 20020
	codeTokenRejected      = 99999
	codeTokenExpired       = 1024
	codeTokenExpiredToo    = 1025
)

// Error is a call of the gateway that failed. Its text and fields carry no
// secret: neither a token, nor the value of a parameter, nor an answer's body.
type Error struct {
	// Op is the call: "discover", "sign on", "refresh", …
	Op string
	// Status is the HTTP status of the answer, 0 when there was none. With
	// Malformed it may be one that HTTP does not have.
	Status int
	// Code is the platform's own numeric code, 0 when it gave none.
	Code int
	// Message is what the gateway said, or what is wrong with what it said: at
	// most 200 printable characters.
	Message string
	// CorrelationID is the one that was sent: what to tell the operator.
	CorrelationID string
	// RetryAfter is how long the gateway asks to be left alone, 0 when it did
	// not say.
	RetryAfter time.Duration

	// Malformed is set when the answer is not the gateway's, or not a whole one.
	// What its status says is then not to be believed.
	Malformed bool
	// NotSent is set when there was no answer because the request was never
	// written: the gateway cannot have acted on it. Without it, and with a
	// Status of 0, it may have.
	NotSent bool
	// NotFromGateway is set when the status is a 408 or a 5xx and the body is not the
	// gateway's: a JSON object with a code or a message. Something between wrote
	// the answer, and the gateway may have acted on the request.
	NotFromGateway bool
	// OutcomeUnknown is set when the gateway's own answer to an earlier attempt of the
	// same call did not arrive: it was lost on the way, or replaced by one with
	// NotFromGateway. The gateway may have done then what this error says it did
	// not: a refresh token that it rejects now may be spent for a pair that never
	// arrived.
	OutcomeUnknown bool
	// Err is the cause, where there is one beneath: of the network or of the
	// context. Its text says of what kind the cause is, and Err Is those of its kinds
	// that can hold no secret: [context.Canceled], [context.DeadlineExceeded]
	// (also after [Config.Timeout]) and the context's own cause, [io.EOF],
	// [io.ErrUnexpectedEOF] for an answer that was cut off, [net.ErrClosed], a
	// [syscall.Errno]. It is a [net.Error]. Neither the cause itself nor its text
	// is passed on: a transport may quote the request in it, or the answer.
	Err error
}

// Error returns the operation, the status and code, and the message.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("ags: ")
	b.WriteString(e.Op)
	if e.Status != 0 {
		fmt.Fprintf(&b, ": status %d", e.Status)
	}
	if e.Code != 0 {
		fmt.Fprintf(&b, " code %d", e.Code)
	}
	if e.Message != "" {
		b.WriteString(": ")
		b.WriteString(e.Message)
	}
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	if e.OutcomeUnknown {
		b.WriteString("; the outcome of an earlier attempt is unknown")
	}
	if e.CorrelationID != "" {
		fmt.Fprintf(&b, " (correlation id %s)", e.CorrelationID)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the class of e.
func (e *Error) Is(target error) bool { return target == e.class() }

// class returns one of the sentinels, or nil.
func (e *Error) class() error {
	switch {
	case e.Malformed:
		return ErrProtocol
	case e.Status == 0, isPassing(e.Status):
		return ErrUnavailable
	case e.Status == http.StatusUnauthorized, e.endsSession():
		return ErrUnauthorized
	case e.Status == http.StatusForbidden:
		return ErrForbidden
	case e.Status < http.StatusBadRequest:
		return ErrProtocol
	default:
		return nil
	}
}

// isPassing reports whether a status says that the same request may succeed later.
func isPassing(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	default:
		return status >= http.StatusInternalServerError
	}
}

// endsSession reports whether the code says that the credentials are dead.
func (e *Error) endsSession() bool {
	switch e.Code {
	case codeDeviceDeleted, codeDeviceDeletedToo, codeDeviceDeletedOlder, codeTokenInvalid:
		return e.Status == http.StatusForbidden
	case codeTokenRejected, codeTokenExpired, codeTokenExpiredToo:
		return e.Status == http.StatusForbidden || e.Status == http.StatusOK
	default:
		return false
	}
}

// DeviceDeleted reports whether err says that the device is not known any more (a 403
// with code 20003, 20006 or 1016): the next sign-on must be a first one, without a
// client identifier.
func DeviceDeleted(err error) bool {
	var e *Error
	if !errors.As(err, &e) || e.Malformed || e.Status != http.StatusForbidden {
		return false
	}
	return e.Code == codeDeviceDeleted || e.Code == codeDeviceDeletedToo || e.Code == codeDeviceDeletedOlder
}
