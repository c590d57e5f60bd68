package tokensource

import (
	"errors"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// The numbers of what follows a failure.
const (
	firstBackoff   = 250 * time.Millisecond
	maxBackoffCap  = 30 * time.Second
	deadBackoffCap = 10 * time.Second

	firstRefusalWait  = time.Minute
	maxRefreshRefusal = 5 * time.Minute
	maxLoginRefusal   = 15 * time.Minute
	maxAskedWait      = 5 * time.Minute

	maxInvalidationInterval = 10 * time.Second
	maxInvalidationBackoff  = 5 * time.Minute

	// maxDoublings keeps a doubled wait from overflowing; every cap is reached
	// long before.
	maxDoublings = 20
)

// failure is what is remembered of the last attempts, all of which failed.
type failure struct {
	err    error
	class  class
	login  bool // it was a Login
	count  int  // failures of this class, of the same kind, in a row
	next   dualclock.Deadline
	nextAt time.Time // next, on the wall clock: what callers are told

	reading bool // it was the first look at the store
}

// retryAt returns before when no attempt is made.
func (f *failure) retryAt() dualclock.Deadline {
	if f == nil {
		return dualclock.Always()
	}
	return f.next
}

// ofRefresh reports whether it is of a refresh that failed for a passing reason.
func (f *failure) ofRefresh() bool { return f != nil && f.class == passing && !f.reading }

// unavailable is what callers are told of it.
func (f *failure) unavailable() *UnavailableError {
	if f == nil {
		return &UnavailableError{}
	}
	return &UnavailableError{NextAt: f.nextAt, Err: f.err}
}

// after returns the memory of one more failure. left is how long the token still
// lives, zero or less when it does not; draw is from [0,1).
func (f *failure) after(err error, c class, login bool, left time.Duration, now dualclock.Instant, draw float64) *failure {
	count := 1
	if f != nil && f.class == c && f.login == login {
		count = f.count + 1
	}
	wait := backoff(count, left, draw)
	if c != passing {
		wait = refusalWait(count, login)
	}
	wait = max(wait, min(askedWait(err), maxAskedWait))
	next := now.Add(wait)
	return &failure{err: err, class: c, login: login, count: count, next: next.Deadline(), nextAt: next.Wall}
}

// notAfter returns the failure with the next attempt due at latest, if not earlier.
func (f *failure) notAfter(latest dualclock.Deadline, now dualclock.Instant) *failure {
	wait := latest.Left(now)
	if wait >= f.next.Left(now) {
		return f
	}
	sooner := *f
	at := now.Add(max(0, wait))
	sooner.next, sooner.nextAt = at.Deadline(), at.Wall
	return &sooner
}

// backoff returns how long to wait after the n-th passing failure in a row:
// doubling, up to a quarter of what the token still lives, so that several
// attempts fit into it, and spread by a quarter to either side.
func backoff(n int, left time.Duration, draw float64) time.Duration {
	limit := deadBackoffCap
	if left > 0 {
		limit = min(max(left/4, firstBackoff), maxBackoffCap)
	}
	wait := min(limit, firstBackoff<<min(n-1, maxDoublings))
	return time.Duration(float64(wait) * (0.75 + draw/2))
}

// refusalWait returns how long to wait after the n-th refusal in a row.
func refusalWait(n int, login bool) time.Duration {
	limit := maxRefreshRefusal
	if login {
		limit = maxLoginRefusal
	}
	return min(limit, firstRefusalWait<<min(n-1, maxDoublings))
}

// askedWait returns how long the gateway asked to be left alone. Package ags caps
// it; another Refresher may not.
func askedWait(err error) time.Duration {
	var e *ags.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.RetryAfter
}

// rejections keeps count of the invalidations that were acted upon, so that an
// API that rejects every token does not make us refresh all the time.
type rejections struct {
	last     dualclock.Deadline // when one was last acted upon
	interval time.Duration      // how far apart two are
}

// admit decides whether an API's rejection of s's access token is to be acted
// upon at now, and returns what is remembered of it when it is. A nil r is that
// none was before.
func (r *rejections) admit(s *session, now dualclock.Instant) (rejections, bool) {
	due, least := s.schedule(), maxInvalidationInterval
	if due.life > 0 {
		least = min(least, due.life/2)
	}
	next := rejections{last: now.Deadline(), interval: least}
	if r == nil {
		return next, true
	}
	interval := max(r.interval, least)
	if !r.last.Add(interval).PassedOnEither(now) {
		return rejections{}, false
	}
	if !due.halfway.PassedOnEither(now) {
		next.interval = min(2*interval, maxInvalidationBackoff)
	}
	return next, true
}
