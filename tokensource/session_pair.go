package tokensource

import (
	"time"

	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// accessToken returns the access token.
func (s *session) accessToken() string { return s.bearer.Load().AccessToken }

// pair returns the whole pair.
func (s *session) pair() *ags.Token {
	t := *s.token
	t.AccessToken = ags.NewSecret(s.accessToken())
	return &t
}

// lastCall returns from when a refresh of a live token is made without a store that
// was given up: in the last half of the margin, and at most two timeouts before the
// token is not served any more. Until then it waits, for the store may be back.
func (s *session) lastCall(refreshTimeout time.Duration) dualclock.Deadline {
	due := s.schedule()
	return due.served.Add(-min(s.margin/2, 2*refreshTimeout))
}

// extendable reports whether a refresh would be of use before the access token is dead.
func (s *session) extendable(due *schedule) bool { return s.refreshable() && due.winsTime }

// lasts returns until when there is something to serve, or to refresh.
func (s *session) lasts(due *schedule) dualclock.Deadline {
	if s.extendable(due) {
		return dualclock.Earliest(due.refresh, due.fixed)
	}
	return due.served
}

// brief reports whether a pair that was granted just now is dead, or due again so soon
// that it was not worth the call.
func (s *session) brief(due *schedule, now dualclock.Instant) bool {
	first := due.served
	if s.extendable(due) {
		first = dualclock.Earliest(first, due.refresh)
	}
	if s.refreshable() {
		now = now.Add(minPairLife)
	}
	return first.PassedOnEither(now)
}

// refreshable reports whether there is a refresh token at all.
func (s *session) refreshable() bool { return !s.token.RefreshToken.IsZero() }

// endsAt is the instant of the schedule's end, as the tokens tell it.
func (s *session) endsAt() time.Time {
	t := s.token
	if s.refreshable() || t.ExpiresAt.IsZero() || !t.FixedExpiresAt.IsZero() && t.FixedExpiresAt.Before(t.ExpiresAt) {
		return t.FixedExpiresAt
	}
	return t.ExpiresAt
}

// bearer is the access token as oauth2-aware libraries know it. It never has the
// refresh token: what cannot be handed out cannot be spent by somebody else.
func bearer(t *ags.Token) *oauth2.Token {
	expiry := t.ExpiresAt
	if fixed := t.FixedExpiresAt; !fixed.IsZero() && (expiry.IsZero() || fixed.Before(expiry)) {
		expiry = fixed
	}
	return &oauth2.Token{AccessToken: t.AccessToken.Reveal(), TokenType: t.TokenType, Expiry: expiry}
}
