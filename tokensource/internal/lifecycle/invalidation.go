package lifecycle

import (
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

const (
	maxInvalidationInterval = 10 * time.Second
	maxInvalidationBackoff  = 5 * time.Minute
)

// invalidation is whether an API has rejected the access token, and what follows.
type invalidation uint8

const (
	notInvalidated invalidation = iota
	// invalidated means that callers wait for the refresh that replaces the token.
	invalidated
	// refreshOwed means that this refresh has failed. The token is served again, and the
	// refresh is tried again behind the callers.
	refreshOwed
)

// afterFailedRefresh returns the invalidation once a refresh has failed. The token is
// served again, because there is no other.
func (i invalidation) afterFailedRefresh() invalidation {
	if i == invalidated {
		return refreshOwed
	}
	return i
}

// withholds reports whether the access token is not served because of the invalidation.
// If the gateway has rejected the refresh token, too, the access token is not served any
// more.
func (i invalidation) withholds(ended Reason) bool {
	return i == invalidated || i == refreshOwed && ended == RefreshRejected
}

// rejections spaces the refreshes that follow invalidations, so that an API that rejects
// every token does not cause a refresh each time.
type rejections struct {
	last     dualclock.Deadline // when the last one was acted upon
	interval time.Duration      // how far apart two are
}

// admit decides whether an API's rejection of p's access token is acted upon, and
// returns what is remembered if it is. A nil r means that there was none before.
func (r *rejections) admit(p *Pair, now dualclock.Instant) (rejections, bool) {
	due, least := p.schedule(), maxInvalidationInterval
	if due.life > 0 {
		least = min(least, due.life/2)
	}
	next := rejections{last: now.Deadline(), interval: least}
	if r == nil {
		return next, true
	}
	interval := max(r.interval, least)
	if !r.last.Add(interval).PassedOnEither(now) {
		return rejections{}, false
	}
	if !due.halfLife.PassedOnEither(now) {
		next.interval = min(2*interval, maxInvalidationBackoff)
	}
	return next, true
}

// Invalidated is the outcome when an API has rejected the current access token. Whether it
// has an effect is described at Source.Invalidate.
type Invalidated struct{}

func (Invalidated) apply(c *change) {
	p := c.pair
	if p == nil || c.current.invalidation == invalidated {
		return
	}
	switch {
	case c.end != nil && c.end.Reason == RefreshRejected:
		c.current.invalidation = invalidated // the gateway and an API agree
	case c.end != nil, !p.HasRefreshToken, !c.failure.retryAt().PassedOnEither(c.now):
		return
	default:
		if next, admitted := c.pacing.lastRejection().admit(p, c.now); admitted {
			c.setPacing(&next, c.pacing.lastLogins())
			c.current.invalidation = invalidated
		}
	}
}
