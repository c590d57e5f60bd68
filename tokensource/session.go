package tokensource

import (
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// The numbers of a session's schedule.
const (
	// The wire has whole seconds, and ours may be 999 ms late: an access token
	// is served until that long, or a tenth of its life, before its expiry.
	maxExpirySlack  = time.Second
	expirySlackPart = 10

	defaultMarginPart = 10
	minMargin         = 10 * time.Second
	maxMargin         = 5 * time.Minute

	// Two refreshes of a session start at least so far apart, whatever the
	// gateway's horizons say.
	minSpacing  = 250 * time.Millisecond
	spacingPart = 4

	// A pair that is good for less than the first wait after a failure is no better than a
	// failure. The wire has whole seconds.
	minPairLife = firstBackoff

	// A fixed horizon that is told anew within this is the same one: what
	// differs is the rounding of seconds and the clocks' drift.
	fixedTolerance = time.Minute

	// An instant of issue that lies further ahead of our clock than this says
	// that one of the two clocks is wrong.
	issueTolerance = time.Minute

	// A span beyond this is cut to it: sums of instants must not overflow.
	farthest = 100 * 365 * 24 * time.Hour

	minWarnBefore  = 10 * time.Minute
	maxWarnBefore  = 24 * time.Hour
	warnBeforePart = 10

	// An end that was announced is announced again when it has moved away by more
	// than this, which is more than a clock is corrected by every day.
	warnSlack = time.Minute
)

// session is a pair of tokens, and what its schedule follows from. It is made once
// per pair and never changed. A program may have very many of them, so what can be
// worked out again is not kept: see [session.schedule].
type session struct {
	// token is the pair without its access token, which bearer has: a token can be long,
	// and an ags.Secret does not share its memory. See pair.
	token *ags.Token
	// bearer is what callers get: shared, read-only, without the refresh token. It is
	// set once. An atomic pointer, because what prints by reflection follows others.
	bearer atomic.Pointer[oauth2.Token]

	came       dualclock.Deadline // when it was asked for, or came to us, by both clocks
	fixed      dualclock.Deadline // the end, however often it is refreshed
	margin     time.Duration      // how long before its earliest horizon a refresh is due
	warnBefore time.Duration      // how long before its end that is announced
	startedAt  dualclock.UnixNano // when the session began: the issue of its first pair
	from       origin
	told       bool // when the pair was issued is known, and not assumed
}

// schedule is everything that is due in the life of a pair.
type schedule struct {
	life      time.Duration      // from issue to the earliest horizon; 0 when none is known
	served    dualclock.Deadline // until when the access token is handed out
	refresh   dualclock.Deadline // until when the refresh token is good
	fixed     dualclock.Deadline // the end, however often it is refreshed
	refreshAt dualclock.Deadline // from when a refresh is due
	spaced    dualclock.Deadline // before which no further refresh may start
	halfway   dualclock.Deadline // until when a rejection of it is one of a young token
	warnAt    dualclock.Deadline // from when the end is to be announced
	end       dualclock.Deadline // what warnAt announces
	winsTime  bool               // a refresh can move the access token's expiry
	futile    bool               // it cannot, and both clocks say so
}

// origin is where a pair came from, which tells how its horizons translate to
// the monotonic clock.
type origin uint8

const (
	granted  origin = iota // just now, by the gateway, on our own request
	handedIn               // some time ago: loaded, adopted, or given by the user
)

// arrival is a pair as it came to us.
type arrival struct {
	token *ags.Token
	from  origin
	// at is when the pair was asked for, when granted, or came to us, when
	// handed in.
	at        dualclock.Instant
	startedAt time.Time // when its session began; zero is with this pair
	former    *session  // the pair that it replaces, nil when it begins a session for us
	draw      float64   // from [0,1)
}

// newSession makes a session of a pair.
func newSession(a arrival, set *settings) *session {
	t := *a.token
	told := !t.IssuedAt.IsZero()
	if !told {
		t.IssuedAt = a.at.Wall
	}
	t.IssuedAt = t.IssuedAt.Round(0)
	s := &session{token: &t, came: a.at.Deadline(), from: a.from, told: told || a.from == granted, startedAt: dualclock.UnixNanoOf(t.IssuedAt)}
	if !a.startedAt.IsZero() {
		s.startedAt = dualclock.UnixNanoOf(a.startedAt)
	}
	s.fixed = s.translate(t.FixedExpiresAt)
	if a.former != nil {
		s.startedAt = a.former.startedAt
		s.inherit(a.former, a.at)
	}
	sc := s.schedule()
	s.margin = margin(sc.life, set.refreshBefore, a.draw)
	s.warnBefore = warnBefore(sc.end, s.startedAt, set.warnBefore)
	s.bearer.Store(bearer(&t))
	t.AccessToken = ags.Secret{}
	return s
}

// schedule works out what is due when. Before the margins are set what depends on
// them is late.
func (s *session) schedule() schedule {
	access, refresh, issuedAt := s.translate(s.token.ExpiresAt), s.translate(s.token.RefreshExpiresAt), dualclock.UnixNanoOf(s.token.IssuedAt)
	first := dualclock.Earliest(dualclock.Earliest(access, refresh), s.fixed) // its earliest horizon
	sc := schedule{
		served: dualclock.Earliest(access.Add(-slack(s.token)), s.fixed), refresh: refresh, fixed: s.fixed,
		refreshAt: dualclock.Never(), spaced: s.came, halfway: dualclock.Never(), warnAt: dualclock.Never(), end: s.fixed, winsTime: true,
	}
	if !s.refreshable() {
		sc.end = dualclock.Earliest(sc.end, access)
	}
	if sc.end.Known() {
		sc.warnAt = sc.end.Add(-s.warnBefore)
	}
	if !first.Known() {
		return sc
	}
	sc.life = max(0, first.Wall.Sub(issuedAt))
	sc.halfway = first.Add(-sc.life / 2)
	if s.from == granted {
		// Of its life no more counts than is left: an instant of issue in the past is none
		// to wait for.
		life := min(sc.life, first.Wall.Sub(s.came.Wall))
		sc.spaced = s.came.Add(max(minSpacing, life/spacingPart))
	}
	sc.refreshAt = dualclock.Latest(first.Add(-s.margin), sc.spaced)
	sc.winsTime, sc.futile = winsTime(access, refresh, s.fixed, sc.life)
	if s.from == handedIn && s.refreshable() && sc.winsTime && issuedAt.Sub(s.came.Wall) > issueTolerance {
		sc.refreshAt = s.came // the gateway is asked; where it is not, no Login is run for it either
	}
	return sc
}

// ending reports whether the end is near, by either clock, and by both still to come.
// Where one has seen it pass it was set, or the other has slept through it: the gateway
// is asked, and there is nothing to announce ahead of time.
func (sc *schedule) ending(now dualclock.Instant) bool {
	return sc.warnAt.PassedOnEither(now) && !sc.end.PassedOnEither(now)
}

// slack is how long before its expiry an access token is served for the last time.
func slack(t *ags.Token) time.Duration {
	return min(maxExpirySlack, max(0, t.ExpiresAt.Sub(t.IssuedAt))/expirySlackPart)
}

// translate keeps an instant of the wall clock as a horizon of both. For a pair
// just granted the span counts from when it was asked for. For one handed in the
// monotonic clock was not watched since: it is given what the wall clock says is
// left, but no more than the pair was ever given.
func (s *session) translate(at time.Time) dualclock.Deadline {
	if at.IsZero() {
		return dualclock.Never()
	}
	wall := dualclock.UnixNanoOf(at)
	left := wall.Sub(dualclock.UnixNanoOf(s.token.IssuedAt))
	if s.from == handedIn {
		left = min(left, wall.Sub(s.came.Wall))
	}
	return dualclock.Deadline{Wall: wall, Mono: s.came.Mono + min(left, farthest)}
}

// inherit takes over from the former pair what the new answer does not tell, or
// is not to be believed about.
func (s *session) inherit(prev *session, sent dualclock.Instant) {
	t := s.token
	if t.ClientID == "" {
		t.ClientID = prev.token.ClientID
	}
	if t.AccountID == "" {
		t.AccountID = prev.token.AccountID
	}
	if t.RefreshToken.IsZero() {
		t.RefreshToken = prev.token.RefreshToken
		if t.RefreshExpiresAt.IsZero() && !prev.translate(prev.token.RefreshExpiresAt).PassedOnEither(sent) {
			t.RefreshExpiresAt = prev.token.RefreshExpiresAt
		}
	}
	s.fixed = fixedHorizon(prev.fixed, s.fixed, t.HasFixedClaim(), sent)
	switch {
	case !s.fixed.Known():
		t.FixedExpiresAt = time.Time{}
	case s.fixed.Wall == prev.fixed.Wall:
		t.FixedExpiresAt = prev.token.FixedExpiresAt
	default:
		t.FixedExpiresAt = t.FixedExpiresAt.Round(0)
	}
}

// fixedHorizon decides between the fixed horizon known so far and the one that
// a refresh announced. The gateway checks what its tokens claim, so a claim
// wins. A span alone may be the full constant repeated in every answer, so
// without a claim the earliest wins; unless one of our clocks says that it has
// passed, for then the grant itself has just proved that wrong.
func fixedHorizon(prev, next dualclock.Deadline, claimed bool, now dualclock.Instant) dualclock.Deadline {
	wall := dualclock.UnixNanoOf(now.Wall)
	switch {
	case !prev.Known(), prev.PassedOnEither(now) && next.Known(), wall >= prev.Wall:
		return next
	case prev.PassedOnEither(now):
		// The monotonic clock alone was wrong, and nothing new is told.
		return dualclock.Deadline{Wall: prev.Wall, Mono: now.Mono + prev.Wall.Sub(wall)}
	case !next.Known():
		return prev
	case next.Wall.Sub(prev.Wall).Abs() < fixedTolerance:
		return prev
	case claimed:
		return next
	default:
		return dualclock.Earliest(prev, next)
	}
}

// margin is how long before its earliest horizon a pair is refreshed: as
// configured, or a tenth of its life; at most half of it; and, so that a fleet
// that signed on together does not refresh together, up to a fifth more.
func margin(life, configured time.Duration, draw float64) time.Duration {
	base := configured
	if base == 0 {
		base = min(max(life/defaultMarginPart, minMargin), maxMargin)
	}
	base = min(base, life/2)
	return base + time.Duration(float64(base)*draw/5)
}

// winsTime reports whether a refresh could move the expiry that counts: not when
// that already reaches the fixed horizon, or nearly so. A wall clock that says so
// alone may be wrong: futile is that the other one does, too.
func winsTime(access, refresh, fixed dualclock.Deadline, life time.Duration) (wins, futile bool) {
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
	wins = fixed.Wall.Sub(reach.Wall) > least
	return wins, !wins && fixed.Mono-reach.Mono <= least
}

// warnBefore is how long before the end of a session it is announced: as
// configured, or a tenth of its span, at most half of it. It is not before the end
// where a clock that was set says that the span is none.
func warnBefore(end dualclock.Deadline, startedAt dualclock.UnixNano, configured time.Duration) time.Duration {
	if configured != 0 || !end.Known() {
		return configured
	}
	span := end.Wall.Sub(startedAt)
	return max(0, min(max(span/warnBeforePart, minWarnBefore), maxWarnBefore, span/2))
}
