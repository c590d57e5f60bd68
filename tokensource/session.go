package tokensource

import (
	"time"

	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/ags"
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
)

// session is a pair of tokens and everything that follows from it. It is made
// once per pair and never changed.
type session struct {
	token  *ags.Token
	bearer *oauth2.Token // what callers get: shared, read-only, without the refresh token

	life      time.Duration // from issue to the earliest horizon; 0 when none is known
	served    horizon       // until when the access token is handed out
	refresh   horizon       // until when the refresh token is good
	fixed     horizon       // the end, however often it is refreshed
	refreshAt horizon       // from when a refresh is due
	spaced    horizon       // before which no further refresh may start
	halfway   horizon       // until when a rejection of it is one of a young token
	warnAt    horizon       // from when the end is to be announced
	end       horizon       // what warnAt announces

	startedAt time.Time // when the session began: the issue of its first pair
	told      bool      // when the pair was issued is known, and not assumed
	winsTime  bool      // a refresh can move the access token's expiry
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
	at        instant
	startedAt time.Time // when its session began; zero is with this pair
	former    *session  // the pair that it replaces, nil when it begins a session for us
	draw      float64   // from [0,1)
}

// newSession works out the schedule of a pair.
func newSession(a arrival, set *settings) *session {
	t := *a.token
	told := !t.IssuedAt.IsZero()
	if !told {
		t.IssuedAt = a.at.wall
	}
	t.IssuedAt = t.IssuedAt.Round(0)
	s := &session{token: &t, startedAt: a.startedAt, told: told || a.from == granted}
	if s.startedAt.IsZero() {
		s.startedAt = t.IssuedAt
	}
	translate := func(at time.Time) horizon { return translate(at, t.IssuedAt, a.from, a.at) }
	s.fixed = translate(t.FixedExpiresAt)
	if a.former != nil {
		s.startedAt = a.former.startedAt
		s.inherit(a.former, a.at)
	}

	access := translate(t.ExpiresAt)
	s.refresh = translate(t.RefreshExpiresAt)
	slack := min(maxExpirySlack, max(0, t.ExpiresAt.Sub(t.IssuedAt))/expirySlackPart)
	s.served = earliest(access.add(-slack), s.fixed)
	s.schedule(earliest(access, s.refresh, s.fixed), access, a, set)
	s.announce(access, set)
	s.bearer = bearer(&t)
	return s
}

// translate keeps an instant of the wall clock as a horizon of both. For a pair
// just granted the span counts from when it was asked for. For one handed in the
// monotonic clock was not watched since: it is given what the wall clock says is
// left, but no more than the pair was ever given.
func translate(at, issuedAt time.Time, from origin, sent instant) horizon {
	if at.IsZero() {
		return never()
	}
	left := at.Sub(issuedAt)
	if from == handedIn {
		left = min(left, at.Sub(sent.wall))
	}
	return horizon{wall: at.Round(0), mono: sent.mono + min(left, farthest)}
}

// inherit takes over from the former pair what the new answer does not tell, or
// is not to be believed about.
func (s *session) inherit(prev *session, sent instant) {
	t := s.token
	if t.ClientID == "" {
		t.ClientID = prev.token.ClientID
	}
	if t.AccountID == "" {
		t.AccountID = prev.token.AccountID
	}
	if t.RefreshToken.IsZero() {
		t.RefreshToken = prev.token.RefreshToken
		if t.RefreshExpiresAt.IsZero() && !prev.refresh.passedOnEither(sent) {
			t.RefreshExpiresAt = prev.token.RefreshExpiresAt
		}
	}
	s.fixed = fixedHorizon(prev.fixed, s.fixed, t.HasFixedClaim(), sent)
	t.FixedExpiresAt = time.Time{}
	if s.fixed.known() {
		t.FixedExpiresAt = s.fixed.wall
	}
}

// fixedHorizon decides between the fixed horizon known so far and the one that
// a refresh announced. The gateway checks what its tokens claim, so a claim
// wins. A span alone may be the full constant repeated in every answer, so
// without a claim the earliest wins; unless one of our clocks says that it has
// passed, for then the grant itself has just proved that wrong.
func fixedHorizon(prev, next horizon, claimed bool, now instant) horizon {
	switch {
	case !prev.known(), prev.passedOnEither(now) && next.known(), !now.wall.Before(prev.wall):
		return next
	case prev.passedOnEither(now):
		// The monotonic clock alone was wrong, and nothing new is told.
		return horizon{wall: prev.wall, mono: now.mono + prev.wall.Sub(now.wall)}
	case !next.known():
		return prev
	case next.wall.Sub(prev.wall).Abs() < fixedTolerance:
		return prev
	case claimed:
		return next
	default:
		return earliest(prev, next)
	}
}

// schedule sets when the pair is due for refresh. first is its earliest horizon.
func (s *session) schedule(first, access horizon, a arrival, set *settings) {
	s.refreshAt, s.spaced, s.halfway, s.winsTime = never(), horizon(a.at), never(), true
	if !first.known() {
		return
	}
	s.life = max(0, first.wall.Sub(s.token.IssuedAt))
	s.halfway = first.add(-s.life / 2)
	spacing := max(minSpacing, s.life/spacingPart)
	if a.from == granted {
		s.spaced = horizon(a.at.add(spacing))
	}
	s.refreshAt = latest(first.add(-margin(s.life, set.refreshBefore, a.draw)), s.spaced)
	if a.from == handedIn && s.token.IssuedAt.Sub(a.at.wall) > issueTolerance {
		s.refreshAt = horizon(a.at)
	}
	s.winsTime = winsTime(access, s.refresh, s.fixed, s.life)
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
// that already reaches the fixed horizon, or nearly so.
func winsTime(access, refresh, fixed horizon, life time.Duration) bool {
	if !fixed.known() {
		return true
	}
	reach := access
	if !reach.known() {
		reach = refresh
	}
	if !reach.known() {
		return false
	}
	return fixed.wall.Sub(reach.wall) > max(life/100, min(2*time.Second, life/5))
}

// announce sets when the end of the session is to be announced ahead of time.
func (s *session) announce(access horizon, set *settings) {
	s.end = s.fixed
	if !s.refreshable() {
		s.end = earliest(s.end, access)
	}
	s.warnAt = never()
	if !s.end.known() {
		return
	}
	span := s.end.wall.Sub(s.startedAt)
	before := set.warnBefore
	if before == 0 {
		before = min(max(span/warnBeforePart, minWarnBefore), maxWarnBefore, span/2)
	}
	s.warnAt = s.end.add(-before)
}

// refreshable reports whether there is a refresh token at all.
func (s *session) refreshable() bool { return !s.token.RefreshToken.IsZero() }

// youngAt reports whether the pair is in the first half of its life.
func (s *session) youngAt(now instant) bool { return !s.halfway.passedOnEither(now) }

// bearer is the access token as oauth2-aware libraries know it. It never has the
// refresh token: what cannot be handed out cannot be spent by somebody else.
func bearer(t *ags.Token) *oauth2.Token {
	expiry := t.ExpiresAt
	if fixed := t.FixedExpiresAt; !fixed.IsZero() && (expiry.IsZero() || fixed.Before(expiry)) {
		expiry = fixed
	}
	return &oauth2.Token{AccessToken: t.AccessToken.Reveal(), TokenType: t.TokenType, Expiry: expiry}
}
