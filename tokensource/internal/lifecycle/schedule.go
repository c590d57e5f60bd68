package lifecycle

import (
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// The constants of a pair's schedule.
const (
	// The wire has whole seconds, and ours may be 999 ms late. So an access token is
	// served until one second before its expiry, or a tenth of its life if that is less.
	maxExpirySlack  = time.Second
	expirySlackPart = 10

	marginPart = 10
	minMargin  = 10 * time.Second
	maxMargin  = 5 * time.Minute

	// Two refreshes of a session start at least this far apart.
	minSpacing  = 250 * time.Millisecond
	spacingPart = 4

	// A pair that lives for less than the first back-off is no better than a failure.
	minPairLife = firstBackoff

	// Two fixed horizons closer than this are the same one: they differ by the rounding
	// of seconds and the drift of clocks.
	fixedTolerance = time.Minute

	// A pair issued further in the future than this shows that a clock is wrong.
	issueTolerance = time.Minute

	// Longer lives are cut to this, so that sums of instants do not overflow.
	maxLife = 100 * 365 * 24 * time.Hour

	minWarnBefore  = 10 * time.Minute
	maxWarnBefore  = 24 * time.Hour
	warnBeforePart = 10

	// An end that was announced is announced again when it has moved away by more than
	// this. Clocks are corrected by less every day.
	warnTolerance = time.Minute
)

// schedule is everything that is due in the life of a pair.
type schedule struct {
	life            time.Duration      // from issue to the first deadline; 0 if none is known
	serveUntil      dualclock.Deadline // the access token is served until then
	refreshUntil    dualclock.Deadline // the refresh token is good until then
	fixed           dualclock.Deadline // the end of the session, however often it is refreshed
	refreshAt       dualclock.Deadline // a refresh is due from then on
	earliestRefresh dualclock.Deadline // no refresh starts before
	halfLife        dualclock.Deadline // an API's rejection before then is of a young token
	warnAt          dualclock.Deadline // the end is announced from then on
	end             dualclock.Deadline // the end that is announced
	refreshExtends  bool               // a refresh can move the access token's expiry
	exhausted       bool               // it cannot, and both clocks say so
}

// schedule computes what is due when. NewPair calls it before the margins are known, for
// what does not depend on them.
func (p *Pair) schedule() schedule {
	access, refresh := p.deadline(accessExpiry), p.deadline(refreshExpiry)
	issuedAt := p.dates.unixNano(issued)
	first := dualclock.Earliest(dualclock.Earliest(access, refresh), p.fixed)
	due := schedule{
		serveUntil:      dualclock.Earliest(access.Add(-p.expirySlack()), p.fixed),
		refreshUntil:    refresh,
		fixed:           p.fixed,
		refreshAt:       dualclock.Never(),
		earliestRefresh: p.receivedAt,
		halfLife:        dualclock.Never(),
		warnAt:          dualclock.Never(),
		end:             p.fixed,
		refreshExtends:  true,
	}
	if !p.HasRefreshToken {
		due.end = dualclock.Earliest(due.end, access)
	}
	if due.end.Known() {
		due.warnAt = due.end.Add(-p.warnBefore)
	}
	if !first.Known() {
		return due
	}
	due.life = max(0, first.Wall.Sub(issuedAt))
	due.halfLife = first.Add(-due.life / 2)
	if p.origin == FromGateway {
		// An instant of issue in the past is no reason to wait for longer than is left.
		life := min(due.life, first.Wall.Sub(p.receivedAt.Wall))
		due.earliestRefresh = p.receivedAt.Add(max(minSpacing, life/spacingPart))
	}
	due.refreshAt = dualclock.Latest(first.Add(-p.margin), due.earliestRefresh)
	due.refreshExtends, due.exhausted = refreshExtends(access, refresh, p.fixed, due.life)
	issuedInFuture := issuedAt.Sub(p.receivedAt.Wall) > issueTolerance
	if p.origin == HandedIn && p.HasRefreshToken && due.refreshExtends && issuedInFuture {
		due.refreshAt = p.receivedAt // the gateway knows
	}
	return due
}

// expirySlack is how long before its expiry an access token is served for the last time.
func (p *Pair) expirySlack() time.Duration {
	return min(maxExpirySlack, max(0, p.ExpiresAt().Sub(p.IssuedAt()))/expirySlackPart)
}

// margin is how long before its first deadline a pair is refreshed: as configured or a
// tenth of its life, at most half of it, and up to a fifth more at random, so that
// sessions that began together are not refreshed together.
func margin(life, configured time.Duration, draw float64) time.Duration {
	base := configured
	if base == 0 {
		base = min(max(life/marginPart, minMargin), maxMargin)
	}
	base = min(base, life/2)
	return base + time.Duration(float64(base)*draw/5)
}

// sessionRefreshAt returns when a refresh is due for a session of which no access token is
// kept: a tenth of its life before the refresh token expires, and up to a fifth of that
// more at random. It is not due if the refresh token lasts as long as the session.
func (p *Pair) sessionRefreshAt(due *schedule) dualclock.Deadline {
	switch {
	case !due.refreshUntil.Known():
		return due.refreshAt // nobody knows how long the refresh token lasts
	case due.fixed.Known() && due.fixed.Wall.Sub(due.refreshUntil.Wall) < fixedTolerance:
		return dualclock.Never()
	}
	life := max(0, due.refreshUntil.Wall.Sub(p.dates.unixNano(issued)))
	before := life/marginPart + time.Duration(float64(life/marginPart)*float64(p.draw)/5)
	return dualclock.Latest(due.refreshUntil.Add(-before), due.refreshAt)
}

// refreshExtends reports whether a refresh can move the expiry: not when the expiry is
// at the fixed horizon, or nearly so. The wall clock may be wrong about that; exhausted
// means that the monotonic clock agrees.
func refreshExtends(access, refresh, fixed dualclock.Deadline, life time.Duration) (extends, exhausted bool) {
	if !fixed.Known() {
		return true, false
	}
	reach := access
	if !reach.Known() {
		reach = refresh
	}
	if !reach.Known() {
		return false, true
	}
	least := max(life/100, min(2*time.Second, life/5))
	extends = fixed.Wall.Sub(reach.Wall) > least
	return extends, !extends && fixed.Mono-reach.Mono <= least
}

// warnBefore is how long before the end of a session that is announced: as configured,
// or a tenth of its span, at most half of it. A clock that was set can make the span
// negative.
func warnBefore(end dualclock.Deadline, startedAt dualclock.UnixNano, configured time.Duration) time.Duration {
	if configured != 0 || !end.Known() {
		return configured
	}
	span := end.Wall.Sub(startedAt)
	return max(0, min(max(span/warnBeforePart, minWarnBefore), maxWarnBefore, span/2))
}

// isEnding reports whether the end is near by either clock, and to come by both. If one
// clock has reached the end, the clock is wrong or the machine has slept: the gateway is
// asked, and nothing is announced ahead of time.
func (due *schedule) isEnding(now dualclock.Instant) bool {
	return due.warnAt.PassedOnEither(now) && !due.end.PassedOnEither(now)
}

// canExtend reports whether a refresh is of use while the access token lives.
func (p *Pair) canExtend(due *schedule) bool { return p.HasRefreshToken && due.refreshExtends }

// usableUntil returns until when the pair can be served or refreshed.
func (p *Pair) usableUntil(due *schedule) dualclock.Deadline {
	if p.canExtend(due) {
		return dualclock.Earliest(due.refreshUntil, due.fixed)
	}
	return due.serveUntil
}

// isBrief reports whether a pair that was granted just now is dead, or due again so soon
// that it was not worth the call.
func (p *Pair) isBrief(due *schedule, now dualclock.Instant) bool {
	first := due.serveUntil
	if p.canExtend(due) {
		first = dualclock.Earliest(first, due.refreshUntil)
	}
	if p.HasRefreshToken {
		now = now.Add(minPairLife)
	}
	return first.PassedOnEither(now)
}
