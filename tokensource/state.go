package tokensource

import (
	"cmp"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// publishLocked makes next the session. It is the only place where a pair is
// replaced: both tokens, and all that is known about them, at once.
func (s *Source) publishLocked(next *session, e Event, now dualclock.Instant) {
	if s.session == nil || next.startedAt != s.session.startedAt {
		s.warned = false // another session, with an end of its own
	}
	s.session = next
	s.invalidated, s.outcomeUnknown = notInvalidated, false
	s.outdoFailuresLocked(next, e.Kind, now)
	if s.ledger != nil {
		s.ledger.rejected, s.ledger.rereadAt = nil, dualclock.Deadline{}
	}
	s.device.clientID = cmp.Or(next.token.ClientID, s.device.clientID)
	s.device.accountID = cmp.Or(next.token.AccountID, s.device.accountID)
	if s.ended != nil {
		s.ended, s.required = nil, nil // the channel of the former session is closed
	}
	s.announceLocked(now, e)
	s.refreshQuietLocked(now)
}

// outdoFailuresLocked forgets the failures that next has made up for. A pair that
// another process was given is no reason to call any sooner, when it is as good as
// dead, or when it is Login that is to be called.
func (s *Source) outdoFailuresLocked(next *session, how Kind, now dualclock.Instant) {
	adopted, due := how == EventAdopted, next.schedule()
	if !adopted || !s.failure.ofRefresh() || !next.brief(&due, now) {
		s.failure = nil
	}
	switch {
	case adopted:
		s.setLoginsLocked(s.loginsLocked().outdone(now))
	case how == EventTokenSet:
		s.setLoginsLocked(nil)
	}
}

// endLocked ends the refreshing of the session. err is the gateway's rejection,
// where there was one. An end that follows another one changes the reason, and is
// not announced again.
func (s *Source) endLocked(reason Reason, err error, now dualclock.Instant) {
	first := s.ended == nil
	s.ended = &ending{reason: reason, at: endAt(s.session, reason, now), err: err}
	if s.ledger != nil {
		s.ledger.rejected = nil
		if reason != SignedOut {
			s.ledger.yield() // a session that has ended never overwrites a stored record
		}
	}
	s.failure = nil
	if ags.DeviceDeleted(err) {
		s.device.clientID = ""
	}
	if first && s.required != nil {
		close(s.required)
	}
	if first {
		s.announceLocked(now, Event{Kind: EventEnded, Reason: reason, Err: err})
	}
	s.refreshQuietLocked(now)
}

// endAt returns when a session ended: at the horizon that passed, or else now.
func endAt(session *session, reason Reason, now dualclock.Instant) time.Time {
	at := time.Time{}
	if session != nil {
		switch reason {
		case FixedExpired:
			at = session.token.FixedExpiresAt
		case RefreshExpired:
			at = session.token.RefreshExpiresAt
			if access := session.token.ExpiresAt; at.IsZero() || !session.refreshable() && !access.IsZero() && access.Before(at) {
				at = access
			}
		case NoSession, RefreshRejected, SignedOut:
		}
	}
	if at.IsZero() {
		at = now.Wall.Round(0)
	}
	return at
}

// loginRequiredLocked describes the end of the session.
func (s *Source) loginRequiredLocked() *LoginRequiredError {
	e := &LoginRequiredError{ClientID: s.device.clientID, AccountID: s.device.accountID}
	if s.ended != nil {
		e.Reason, e.At, e.Err = s.ended.reason, s.ended.at, s.ended.err
		e.OutcomeUnknown = s.outcomeUnknown && s.ended.err != nil
	}
	return e
}

// endedLocked returns why the session has ended, 0 when it has not.
func (s *Source) endedLocked() Reason {
	if s.ended == nil {
		return 0
	}
	return s.ended.reason
}

// wakeLocked makes those who wait look again, though the flight they wait for is
// still in the air.
func (s *Source) wakeLocked() {
	changed := s.work.takeChanged()
	s.refreshQuietLocked(s.watch.Now())
	if changed != nil {
		close(changed)
	}
}

// alive reports whether there is a token that can be served meanwhile.
func (s *Source) alive() bool {
	now := s.watch.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.aliveLocked(now)
}

func (s *Source) aliveLocked(now dualclock.Instant) bool {
	return s.session != nil && !s.session.schedule().served.PassedOnEither(now)
}

// leftLocked returns how long there is still a token to serve.
func (s *Source) leftLocked(now dualclock.Instant) time.Duration {
	if s.session == nil {
		return 0
	}
	return s.session.schedule().served.Left(now)
}
