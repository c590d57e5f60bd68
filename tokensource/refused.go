package tokensource

import (
	"errors"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// refreshFailed sorts a failure: a rejection by the gateway ends the session,
// but only when the store has nothing newer; anything else is remembered.
func (s *Source) refreshFailed(f *flight, current *session, read *record, err error) func(now dualclock.Instant) {
	if outcomeUnknown(err) {
		s.during(f.epoch, func() { s.outcomeUnknown = true })
	}
	s.clearAttempt(f, read)
	if classifyRefresh(err) != terminal {
		return s.remember(f, err)
	}
	if s.cfg.Store != nil {
		// The explicit SetToken has come to nothing, and gives way to what others stored.
		s.during(f.epoch, s.ledger.yield)
		rec, loadErr := s.load(f.whole)
		if loadErr != nil {
			return s.withholdRejection(f, err, loadErr)
		}
		if s.adopt(f.epoch, rec) {
			return nil
		}
	}
	return s.endRejected(current, err)
}

// endRejected ends the session with a rejection. A horizon that either clock has
// seen pass says more than that.
func (s *Source) endRejected(current *session, err error) func(now dualclock.Instant) {
	draw := s.draw()
	return func(now dualclock.Instant) {
		s.setLoginsLocked(s.loginsLocked().afterEnd(now.Deadline(), err, now, draw))
		reason := horizonPassed(current, now)
		if reason == 0 {
			reason = RefreshRejected
		}
		s.endLocked(reason, err, now)
	}
}

// withholdRejection keeps a rejection for when the store can be read: another
// process may have spent the token and stored its successor. Until then the
// gateway is not asked again with a token that it has rejected.
func (s *Source) withholdRejection(f *flight, rejection, loadErr error) func(now dualclock.Instant) {
	pass := s.passingFailure(f, errors.Join(loadErr, rejection))
	if pass == nil {
		return nil
	}
	return func(now dualclock.Instant) {
		s.ledger.rejected = rejection
		pass(now)
	}
}

// rejectedBefore returns the rejection that was withheld, if one was.
func (s *Source) rejectedBefore() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ledger.rejected
}

// rejectedEarlier ends the session for a rejection that was withheld. The store
// was read just now, and has nothing newer.
func (s *Source) rejectedEarlier() func(now dualclock.Instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ledger.rejected == nil || s.session == nil {
		return nil
	}
	return s.endRejected(s.session, s.ledger.rejected)
}

// passingFailure is remember for what is not the gateway's doing.
func (s *Source) passingFailure(f *flight, err error) func(now dualclock.Instant) {
	if f.ctx.Err() != nil {
		return nil
	}
	return s.rememberAs(f, err, passing, dualclock.Never())
}

// waitForStore is passingFailure for a refresh that the store holds up as long as there
// is a live token: the next attempt is due when that is dead, if not earlier.
func (s *Source) waitForStore(f *flight, err error) func(now dualclock.Instant) {
	if f.ctx.Err() != nil {
		return nil
	}
	s.mu.Lock()
	latest := dualclock.Never()
	if s.session != nil {
		latest = s.session.schedule().served
	}
	s.mu.Unlock()
	return s.rememberAs(f, err, passing, latest)
}

// remember keeps a failed attempt in mind until the next one is due, and makes
// it the answer for all who wait.
func (s *Source) remember(f *flight, err error) func(now dualclock.Instant) {
	return s.rememberAs(f, err, classifyRefresh(err), dualclock.Never())
}

// rememberAs is remember for a failure of this class, after which the next attempt is
// due at latest, if not earlier.
func (s *Source) rememberAs(f *flight, err error, c class, latest dualclock.Deadline) func(now dualclock.Instant) {
	draw := s.draw()
	return func(now dualclock.Instant) {
		s.failure = s.failure.after(err, c, false, s.leftLocked(now), now, draw).notAfter(latest, now)
		s.invalidated = s.invalidated.refreshFailed()
		s.announceLocked(now, Event{Kind: EventRefreshFailed, Err: err, NextAt: s.failure.nextAt})
		f.err = s.failure.unavailable()
	}
}
