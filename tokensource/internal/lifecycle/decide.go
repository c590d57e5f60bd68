package lifecycle

import (
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// Phase is where a session stands.
type Phase uint8

// The phases. See the constants of tokensource with the same names.
const (
	Unknown Phase = iota // the store was not read yet
	Fresh                // the access token is served, and nothing is due
	Ageing               // the access token is served, and a refresh is due
	Expired              // callers wait for the refresh
	Ended                // only a new sign-on helps
)

// Reason is why a session has ended.
type Reason uint8

// The reasons. See the constants of tokensource with the same names.
const (
	NotEnded Reason = iota
	NoSession
	RefreshExpired
	FixedExpired
	RefreshRejected
	SignedOut
)

// Action is an operation that a session may need. One runs at a time.
type Action uint8

// The actions.
const (
	Nothing Action = iota
	Load           // read the store: for the first time, or to see whether the session was revived
	Refresh        // redeem the refresh token
	Login          // call the LoginFunc
	Save           // make up for a save that failed
	SignOut        // tell the gateway of a sign-out that it does not know of
)

// Surroundings is what a decision depends on besides the state and the time.
type Surroundings struct {
	// Running is the operation in flight.
	Running Action
	// SignOutAt is when the gateway is told next of a sign-out; Never if it knows of all.
	SignOutAt dualclock.Deadline
	// WithoutReread is set if the store is not read again for the sake of this decision.
	WithoutReread bool
	// Queued is the operation that has been decided on and waits to be started.
	Queued Action
	// Keep is what is kept alive while nobody asks for a token.
	Keep KeepAlive
}

// KeepAlive is what is kept alive of a session while nobody asks for a token.
type KeepAlive uint8

// See the constants of tokensource with the same names.
const (
	KeepToken KeepAlive = iota
	KeepSession
	KeepNothing
)

// Decision is what to do with a session at an instant.
type Decision struct {
	Phase Phase
	Serve bool   // the access token may be handed out
	Act   Action // what to start now
	End   Reason // why the session cannot be refreshed any more

	warn  bool // the end is near and was not announced
	rearm bool // the end was announced and is not near any more: a clock was set, or the end has moved
}

// IsSettled reports whether nothing is to be done, and nothing to be noticed.
func (d Decision) IsSettled(s *State) bool {
	return d.Act == Nothing && !d.warn && d.End == s.endReason()
}

// HasNews reports whether time has brought about something that [TimePassed] notes.
func (d Decision) HasNews(s *State) bool { return d.warn || d.rearm || d.End != s.endReason() }

// Decide says what to do with a session at now. It is a pure function of its arguments.
func Decide(s *State, around Surroundings, now dualclock.Instant) Decision {
	v := view{State: s, Surroundings: around, due: s.schedule(), now: now}
	if s.IsUnread() {
		return v.decideUnread()
	}
	d := Decision{End: s.endReason()}
	if d.End == NotEnded && around.Running == Nothing { // what is in flight may prove an end wrong
		d.End = v.endedByTime()
	}
	live := v.hasLiveToken() && d.End != SignedOut && d.End != FixedExpired
	d.Serve = live && !s.current.invalidation.withholds(s.endReason())
	d.Phase = v.phase(d)
	if around.Running != Nothing {
		return d
	}
	if d.End != NotEnded {
		d.Act = v.actionAfter(d.End)
		// The store is read once more before an end takes effect: another process may
		// have signed on.
		if d.Act == Load && s.end == nil {
			d.End = NotEnded
		}
		return d
	}
	d.warn = !s.warned && v.due.isEnding(now)
	d.rearm = s.warned && !v.due.warnAt.Add(-warnTolerance).PassedOnEither(now)
	d.Act = v.action(live)
	return d
}

// view is the arguments of Decide, with the schedule of the pair.
type view struct {
	*State
	Surroundings

	due schedule
	now dualclock.Instant
}

func (v *view) passed(d dualclock.Deadline) bool { return d.PassedOnEither(v.now) }

func (v *view) hasLiveToken() bool { return v.pair != nil && !v.passed(v.due.serveUntil) }

// decideUnread decides before the store was read. What was handed in may be older than
// what is stored, and redeemed already. So it is served only if the store has failed.
func (v *view) decideUnread() Decision {
	d := Decision{Phase: Unknown}
	d.Serve = v.failure != nil && v.hasLiveToken() && !v.current.invalidation.withholds(v.endReason())
	if d.Serve {
		d.Phase = Ageing
	}
	if v.Running == Nothing && v.Queued != Load && v.Keep != KeepNothing && v.passed(v.failure.retryAt()) {
		d.Act = Load
	}
	return d
}

// endedByTime returns the reason for which the passing of time has ended a session. Both
// clocks must agree, because one of them may be wrong: if they differ the gateway is
// asked.
func (v *view) endedByTime() Reason {
	switch {
	case v.pair == nil:
		return NoSession
	case v.due.fixed.PassedOnBoth(v.now):
		return FixedExpired
	case v.due.refreshUntil.PassedOnBoth(v.now):
		return RefreshExpired
	case !v.pair.HasRefreshToken && v.passed(v.due.serveUntil):
		return RefreshExpired
	case v.due.exhausted && v.due.serveUntil.PassedOnBoth(v.now):
		// A refresh could not move the expiry.
		return FixedExpired
	default:
		return NotEnded
	}
}

func (v *view) phase(d Decision) Phase {
	switch {
	case d.End != NotEnded && !d.Serve:
		return Ended
	case !d.Serve:
		return Expired
	case d.End != NotEnded, v.current.invalidation == refreshOwed, v.current.asked, v.passed(v.due.refreshAt):
		return Ageing
	default:
		return Fresh
	}
}

// action returns what to do about a session that has not ended.
func (v *view) action(live bool) Action {
	switch next := v.nextPair(live); {
	case next != Nothing && next != v.Queued:
		return next
	case v.isSaveDue():
		return Save
	case v.isSignOutDue():
		return SignOut
	}
	return Nothing
}

// nextPair returns how a session that has not ended is to get another pair now, if it is.
func (v *view) nextPair(live bool) Action {
	ageing := v.passed(v.keepAt())
	rejected := v.current.invalidation != notInvalidated
	extends := v.pair.HasRefreshToken && (v.due.refreshExtends || !live)
	useful := extends || rejected && v.pair.HasRefreshToken
	due := rejected || v.current.asked || !live && v.Keep == KeepToken || ageing
	switch {
	case v.Keep == KeepNothing:
		return Nothing
	case useful && due && v.passed(v.failure.retryAt()):
		return Refresh
	case !extends && ageing && v.canLogin() && v.passed(v.loginAt()):
		// The wall clock alone may say so. If the monotonic clock has slept that is
		// right; if the wall clock was set forward an early sign-on does no harm.
		return Login
	}
	return Nothing
}

// keepAt returns from when on a refresh is due.
func (v *view) keepAt() dualclock.Deadline {
	if v.Keep == KeepSession && v.pair != nil {
		return v.pair.sessionRefreshAt(&v.due)
	}
	return v.due.refreshAt
}

// canLogin reports whether a Login is made when one is due. It can wait until somebody asks
// for a token, if no token is kept until then.
func (v *view) canLogin() bool { return v.login == hasLogin && v.Keep == KeepToken }

// actionAfter returns what to do about a session that has ended. A sign-out was
// explicit, so no Login undoes it.
func (v *view) actionAfter(end Reason) Action {
	switch {
	case v.isSaveDue():
		return Save
	case v.end == nil && v.isRereadDue():
		return Load
	case v.canLogin() && v.Queued != Login && end != SignedOut && v.passed(v.loginAt()):
		return Login
	case v.isSignOutDue():
		return SignOut
	case v.isRereadDue():
		return Load
	}
	return Nothing
}

func (v *view) loginAt() dualclock.Deadline { return v.pacing.lastLogins().retryAt() }

func (v *view) isSaveDue() bool {
	return v.Pending() != SaveNothing && v.passed(v.store.saveAt)
}

func (v *view) isRereadDue() bool {
	return v.store != nil && !v.WithoutReread && v.passed(v.store.rereadAt)
}

// signOutAt returns when the gateway is told of a sign-out. The mark of the sign-out is
// stored first.
func (v *view) signOutAt() dualclock.Deadline {
	if v.Pending() != SaveNothing {
		return dualclock.Never()
	}
	return v.SignOutAt
}

func (v *view) isSignOutDue() bool { return v.passed(v.signOutAt()) }

// horizonPassed returns the reason of a horizon that at least one clock has reached. It is
// reported rather than RefreshRejected.
func (p *Pair) horizonPassed(now dualclock.Instant) Reason {
	switch due := p.schedule(); {
	case due.fixed.PassedOnEither(now):
		return FixedExpired
	case due.refreshUntil.PassedOnEither(now):
		return RefreshExpired
	default:
		return NotEnded
	}
}

// NextChange returns the earliest instant, for each clock by itself, at which the
// passing of time can change a decision. Deadlines that a clock has reached are left
// out: the decision has taken account of them.
func NextChange(s *State, around Surroundings, now dualclock.Instant) dualclock.Deadline {
	v := view{State: s, Surroundings: around, due: s.schedule(), now: now}
	n := nextDeadline{now: now, wall: dualclock.UnixNanoOf(now.Wall), next: dualclock.Never()}
	if s.pair != nil {
		n.consider(v.due.refreshUntil, v.due.fixed)
		if around.Keep == KeepToken {
			n.consider(v.due.serveUntil)
		}
		if around.Running == Nothing && around.Keep != KeepNothing {
			n.consider(v.keepAt())
		}
		if s.warned {
			n.consider(v.due.warnAt.Add(-warnTolerance))
		} else {
			n.consider(v.due.warnAt)
		}
	}
	if around.Running != Nothing {
		return n.next
	}
	n.consider(v.signOutAt())
	if around.Keep != KeepNothing {
		n.consider(s.failure.retryAt())
	}
	if around.Keep == KeepToken {
		n.consider(v.loginAt())
	}
	if s.Pending() != SaveNothing {
		n.consider(s.store.saveAt)
	}
	if s.store != nil && !around.WithoutReread {
		n.consider(s.store.rereadAt)
	}
	return n.next
}

// NextWake returns how long to wait, at most limit, until something may change for which
// no caller is needed. An ended session is read again only when a caller asks.
func NextWake(s *State, around Surroundings, now dualclock.Instant, limit time.Duration) time.Duration {
	around.WithoutReread = s.end != nil
	return max(0, min(NextChange(s, around, now).Left(now), limit))
}

// nextDeadline finds the earliest of deadlines that have not passed.
type nextDeadline struct {
	now  dualclock.Instant
	wall dualclock.UnixNano
	next dualclock.Deadline
}

func (n *nextDeadline) consider(deadlines ...dualclock.Deadline) {
	for _, d := range deadlines {
		if n.wall < d.Wall {
			n.next.Wall = min(n.next.Wall, d.Wall)
		}
		if n.now.Mono < d.Mono {
			n.next.Mono = min(n.next.Mono, d.Mono)
		}
	}
}
