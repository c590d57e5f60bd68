package tokensource

import (
	"context"
	"errors"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/sharing"
	"github.com/agsauth/agsauth/tokensource/internal/task"
)

// ErrorClass is a class of errors, for metrics and alerts. There are only a few, so that
// they can be a label. The zero value means that there is no error.
type ErrorClass uint8

// The classes.
const (
	// ClassOther is any error without a class of its own, such as one of a Refresher or a
	// Login that does not use package ags.
	ClassOther ErrorClass = iota + 1
	// ClassTimeout is an answer that has not come in time.
	ClassTimeout
	// ClassUnavailable is a gateway that could not be reached or could not answer. See
	// [ags.ErrUnavailable].
	ClassUnavailable
	// ClassProtocol is an answer that is not the gateway's. See [ags.ErrProtocol].
	ClassProtocol
	// ClassUnauthorized is a rejection of the refresh token or of credentials. See
	// [ags.ErrUnauthorized].
	ClassUnauthorized
	// ClassForbidden is a refusal that does not end the session, such as that of a
	// suspended account. See [ags.ErrForbidden].
	ClassForbidden
	// ClassRefused is any other error that the gateway has answered with, such as a 400.
	ClassRefused
	// ClassStore is a failure of the Store, or a lock that could not be taken.
	ClassStore
)

// String returns the class as a word in snake case; "none" for the zero value.
func (c ErrorClass) String() string {
	switch c {
	case ClassOther:
		return "other"
	case ClassTimeout:
		return "timeout"
	case ClassUnavailable:
		return "unavailable"
	case ClassProtocol:
		return "protocol"
	case ClassUnauthorized:
		return "unauthorized"
	case ClassForbidden:
		return "forbidden"
	case ClassRefused:
		return "refused"
	case ClassStore:
		return "store"
	}
	return "none"
}

// ClassOf returns the class of an error that a Source has returned or announced, or that
// a call of package ags has returned.
func ClassOf(err error) ErrorClass {
	_, fromGateway := errors.AsType[*ags.Error](err)
	switch {
	case err == nil:
		return 0
	case sharing.IsStoreError(err), errors.Is(err, task.ErrBusy):
		return ClassStore
	case errors.Is(err, context.DeadlineExceeded):
		return ClassTimeout
	case errors.Is(err, ags.ErrUnavailable):
		return ClassUnavailable
	case errors.Is(err, ags.ErrProtocol):
		return ClassProtocol
	case errors.Is(err, ags.ErrUnauthorized):
		return ClassUnauthorized
	case errors.Is(err, ags.ErrForbidden):
		return ClassForbidden
	case fromGateway:
		return ClassRefused
	default:
		return ClassOther
	}
}
