package agstest

import (
	"crypto/rand"
	"slices"
	"strconv"
	"time"
)

// keptPairs is how many pairs of tokens are remembered of a session. A token
// older than that is as unknown as a forged one. It bounds what a server that is
// refreshed for hours takes of memory, and is more than a test looks back.
const keptPairs = 512

// keptSessions is how many sessions that are over are remembered with their tokens,
// for the same reason. There may be as many more before the oldest are forgotten.
const keptSessions = 64

// session is what a sign-on begins.
type session struct {
	serial     int // 1 for the server's first
	account    *account
	device     *device
	tenant     string
	fixedAt    time.Time
	generation int      // how many pairs were issued, the sign-on's being the first
	tokens     []string // those remembered, oldest first
	ended      bool
}

// issued is a token that was given out.
type issued struct {
	kind       tokenKind
	session    *session
	generation int
	expiresAt  time.Time
	spentAt    time.Time // when it first bought a new pair; zero for not yet
}

// expired reports whether the token, or its session with it, has run out.
func (i *issued) expired(now time.Time) bool {
	return !now.Before(i.expiresAt) || !now.Before(i.session.fixedAt)
}

// pair is the answer to a sign-on and to a refresh, before it is written down.
type pair struct {
	access, refresh                         string
	clientID, accountID                     string
	accessSpan, refreshSpan, remainingFixed time.Duration
}

// begin starts a session and issues its first pair.
func (b *books) begin(now time.Time, a *account, d *device, tenant string) pair {
	s := &session{serial: len(b.sessions) + 1, account: a, device: d, tenant: tenant}
	s.fixedAt = b.issueInstant(now).Add(b.cfg.FixedLifetime)
	b.sessions = append(b.sessions, s)
	if s.serial%keptSessions == 0 {
		b.forget(now)
	}
	return b.issue(now, s)
}

// forget drops the tokens of the sessions that have been over for longest.
func (b *books) forget(now time.Time) {
	var over []*session
	for _, s := range b.sessions {
		if len(s.tokens) > 0 && b.over(now, s) {
			over = append(over, s)
		}
	}
	for _, s := range over[:max(0, len(over)-keptSessions)] {
		for _, token := range s.tokens {
			delete(b.tokens, token)
		}
		s.tokens = nil
	}
}

// over reports whether nothing can be had for any of a session's tokens any more.
func (b *books) over(now time.Time, s *session) bool {
	return !slices.ContainsFunc(s.tokens, func(token string) bool {
		i := b.tokens[token]
		return !i.expired(now) && (i.kind == accessToken || !s.ended)
	})
}

// refresh exchanges a refresh token for a new pair. A token that was used before
// ends its session: of two who hold it, one has stolen it.
func (b *books) refresh(now time.Time, token string) (pair, *refusal) {
	if b.geoBlocked {
		return pair{}, forbidden(codeGeoBlocked, "geo-blocked location")
	}
	i := b.find(refreshToken, token)
	if i != nil && b.reused(now, i) {
		b.reuses++
		i.session.ended = true
	}
	if no := b.checkRefresh(now, i); no != nil {
		return pair{}, no
	}
	if b.singleUse() && i.spentAt.IsZero() {
		i.spentAt = now
	}
	b.refreshes++
	return b.issue(now, i.session), nil
}

// checkRefresh returns why a refresh token, nil for one not known, buys nothing.
func (b *books) checkRefresh(now time.Time, i *issued) *refusal {
	switch {
	case i == nil:
		return forbidden(codeTokenInvalid, "token validity check failed")
	case b.reused(now, i):
		return unauthorized("refresh token already used")
	case i.session.ended:
		return unauthorized("session ended")
	case i.expired(now):
		return unauthorized("refresh token expired")
	case i.session.account.barred != nil:
		return i.session.account.barred
	default:
		return i.session.device.barred
	}
}

// reused reports whether i has been used before, and so long ago that it may not
// be used again.
func (b *books) reused(now time.Time, i *issued) bool {
	return !i.spentAt.IsZero() && !now.Before(i.spentAt.Add(b.cfg.ReuseGrace))
}

// singleUse reports whether a refresh token is good once. It cannot be where a
// refresh brings no other.
func (b *books) singleUse() bool {
	const field = "refresh_token"
	q := b.cfg.Quirks
	return !b.cfg.ReusableRefreshTokens &&
		!slices.Contains(q.OmitFields, field) && !slices.Contains(q.OmitOnRefresh, field)
}

// signOut ends the session of an access token.
func (b *books) signOut(now time.Time, token string) *refusal {
	i := b.find(accessToken, token)
	switch {
	case i == nil, i.expired(now):
		return forbidden(codeTokenInvalid, "token validity check failed")
	case i.session.ended:
		return notFound("no such session")
	}
	i.session.ended = true
	return nil
}

// issue gives out the next pair of a session.
func (b *books) issue(now time.Time, s *session) pair {
	at := b.issueInstant(now)
	s.generation++
	b.pairs++
	p := pair{
		clientID:       s.device.id,
		accountID:      s.account.ID,
		accessSpan:     b.span(b.cfg.AccessLifetime, at, s),
		refreshSpan:    b.span(b.cfg.RefreshLifetime, at, s),
		remainingFixed: s.fixedAt.Sub(at),
	}
	p.access = b.give(accessToken, s, at.Add(p.accessSpan))
	p.refresh = b.give(refreshToken, s, at.Add(p.refreshSpan))
	return p
}

// give makes a token, and remembers it.
func (b *books) give(kind tokenKind, s *session, expiresAt time.Time) string {
	token := b.write(kind, s, expiresAt)
	b.tokens[token] = &issued{kind: kind, session: s, generation: s.generation, expiresAt: expiresAt}
	s.tokens = append(s.tokens, token)
	if len(s.tokens) > 2*keptPairs {
		delete(b.tokens, s.tokens[0])
		s.tokens = s.tokens[1:]
	}
	return token
}

func (b *books) write(kind tokenKind, s *session, expiresAt time.Time) string {
	if b.cfg.Quirks.OpaqueTokens {
		return rand.Text() + rand.Text()
	}
	id := strconv.FormatInt(firstTokenID+b.pairs, 10)
	return b.key.sign(b.cfg.Quirks.claims(kind, s, id, expiresAt))
}

// span is what a token issued at this instant lives.
func (b *books) span(lifetime time.Duration, at time.Time, s *session) time.Duration {
	if b.cfg.Quirks.CapLifetimes {
		return min(lifetime, s.fixedAt.Sub(at))
	}
	return lifetime
}

// issueInstant is what now is on the wire: claims have whole seconds, or whole
// milliseconds, and the server keeps to what its claims say.
func (b *books) issueInstant(now time.Time) time.Time {
	if b.cfg.Quirks.MillisecondClaims {
		return now.Truncate(time.Millisecond)
	}
	return now.Truncate(time.Second)
}

// find returns a token that was given out as one of this kind, or nil.
func (b *books) find(kind tokenKind, token string) *issued {
	if i := b.tokens[token]; i != nil && i.kind == kind {
		return i
	}
	return nil
}
