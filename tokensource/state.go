package tokensource

import (
	"time"

	"github.com/agsauth/agsauth/ags"
)

// publishLocked makes next the session. It is the only place where a pair is
// replaced: both tokens, and all that is known about them, at once.
func (s *Source) publishLocked(next *session, e Event, now instant) {
	if s.session == nil || !next.startedAt.Equal(s.session.startedAt) {
		s.warned = false // another session, with an end of its own
	}
	s.session = next
	s.invalidated, s.outcomeUnknown = false, false
	s.ended, s.endedErr, s.endedAt, s.rejected = 0, nil, time.Time{}, nil
	s.failure = failure{}
	s.rereadAt = horizon{}
	if id := next.token.ClientID; id != "" {
		s.clientID = id
	}
	if id := next.token.AccountID; id != "" {
		s.accountID = id
	}
	if s.requiredClosed {
		s.required, s.requiredClosed = make(chan struct{}), false
	}
	s.announceLocked(now, e)
	s.refreshQuietLocked(now)
}

// endLocked ends the refreshing of the session. err is the gateway's rejection,
// where there was one. An end that follows another one changes the reason, and is
// not announced again.
func (s *Source) endLocked(reason Reason, err error, now instant) {
	first := s.ended == 0
	s.ended, s.endedErr, s.endedAt = reason, err, endAt(s.session, reason, now)
	s.rejected = nil
	if !s.failure.login {
		s.failure = failure{}
	}
	if ags.DeviceDeleted(err) {
		s.clientID = ""
	}
	if !s.requiredClosed {
		s.requiredClosed = true
		close(s.required)
	}
	if first {
		s.announceLocked(now, Event{Kind: EventEnded, Reason: reason, Err: err})
	}
	s.refreshQuietLocked(now)
}

// endAt returns when a session ended: at the horizon that passed, or else now.
func endAt(session *session, reason Reason, now instant) time.Time {
	at := time.Time{}
	if session != nil {
		switch reason {
		case FixedExpired:
			at = session.token.FixedExpiresAt
		case RefreshExpired:
			at = session.token.RefreshExpiresAt
			if at.IsZero() {
				at = session.token.ExpiresAt
			}
		case NoSession, RefreshRejected, SignedOut:
		}
	}
	if at.IsZero() {
		at = now.wall.Round(0)
	}
	return at
}

// loginRequiredLocked describes the end of the session.
func (s *Source) loginRequiredLocked() *LoginRequiredError {
	return &LoginRequiredError{
		Reason: s.ended, At: s.endedAt, Err: s.endedErr,
		ClientID: s.clientID, AccountID: s.accountID, OutcomeUnknown: s.outcomeUnknown && s.endedErr != nil,
	}
}

// wakeLocked makes those who wait look again, though the flight they wait for is
// still in the air.
func (s *Source) wakeLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
	s.refreshQuietLocked(s.watch.now())
}

// alive reports whether there is a token that can be served meanwhile.
func (s *Source) alive() bool {
	now := s.watch.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.aliveLocked(now)
}

func (s *Source) aliveLocked(now instant) bool {
	return s.session != nil && !s.session.served.passedOnEither(now)
}

// leftLocked returns how long there is still a token to serve.
func (s *Source) leftLocked(now instant) time.Duration {
	if s.session == nil {
		return 0
	}
	return s.session.served.left(now)
}
