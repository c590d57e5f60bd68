package tokensource

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// The pure core: what is decided without a clock, a lock or a goroutine.

var base = time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC)

// at is the dualclock.Instant d after the base, by both clocks.
func at(d time.Duration) dualclock.Instant { return dualclock.Instant{Wall: base.Add(d), Mono: d} }

func TestFixedHorizon(t *testing.T) {
	h := func(d time.Duration) dualclock.Deadline { return at(d).Deadline() }
	for _, tt := range []struct {
		name       string
		prev, next dualclock.Deadline
		claimed    bool
		now        time.Duration
		want       dualclock.Deadline
	}{
		{"none yet", dualclock.Never(), h(time.Hour), false, 0, h(time.Hour)},
		{"not said again", h(time.Hour), dualclock.Never(), false, 0, h(time.Hour)},
		{"the constant repeated", h(time.Hour), h(2 * time.Hour), false, 0, h(time.Hour)},
		{"an earlier one", h(2 * time.Hour), h(time.Hour), false, 0, h(time.Hour)},
		{"a claim wins, later", h(time.Hour), h(2 * time.Hour), true, 0, h(2 * time.Hour)},
		{"a claim wins, earlier", h(2 * time.Hour), h(time.Hour), true, 0, h(time.Hour)},
		{"unchanged but for rounding", h(time.Hour), h(time.Hour - 59*time.Second), false, 0, h(time.Hour)},
		{"unchanged but for rounding, claimed", h(time.Hour), h(time.Hour + 59*time.Second), true, 0, h(time.Hour)},
		{"changed by a minute", h(time.Hour), h(time.Hour - time.Minute), false, 0, h(time.Hour - time.Minute)},
		{"proved wrong by a grant", h(time.Hour), h(5 * time.Hour), false, time.Hour, h(5 * time.Hour)},
		{"proved wrong, and not said again", h(time.Hour), dualclock.Never(), false, time.Hour, dualclock.Never()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, fixedHorizon(tt.prev, tt.next, tt.claimed, at(tt.now)))
		})
	}
}

func TestWinsTime(t *testing.T) {
	h := func(d time.Duration) dualclock.Deadline { return at(d).Deadline() }
	ahead := func(h dualclock.Deadline, wall time.Duration) dualclock.Deadline {
		return dualclock.Deadline{Wall: h.Wall.Add(wall), Mono: h.Mono}
	}
	for _, tt := range []struct {
		name                   string
		access, refresh, fixed dualclock.Deadline
		life                   time.Duration
		want, futile           bool
	}{
		{"no fixed horizon", h(time.Hour), dualclock.Never(), dualclock.Never(), time.Hour, true, false},
		{"far from it", h(time.Hour), dualclock.Never(), h(2 * time.Hour), time.Hour, true, false},
		{"a hundredth of the life is not worth it", h(time.Hour), dualclock.Never(), h(time.Hour + 36*time.Second), time.Hour, false, true},
		{"more is", h(time.Hour), dualclock.Never(), h(time.Hour + 36*time.Second + 1), time.Hour, true, false},
		{"two seconds of a short life are not", h(time.Minute), dualclock.Never(), h(time.Minute + 2*time.Second), time.Minute, false, true},
		{"more are", h(time.Minute), dualclock.Never(), h(time.Minute + 2*time.Second + 1), time.Minute, true, false},
		{"a fifth of a very short life is not", h(time.Second), dualclock.Never(), h(1200 * time.Millisecond), time.Second, false, true},
		{"more is", h(time.Second), dualclock.Never(), h(1200*time.Millisecond + 1), time.Second, true, false},
		{"beyond it", h(2 * time.Hour), dualclock.Never(), h(time.Hour), time.Hour, false, true},
		{"no access expiry: the refresh token's counts", dualclock.Never(), h(time.Hour), h(2 * time.Hour), time.Hour, true, false},
		{"neither", dualclock.Never(), dualclock.Never(), h(time.Hour), time.Hour, false, true},
		{"a wall clock set forward is not believed alone", ahead(h(time.Hour), time.Hour), dualclock.Never(), h(2 * time.Hour), time.Hour, false, false},
		{"nor a monotonic one that was set", h(time.Hour), dualclock.Never(), ahead(h(time.Hour), time.Hour), time.Hour, true, false},
		{"both of them are", ahead(h(time.Hour), time.Hour-36*time.Second), dualclock.Never(), dualclock.Deadline{Wall: h(2 * time.Hour).Wall, Mono: h(time.Hour + 36*time.Second).Mono}, time.Hour, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wins, futile := winsTime(tt.access, tt.refresh, tt.fixed, tt.life)
			assert.Equal(t, tt.want, wins)
			assert.Equal(t, tt.futile, futile)
		})
	}
}

