package agstest

import (
	"crypto/rand"
	"slices"
	"strconv"
	"time"
)

// These limits bound the memory of a server that runs for hours. They exceed what a
// test looks back at.
const (
	// keptPairs is how many token pairs are kept for a session. Older tokens are
	// unknown to the server.
	keptPairs = 512
	// keptSessions is how many sessions without a usable token keep their tokens.
	// The server forgets the oldest once in keptSessions sign-ons, so there may be
	// twice as many.
	keptSessions = 64
)

// session is the result of a sign-on.
type session struct {
	serial         int // 1 for the server's first session
	account        *account
	device         *device
	tenant         string
	fixedExpiresAt time.Time
	generation     int          // how many pairs were issued, including that of the sign-on
	tokens         []string     // the kept tokens, oldest first
	end            SessionState // how it ended, empty while it has not

	accessExpiresAt, refreshExpiresAt time.Time // of the newest pair
}

// hasEnded reports whether a sign-out, an operator or a reuse has ended the session.
func (s *session) hasEnded() bool { return s.end != "" }

// inactive reports whether the session has ended, or its account or device is
// blocked.
func (s *session) inactive() bool {
	return s.hasEnded() || s.account.blocked != nil || s.device.blocked != nil
}

type issuedToken struct {
	kind       tokenKind
	session    *session
	generation int
	expiresAt  time.Time
	usedAt     time.Time // first use of a single-use refresh token; zero if unused
}

// expired reports whether the token or its session has expired.
func (i *issuedToken) expired(now time.Time) bool {
	return !now.Before(i.expiresAt) || !now.Before(i.session.fixedExpiresAt)
}

// pair is a successful result of a sign-on or a refresh.
type pair struct {
	access, refresh       string
	clientID, accountID   string
	expiresIn             time.Duration
	refreshExpiresIn      time.Duration
	fixedRefreshExpiresIn time.Duration
}

// startSession starts a session and issues its first pair.
func (st *state) startSession(now time.Time, a *account, d *device, tenant string) pair {
	s := &session{serial: len(st.sessions) + 1, account: a, device: d, tenant: tenant}
	s.fixedExpiresAt = st.issueTime(now).Add(st.cfg.FixedLifetime)
	st.sessions = append(st.sessions, s)
	if s.serial%keptSessions == 0 {
		st.forgetTokens(now)
	}
	return st.issue(now, s)
}

// forgetTokens drops the tokens of the oldest sessions that have no usable token.
func (st *state) forgetTokens(now time.Time) {
	var unusable []*session
	for _, s := range st.sessions {
		if len(s.tokens) > 0 && !st.hasUsableToken(now, s) {
			unusable = append(unusable, s)
		}
	}
	for _, s := range unusable[:max(0, len(unusable)-keptSessions)] {
		for _, token := range s.tokens {
			delete(st.tokens, token)
		}
		s.tokens = nil
	}
}

func (st *state) hasUsableToken(now time.Time, s *session) bool {
	return slices.ContainsFunc(s.tokens, func(token string) bool {
		i := st.tokens[token]
		return !i.expired(now) && (i.kind == accessToken || !s.hasEnded())
	})
}

// refresh exchanges a refresh token for a new pair. Reuse of a token ends its session,
// because the token may have been stolen (RFC 9700, section 4.14.2).
func (st *state) refresh(now time.Time, token string) (pair, *refusal) {
	if st.geoBlocked {
		return pair{}, geoBlocked()
	}
	i := st.find(refreshToken, token)
	if i != nil && st.reused(now, i) {
		st.reuses++
		i.session.end = SessionReused
	}
	if refused := st.checkRefresh(now, i); refused != nil {
		return pair{}, refused
	}
	if st.singleUse() && i.usedAt.IsZero() {
		i.usedAt = now
	}
	st.refreshes++
	return st.issue(now, i.session), nil
}

