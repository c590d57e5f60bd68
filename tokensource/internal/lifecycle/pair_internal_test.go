package lifecycle

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

func TestProperty_TheScheduleOfAPair(t *testing.T) {
	holds(t, 3000, func(rt *rapid.T) {
		now := anInstant(rt, "now", time.Hour)
		origin, before := anyOf(rt, "origin", FromGateway, HandedIn), anyOf(rt, "refresh before", 0, time.Second, time.Minute, 24*time.Hour)
		p := NewPair(Arrival{Grant: aGrant(rt, now), Origin: origin, At: now, RefreshBefore: before, Draw: aNumber(rt)})
		due := p.schedule()
		require.False(rt, due.serveUntil.Wall > due.fixed.Wall || due.serveUntil.Mono > due.fixed.Mono, "served past the fixed horizon")
		if slack := min(time.Second, max(0, p.ExpiresAt().Sub(p.IssuedAt()))/10); !p.ExpiresAt().IsZero() {
			require.False(rt, wall(due.serveUntil).After(p.ExpiresAt().Add(-slack)), "served into the last second")
		}
		first := firstKnown(firstKnown(p.ExpiresAt(), p.RefreshExpiresAt()), p.FixedExpiresAt())
		if first.IsZero() {
			require.False(rt, due.refreshAt.Known(), "a pair that never expires is never due")
			return
		}
		life := max(0, first.Sub(p.IssuedAt()))
		least := before
		if least == 0 {
			least = min(max(life/10, 10*time.Second), 5*time.Minute)
		}
		least = min(least, life/2)
		most := least + least/5
		spaced := now.Deadline() // a pair that was handed in can be due at once
		if origin == FromGateway {
			spaced = now.Add(max(250*time.Millisecond, min(life, first.Sub(now.Wall))/4)).Deadline()
			require.False(rt, due.refreshAt.Wall < spaced.Wall || due.refreshAt.Mono < spaced.Mono, "due within the spacing")
		}
		switch at := wall(due.refreshAt); {
		case origin == HandedIn && due.refreshExtends && p.HasRefreshToken && p.IssuedAt().Sub(now.Wall) > time.Minute:
			require.Equal(rt, now.Deadline(), due.refreshAt, "issued in the future: due at once")
		case at.Equal(wall(spaced)):
			require.False(rt, first.Add(-most).After(wall(spaced)), "put off for the spacing, which was over")
		default:
			require.False(rt, at.Before(first.Add(-most)), "due before the widest margin")
			require.False(rt, at.After(first.Add(-least)), "due after the narrowest margin")
		}
	})
}

func TestProperty_ARefreshIsOfUseOnlyIfItWinsTime(t *testing.T) {
	holds(t, 3000, func(rt *rapid.T) {
		p := pairOf(aGrant(rt, at(0)), FromGateway, at(0), nil)
		due := p.schedule()
		if p.FixedExpiresAt().IsZero() {
			require.True(rt, due.refreshExtends)
		} else if !p.ExpiresAt().IsZero() {
			least := max(due.life/100, min(2*time.Second, due.life/5))
			require.Equal(rt, p.FixedExpiresAt().Sub(p.ExpiresAt()) > least, due.refreshExtends)
		}
	})
}

func TestProperty_APairHandedInLivesNoLongerThanOneFromTheGateway(t *testing.T) {
	holds(t, 3000, func(rt *rapid.T) {
		now := anInstant(rt, "now", time.Hour)
		g := aGrant(rt, now)
		old, fresh := pairOf(g, HandedIn, now, nil).schedule(), pairOf(g, FromGateway, now, nil).schedule()
		for name, d := range map[string][2]dualclock.Deadline{
			"serve": {old.serveUntil, fresh.serveUntil}, "refresh": {old.refreshUntil, fresh.refreshUntil}, "fixed": {old.fixed, fresh.fixed},
		} {
			require.Equal(rt, d[1].Known(), d[0].Known(), name)
			require.Equal(rt, d[1].Wall, d[0].Wall, name)
			require.LessOrEqual(rt, d[0].Mono, d[1].Mono, name)
			if d[0].Known() && !now.Wall.Before(wall(d[0])) {
				require.True(rt, d[0].PassedOnBoth(now), "%s: it had passed on arrival, on both clocks", name)
			}
		}
	})
}

