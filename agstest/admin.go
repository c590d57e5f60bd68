package agstest

import (
	"slices"
	"time"
)

// Stats are a server's sums.
type Stats struct {
	// Sessions is how many sign-ons began one, LiveSessions how many of them have
	// neither ended nor run out.
	Sessions, LiveSessions int
	// Devices is how many were registered, those deleted since included.
	Devices int
	// Refreshes is how many refreshes were granted.
	Refreshes int
	// Reuses is how often a refresh token was presented that had been used, and
	// was not good again.
	Reuses int
}

// Stats returns the sums as they are now.
func (s *Server) Stats() Stats {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.books
	st := Stats{Sessions: len(b.sessions), Devices: len(b.devices), Refreshes: b.refreshes, Reuses: b.reuses}
	for _, x := range b.sessions {
		if !x.ended && now.Before(x.fixedAt) {
			st.LiveSessions++
		}
	}
	return st
}

// TokenInfo is what a server knows of a token that it issued.
type TokenInfo struct {
	// Refresh is whether it is a refresh token. Otherwise it is an access token.
	Refresh bool
	// AccountID and ClientID are those that it was issued to, Session and
	// Generation as in [Echo].
	AccountID, ClientID string
	Session, Generation int
	// ExpiresAt and FixedExpiresAt are instants by the server's clock.
	ExpiresAt, FixedExpiresAt time.Time
	// Live is whether the gateway, or the API, would take it now, leaving aside
	// RejectAll, RejectNext, GeoBlock and faults.
	Live bool
}

// Inspect looks a token up, without using it. It returns false for one that the
// server has not issued, or has forgotten.
func (s *Server) Inspect(token string) (TokenInfo, bool) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.books.tokens[token]
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
		FixedExpiresAt: i.session.fixedAt,
	}
	if info.Refresh {
		info.Live = s.books.checkRefresh(now, i) == nil
	} else {
		_, result := s.books.checkAccess(now, token)
		info.Live = result == ""
	}
	return info, true
}

// SuspendAccount has the operator suspend an account: sign-ons and refreshes are
// refused with code 20002. It reports whether there is such an account.
func (s *Server) SuspendAccount(accountID string) bool {
	return s.barAccount(accountID, forbidden(codeAccountSuspended, "account suspended"))
}

// CancelAccount is SuspendAccount with code 20001.
func (s *Server) CancelAccount(accountID string) bool {
	return s.barAccount(accountID, forbidden(codeAccountCancelled, "account cancelled"))
}

// RestoreAccount takes back what SuspendAccount or CancelAccount did. Sessions
// go on where they were.
func (s *Server) RestoreAccount(accountID string) bool { return s.barAccount(accountID, nil) }

func (s *Server) barAccount(accountID string, no *refusal) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.books.accounts, func(a *account) bool { return a.ID == accountID })
	if i < 0 {
		return false
	}
	s.books.accounts[i].barred = no
	return true
}

// DeleteDevice has the user delete a device, for good: whatever is asked for in
// its name is refused with code 20003. It reports whether there was such a device.
func (s *Server) DeleteDevice(clientID string) bool {
	return s.barDevice(clientID, forbidden(codeDeviceDeleted, "device deleted"))
}

// DisableDevice has the operator disable a device, with code 20004. It reports
// whether there is such a device, and it is not deleted.
func (s *Server) DisableDevice(clientID string) bool {
	return s.barDevice(clientID, forbidden(codeDeviceDisabled, "device disabled"))
}

// EnableDevice takes back what DisableDevice did, and reports the same.
func (s *Server) EnableDevice(clientID string) bool { return s.barDevice(clientID, nil) }

func (s *Server) barDevice(clientID string, no *refusal) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.books.devices[clientID]
	if d == nil || d.deleted() {
		return false
	}
	d.barred = no
	return true
}

// RevokeSessions ends the sessions of these devices, or all if none is named, and
// returns how many it ended. Their refresh tokens are answered with a 401.
func (s *Server) RevokeSessions(clientIDs ...string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, x := range s.books.sessions {
		if !x.ended && (len(clientIDs) == 0 || slices.Contains(clientIDs, x.device.id)) {
			x.ended = true
			n++
		}
	}
	return n
}

// GeoBlock puts all clients into a blocked location, or takes them out of it.
// Sign-ons, refreshes and the API answer 403 with code 20019 meanwhile.
func (s *Server) GeoBlock(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.books.geoBlocked = on
}

// RotateKeys replaces the key that tokens are signed with, and the old one is
// forgotten: no token issued so far can be decoded any more. The API says so, the
// gateway answers 403 with code 20020, and all sessions have ended.
func (s *Server) RotateKeys() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.books.rotateKey()
}

// RejectToken has the API reject an access token from now on.
func (s *Server) RejectToken(accessToken string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.books.gate.rejected[accessToken] = true
}

// RejectAll has the API reject every access token, or no more than it would by
// itself.
func (s *Server) RejectAll(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.books.gate.all = on
}

// RejectNext has the API reject the access tokens of the next n requests that it
// would have let through.
func (s *Server) RejectNext(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.books.gate.next = n
}
