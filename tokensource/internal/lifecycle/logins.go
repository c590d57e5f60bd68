package lifecycle

import (
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// minSessionLife is how long a session that Login began must last, or else it counts as
// a refused Login. Two successful calls of Login are at least this far apart.
const minSessionLife = 10 * time.Second

// pacing keeps calls of the gateway apart, beside the memory of a failure. Nil means
// that nothing is remembered.
type pacing struct {
	rejections *rejections // by APIs
	logins     *logins
}

func (p *pacing) lastRejection() *rejections {
	if p == nil {
		return nil
	}
	return p.rejections
}

func (p *pacing) lastLogins() *logins {
	if p == nil {
		return nil
	}
	return p.logins
}

func (s *State) setPacing(r *rejections, l *logins) {
	s.pacing = nil
	if r != nil || l != nil {
		s.pacing = &pacing{r, l}
	}
}

func (s *State) setLogins(l *logins) { s.setPacing(s.pacing.lastRejection(), l) }

// logins is what is remembered of the last calls of Login, so that none follows too
// soon, whatever they returned. Nil means that nothing is.
type logins struct {
	// failure is about the calls in a row that failed or whose session did not last.
	failure *Failure
	last    lastLogin
	next    dualclock.Deadline // no further call before
}

// lastLogin is what has become of the last call of Login.
type lastLogin uint8

const (
	loginFailed     lastLogin = iota
	loginSucceeded            // the session has to last until logins.next
	loginSuperseded           // it does not matter any more: the session has another pair, or is another one
)

// retryAt returns the deadline before which Login is not called.
func (l *logins) retryAt() dualclock.Deadline {
	if l == nil {
		return dualclock.Always()
	}
	return l.next
}

// lastFailure returns what the last call has failed with, nil if it has not.
func (l *logins) lastFailure() *Failure {
	if l == nil || l.last != loginFailed {
		return nil
	}
	return l.failure
}

// afterFailure returns what is remembered after one more call that failed.
func (l *logins) afterFailure(c Cause, left time.Duration, now dualclock.Instant, draw float64) *logins {
	var former *Failure
	if l != nil {
		former = l.failure
	}
	f := former.after(c, attemptLogin, left, now, draw)
	return &logins{failure: f, last: loginFailed, next: f.next}
}

// afterLogin returns what is remembered after a call that returned p.
func (l *logins) afterLogin(p *Pair, now dualclock.Instant, draw float64) *logins {
	next := &logins{last: loginSucceeded, next: now.Add(minSessionLife).Deadline()}
	if l != nil && l.last != loginSucceeded {
		next.failure = l.failure
	}
	due := p.schedule()
	if !p.canExtend(&due) && due.refreshAt.PassedOnEither(now) {
		// Login would be called again at once.
		return next.afterFailure(Cause{Err: errDueAnswer, Class: Refused}, 0, now, draw)
	}
	return next.afterEnd(p.usableUntil(&due), Cause{Err: errDueAnswer}, now, draw)
}

// afterRefresh returns what is remembered after the session has got the pair p.
func (l *logins) afterRefresh(p *Pair, now dualclock.Instant, draw float64) *logins {
	if l != nil && l.last != loginSucceeded {
		return l.superseded(now)
	}
	due := p.schedule()
	return l.afterEnd(p.usableUntil(&due), Cause{Err: errDueAnswer}, now, draw)
}

// afterEnd returns what is remembered once it is known that the session will have ended
// at end, because of c.
func (l *logins) afterEnd(end dualclock.Deadline, c Cause, now dualclock.Instant, draw float64) *logins {
	switch {
	case l == nil, l.last != loginSucceeded:
		return l
	case end.Wall < l.next.Wall || end.Mono < l.next.Mono:
		c.Class = Refused
		return l.afterFailure(c, 0, now, draw)
	case l.next.PassedOnBoth(now):
		return nil
	default:
		return l
	}
}

// superseded returns what is remembered once the result of the last call does not matter
// any more: only when the next one may be made.
func (l *logins) superseded(now dualclock.Instant) *logins {
	if l == nil || l.next.PassedOnBoth(now) {
		return nil
	}
	return &logins{failure: l.failure, last: loginSuperseded, next: l.next}
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