func TestProperty_TheFixedHorizonIsMovedByProofOnly(t *testing.T) {
	holds(t, 2000, func(rt *rapid.T) {
		now := at(0)
		p := aPair(rt, now, FromGateway, nil)
		for range rapid.IntRange(1, 6).Draw(rt, "grants") {
			step := aSpan(rt, "after", 2*time.Hour)
			now = dualclock.Instant{Wall: now.Wall.Add(step), Mono: now.Mono + step + aSpan(rt, "slept", time.Hour)}
			former := p.fixed
			p = aPair(rt, now, FromGateway, p)
			if former.Known() && !former.PassedOnEither(now) {
				require.False(rt, p.fixed.Wall > former.Wall || p.fixed.Mono > former.Mono, "moved away by a mere span")
			}
		}
	})
}

func TestFixedDeadline(t *testing.T) {
	h := func(d time.Duration) dualclock.Deadline { return at(d).Deadline() }
	never := dualclock.Never()
	for _, tt := range []struct {
		name         string
		former, next dualclock.Deadline
		isClaim      bool
		now          time.Duration
		want         dualclock.Deadline
	}{
		{"none yet", never, h(time.Hour), false, 0, h(time.Hour)},
		{"not in the answer", h(time.Hour), never, false, 0, h(time.Hour)},
		{"the constant repeated", h(time.Hour), h(2 * time.Hour), false, 0, h(time.Hour)},
		{"an earlier one", h(2 * time.Hour), h(time.Hour), false, 0, h(time.Hour)},
		{"a later claim", h(time.Hour), h(2 * time.Hour), true, 0, h(2 * time.Hour)},
		{"an earlier claim", h(2 * time.Hour), h(time.Hour), true, 0, h(time.Hour)},
		{"unchanged but for rounding", h(time.Hour), h(time.Hour - 59*time.Second), false, 0, h(time.Hour)},
		{"a claim unchanged but for rounding", h(time.Hour), h(time.Hour + 59*time.Second), true, 0, h(time.Hour)},
		{"changed by a minute", h(time.Hour), h(time.Hour - time.Minute), false, 0, h(time.Hour - time.Minute)},
		{"proved wrong by a grant", h(time.Hour), h(5 * time.Hour), false, time.Hour, h(5 * time.Hour)},
		{"proved wrong, and not in the answer", h(time.Hour), never, false, time.Hour, never},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, fixedDeadline(tt.former, tt.next, tt.isClaim, at(tt.now)))
		})
	}
}

func TestRefreshExtends(t *testing.T) {
	h := func(d time.Duration) dualclock.Deadline { return at(d).Deadline() }
	both := func(wall, mono time.Duration) dualclock.Deadline {
		return dualclock.Deadline{Wall: h(wall).Wall, Mono: mono}
	}
	never := dualclock.Never()
	for _, tt := range []struct {
		name                   string
		access, refresh, fixed dualclock.Deadline
		life                   time.Duration
		extends, exhausted     bool
	}{
		{"no fixed horizon", h(time.Hour), never, never, time.Hour, true, false},
		{"far from it", h(time.Hour), never, h(2 * time.Hour), time.Hour, true, false},
		{"a hundredth of the life is not worth it", h(time.Hour), never, h(time.Hour + 36*time.Second), time.Hour, false, true},
		{"more is", h(time.Hour), never, h(time.Hour + 36*time.Second + 1), time.Hour, true, false},
		{"two seconds of a short life are not", h(time.Minute), never, h(time.Minute + 2*time.Second), time.Minute, false, true},
		{"more are", h(time.Minute), never, h(time.Minute + 2*time.Second + 1), time.Minute, true, false},
		{"a fifth of a very short life is not", h(time.Second), never, h(1200 * time.Millisecond), time.Second, false, true},
		{"more of it is", h(time.Second), never, h(1200*time.Millisecond + 1), time.Second, true, false},
		{"beyond it", h(2 * time.Hour), never, h(time.Hour), time.Hour, false, true},
		{"no access expiry: the refresh token's counts", never, h(time.Hour), h(2 * time.Hour), time.Hour, true, false},
		{"neither", never, never, h(time.Hour), time.Hour, false, true},
		{"a wall clock set forward is not believed alone", both(2*time.Hour, time.Hour), never, h(2 * time.Hour), time.Hour, false, false},
		{"nor is a monotonic clock", h(time.Hour), never, both(3*time.Hour, 2*time.Hour), time.Hour, true, false},
		{"both of them are", both(2*time.Hour-36*time.Second, time.Hour), never, both(2*time.Hour, time.Hour+36*time.Second), time.Hour, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			extends, exhausted := refreshExtends(tt.access, tt.refresh, tt.fixed, tt.life)
			assert.Equal(t, [2]bool{tt.extends, tt.exhausted}, [2]bool{extends, exhausted})
		})
	}
}

