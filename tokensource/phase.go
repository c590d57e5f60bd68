package tokensource

import (
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// Phase is where a session stands.
type Phase uint8

const (
	// Unknown is before anybody has asked for a token: what is stored, if there
	// is a store, was not read yet.
	Unknown Phase = iota
	// Fresh is when the access token is served and nothing is to be done.
	Fresh
	// Ageing is when the access token is served and a refresh is due, or on its
	// way, behind it.
	Ageing
	// Expired is when the access token is dead and the session is not: callers
	// wait for the refresh.
	Expired
	// Ended is when only a new sign-on helps.
	Ended
)

// String returns the phase in lower case.
func (p Phase) String() string {
	switch p {
	case Unknown:
		return "unknown"
	case Fresh:
		return "fresh"
	case Ageing:
		return "ageing"
	case Expired:
		return "expired"
	case Ended:
		return "ended"
	}
	return "invalid"
}

// action is what a look at the session may find to be done, by a flight.
type action uint8

const (
	doNothing action = iota
	doRead           // read the store: the first time, or to see whether somebody revived the session
	doRefresh        // spend the refresh token
	doLogin          // run the LoginFunc
	doSave           // make up for a save that failed
	doSignOut        // tell the gateway of a sign-out that it does not know of yet
)

// invalidation is whether an API has rejected the access token, and what is to follow.
type invalidation uint8

const (
	notInvalidated invalidation = iota
	// invalidated is when callers wait for the refresh that is to replace the token.
	invalidated
	// refreshOwed is when that refresh has failed: the token is served again, and the
	// refresh is tried again behind the callers, on the back-off.
	refreshOwed
)

// refreshFailed returns what an invalidation is once a refresh has failed: rejected
// by an API or not, the token in hand is the best there is.
func (i invalidation) refreshFailed() invalidation {
	if i == invalidated {
		return refreshOwed
	}
	return i
}

// withholds reports whether the access token is not served for it. After the gateway
// has rejected the refresh token nothing speaks for the access token any more.
func (i invalidation) withholds(ended Reason) bool {
	return i == invalidated || i == refreshOwed && ended == RefreshRejected
}

// view is all that a decision depends on, but for the time.
type view struct {
	session *session // nil when there is no pair
	due     schedule // the session's
	ended   Reason   // why the refreshing has ended, 0 when it has not

	invalidated invalidation

	unread   bool // there is a store, and it was not read yet
	stored   bool // there is a store
	canLogin bool // a LoginFunc was given
	warned   bool // the end was announced ahead of time
	unsaved  bool // what is in memory was not saved
	flying   bool // a flight is in the air
	failed   bool // the last refresh, or first look at the store, failed

	retryAt  dualclock.Deadline // no refresh before: the back-off after one that failed
	loginAt  dualclock.Deadline // no login before, which holds back no refresh
	saveAt   dualclock.Deadline // no further save before
	rereadAt dualclock.Deadline // an ended session is not read again before

	signOuts  bool               // the gateway is still to be told of a sign-out
	signOutAt dualclock.Deadline // it is not told before
}

// decision is what a view comes to at an instant.
type decision struct {
	phase Phase
	serve bool   // the access token may be handed out
	end   Reason // why the session cannot be refreshed any more, 0 when it can
	warn  bool   // the end is near, and was not announced
	far   bool   // the end is not near, though it was announced: a clock was set, or the horizon has moved
	act   action // what is to be started now
}

// decide is the lifecycle: what is to be done with a session at an instant. It
// is a pure function of its arguments. Everything that [Source] does follows
// from what it says.
func decide(v *view, now dualclock.Instant) decision {
	if v.unread {
		return decideUnread(v, now)
	}
	d := decision{end: v.ended}
	if d.end == 0 && !v.flying { // what is in the air may yet prove an end wrong
		d.end = endedBy(v.session, &v.due, now)
	}
	alive := v.session != nil && d.end != SignedOut && d.end != FixedExpired && !v.due.served.PassedOnEither(now)
	d.serve = alive && !v.invalidated.withholds(v.ended)
	d.phase = phaseOf(v, d, now)
	if v.flying {
		return d
	}
	if d.end != 0 {
		d.act = actEnded(v, d.end, now)
		// Before an end is noticed the store is read once more: another process
		// may have signed on.
		if d.act == doRead && v.ended == 0 {
			d.end = 0
		}
		return d
	}
	d.warn = !v.warned && v.due.ending(now)
	d.far = v.warned && !v.due.warnAt.Add(-warnSlack).PassedOnEither(now)
	d.act = actLive(v, alive, now)
	return d
}

// decideUnread is decide before the store was read. What was handed in may be
// older than what is stored, and spent: it is served only when the store has
// failed to answer.
func decideUnread(v *view, now dualclock.Instant) decision {
	d := decision{phase: Unknown}
	d.serve = v.failed && v.session != nil && !v.due.served.PassedOnEither(now) && !v.invalidated.withholds(v.ended)
	if d.serve {
		d.phase = Ageing
	}
	if !v.flying && v.retryAt.PassedOnEither(now) {
		d.act = doRead
	}
	return d
}

// endedBy returns the reason for which a session has ended by the passing of
// time alone: only where both clocks agree, for one of them may be wrong, and
// then the gateway is asked.
func endedBy(s *session, due *schedule, now dualclock.Instant) Reason {
	switch {
	case s == nil:
		return NoSession
	case due.fixed.PassedOnBoth(now):
		return FixedExpired
	case due.refresh.PassedOnBoth(now):
		return RefreshExpired
	case !s.refreshable() && due.served.PassedOnEither(now):
		return RefreshExpired
	case due.futile && due.served.PassedOnBoth(now):
		// What a refresh could still win is less than it costs.
		return FixedExpired
	default:
		return 0
	}
}

// horizonPassed returns the reason of a horizon that at least one clock has seen
// pass, 0 when there is none: what to call a rejection by the gateway.
func horizonPassed(s *session, now dualclock.Instant) Reason {
	switch due := s.schedule(); {
	case due.fixed.PassedOnEither(now):
		return FixedExpired
	case due.refresh.PassedOnEither(now):
		return RefreshExpired
	default:
		return 0
	}
}

func phaseOf(v *view, d decision, now dualclock.Instant) Phase {
	switch {
	case d.end != 0 && !d.serve:
		return Ended
	case !d.serve:
		return Expired
	case d.end != 0, v.invalidated == refreshOwed, v.due.refreshAt.PassedOnEither(now):
		return Ageing
	default:
		return Fresh
	}
}

// actEnded returns what is to be done about a session that has ended. A sign-out
// was somebody's wish: it is not undone by a login of our own.
func actEnded(v *view, end Reason, now dualclock.Instant) action {
	if v.unsaved && v.saveAt.PassedOnEither(now) {
		return doSave
	}
	if v.ended == 0 && v.stored && v.rereadAt.PassedOnEither(now) {
		return doRead
	}
	if v.canLogin && end != SignedOut && v.loginAt.PassedOnEither(now) {
		return doLogin
	}
	if v.signOuts && v.signOutAt.PassedOnEither(now) {
		return doSignOut
	}
	if v.stored && v.rereadAt.PassedOnEither(now) {
		return doRead
	}
	return doNothing
}

// actLive returns what is to be done about a session that has not ended.
func actLive(v *view, alive bool, now dualclock.Instant) action {
	ageing := v.due.refreshAt.PassedOnEither(now)
	rejected := v.invalidated != notInvalidated
	extends := v.session.refreshable() && (v.due.winsTime || !alive)
	useful := extends || rejected && v.session.refreshable()
	switch {
	case useful && (rejected || !alive || ageing) && v.retryAt.PassedOnEither(now):
		return doRefresh
	case !extends && ageing && v.canLogin && v.loginAt.PassedOnEither(now):
		// On the word of the wall clock alone: beside a monotonic one that has slept it is
		// right, and where it was set forward a sign-on ahead of time does no harm.
		return doLogin
	}
	if v.unsaved && v.saveAt.PassedOnEither(now) {
		return doSave
	}
	if v.signOuts && v.signOutAt.PassedOnEither(now) {
		return doSignOut
	}
	return doNothing
}

// nextChange returns the earliest instant at which the passing of time alone can
// change a decision, each clock for itself. Horizons that have passed on a clock
// were acted upon by the decision before.
func nextChange(v *view, now dualclock.Instant) dualclock.Deadline {
	next, wall := dualclock.Never(), dualclock.UnixNanoOf(now.Wall)
	consider := func(h dualclock.Deadline) {
		if wall < h.Wall {
			next.Wall = min(next.Wall, h.Wall)
		}
		if now.Mono < h.Mono {
			next.Mono = min(next.Mono, h.Mono)
		}
	}
	if v.session != nil {
		consider(v.due.served)
		consider(v.due.refresh)
		consider(v.due.fixed)
		if !v.flying {
			consider(v.due.refreshAt)
		}
		if v.warned {
			consider(v.due.warnAt.Add(-warnSlack))
		} else {
			consider(v.due.warnAt)
		}
	}
	if !v.flying {
		consider(v.retryAt)
		consider(v.loginAt)
		if v.unsaved {
			consider(v.saveAt)
		}
		if v.stored {
			consider(v.rereadAt)
		}
		if v.signOuts {
			consider(v.signOutAt)
		}
	}
	return next
}

// waitFor returns how long to wait until the first clock reaches h, at most limit.
func waitFor(h dualclock.Deadline, now dualclock.Instant, limit time.Duration) time.Duration {
	return max(0, min(h.Left(now), limit))
}
