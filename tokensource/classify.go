package tokensource

import (
	"errors"
	"io"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/lifecycle"
	"github.com/agsauth/agsauth/tokensource/internal/sharing"
	"github.com/agsauth/agsauth/tokensource/internal/task"
)

// causeOf describes an error of this class.
func causeOf(err error, class lifecycle.Class) lifecycle.Cause {
	return lifecycle.Cause{Err: err, Class: class, RetryAfter: retryAfter(err)}
}

// retryAfter returns how long the gateway asked to be left alone.
func retryAfter(err error) time.Duration {
	var e *ags.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.RetryAfter
}

// classifyRefresh returns the class of a Refresher's error. An error that does not come
// from the gateway is transient: it says nothing about the session.
func classifyRefresh(err error) lifecycle.Class {
	var e *ags.Error
	switch {
	case errors.Is(err, ags.ErrUnauthorized):
		return lifecycle.Terminal
	case errors.Is(err, ags.ErrUnavailable), errors.Is(err, ags.ErrProtocol):
		return lifecycle.Transient
	case errors.Is(err, ags.ErrForbidden), errors.As(err, &e):
		return lifecycle.Refused
	default:
		return lifecycle.Transient
	}
}

// classifyLogin returns the class of a Login's error. An error that is not known to be
// transient counts as a refusal: wrong credentials stay wrong, and each sign-on may
// register a device.
func classifyLogin(err error) lifecycle.Class {
	if errors.Is(err, ags.ErrUnavailable) || errors.Is(err, ags.ErrProtocol) || sharing.IsStoreError(err) || errors.Is(err, task.ErrBusy) {
		return lifecycle.Transient
	}
	return lifecycle.Refused
}

// isOutcomeUnknown reports whether the gateway may have granted a request though no
// answer says so. If refresh tokens are good for one use, the one sent may be dead then.
func isOutcomeUnknown(err error) bool {
	var e *ags.Error
	switch {
	case !errors.As(err, &e), e.NotFromGateway, e.OutcomeUnknown:
		return true
	case errors.Is(err, ags.ErrUnauthorized), e.Refusal:
		return false // the gateway itself has answered
	case e.Status == 0:
		return !e.NotSent
	case e.Status == 502, e.Status == 504:
		return true // a proxy lost the gateway's answer
	case e.Malformed && (e.Status < 100 || e.Status > 599):
		return true // no HTTP server answers so
	default:
		return e.Status/100 == 2
	}
}

// isAnswerLost reports whether a request may have been delivered, and its answer was lost
// or cut off on the way. Then the same request, repeated at once, may get the same answer.
func isAnswerLost(err error) bool {
	e, ok := errors.AsType[*ags.Error](err)
	if !ok || e.NotSent {
		return false
	}
	return e.Status == 0 && !e.Malformed || e.Status/100 == 2 && errors.Is(e.Err, io.ErrUnexpectedEOF)
}

// isAnswerLate is isAnswerLost for a call whose time has run out. A Refresher may say
// that by another error than an [ags.Error].
func isAnswerLate(err error) bool {
	if _, ok := errors.AsType[*ags.Error](err); !ok {
		return err != nil
	}
	return isAnswerLost(err)
}