func TestNewPair_AFixedHorizonThatOnlyTheMonotonicClockHasReached(t *testing.T) {
	// The wall clock is a day ahead when the pair is handed in, and is then set right: on
	// the monotonic clock the horizon comes a day early.
	const day = 24 * time.Hour
	former := pairOf(lives(base, time.Hour, 0, 30*day), HandedIn, dualclock.Instant{Wall: base.Add(29 * day)}, nil)
	now := dualclock.Instant{Wall: base.Add(29*day + time.Hour), Mono: day + time.Hour}
	require.True(t, former.fixed.PassedOnEither(now))
	require.False(t, former.fixed.PassedOnBoth(now))
	for name, tt := range map[string]struct{ fixed, want time.Duration }{
		"the answer has another": {12 * time.Hour, 12 * time.Hour},
		"the answer has none":    {0, day - time.Hour},
	} {
		due := pairOf(lives(now.Wall, time.Hour, 0, tt.fixed), FromGateway, now, former).schedule()
		assert.Equal(t, now.Add(tt.want).Deadline(), due.fixed, name)
		assert.False(t, due.serveUntil.PassedOnEither(now), "%s: the new pair is served", name)
		assert.False(t, due.refreshAt.PassedOnEither(now), "%s: and not refreshed at once", name)
	}
}

func TestEndAt(t *testing.T) {
	const hour, day, now = time.Hour, 24 * time.Hour, 100 * time.Hour
	for _, tt := range []struct {
		name                   string
		reason                 Reason
		access, refresh, fixed time.Duration
		hasRefreshToken        bool
		want                   time.Duration
	}{
		{"the fixed horizon", FixedExpired, hour, 2 * hour, day, true, day},
		{"the refresh token's expiry", RefreshExpired, hour, 2 * hour, day, true, 2 * hour},
		{"unknown: the access token's", RefreshExpired, hour, 0, day, true, hour},
		{"no refresh token, whatever its expiry", RefreshExpired, hour, 2 * hour, day, false, hour},
		{"no refresh token, and the access token's is unknown", RefreshExpired, 0, 2 * hour, day, false, 2 * hour},
		{"no refresh token, and the access token lives longer", RefreshExpired, 3 * hour, 2 * hour, day, false, 2 * hour},
		{"nothing known: when it was noticed", RefreshExpired, 0, 0, 0, true, now},
		{"a rejection: when it was noticed", RefreshRejected, hour, 2 * hour, day, true, now},
		{"a sign-out: when it was made", SignedOut, hour, 2 * hour, day, true, now},
	} {
		g := lives(base, tt.access, tt.refresh, tt.fixed)
		g.HasRefreshToken = tt.hasRefreshToken
		assert.Equal(t, base.Add(tt.want), endAt(pairOf(g, FromGateway, at(0), nil), tt.reason, at(now)), tt.name)
	}
	assert.Equal(t, base.Add(now), endAt(nil, NoSession, at(now)))
}

func TestDevice_Differs(t *testing.T) {
	for name, tt := range map[string]struct {
		a, b Device
		want bool
	}{
		"another client":      {Device{"PUB_1", "1"}, Device{"PUB_2", "1"}, true},
		"another account":     {Device{"PUB_1", "1"}, Device{"PUB_1", "2"}, true},
		"the same":            {Device{"PUB_1", "1"}, Device{"PUB_1", "1"}, false},
		"an unknown field":    {Device{"PUB_1", ""}, Device{"PUB_1", "1"}, false},
		"unknown on one side": {Device{}, Device{"PUB_1", "1"}, false},
	} {
		assert.Equal(t, tt.want, tt.a.differs(tt.b), name)
		assert.Equal(t, tt.want, tt.b.differs(tt.a), name)
	}
}
