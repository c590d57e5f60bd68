package lifecycle

import (
	"cmp"
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// Tokens are the access token and the refresh token of a pair. This package carries
// them along and can only tell them apart.
type Tokens interface {
	// Fingerprint identifies the pair.
	Fingerprint() Fingerprint
}

// Fingerprint stands for a pair that is kept only to be recognised.
type Fingerprint [32]byte

// Device is the identity that a session was signed on with. A field is empty when it is
// not known.
type Device struct{ ClientID, AccountID string }

// Or fills in the fields of d that are empty.
func (d Device) Or(other Device) Device {
	return Device{cmp.Or(d.ClientID, other.ClientID), cmp.Or(d.AccountID, other.AccountID)}
}

// differs reports whether a field that both know is not the same.
func (d Device) differs(other Device) bool {
	differ := func(a, b string) bool { return a != "" && b != "" && a != b }
	return differ(d.ClientID, other.ClientID) || differ(d.AccountID, other.AccountID)
}

// Grant describes a pair of tokens. A zero instant is unknown.
type Grant struct {
	Device

	IssuedAt, ExpiresAt, RefreshExpiresAt, FixedExpiresAt time.Time
	HasRefreshToken                                       bool
	FixedIsClaim                                          bool // FixedExpiresAt is a claim of a token
}

// Origin is where a pair came from. It determines the deadlines on the monotonic clock.
type Origin uint8

// The origins.
const (
	FromGateway Origin = iota // granted just now, on our own request
	HandedIn                  // granted some time ago: loaded, adopted, or given by the user
)

// Arrival is a pair as it arrives.
type Arrival struct {
	Grant

	Tokens Tokens
	Origin Origin
	// At is when the pair was requested, if it is from the gateway, or else when it
	// arrived.
	At        dualclock.Instant
	StartedAt time.Time // when its session began; zero means with this pair
	Former    *Pair     // the pair that was refreshed; nil if there is none
	Draw      float64   // from [0,1)

	RefreshBefore, WarnBefore time.Duration // the user's settings; zero means the default
}

// Pair is a pair of tokens and what its schedule is computed from. It is immutable. A
// program may have very many pairs, so the schedule itself is not kept.
type Pair struct {
	Device

	Tokens        Tokens
	dates         dates              // those of its Grant, with the instant of issue assumed if it is not known
	receivedAt    dualclock.Deadline // when it was requested or arrived
	fixed         dualclock.Deadline // the end of the session, however often it is refreshed
	margin        time.Duration      // how long before its first deadline a refresh is due
	warnBefore    time.Duration      // how long before the end that is announced
	startedAt     dualclock.UnixNano // when the session began: the issue of its first pair
	draw          float32
	origin        Origin
	issuedAtKnown bool // and not assumed

	HasRefreshToken bool
	FixedIsClaim    bool // the fixed horizon is a claim of a token
}

// NewPair returns the pair of an arrival.
func NewPair(a Arrival) *Pair {
	p := &Pair{
		Device: a.Device, HasRefreshToken: a.HasRefreshToken, FixedIsClaim: a.FixedIsClaim,
		Tokens: a.Tokens, dates: datesOf(&a.Grant), receivedAt: a.At.Deadline(), origin: a.Origin,
	}
	p.issuedAtKnown = !a.IssuedAt.IsZero() || a.Origin == FromGateway
	if a.IssuedAt.IsZero() {
		p.dates.set(issued, a.At.Wall)
	}
	p.startedAt = p.dates.unixNano(issued)
	if !a.StartedAt.IsZero() {
		p.startedAt = dualclock.UnixNanoOf(a.StartedAt)
	}
	p.fixed = p.deadline(fixedExpiry)
	if a.Former != nil {
		p.startedAt = a.Former.startedAt
		p.inherit(a.Former, a.At)
	}
	due := p.schedule()
	p.margin, p.draw = margin(due.life, a.RefreshBefore, a.Draw), float32(a.Draw)
	p.warnBefore = warnBefore(due.end, p.startedAt, a.WarnBefore)
	return p
}

// WithRefreshTokenOf returns p with the refresh token of its successor, and what is known
// of the session from there. tokens are the access token of p and that refresh token.
func (p *Pair) WithRefreshTokenOf(next *Pair, tokens Tokens) *Pair {
	both := *p
	both.Tokens, both.Device, both.HasRefreshToken = tokens, next.Device, next.HasRefreshToken
	both.fixed, both.FixedIsClaim = next.fixed, next.FixedIsClaim
	both.dates.set(refreshExpiry, next.RefreshExpiresAt())
	both.dates.set(fixedExpiry, next.FixedExpiresAt())
	return &both
}

// IssuedAt returns when the pair was issued, if that is known, or else when it arrived.
func (p *Pair) IssuedAt() time.Time { return p.dates.get(issued) }

// ExpiresAt returns when the access token expires. It is zero if unknown.
func (p *Pair) ExpiresAt() time.Time { return p.dates.get(accessExpiry) }

// RefreshExpiresAt returns when the refresh token expires. It is zero if unknown.
func (p *Pair) RefreshExpiresAt() time.Time { return p.dates.get(refreshExpiry) }

// FixedExpiresAt returns when the session ends. It is zero if unknown.
func (p *Pair) FixedExpiresAt() time.Time { return p.dates.get(fixedExpiry) }

// StartedAt returns when the session of the pair began.
func (p *Pair) StartedAt() time.Time { return p.startedAt.Time(time.Time{}) }

// Expiry returns until when the access token is good at most. It is zero if unknown.
func (p *Pair) Expiry() time.Time { return firstKnown(p.ExpiresAt(), p.FixedExpiresAt()) }

// EndsAt returns the end that is announced ahead of time.
func (p *Pair) EndsAt() time.Time {
	if p.HasRefreshToken {
		return p.FixedExpiresAt()
	}
	return p.Expiry()
}

func firstKnown(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// RefreshAt returns when the pair is due for a refresh. It is [dualclock.Never] if
// nothing is known to end.
func (p *Pair) RefreshAt() dualclock.Deadline {
	due := p.schedule()
	return due.refreshAt
}

// ServeUntil returns the deadline until which the access token is served.
func (p *Pair) ServeUntil() dualclock.Deadline {
	due := p.schedule()
	return due.serveUntil
}

// deadline returns the deadline of one of the dates. The life of a pair from the gateway
// counts from its request. While a pair was not ours nobody watched the monotonic clock,
// so one that was handed in has what the wall clock says is left, but not more than its
// whole life.
func (p *Pair) deadline(of date) dualclock.Deadline {
	if !p.dates.isKnown(of) {
		return dualclock.Never()
	}
	wall := p.dates.unixNano(of)
	left := wall.Sub(p.dates.unixNano(issued))
	if p.origin == HandedIn {
		left = min(left, wall.Sub(p.receivedAt.Wall))
	}
	return dualclock.Deadline{Wall: wall, Mono: p.receivedAt.Mono + min(left, maxLife)}
}

// inherit fills in from the former pair what the answer to its refresh does not say, and
// decides which fixed horizon holds.
func (p *Pair) inherit(former *Pair, sent dualclock.Instant) {
	p.Device = p.Or(former.Device)
	if !p.HasRefreshToken {
		p.HasRefreshToken = former.HasRefreshToken
		if !p.dates.isKnown(refreshExpiry) && !former.deadline(refreshExpiry).PassedOnEither(sent) {
			p.dates.set(refreshExpiry, former.RefreshExpiresAt())
		}
	}
	p.fixed = fixedDeadline(former.fixed, p.fixed, p.FixedIsClaim, sent)
	switch {
	case !p.fixed.Known():
		p.dates.set(fixedExpiry, time.Time{})
	case p.fixed.Wall == former.fixed.Wall:
		p.dates.set(fixedExpiry, former.FixedExpiresAt())
	}
}

// fixedDeadline decides between the fixed horizon known so far and the one in the answer
// to a refresh. A claim wins, because the gateway checks what its tokens claim. A mere
// span may be the full constant, repeated in every answer, so of two spans the earliest
// wins. If one of our clocks says that the former has passed, the grant has just proved
// that wrong.
func fixedDeadline(former, next dualclock.Deadline, isClaim bool, now dualclock.Instant) dualclock.Deadline {
	wall := dualclock.UnixNanoOf(now.Wall)
	switch {
	case !former.Known(), former.PassedOnEither(now) && next.Known(), wall >= former.Wall:
		return next
	case former.PassedOnEither(now):
		// Only the monotonic clock was wrong, and the answer says nothing.
		return dualclock.Deadline{Wall: former.Wall, Mono: now.Mono + former.Wall.Sub(wall)}
	case !next.Known():
		return former
	case next.Wall.Sub(former.Wall).Abs() < fixedTolerance:
		return former
	case isClaim:
		return next
	default:
		return dualclock.Earliest(former, next)
	}
}
