package lifecycle

import (
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// The constants of the back-off.
const (
	firstBackoff   = 250 * time.Millisecond
	maxBackoffCap  = 30 * time.Second
	deadBackoffCap = 10 * time.Second

	firstRefusalWait  = time.Minute
	maxRefreshRefusal = 5 * time.Minute
	maxLoginRefusal   = 15 * time.Minute
	maxRetryAfter     = 5 * time.Minute

	firstSaveRetry = time.Second
	maxSaveRetry   = time.Minute

	// maxDoublings keeps a doubled wait from overflowing. Every cap is reached before.
	maxDoublings = 20
)

// Class is what a failed attempt means for the session.
type Class uint8

// The classes of failures.
const (
	Transient Class = iota // try again soon
	Refused                // the same request would be refused again: try again, but rarely
	Terminal               // the refresh token is dead
)

// Cause describes what an attempt has failed with.
type Cause struct {
	Err        error
	Class      Class
	RetryAfter time.Duration // how long the gateway asked to be left alone
}

// attempt is what has failed.
type attempt uint8

const (
	attemptRefresh attempt = iota
	attemptLoad            // the first load of the store
	attemptLogin
)

// Failure is what is remembered of the last attempts, all of which failed.
type Failure struct {
	Err    error
	NextAt time.Time // when the next attempt is due, for callers

	attempt attempt
	class   Class
	count   int // failures of this class in a row
	next    dualclock.Deadline
}

// retryAt returns the deadline before which no attempt is made.
func (f *Failure) retryAt() dualclock.Deadline {
	if f == nil {
		return dualclock.Always()
	}
	return f.next
}

// isTransientRefresh reports whether a refresh has failed for a transient reason.
func (f *Failure) isTransientRefresh() bool {
	return f != nil && f.class == Transient && f.attempt != attemptLoad
}

// after returns the memory of one more failure. left is how long the access token still
// lives, zero or less if it does not. draw is from [0,1).
func (f *Failure) after(c Cause, a attempt, left time.Duration, now dualclock.Instant, draw float64) *Failure {
	count := 1
	if f != nil && f.class == c.Class && (f.attempt == attemptLogin) == (a == attemptLogin) {
		count = f.count + 1
	}
	wait := backoff(count, left, draw)
	if c.Class != Transient {
		wait = refusalWait(count, a)
	}
	next := now.Add(max(wait, min(c.RetryAfter, maxRetryAfter)))
	return &Failure{Err: c.Err, NextAt: next.Wall, attempt: a, class: c.Class, count: count, next: next.Deadline()}
}

// notAfter returns the failure with the next attempt due at latest, if not earlier.
func (f *Failure) notAfter(latest dualclock.Deadline, now dualclock.Instant) *Failure {
	wait := latest.Left(now)
	if wait >= f.next.Left(now) {
		return f
	}
	sooner, at := *f, now.Add(max(0, wait))
	sooner.next, sooner.NextAt = at.Deadline(), at.Wall
	return &sooner
}

// backoff returns the wait after the n-th transient failure in a row. It doubles, up to
// a quarter of what the token still lives so that several attempts fit into that, and is
// spread by a quarter to either side.
func backoff(n int, left time.Duration, draw float64) time.Duration {
	limit := deadBackoffCap
	if left > 0 {
		limit = min(max(left/4, firstBackoff), maxBackoffCap)
	}
	return time.Duration(float64(doubled(firstBackoff, n-1, limit)) * (0.75 + draw/2))
}

// refusalWait returns the wait after the n-th refusal in a row.
func refusalWait(n int, a attempt) time.Duration {
	if a == attemptLogin {
		return doubled(firstRefusalWait, n-1, maxLoginRefusal)
	}
	return doubled(firstRefusalWait, n-1, maxRefreshRefusal)
}

// SaveRetryWait returns the wait after a failed save that followed as many failures.
func SaveRetryWait(failures int) time.Duration {
	return doubled(firstSaveRetry, failures, maxSaveRetry)
}

func doubled(first time.Duration, times int, limit time.Duration) time.Duration {
	return min(limit, first<<min(times, maxDoublings))
}
