package ags

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// The classes of failure. An [*Error] Is at most one of them. An error of no
// class, such as a 400 or a 404, reports a request that a retry cannot fix.
var (
	// ErrUnauthorized means that the credentials are not valid: wrong ones at a
	// sign-on, a used or revoked refresh token at a refresh. Only a new sign-on
	// helps. It is a 401; a 403 with code 20003, 20006 or 1016 (device deleted) or
	// 20020 (token validity check failed); or a 403 or 200 with code 99999, 1024
	// or 1025, with which the platform's APIs reject a token. In the dialect [IASv2]
	// it is also a Refusal.
	ErrUnauthorized = errors.New("ags: unauthorized")
	// ErrForbidden means that the gateway knows the caller and refuses: account
	// suspended, device disabled, device limit, a blocked location. The session
	// does not end; the operator or the user can remove the cause. It is a 403 with
	// any other code, or a Refusal with the code of an obstacle like these.
	ErrForbidden = errors.New("ags: forbidden")
	// ErrUnavailable means that the gateway could not answer now: a 408, a 425, a
	// 429, a 5xx, or no response. Try again later.
	ErrUnavailable = errors.New("ags: unavailable")
	// ErrProtocol means that the response is not one that the gateway sends: a
	// proxy's page, a redirect, a truncated body, a token without a valid expiry.
	// It says nothing about the session.
	ErrProtocol = errors.New("ags: protocol error")
)

// Error codes of the platform. 20003 and 20020 are in its documentation. Public
// clients also treat 20006 and 1016 as a deleted device, and 99999 (written
// "99999:403"), 1024 and 1025 as a rejected token.
const (
	codeDeviceDeleted    = 20003
	codeDeviceDeletedAlt = 20006
	codeDeviceDeletedOld = 1016
	codeTokenInvalid     = 20020
	codeTokenRejected    = 99999
	codeTokenExpired     = 1024
	codeTokenExpiredAlt  = 1025
)

// Error reports a failed call of the gateway. Its text and fields contain no
// secret: no token, no parameter value and no response body.
type Error struct {
	// Op is the call: "discover", "sign on", "refresh", …
	Op string
	// Status is the HTTP status of the response, 0 without a response. If
	// Malformed is set it may be a number that is not an HTTP status.
	Status int
	// Code is the platform's numeric code, 0 if there is none.
	Code int
	// Message is the gateway's message, or what is wrong with the response: at
	// most 200 printable characters.
	Message string
	// CorrelationID is the identifier that was sent, for the operator's support.
	CorrelationID string
	// RetryAfter is how long the gateway asks the client to wait, at most 5
	// minutes, and 0 if it does not say.
	RetryAfter time.Duration

	// Malformed is set if the response is incomplete or not the gateway's. Its
	// status is then not to be trusted.
	Malformed bool
	// NotSent is set if there is no response because the request was never
	// written: the gateway cannot have acted on it. If NotSent is false and
	// Status is 0, it may have.
	NotSent bool
	// NotFromGateway is set if the status is a 408 or a 5xx and the body is not
	// the gateway's, which is a JSON object with a code or a message. An
	// intermediary wrote the response, and the gateway may have acted on the
	// request.
	NotFromGateway bool
	// Refusal is set, in the dialect [IASv2] only, if the gateway refused a grant
	// with a JSON object of its own, which has a code or a message and no
	// access_token. Whatever the Status, the error then Is [ErrForbidden] if the Code
	// says that the account, the device or the location is blocked, and
	// [ErrUnauthorized] otherwise.
	//
	// A transient status, a 404 or a 405 counts as a refusal only if the Code is one
	// of those of ErrUnauthorized or ErrForbidden, or the message contains
	// "unauthorized". Anything but such an object, such as a proxy's page, is treated
	// as in the other dialects.
	Refusal bool
	// OutcomeUnknown is set if an earlier attempt of the same call may have
	// succeeded without its response arriving: the response was lost, or replaced
	// by one with NotFromGateway. A refresh token that is rejected now may have
	// been exchanged for tokens that never arrived.
	OutcomeUnknown bool
	// Err is the underlying error of the network or the context, or nil. Its text
	// describes the kind of error only, because a transport may quote the request
	// or the response in its errors. For the same reason it wraps only errors that
	// contain no secret: [context.Canceled], [context.DeadlineExceeded] (also
	// after [Config.Timeout]) and the context's own cause, [io.EOF],
	// [io.ErrUnexpectedEOF] for a truncated response, [net.ErrClosed], and a
	// [syscall.Errno]. It is a [net.Error].
	Err error
}

// Error returns the operation, the status and code, and the message.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("ags: " + e.Op)
	if e.Status != 0 {
		fmt.Fprintf(&b, ": status %d", e.Status)
	}
	if e.Code != 0 {
		fmt.Fprintf(&b, " code %d", e.Code)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	if e.OutcomeUnknown {
		b.WriteString("; the outcome of an earlier attempt is unknown")
	}
	if e.CorrelationID != "" {
		fmt.Fprintf(&b, " (correlation id %s)", e.CorrelationID)
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the class of e.
func (e *Error) Is(target error) bool { return target == e.class() }

// class returns the class of e, or nil.
func (e *Error) class() error {
	switch {
	case e.Malformed:
		return ErrProtocol
	case e.Refusal:
		if isBlocked(e.Code) {
			return ErrForbidden
		}
		return ErrUnauthorized
	case e.Status == 0 && errors.Is(e.Err, errors.ErrUnsupported):
		return nil // the dialect has no such call
	case e.Status == 0, isTransient(e.Status):
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

// isTransient reports whether the same request may succeed later.
func isTransient(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	default:
		return status >= http.StatusInternalServerError
	}
}

// endsSessionAnywhere reports whether a code means, with some status, that the
// credentials are not valid.
func endsSessionAnywhere(code int) bool {
	forbidden := Error{Status: http.StatusForbidden, Code: code}
	return forbidden.endsSession()
}

// isBlocked reports whether a code means that the account, the device or the location
// is blocked. The last two are seen in a public client, the others are in the
// platform's documentation.
func isBlocked(code int) bool {
	switch code {
	case 20001, 20002, 20004, 20007, 20018, 20019, 20021, 20022, 20066, 1010, 1020:
		return true
	default:
		return false
	}
}

// endsSession reports whether the code means that the credentials are not valid.
func (e *Error) endsSession() bool {
	switch e.Code {
	case codeDeviceDeleted, codeDeviceDeletedAlt, codeDeviceDeletedOld, codeTokenInvalid:
		return e.Status == http.StatusForbidden
	case codeTokenRejected, codeTokenExpired, codeTokenExpiredAlt:
		return e.Status == http.StatusForbidden || e.Status == http.StatusOK
	default:
		return false
	}
}

// DeviceDeleted reports whether err means that the gateway no longer knows the
// device (a 403, or a Refusal, with code 20003, 20006 or 1016). The next sign-on must
// then omit the client identifier and register the device again.
func DeviceDeleted(err error) bool {
	var e *Error
	if !errors.As(err, &e) || e.Malformed || e.Status != http.StatusForbidden && !e.Refusal {
		return false
	}
	return e.Code == codeDeviceDeleted || e.Code == codeDeviceDeletedAlt || e.Code == codeDeviceDeletedOld
}
