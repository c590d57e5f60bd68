package lifecycle

import (
	"errors"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

var (
	errDeadAnswer = errors.New("the token given had expired when it arrived")
	errDueAnswer  = errors.New("the token given is so near its end that it is due again")
)

// ErrDeadAnswer is what a Login fails with whose token had expired when it arrived.
var ErrDeadAnswer = errDeadAnswer

// PairRedeemed is the outcome when the gateway has granted the successor of p. That is
// not saved yet.
type PairRedeemed struct{ Pair *Pair }

func (o PairRedeemed) apply(c *change) { c.supersede(o.Pair) }

// Refreshed is the outcome when a refresh was granted, and its pair saved or not.
type Refreshed struct {
	Pair *Pair
	Save SaveResult
	Draw float64
}

func (o Refreshed) apply(c *change) {
	former := c.failure
	saved := c.saved(o.Save)
	c.setLogins(c.pacing.lastLogins().afterRefresh(o.Pair, c.now, o.Draw))
	c.publish(o.Pair, EventRefreshed)
	c.emit(saved...)
	if due := o.Pair.schedule(); o.Pair.isBrief(&due, c.now) {
		brief := Cause{Err: errDueAnswer}
		if due.serveUntil.PassedOnEither(c.now) {
			brief.Err = errDeadAnswer
		}
		c.failure = former.after(brief, attemptRefresh, 0, c.now, o.Draw)
	}
}

// RefreshFailed is the outcome when a refresh has failed in a way that will pass.
type RefreshFailed struct {
	Cause

	// Deferred is a rejection by the gateway that ends the session once the store can be
	// read: another process may have redeemed the token and stored its successor.
	Deferred *Cause
	// DueAtExpiry is set if the next attempt is due when the access token expires, if not
	// earlier.
	DueAtExpiry bool
	Draw        float64
}

func (o RefreshFailed) apply(c *change) {
	if o.Deferred != nil {
		c.store.deferred = o.Deferred
	}
	c.failure = c.failure.after(o.Cause, attemptRefresh, c.LiveFor(c.now), c.now, o.Draw)
	if o.DueAtExpiry && c.pair != nil {
		due := c.pair.schedule()
		c.failure = c.failure.notAfter(due.serveUntil, c.now)
	}
	c.current.invalidation = c.current.invalidation.afterFailedRefresh()
	c.emit(Event{Kind: EventRefreshFailed, Err: o.Err, NextAt: c.failure.NextAt})
}

// Rejected is the outcome when the gateway has rejected the refresh token of a pair, and
// the store has nothing newer.
type Rejected struct {
	Cause

	Pair          *Pair
	DeviceDeleted bool // the gateway has forgotten the device
	Draw          float64
}

func (o Rejected) apply(c *change) {
	c.setLogins(c.pacing.lastLogins().afterEnd(c.now.Deadline(), o.Cause, c.now, o.Draw))
	reason := o.Pair.horizonPassed(c.now)
	if reason == NotEnded {
		reason = RefreshRejected
	}
	c.endSession(reason, o.Err)
	if o.DeviceDeleted {
		c.device.ClientID = ""
	}
}

// AnswerLost is the outcome when a refresh of the current pair may have been granted
// though there is no answer.
type AnswerLost struct{}

func (AnswerLost) apply(c *change) { c.current.outcomeUnknown = true }

// OverwriteDropped is the outcome when an explicit SetToken has come to nothing, because
// the gateway does not accept its token: what others have stored goes first.
type OverwriteDropped struct{}

func (OverwriteDropped) apply(c *change) {
	if c.store != nil {
		c.yieldToStored()
	}
}

// LoggedIn is the outcome when a Login has succeeded, and its pair was saved or not.
type LoggedIn struct {
	Pair *Pair
	Save SaveResult
	// Newer is what another process has stored meanwhile, and is used instead; nil if
	// nothing.
	Newer *Stored
	Draw  float64
}

func (o LoggedIn) apply(c *change) {
	if o.Newer != nil {
		c.setLogins(c.pacing.lastLogins().afterLogin(o.Pair, c.now, o.Draw))
		c.adopt(o.Newer)
		return
	}
	saved := c.saved(o.Save)
	c.setLogins(c.pacing.lastLogins().afterLogin(o.Pair, c.now, o.Draw))
	c.publish(o.Pair, EventLoggedIn)
	c.emit(saved...)
}

// LoginFailed is the outcome when a Login has failed.
type LoginFailed struct {
	Cause

	Draw float64
}

func (o LoginFailed) apply(c *change) {
	l := c.pacing.lastLogins().afterFailure(o.Cause, c.LiveFor(c.now), c.now, o.Draw)
	c.setLogins(l)
	if c.end == nil {
		c.current.invalidation = c.current.invalidation.afterFailedRefresh()
	}
	c.emit(Event{Kind: EventLoginFailed, Reason: c.endReason(), Err: o.Err, NextAt: l.failure.NextAt})
}

// DeviceForgotten is the outcome when the gateway has said that it does not know the
// device any more.
type DeviceForgotten struct{}

func (DeviceForgotten) apply(c *change) { c.device.ClientID = "" }

// TokenSet is the outcome of SetToken.
type TokenSet struct {
	Pair *Pair
	Save SaveResult
}

func (o TokenSet) apply(c *change) {
	if c.store != nil {
		c.store.phase = loaded
	}
	c.supersede(c.pair)
	saved := c.saved(o.Save)
	c.publish(o.Pair, EventTokenSet)
	c.emit(saved...)
}

// SignedOutHere is the outcome of SignOut, before anybody else knows of it.
type SignedOutHere struct{}

func (SignedOutHere) apply(c *change) {
	c.supersede(c.pair)
	c.pair, c.current, c.failure = nil, current{}, nil
	if st := c.store; st != nil {
		// Nothing is adopted from the store until the mark is there.
		st.phase, st.pending = loaded, SaveOverwrite
		st.saveAt, st.rereadAt = dualclock.Never(), dualclock.Never()
	}
	c.endSession(SignedOut, nil)
}
