package lifecycle_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
	lc "github.com/agsauth/agsauth/tokensource/internal/lifecycle"
)

func TestTimePassed_AnnouncesAnEndOnce(t *testing.T) {
	s := after(alone.state(), 0, lc.TokenSet{Pair: granted("b", 0, func(a *lc.Arrival) { a.RefreshExpiresAt = time.Time{} })})
	setBack := func(by time.Duration) dualclock.Instant {
		return dualclock.Instant{Wall: in(29*day - by), Mono: 28 * day}
	}
	for _, tt := range []struct {
		name string
		now  dualclock.Instant
		want string
	}{
		{"it is not near", at(29*day - time.Second), ""},
		{"it is near", at(29 * day), "ending fixedExpired 24h0m0s"},
		{"it was announced", at(29*day + time.Hour), ""},
		{"the clock is corrected by a minute", setBack(time.Minute), ""},
		{"it is near again", at(29 * day), ""},
		{"the clock is set back by more", setBack(time.Minute + 1), ""},
		{"it is near for the second time", at(29 * day), "ending fixedExpired 24h0m0s"},
		{"it has come", at(30 * day), "ended fixedExpired"},
		{"it was announced, too", at(31 * day), ""},
	} {
		next, events := s.Apply(lc.TimePassed{}, tt.now)
		s = next
		assert.Equal(t, tt.want, tell(events, tt.now), tt.name)
	}
	assert.Equal(t, &lc.End{Reason: lc.FixedExpired, At: in(30 * day)}, s.End())
}

func TestDecide_TheStoreIsReadBeforeAnEndTakesEffect(t *testing.T) {
	s, end := inStore.state(), at(31*day)
	assert.Equal(t, lc.Decision{Phase: lc.Ended, Act: lc.Load}, lc.Decide(&s, idle, end))
	assert.Equal(t, lc.Decision{Phase: lc.Ended, End: lc.FixedExpired}, lc.Decide(&s, lc.Surroundings{SignOutAt: dualclock.Never(), WithoutReread: true}, end))
	s = after(s, 31*day, lc.NothingNew{})
	assert.Equal(t, lc.Decision{Phase: lc.Ended, End: lc.FixedExpired}, lc.Decide(&s, idle, end))
	assert.Equal(t, time.Second, lc.NextWake(&s, idle, end, time.Minute), "until it is read again")
	s = after(s, 31*day, lc.TimePassed{})
	assert.Equal(t, time.Minute, lc.NextWake(&s, idle, end, time.Minute), "from now on a caller must ask")
}

func TestState_HowLongThingsTake(t *testing.T) {
	s, none := alone.state(), empty.state()
	const served = time.Hour - time.Second
	assert.Equal(t, served, s.LiveFor(at(0)))
	assert.Zero(t, none.LiveFor(at(0)))
	assert.Equal(t, 15*time.Minute, s.SpacingLeft(at(0)), "a quarter of its life")
	assert.Zero(t, none.SpacingLeft(at(0)))
	assert.True(t, s.IsServing(at(0)))
	assert.False(t, s.IsServing(at(served)))
	assert.False(t, s.IsLastChance(15*time.Second, at(served-30*time.Second-1)))
	assert.True(t, s.IsLastChance(15*time.Second, at(served-30*time.Second)))
	assert.True(t, s.IsLastChance(time.Hour, at(served-150*time.Second)), "at most half of the margin")
	assert.False(t, none.IsLastChance(time.Hour, at(0)))

	ended, invalidated := after(s, 0, rejected), after(s, 0, lc.Invalidated{})
	assert.True(t, ended.IsServing(at(2*time.Hour)), "callers have their answer")
	assert.False(t, invalidated.IsServing(at(0)))
	assert.Zero(t, invalidated.SpacingLeft(at(0)), "invalidations have a spacing of their own")
}

func TestState_PrefersConfigTokenAtTheFirstLoadOnly(t *testing.T) {
	first, later := unread.state(), inStore.state()
	assert.True(t, first.PrefersConfigToken(nil, at(0)))
	assert.False(t, later.PrefersConfigToken(nil, at(0)))
	assert.False(t, later.Adopts(nil, at(0)))
	assert.False(t, first.PrefersConfigToken(stored(1, granted("z", -time.Minute, ofTheFirstSession)), at(0)), "the generation decides within a session")
	first = lc.NewState(granted("a", 0, handedIn), false, true)
	assert.True(t, first.PrefersConfigToken(stored(1, granted("z", -time.Minute)), at(0)), "it was issued later")
	first = lc.NewState(lc.NewPair(lc.Arrival{Tokens: named("a"), Origin: lc.HandedIn, At: at(ten), Grant: lc.Grant{Device: device}}), false, true)
	assert.False(t, first.PrefersConfigToken(stored(1, granted("c", 0)), at(ten)), "it is unknown when it was issued")
}

