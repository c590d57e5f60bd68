package lifecycle

import (
	"errors"
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// ErrDeadAnswer is the error of a refresh or Login whose token had expired when it arrived.
var ErrDeadAnswer = errors.New("the token given had expired when it arrived")

var errDueAnswer = errors.New("the token given is so near its end that it is due again")

// Outcome is something that has happened to a session: what an operation came to, what a
// user asked for, or what the store turned out to hold.
type Outcome interface{ apply(c *change) }

// Apply returns the state after an outcome, and the events to announce.
func (s State) Apply(o Outcome, now dualclock.Instant) (State, []Event) {
	c := change{State: s, now: now}
	if s.store != nil {
		c.store = new(*s.store)
	}
	o.apply(&c)
	return c.State, c.events
}

// change is a state while an outcome is applied to it.
type change struct {
	State

	now    dualclock.Instant
	events []Event
}

func (c *change) emit(events ...Event) { c.events = append(c.events, events...) }

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
	if c.store != nil && o.Save.Err == nil && o.Save.Generation < c.store.generation {
		return // a later pair was adopted meanwhile
	}
	former := c.failure
	saved := c.saved(o.Save)
	c.setLogins(c.pacing.lastLogins().afterRefresh(o.Pair, c.now, o.Draw))
	c.publish(o.Pair, EventRefreshed)
	c.emit(saved...)
	if due := o.Pair.schedule(); o.Pair.isBrief(&due, c.now) {
		brief := Cause{Err: errDueAnswer}
		if due.serveUntil.PassedOnEither(c.now) {
			brief.Err = ErrDeadAnswer
		}
		c.failure = former.after(brief, attemptRefresh, 0, c.now, o.Draw)
	}
}

// Granted is the outcome when a refresh was granted whose access token is not to be used
// yet. Pair has the former access token, with the rejection that it may have met.
type Granted struct {
	Pair *Pair
	Save SaveResult
}

func (o Granted) apply(c *change) {
	saved, former := c.saved(o.Save), c.current
	c.install(o.Pair)
	c.current.invalidation, c.current.asked = former.invalidation, former.asked
	c.emit(saved...)
}

// RefreshFailed is the outcome when a refresh has failed in a way that will pass.
type RefreshFailed struct {
	Cause

	// Deferred is a rejection of Pair by the gateway that ends the session once the store
	// can be read: another process may have redeemed the token and stored its successor.
	Deferred *Cause
	Pair     *Pair
	// DueAtExpiry is set if the next attempt is due when the access token expires, if not
	// earlier.
	DueAtExpiry bool
	Draw        float64
}

func (o RefreshFailed) apply(c *change) {
	if o.Deferred != nil && c.isCurrent(o.Pair) {
		c.store.deferred = o.Deferred
	}
	c.failure = c.failure.after(o.Cause, attemptRefresh, c.LiveFor(c.now), c.now, o.Draw)
	if o.DueAtExpiry && c.HasLiveToken(c.now) {
		c.failure = c.failure.notAfter(c.pair.ServeUntil(), c.now)
	}
	c.current.invalidation = c.current.invalidation.afterFailedRefresh()
	c.current.asked = false // the callers that asked get the failure
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
	if !c.isCurrent(o.Pair) {
		return // another pair was adopted meanwhile
	}
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

// AnswerLost is the outcome when a refresh of a pair may have been granted though there is
// no answer. It has no effect if the pair is not the current one any more.
type AnswerLost struct{ Pair *Pair }

func (o AnswerLost) apply(c *change) {
	if c.isCurrent(o.Pair) {
		c.current.outcomeUnknown = true
	}
}

// OverwriteDropped is the outcome when an explicit SetToken has come to nothing, because
// the gateway does not accept its token: what others have stored goes first.
type OverwriteDropped struct{}

func (OverwriteDropped) apply(c *change) {
	if c.store != nil {
		c.yieldToStored()
	}
}

// TimePassed is the outcome when time may have brought about an end, or its nearness.
type TimePassed struct{ Surroundings }

func (o TimePassed) apply(c *change) {
	if c.IsUnread() {
		return
	}
	d := Decide(&c.State, o.Surroundings, c.now)
	if d.End != NotEnded && c.end == nil {
		c.endSession(d.End, nil)
	}
	switch {
	case d.rearm:
		c.warned = false
	case d.warn:
		c.warned = true
		reason := FixedExpired
		if !c.pair.HasRefreshToken {
			reason = RefreshExpired
		}
		c.emit(Event{Kind: EventEnding, Reason: reason, NextAt: c.pair.EndsAt()})
	}
}

// publish makes p the current pair and announces it.
func (c *change) publish(p *Pair, kind Kind) {
	c.install(p)
	c.forgetFailures(kind)
	c.emit(Event{Kind: kind})
}

// install makes p the current pair: both tokens, and all that is known of them, at once.
func (c *change) install(p *Pair) {
	if c.pair == nil || p.startedAt != c.pair.startedAt {
		c.warned = false // another session has an end of its own
	}
	c.pair, c.current = p, current{}
	if c.store != nil {
		c.store.deferred, c.store.rereadAt = nil, dualclock.Always()
	}
	c.device = p.Or(c.device)
	c.end = nil
}

// forgetFailures forgets failures that the new pair resolves. A pair that another process
// got is no reason to call any sooner if it is as good as dead, or if Login is what has
// failed.
func (c *change) forgetFailures(kind Kind) {
	adopted, due := kind == EventAdopted, c.pair.schedule()
	if !adopted || !c.failure.isTransientRefresh() || !c.pair.isBrief(&due, c.now) {
		c.failure = nil
	}
	switch {
	case adopted:
		c.setLogins(c.pacing.lastLogins().superseded(c.now))
	case kind == EventTokenSet:
		c.setLogins(nil)
	}
}

// endSession ends the refreshing of the session. An end that follows another one changes
// the reason, and is not announced.
func (c *change) endSession(reason Reason, err error) {
	first := c.end == nil
	c.end = &End{Reason: reason, At: endAt(c.pair, reason, c.now), Err: err}
	if c.store != nil {
		c.store.deferred = nil
		if reason != SignedOut {
			c.yieldToStored() // a session that has ended never overwrites a stored record
		}
	}
	c.failure = nil
	if first {
		c.emit(Event{Kind: EventEnded, Reason: reason, Err: err})
	}
}

// endAt returns when a session ended: at the horizon that passed, or else now.
func endAt(p *Pair, reason Reason, now dualclock.Instant) time.Time {
	at := time.Time{}
	if p != nil {
		switch reason {
		case FixedExpired:
			at = p.FixedExpiresAt()
		case RefreshExpired:
			at = p.RefreshExpiresAt()
			access := p.ExpiresAt()
			if at.IsZero() || !p.HasRefreshToken && !access.IsZero() && access.Before(at) {
				at = access
			}
		case NotEnded, NoSession, RefreshRejected, SignedOut:
		}
	}
	if at.IsZero() {
		at = now.Wall.Round(0)
	}
	return at
}