// checkRefresh returns why a refresh token cannot be used; i is nil for an unknown
// token. It changes nothing.
func (st *state) checkRefresh(now time.Time, i *issuedToken) *refusal {
	switch {
	case i == nil:
		return forbidden(codeTokenInvalid, "token validity check failed")
	case st.reused(now, i):
		return unauthorized("refresh token already used")
	case i.session.hasEnded():
		return unauthorized("session ended")
	case i.expired(now):
		return unauthorized("refresh token expired")
	case i.session.account.blocked != nil:
		return i.session.account.blocked
	default:
		return i.session.device.blocked
	}
}

// reused reports whether using i now counts as reuse: it has been used, and the
// grace period has passed.
func (st *state) reused(now time.Time, i *issuedToken) bool {
	return !i.usedAt.IsZero() && !now.Before(i.usedAt.Add(st.cfg.ReuseGrace))
}

// singleUse reports whether a refresh token can be used only once. It cannot if a
// refresh returns no new one.
func (st *state) singleUse() bool {
	const field = "refresh_token"
	q := st.cfg.Quirks
	return !st.cfg.ReusableRefreshTokens &&
		!slices.Contains(q.OmitFields, field) && !slices.Contains(q.OmitOnRefresh, field)
}

// signOut ends the session of an access token.
func (st *state) signOut(now time.Time, token string) *refusal {
	i := st.find(accessToken, token)
	switch {
	case i == nil, i.expired(now):
		return forbidden(codeTokenInvalid, "token validity check failed")
	case i.session.hasEnded():
		return notFound("no such session")
	}
	i.session.end = SessionSignedOut
	return nil
}

// issue issues the next pair of a session.
func (st *state) issue(now time.Time, s *session) pair {
	at := st.issueTime(now)
	s.generation++
	st.pairs++
	p := pair{
		clientID:              s.device.id,
		accountID:             s.account.ID,
		expiresIn:             st.lifetime(st.cfg.AccessLifetime, at, s),
		refreshExpiresIn:      st.lifetime(st.cfg.RefreshLifetime, at, s),
		fixedRefreshExpiresIn: s.fixedExpiresAt.Sub(at),
	}
	s.accessExpiresAt, s.refreshExpiresAt = at.Add(p.expiresIn), at.Add(p.refreshExpiresIn)
	p.access = st.issueToken(accessToken, s, s.accessExpiresAt)
	p.refresh = st.issueToken(refreshToken, s, s.refreshExpiresAt)
	return p
}

func (st *state) issueToken(kind tokenKind, s *session, expiresAt time.Time) string {
	token := st.newToken(kind, s, expiresAt)
	st.tokens[token] = &issuedToken{kind: kind, session: s, generation: s.generation, expiresAt: expiresAt}
	s.tokens = append(s.tokens, token)
	if len(s.tokens) > 2*keptPairs {
		delete(st.tokens, s.tokens[0])
		s.tokens = s.tokens[1:]
	}
	return token
}

func (st *state) newToken(kind tokenKind, s *session, expiresAt time.Time) string {
	if st.cfg.Quirks.OpaqueTokens {
		return rand.Text() + rand.Text()
	}
	id := strconv.FormatInt(firstTokenID+st.pairs, 10)
	return st.key.sign(st.cfg.Quirks.claims(kind, s, id, expiresAt))
}

// lifetime returns how long a token issued at this time lives.
func (st *state) lifetime(configured time.Duration, at time.Time, s *session) time.Duration {
	if st.cfg.Quirks.CapLifetimes {
		return min(configured, s.fixedExpiresAt.Sub(at))
	}
	return configured
}

// issueTime returns now in the precision of the claims. The server's own expiry
// checks use the same instants as the claims.
func (st *state) issueTime(now time.Time) time.Time {
	if st.cfg.Quirks.MillisecondClaims {
		return now.Truncate(time.Millisecond)
	}
	return now.Truncate(time.Second)
}

// find returns the issued token of this kind, or nil.
func (st *state) find(kind tokenKind, token string) *issuedToken {
	if i := st.tokens[token]; i != nil && i.kind == kind {
		return i
	}
	return nil
}