func TestBackoff(t *testing.T) {
	for _, tt := range []struct {
		name string
		n    int
		left time.Duration
		draw float64
		want time.Duration
	}{
		{"the first", 1, time.Hour, 0.5, 250 * time.Millisecond},
		{"a quarter less", 1, time.Hour, 0, 187500 * time.Microsecond},
		{"almost a quarter more", 1, time.Hour, 0.9, 300 * time.Millisecond},
		{"doubles", 5, time.Hour, 0.5, 4 * time.Second},
		{"at most thirty seconds", 20, time.Hour, 0.5, 30 * time.Second},
		{"at most a quarter of what is left", 20, 40 * time.Second, 0.5, 10 * time.Second},
		{"at least the first", 20, 400 * time.Millisecond, 0.5, 250 * time.Millisecond},
		{"ten seconds when nothing is left", 20, 0, 0.5, 10 * time.Second},
		{"without overflow", 1000, -time.Hour, 0.5, 10 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, backoff(tt.n, tt.left, tt.draw))
		})
	}
}

func TestRejections(t *testing.T) {
	// Each token is rejected a second after it was issued, or late in its life.
	var r *rejections
	pair := func(d time.Duration) *session {
		return newSession(arrival{token: &ags.Token{
			AccessToken: ags.NewSecret("a"), IssuedAt: base.Add(d), ExpiresAt: base.Add(d + time.Hour),
		}, at: at(d)}, &settings{})
	}
	admitted := func(issued, rejected time.Duration) bool {
		next, ok := r.admit(pair(issued), at(rejected))
		if ok {
			r = &next
		}
		return ok
	}
	assert.True(t, admitted(0, time.Second))
	assert.False(t, admitted(time.Second, 11*time.Second-1))
	assert.True(t, admitted(time.Second, 11*time.Second))
	for _, interval := range []int{20, 40, 80, 160, 300, 300} {
		last := r.last.Mono
		assert.False(t, admitted(last, last+time.Duration(interval)*time.Second-1), "%d s", interval)
		assert.True(t, admitted(last, last+time.Duration(interval)*time.Second), "%d s", interval)
	}
	last := r.last.Mono
	assert.True(t, admitted(last, last+30*time.Minute), "late in its life")
	last = r.last.Mono
	assert.True(t, admitted(last, last+10*time.Second), "and the interval is short again")
}

func TestRejections_TheIntervalOfAShortLife(t *testing.T) {
	for _, tt := range []struct {
		name       string
		life, want time.Duration
	}{
		{"ten seconds", time.Hour, 10 * time.Second},
		{"at most half of a life", 6 * time.Second, 3 * time.Second},
		{"ten seconds of a life that nobody knows", 0, 10 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tok := &ags.Token{AccessToken: ags.NewSecret("a"), IssuedAt: base}
			if tt.life > 0 {
				tok.ExpiresAt = base.Add(tt.life)
			}
			s := newSession(arrival{token: tok, at: at(0)}, &settings{})
			first, admitted := (*rejections)(nil).admit(s, at(0))
			require.True(t, admitted)
			_, admitted = first.admit(s, at(tt.want-1))
			assert.False(t, admitted)
			_, admitted = first.admit(s, at(tt.want))
			assert.True(t, admitted)
		})
	}
}

func TestLostAnswer(t *testing.T) {
	cut := io.ErrUnexpectedEOF
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"no answer":              {&ags.Error{}, true},
		"never sent":             {&ags.Error{NotSent: true}, false},
		"granted, and cut off":   {&ags.Error{Status: 200, Err: cut}, true},
		"created, and cut off":   {&ags.Error{Status: 201, Err: cut}, true},
		"granted, but garbled":   {&ags.Error{Status: 200, Malformed: true}, false},
		"refused, and cut off":   {&ags.Error{Status: 400, Err: cut}, false},
		"busy, and cut off":      {&ags.Error{Status: 503, Err: cut}, false},
		"a status without sense": {&ags.Error{Malformed: true}, false},
		"somebody else's error":  {errors.New("boom"), false},
	} {
		lost := lostAnswer(tt.err)
		assert.Equal(t, tt.want, lost, name)
	}
}

