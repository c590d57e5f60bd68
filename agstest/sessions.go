package agstest

import "time"

// SessionState is what has become of a session.
type SessionState string

// The states of a [Session]. The last four are final.
const (
	SessionLive        SessionState = "live"
	SessionBlocked     SessionState = "blocked"      // its account or device is blocked
	SessionExpired     SessionState = "expired"      // by its fixed lifetime, or that of its newest refresh token
	SessionSignedOut   SessionState = "signed out"   // by its client
	SessionRevoked     SessionState = "revoked"      // see Server.RevokeSessions
	SessionReused      SessionState = "token reused" // a refresh token was used again
	SessionUndecodable SessionState = "keys rotated" // see Server.RotateKeys
)

// Session is a session of a [Server]. It has no tokens.
type Session struct {
	// Number is the number of the session on its server, from 1.
	Number int
	// AccountID, ClientID and TenantID are those of its sign-on.
	AccountID, ClientID, TenantID string
	// Generation is how many pairs of tokens it was given: 1 after the sign-on.
	Generation int
	// State is what has become of it.
	State SessionState
	// AccessExpiresAt and RefreshExpiresAt are those of its newest pair, and
	// FixedExpiresAt is its own. They are instants of the server's clock.
	AccessExpiresAt, RefreshExpiresAt, FixedExpiresAt time.Time
}

// Sessions returns all sessions since the server was created or reset, the oldest first.
func (s *Server) Sessions() []Session {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	sessions := make([]Session, len(s.state.sessions))
	for i, x := range s.state.sessions {
		sessions[i] = Session{
			Number: x.serial, AccountID: x.account.ID, ClientID: x.device.id, TenantID: x.tenant,
			Generation: x.generation, State: x.state(now), AccessExpiresAt: x.accessExpiresAt,
			RefreshExpiresAt: x.refreshExpiresAt, FixedExpiresAt: x.fixedExpiresAt,
		}
	}
	return sessions
}

func (s *session) state(now time.Time) SessionState {
	switch {
	case s.hasEnded():
		return s.end
	case !now.Before(s.fixedExpiresAt), !now.Before(s.refreshExpiresAt):
		return SessionExpired
	case s.inactive():
		return SessionBlocked
	default:
		return SessionLive
	}
}

// RevokeSession ends a session by its number, as [Server.RevokeSessions] does. It
// reports whether the session exists and had not ended.
func (s *Server) RevokeSession(number int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if number < 1 || number > len(s.state.sessions) || s.state.sessions[number-1].hasEnded() {
		return false
	}
	s.state.sessions[number-1].end = SessionRevoked
	return true
}

// Reset makes the server as it was when it was created: without sessions, devices,
// faults and records, with new keys, with the skew of its [Config], and with no account
// blocked. Requests that are held by [Server.Hold] continue.
func (s *Server) Reset() {
	s.script.reset()
	s.requests.reset()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = newState(s.cfg)
	s.skew = s.cfg.Skew
}