func TestLogins_ASessionThatDoesNotLastIsARefusedLogin(t *testing.T) {
	begin := lc.NewState(granted("a", 0), true, true)
	loggedIn := after(begin, 0, lc.Found{}, lc.Saved{SaveResult: saved(1)}, rejected, lc.LoggedIn{Pair: granted("b", 0, handedIn), Save: saved(2), Draw: 0.5})
	brief := func(name string, issued time.Duration) *lc.Pair {
		return granted(name, issued, withoutRefresh, livesFor(time.Second))
	}
	for name, tt := range map[string]struct {
		at      time.Duration
		outcome lc.Outcome
		wait    time.Duration // for the next Login
	}{
		"rejected within ten seconds":        {9 * time.Second, rejectionOf("b"), time.Minute},
		"rejected after them":                {10 * time.Second, rejectionOf("b"), 0},
		"refreshed to a short pair":          {time.Second, refreshed(brief("c", time.Second), saved(3)), time.Minute},
		"replaced by SetToken":               {time.Second, lc.TokenSet{Pair: brief("c", time.Second), Save: saved(3)}, 500 * time.Millisecond},
		"replaced by another process's pair": {time.Second, lc.Adopted{Record: stored(3, brief("c", time.Second))}, 9 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s := after(loggedIn, tt.at, tt.outcome)
			act := func(wait time.Duration) lc.Action {
				return lc.Decide(&s, lc.Surroundings{SignOutAt: dualclock.Never(), WithoutReread: true}, at(tt.at+wait)).Act
			}
			assert.Equal(t, lc.Login, act(tt.wait))
			if tt.wait > 0 {
				assert.NotEqual(t, lc.Login, act(tt.wait-1))
			}
		})
	}
}

func TestNewPair_WhatAnAnswerDoesNotSayIsKept(t *testing.T) {
	former := granted("a", 0)
	answer := func(device lc.Device, refreshExpiresAt time.Time) *lc.Pair {
		return granted("b", time.Hour, withoutRefresh, func(a *lc.Arrival) { a.Former, a.Device, a.RefreshExpiresAt = former, device, refreshExpiresAt })
	}
	next := answer(lc.Device{}, time.Time{})
	assert.True(t, next.HasRefreshToken)
	assert.Equal(t, device, next.Device)
	assert.Equal(t, [3]time.Time{base, in(2 * day), in(30 * day)}, [3]time.Time{next.StartedAt(), next.RefreshExpiresAt(), next.FixedExpiresAt()})
	next = answer(lc.Device{ClientID: "PUB_1"}, in(3*day))
	assert.Equal(t, lc.Device{ClientID: "PUB_1", AccountID: device.AccountID}, next.Device)
	assert.Equal(t, in(3*day), next.RefreshExpiresAt(), "a new expiry of the refresh token that is kept")
	assert.Equal(t, "1", answer(lc.Device{AccountID: "1"}, time.Time{}).AccountID)

	jumped := dualclock.Instant{Wall: in(50 * 365 * day), Mono: time.Minute} // the clock is set by the network
	s := lc.NewState(lc.NewPair(lc.Arrival{Tokens: named("b"), Former: former, At: jumped}), false, false)
	assert.Equal(t, lc.NotEnded, lc.Decide(&s, idle, jumped).End, "the gateway has just taken the refresh token")
}

func TestNewPair_AHorizonFarAheadDoesNotOverflow(t *testing.T) {
	far := time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	for _, origin := range []lc.Origin{lc.FromGateway, lc.HandedIn} {
		p := granted("a", time.Hour, func(a *lc.Arrival) { a.Origin, a.RefreshExpiresAt, a.FixedExpiresAt = origin, far, far })
		assert.Equal(t, at(2*time.Hour-time.Second).Deadline(), p.ServeUntil())
		assert.Equal(t, far, p.FixedExpiresAt())
		assert.Equal(t, "a fresh", look(lc.NewState(p, false, false), at(time.Hour)))
	}
}

func TestPair_WhenItEndsAndUntilWhenItIsServed(t *testing.T) {
	const hour = time.Hour
	for name, tt := range map[string]struct {
		access, fixed   time.Duration // zero is unknown
		hasRefreshToken bool
		expiry          time.Duration
		announced       string // two seconds before the end
		end             time.Duration
	}{
		"refreshable, to the fixed horizon":        {hour, day, true, hour, "ending fixedExpired 2s", day},
		"refreshable, without one":                 {hour, 0, true, hour, "", 0},
		"refreshable, beyond it":                   {day, hour, true, hour, "ending fixedExpired 2s", hour},
		"not refreshable, to its expiry":           {hour, day, false, hour, "ending refreshExpired 2s", hour},
		"not refreshable, without a fixed horizon": {hour, 0, false, hour, "ending refreshExpired 2s", hour},
		"not refreshable, beyond it":               {day, hour, false, hour, "ending refreshExpired 2s", hour},
		"not refreshable, without an expiry":       {0, day, false, day, "ending refreshExpired 2s", day},
		"of no known end":                          {0, 0, true, 0, "", 0},
	} {
		end := func(d time.Duration) (at time.Time) {
			if d != 0 {
				at = in(d)
			}
			return at
		}
		p := granted("a", 0, func(a *lc.Arrival) {
			a.ExpiresAt, a.RefreshExpiresAt, a.FixedExpiresAt, a.HasRefreshToken = end(tt.access), time.Time{}, end(tt.fixed), tt.hasRefreshToken
		})
		assert.Equal(t, end(tt.expiry), p.Expiry(), name)
		assert.Equal(t, tt.expiry != 0, p.RefreshAt().Known(), name)
		now := at(tt.end - 2*time.Second)
		_, events := lc.NewState(p, false, false).Apply(lc.TimePassed{}, now)
		assert.Equal(t, tt.announced, tell(events, now), name)
	}
}
