package tokensource

import (
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// minSessionLife is how long a session that Login began has to last. Two calls of
// Login that succeed are at least so far apart. A session that lasts for less counts
// as a Login that was refused.
const minSessionLife = 10 * time.Second

// logins is what is remembered of the last calls of Login, so that none follows too
// soon, whatever they returned. A nil one is that nothing is.
type logins struct {
	// failure is of the calls in a row that failed, or whose session did not last; nil
	// when there is none.
	failure *failure
	last    lastLogin
	next    dualclock.Deadline // no further call before
}

// lastLogin is what has come of the last call of Login.
type lastLogin uint8

const (
	loginFailed  lastLogin = iota
	loginBegan             // a session, which has to last until logins.next
	loginOutdone           // it matters no more: the session has another pair, or is another one
)

// retryAt returns before when Login is not called.
func (l *logins) retryAt() dualclock.Deadline {
	if l == nil {
		return dualclock.Always()
	}
	return l.next
}

// failed returns what the last call has failed with, nil when it has not.
func (l *logins) failed() *failure {
	if l == nil || l.last != loginFailed {
		return nil
	}
	return l.failure
}

// afterFailure returns what is remembered after one more call that failed.
func (l *logins) afterFailure(err error, c class, left time.Duration, now dualclock.Instant, draw float64) *logins {
	var former *failure
	if l != nil {
		former = l.failure
	}
	f := former.after(err, c, true, left, now, draw)
	return &logins{failure: f, last: loginFailed, next: f.next}
}

// afterLogin returns what is remembered after one more call, which has returned s.
func (l *logins) afterLogin(s *session, now dualclock.Instant, draw float64) *logins {
	next := &logins{last: loginBegan, next: now.Add(minSessionLife).Deadline()}
	if l != nil && l.last != loginBegan {
		next.failure = l.failure
	}
	due := s.schedule()
	if !s.extendable(&due) && due.refreshAt.PassedOnEither(now) {
		return next.afterFailure(errDueAnswer, refusal, 0, now, draw) // it would be called again at once
	}
	return next.afterEnd(s.lasts(&due), errDueAnswer, now, draw)
}

// afterRefresh returns what is remembered after the session has got the pair of s.
func (l *logins) afterRefresh(s *session, now dualclock.Instant, draw float64) *logins {
	if l != nil && l.last != loginBegan {
		return l.outdone(now)
	}
	due := s.schedule()
	return l.afterEnd(s.lasts(&due), errDueAnswer, now, draw)
}

// afterEnd returns what is remembered once it is known that the session will have
// ended by end, for the reason that err tells.
func (l *logins) afterEnd(end dualclock.Deadline, err error, now dualclock.Instant, draw float64) *logins {
	switch {
	case l == nil, l.last != loginBegan:
		return l
	case end.Wall < l.next.Wall || end.Mono < l.next.Mono:
		return l.afterFailure(err, refusal, 0, now, draw)
	case l.next.PassedOnBoth(now):
		return nil
	default:
		return l
	}
}

// outdone returns what is remembered once the last call matters no more, but for when
// the next may be made.
func (l *logins) outdone(now dualclock.Instant) *logins {
	if l == nil || l.next.PassedOnBoth(now) {
		return nil
	}
	return &logins{failure: l.failure, last: loginOutdone, next: l.next}
}
