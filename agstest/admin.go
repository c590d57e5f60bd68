package agstest

import (
	"slices"
	"time"
)

// Stats are counts of what a server has done.
type Stats struct {
	// Sessions is how many sessions were started. LiveSessions is how many of them
	// have neither ended nor expired.
	Sessions, LiveSessions int
	// Devices is how many devices were registered, including deleted ones.
	Devices int
	// Refreshes is how many refreshes succeeded.
	Refreshes int
	// Reuses is how often a used refresh token was presented again, after
	// [Config].ReuseGrace.
	Reuses int
}

// Stats returns the current counts.
func (s *Server) Stats() Stats {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := Stats{
		Sessions:  len(s.state.sessions),
		Devices:   len(s.state.devices),
		Refreshes: s.state.refreshes,
		Reuses:    s.state.reuses,
	}
	for _, x := range s.state.sessions {
		if !x.hasEnded() && now.Before(x.fixedExpiresAt) {
			stats.LiveSessions++
		}
	}
	return stats
}

// TokenInfo describes a token that a server has issued.
type TokenInfo struct {
	// Refresh is true for a refresh token and false for an access token.
	Refresh bool
	// AccountID and ClientID are the account and the device that it was issued to.
	AccountID, ClientID string
	// Session and Generation are as in [Echo].
	Session, Generation int
	// ExpiresAt and FixedExpiresAt are instants of the server's clock.
	ExpiresAt, FixedExpiresAt time.Time
	// Live reports whether the server would accept the token now. It ignores
	// RejectAll, RejectNext, GeoBlock and faults.
	Live bool
}

// Inspect returns what the server knows of a token, without using the token. It
// returns false if the server has not issued the token, or no longer remembers it.
func (s *Server) Inspect(token string) (TokenInfo, bool) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.state.tokens[token]
	if i == nil {
		return TokenInfo{}, false
	}
	info := TokenInfo{
		Refresh:        i.kind == refreshToken,
		AccountID:      i.session.account.ID,
		ClientID:       i.session.device.id,
		Session:        i.session.serial,
		Generation:     i.generation,
		ExpiresAt:      i.expiresAt,
		FixedExpiresAt: i.session.fixedExpiresAt,
	}
	if info.Refresh {
		info.Live = s.state.checkRefresh(now, i) == nil
	} else {
		_, result := s.state.checkAccess(now, token)
		info.Live = result == ""
	}
	return info, true
}

// SuspendAccount makes sign-ons and refreshes of an account fail with code 20002.
// It reports whether the account exists.
func (s *Server) SuspendAccount(accountID string) bool {
	return s.blockAccount(accountID, forbidden(codeAccountSuspended, "account suspended"))
}

// CancelAccount makes sign-ons and refreshes of an account fail with code 20001. It
// reports whether the account exists.
func (s *Server) CancelAccount(accountID string) bool {
	return s.blockAccount(accountID, forbidden(codeAccountCancelled, "account cancelled"))
}

// RestoreAccount undoes SuspendAccount and CancelAccount. Sessions of the account
// continue. It reports whether the account exists.
func (s *Server) RestoreAccount(accountID string) bool { return s.blockAccount(accountID, nil) }

func (s *Server) blockAccount(accountID string, refused *refusal) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.state.accounts, func(a *account) bool { return a.ID == accountID })
	if i < 0 {
		return false
	}
	s.state.accounts[i].blocked = refused
	return true
}

// DeleteDevice makes sign-ons and refreshes of a device fail with code 20003, for
// good. It reports whether the device existed.
func (s *Server) DeleteDevice(clientID string) bool {
	return s.blockDevice(clientID, forbidden(codeDeviceDeleted, "device deleted"))
}

// DisableDevice makes sign-ons and refreshes of a device fail with code 20004. It
// reports whether the device exists and has not been deleted.
func (s *Server) DisableDevice(clientID string) bool {
	return s.blockDevice(clientID, forbidden(codeDeviceDisabled, "device disabled"))
}

// EnableDevice undoes DisableDevice. It reports whether the device exists and has
// not been deleted.
func (s *Server) EnableDevice(clientID string) bool { return s.blockDevice(clientID, nil) }

func (s *Server) blockDevice(clientID string, refused *refusal) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.state.devices[clientID]
	if d == nil || d.deleted() {
		return false
	}
	d.blocked = refused
	return true
}

// RevokeSessions ends the sessions of the given devices, or of all devices if none
// is given, and returns how many it ended. Refreshes of an ended session get a 401. The API
// still accepts its access tokens, unless [Config].AccessEndsWithSession is set.
func (s *Server) RevokeSessions(clientIDs ...string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, x := range s.state.sessions {
		if !x.hasEnded() && (len(clientIDs) == 0 || slices.Contains(clientIDs, x.device.id)) {
			x.end = SessionRevoked
			n++
		}
	}
	return n
}

// GeoBlock sets whether all clients are in a blocked location. While they are,
// sign-ons, refreshes and the API answer 403 with code 20019.
func (s *Server) GeoBlock(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.geoBlocked = on
}

// RotateKeys replaces the signing key and forgets the old one. All sessions end and
// no token issued so far can be decoded: the API rejects it with a reason that says
// so, and the gateway answers 403 with code 20020.
func (s *Server) RotateKeys() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.rotateKey()
}

// RejectToken makes the API reject an access token from now on.
func (s *Server) RejectToken(accessToken string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.rejections.tokens[accessToken] = true
}

// RejectAll sets whether the API rejects every access token.
func (s *Server) RejectAll(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.rejections.all = on
}

// RejectNext makes the API reject the next n requests whose access token it would
// otherwise accept.
func (s *Server) RejectNext(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.rejections.next = n
}
