package lifecycle

import (
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

const (
	// Two refreshes for callers that ask for a validity start at least this far apart, or
	// a tenth of a token's life if that is less. For the same reason a caller cannot ask
	// for the last part of a token's life.
	maxAskSpacing  = 10 * time.Second
	askSpacingPart = 10

	// unlimited is the validity of a token that has no known end.
	unlimited = time.Duration(1<<63 - 1)
)

// Validity is how long the tokens of a session are valid, as seen at an instant.
type Validity struct {
	// Current is how long the current token is served, zero or less if it is not.
	Current time.Duration
	// Longest is the longest validity that can be asked for at any time: what a refresh is
	// expected to bring, or what the current token has if no refresh can extend it.
	Longest time.Duration
	// IsLastToken is set if Longest is limited by the session's end, and not by the life of
	// a token.
	IsLastToken bool
}

// ValidityAt returns the validity of the tokens of a session that has not ended. It is a
// pure function of its arguments.
//
// The next token is expected to live as long as the current one does in all. So a caller
// that asks for more than that causes no refresh at all. If the gateway has changed the
// life of its tokens, the next regular refresh shows that.
func (s *State) ValidityAt(now dualclock.Instant) Validity {
	if s.pair == nil {
		return Validity{IsLastToken: true}
	}
	due := s.pair.schedule()
	v := Validity{Current: due.serveUntil.Left(now)}
	if !due.serveUntil.Known() {
		v.Current = unlimited
	}
	next, end := s.pair.nextLife(&due), due.fixed.Left(now)
	switch {
	case !s.pair.canExtend(&due):
		v.Longest, v.IsLastToken = v.Current, true
	case due.fixed.Known() && end < next:
		v.Longest, v.IsLastToken = end, true
	default:
		v.Longest = max(0, next)
	}
	return v
}

// RefreshesFor reports whether a refresh is due because a caller asks for a token that is
// valid for span. It is not if the current token is, if the next one would not be either,
// or while a failure is remembered.
func (s *State) RefreshesFor(span time.Duration, now dualclock.Instant) bool {
	if !s.mayBeAsked(now) {
		return false
	}
	v := s.ValidityAt(now)
	return v.Current < span && span <= v.Longest
}

// mayBeAsked reports whether a refresh can be asked for before it is due.
func (s *State) mayBeAsked(now dualclock.Instant) bool {
	return !s.IsUnread() && s.end == nil && s.pair != nil && s.failure.retryAt().PassedOnEither(now)
}

// IsAsked reports whether a caller waits for a token that is valid for longer than the
// current one.
func (s *State) IsAsked() bool { return s.current.asked }

// Asked is the outcome when a caller asks for a token that is valid for Span. If a refresh
// is due for that, it stays due until it is answered, or another pair is adopted. Callers
// that ask for no validity are served the current token meanwhile.
type Asked struct{ Span time.Duration }

func (o Asked) apply(c *change) {
	if c.RefreshesFor(o.Span, c.now) {
		c.current.asked = true
	}
}

// IsRenewable reports whether a refresh that is not due would bring another pair.
func (s *State) IsRenewable(now dualclock.Instant) bool {
	if s.current.asked || !s.mayBeAsked(now) {
		return false
	}
	due := s.pair.schedule()
	return s.pair.canExtend(&due) && due.earliestRefresh.PassedOnBoth(now)
}

// IsRefreshDue reports whether the session needs another pair, though it may have been asked
// for one earlier.
func (s *State) IsRefreshDue(now dualclock.Instant) bool {
	if s.pair == nil {
		return true
	}
	due := s.pair.schedule()
	return due.refreshAt.PassedOnEither(now) || s.current.invalidation != notInvalidated || s.end != nil
}

// Renewed is the outcome when a refresh is wanted ahead of time. It stays due until it is
// answered, or another pair is adopted.
type Renewed struct{}

func (Renewed) apply(c *change) {
	if c.IsRenewable(c.now) {
		c.current.asked = true
	}
}

// Prospect is what to tell a caller that asks for a token of some validity, while the
// session has a token to serve.
type Prospect uint8

// The prospects.
const (
	Sufficient  Prospect = iota // the current token is valid for that long
	Coming                      // the operation in flight, or the next one, may bring such a token
	Failing                     // a refresh or a login is needed, and not to be had for now
	Unreachable                 // no refresh can bring such a token
)

// ProspectOf returns what to tell a caller that asks for a token that is valid for span.
// running is the operation in flight. [Asked] must have been applied before.
func (s *State) ProspectOf(span time.Duration, running Action, now dualclock.Instant) Prospect {
	v := s.ValidityAt(now)
	bringsPair := running == Refresh || running == Login || running == Load
	ended := s.end != nil
	switch {
	case v.Current >= span:
		return Sufficient
	case bringsPair, running != Nothing && (s.current.asked || ended && s.login == hasLogin):
		return Coming
	case ended, s.IsUnread(), span <= v.Longest:
		return Failing
	default:
		return Unreachable
	}
}

// askSpacing is how far apart two refreshes are that callers have asked for.
func askSpacing(life time.Duration) time.Duration {
	return max(minSpacing, min(maxAskSpacing, life/askSpacingPart))
}

// nextLife is how long the successor of p is expected to be served, less the spacing. It is
// unlimited if the life of p is not known.
func (p *Pair) nextLife(due *schedule) time.Duration {
	if !p.dates.isKnown(accessExpiry) || !p.issuedAtKnown {
		return unlimited
	}
	life := p.ExpiresAt().Sub(p.IssuedAt())
	if p.origin == FromGateway {
		// An instant of issue in the past is no reason to expect more than was granted.
		life = min(life, p.dates.unixNano(accessExpiry).Sub(p.receivedAt.Wall))
	}
	return life - p.expirySlack() - askSpacing(due.life)
}