func TestOutcomeUnknown(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"no answer":                    {&ags.Error{}, true},
		"never sent":                   {&ags.Error{NotSent: true}, false},
		"a proxy lost it":              {&ags.Error{Status: 502}, true},
		"a proxy gave up":              {&ags.Error{Status: 504}, true},
		"busy":                         {&ags.Error{Status: 503}, false},
		"busy, says a proxy":           {&ags.Error{Status: 503, NotFromGateway: true}, true},
		"timed out":                    {&ags.Error{Status: 408}, false},
		"timed out, says a proxy":      {&ags.Error{Status: 408, NotFromGateway: true}, true},
		"refused by a firewall":        {&ags.Error{Status: 403, Malformed: true}, false},
		"a status without sense":       {&ags.Error{Malformed: true}, true},
		"another one":                  {&ags.Error{Status: 999, Malformed: true}, true},
		"rejected after a lost answer": {&ags.Error{Status: 401, OutcomeUnknown: true}, true},
		"wrapped":                      {fmt.Errorf("wrapped: %w", &ags.Error{Status: 520, NotFromGateway: true}), true},
		"granted, but garbled":         {&ags.Error{Status: 200, Malformed: true}, true},
		"rejected":                     {&ags.Error{Status: 401}, false},
		"somebody else's error":        {errors.New("boom"), true},
		"a timeout of ours":            {errTimeout, true},
	} {
		assert.Equal(t, tt.want, outcomeUnknown(tt.err), name)
	}
}

func TestClassifyRefresh(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want class
	}{
		"401":                      {&ags.Error{Status: 401}, terminal},
		"403 device deleted":       {&ags.Error{Status: 403, Code: 20003}, terminal},
		"403 validity check":       {&ags.Error{Status: 403, Code: 20020}, terminal},
		"403 device limit":         {&ags.Error{Status: 403, Code: 20007}, refusal},
		"400":                      {&ags.Error{Status: 400}, refusal},
		"404":                      {&ags.Error{Status: 404}, refusal},
		"408":                      {&ags.Error{Status: 408}, passing},
		"425":                      {&ags.Error{Status: 425}, passing},
		"429":                      {&ags.Error{Status: 429}, passing},
		"500":                      {&ags.Error{Status: 500}, passing},
		"no answer":                {&ags.Error{}, passing},
		"a firewall's 403":         {&ags.Error{Status: 403, Malformed: true}, passing},
		"somebody else's":          {errors.New("boom"), passing},
		"wrapped, but unmistaken":  {fmt.Errorf("wrapped: %w", &ags.Error{Status: 401}), terminal},
		"the class without an API": {ags.ErrUnauthorized, terminal},
		"forbidden without an API": {ags.ErrForbidden, refusal},
	} {
		assert.Equal(t, tt.want, classifyRefresh(tt.err), name)
	}
}

