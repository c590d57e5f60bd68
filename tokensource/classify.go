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

// classifyRefresh reads the class of a Refresher's error. What is not the
// gateway's own word is passing: it says nothing about the session.
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

// classifyLogin reads the class of a Login's error. What is not known to pass is
// a refusal: wrong credentials do not become right by being sent again, and each
// sign-on may register a device.
func classifyLogin(err error) lifecycle.Class {
	if errors.Is(err, ags.ErrUnavailable) || errors.Is(err, ags.ErrProtocol) || sharing.IsStoreError(err) || errors.Is(err, task.ErrBusy) {
		return lifecycle.Transient
	}
	return lifecycle.Refused
}

// isOutcomeUnknown reports whether the gateway may have done what was asked though
// we have no answer that says so. Under single-use refresh tokens the one that
// was sent may then be spent.
func isOutcomeUnknown(err error) bool {
	var e *ags.Error
	switch {
	case !errors.As(err, &e), e.NotFromGateway, e.OutcomeUnknown:
		return true
	case errors.Is(err, ags.ErrUnauthorized):
		return false // the gateway's own word, whatever its status
	case e.Status == 0:
		return !e.NotSent
	case e.Status == 502, e.Status == 504:
		return true // a proxy lost the gateway's answer
	case e.Malformed && (e.Status < 100 || e.Status > 599):
		return true // no server of HTTP says this, so nobody can tell who did
	default:
		return e.Status/100 == 2
	}
}

// isAnswerLost reports whether the request was, as far as we know, delivered and
// only its answer, or the rest of it, lost on the way: then asking again at once
// may yet bring the answer, while the gateway still remembers.
func isAnswerLost(err error) bool {
	e, ok := errors.AsType[*ags.Error](err)
	if !ok || e.NotSent {
		return false
	}
	return e.Status == 0 && !e.Malformed || e.Status/100 == 2 && errors.Is(e.Err, io.ErrUnexpectedEOF)
}

// isAnswerLate is isAnswerLost for a call whose time has run out: a Refresher need not
// say by an [ags.Error] that it has no answer.
func isAnswerLate(err error) bool {
	if _, ok := errors.AsType[*ags.Error](err); !ok {
		return err != nil
	}
	return isAnswerLost(err)
}