// TestDecide_Promises draws sessions, states and instants at random, and holds
// every decision to what must be true of all of them.
func TestDecide_Promises(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	span := func(limit time.Duration) time.Duration { return time.Duration(random.Int64N(int64(limit))) }
	coin := func() bool { return random.IntN(2) == 0 }
	sometimes := func(d time.Duration) time.Time {
		if random.IntN(4) == 0 {
			return time.Time{}
		}
		return base.Add(d)
	}
	seen := map[string]int{}
	for range 50_000 {
		tok := &ags.Token{
			AccessToken: ags.NewSecret("a"), IssuedAt: base,
			ExpiresAt: sometimes(span(time.Hour)), RefreshExpiresAt: sometimes(span(4 * time.Hour)), FixedExpiresAt: sometimes(span(8 * time.Hour)),
		}
		if coin() {
			tok.RefreshToken = ags.NewSecret("r")
		}
		s := newSession(arrival{token: tok, from: origin(random.IntN(2)), at: at(span(time.Minute)), draw: random.Float64()}, &settings{})
		due := s.schedule()
		v := view{
			session: s, due: due, stored: coin(), canLogin: coin(), warned: coin(), unsaved: coin(),
			flying: coin(), failed: coin(), unread: random.IntN(8) == 0,
			retryAt: at(span(8 * time.Hour)).Deadline(), saveAt: at(span(8 * time.Hour)).Deadline(), rereadAt: at(span(8 * time.Hour)).Deadline(),
		}
		if random.IntN(4) == 0 {
			v.invalidated = invalidation(random.IntN(3))
		}
		if random.IntN(4) == 0 {
			v.ended = Reason(1 + random.IntN(5))
		}
		now := dualclock.Instant{Wall: base.Add(span(9 * time.Hour)), Mono: span(9 * time.Hour)}
		if coin() {
			now = at(now.Mono)
		}
		d := decide(&v, now)
		seen[fmt.Sprint(d.phase, d.serve, d.act)]++

		if d.serve {
			require.False(t, due.served.PassedOnEither(now), "a token that either clock knows to be dead is served")
			require.False(t, due.fixed.PassedOnEither(now))
			require.NotContains(t, []Reason{FixedExpired, SignedOut}, d.end)
		}
		require.False(t, v.flying && d.act != doNothing, "one at a time")
		if d.act == doRefresh {
			require.Zero(t, v.ended, "an ended session is refreshed")
			require.True(t, s.refreshable())
			require.True(t, v.retryAt.PassedOnEither(now), "a failure is not remembered")
			require.False(t, due.fixed.PassedOnBoth(now) || due.refresh.PassedOnBoth(now))
		}
		if d.act == doLogin {
			require.True(t, v.canLogin)
			require.NotEqual(t, SignedOut, d.end, "a sign-out is undone by a login")
			require.False(t, v.unread, "a sign-on is spent before the store was read")
		}
		if d.end != 0 && v.ended == 0 && (d.end == FixedExpired && due.winsTime) {
			require.True(t, due.fixed.PassedOnBoth(now), "given up though a clock disagrees")
		}
		// When nothing is to be done before the next change, nothing changes before it.
		if next := nextChange(&v, now); d.act == doNothing && !v.flying {
			between := dualclock.Instant{Wall: now.Wall, Mono: now.Mono}
			if left := next.Left(now); left > 1 && next.Mono > now.Mono && next.Wall > dualclock.UnixNanoOf(now.Wall) {
				between = now.Add(time.Duration(random.Int64N(int64(min(left, 10*time.Hour)) - 1)))
			}
			require.Equal(t, d, decide(&v, between))
		}
	}
	for _, want := range []string{
		"fresh true 0", "ageing true 2", "ageing true 0", "expired false 2", "ended false 0", "ended false 3",
		"unknown false 1", "ageing true 3", "fresh true 4", "ended false 1",
	} {
		assert.Greater(t, seen[want], 20, want)
	}
}

func FuzzRecord(f *testing.F) {
	const mark = "S3CR3T"
	for _, seed := range []string{
		``, `{}`, `null`, `[]`, `{"version":1}`, `{"version":2,"access_token":"S3CR3T"}`,
		`{"version":1,"generation":1,"access_token":"S3CR3T","expires_at":"2022-06-10T15:04:53Z"}`,
		`{"version":1,"generation":1,"signed_out_at":"2022-06-10T15:04:53Z"}`,
		`{"version":1,"generation":-1,"access_token":"S3CR3T"}`, `{"version":1,"generation":1,"access_token":"S3CR3T","expires_at":"S3CR3T"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeRecord(data)
		if err != nil {
			assert.Nil(t, r)
			assert.NotContains(t, err.Error(), mark)
			assert.True(t, errors.Is(err, errDamaged) || errors.Is(err, errNewer))
			return
		}
		assert.Positive(t, r.Generation)
		assert.True(t, r.tombstone() || r.AccessToken != "")
		again, err := r.encode()
		require.NoError(t, err)
		same, err := decodeRecord(again)
		require.NoError(t, err)
		assert.Equal(t, r.Generation, same.Generation)
		assert.Equal(t, r.AccessToken, same.AccessToken)
		assert.True(t, r.ExpiresAt.Equal(same.ExpiresAt))
	})
}
