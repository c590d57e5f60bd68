package lifecycle_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
	lc "github.com/agsauth/agsauth/tokensource/internal/lifecycle"
)

func TestTimePassed_AnnouncesAnEndOnce(t *testing.T) {
	s, announced := alone.state(), []lc.Event(nil)
	pass := func(now dualclock.Instant) {
		next, events := s.Apply(lc.TimePassed{}, now)
		s, announced = next, append(announced, events...)
	}
	s = after(s, 0, lc.TokenSet{Pair: granted("b", 0, func(a *lc.Arrival) { a.RefreshExpiresAt = time.Time{} })})
	near := lc.Event{Kind: lc.EventEnding, Reason: lc.FixedExpired, NextAt: in(30 * day)}
	pass(at(29*day - time.Second))
	require.Empty(t, announced)
	pass(at(29 * day))
	pass(at(29*day + time.Hour))
	require.Equal(t, events(near), announced, "a day before the end")
	setBack := func(by time.Duration) dualclock.Instant {
		return dualclock.Instant{Wall: in(29*day - by), Mono: 28 * day}
	}
	pass(setBack(time.Minute))
	pass(at(29 * day))
	require.Len(t, announced, 1, "a clock was corrected by a minute")
	pass(setBack(time.Minute + 1))
	pass(at(29 * day))
	require.Equal(t, events(near, near), announced, "it was set back by more")
	pass(at(30 * day))
	pass(at(31 * day))
	require.Equal(t, events(near, near, lc.Event{Kind: lc.EventEnded, Reason: lc.FixedExpired}), announced)
	assert.Equal(t, &lc.End{Reason: lc.FixedExpired, At: in(30 * day)}, s.End())
}

func TestDecision_IsSettledAndHasNews(t *testing.T) {
	for name, tt := range map[string]struct {
		start         start
		at            time.Duration
		settled, news bool
	}{
		"fresh":              {alone, 0, true, false},
		"due":                {alone, due, false, false},
		"ended, not noticed": {alone, 31 * day, false, true},
	} {
		s := tt.start.state()
		d := lc.Decide(&s, lc.Surroundings{SignOutAt: dualclock.Never()}, at(tt.at))
		assert.Equal(t, [2]bool{tt.settled, tt.news}, [2]bool{d.IsSettled(&s), d.HasNews(&s)}, name)
	}
}

func TestDecide_TheStoreIsReadBeforeAnEndTakesEffect(t *testing.T) {
	s := inStore.state()
	d := lc.Decide(&s, lc.Surroundings{SignOutAt: dualclock.Never()}, at(31*day))
	assert.Equal(t, lc.Decision{Phase: lc.Ended, Act: lc.Load}, d)
	d = lc.Decide(&s, lc.Surroundings{SignOutAt: dualclock.Never(), WithoutReread: true}, at(31*day))
	assert.Equal(t, lc.Decision{Phase: lc.Ended, End: lc.FixedExpired}, d)
	s = after(s, 31*day, lc.NothingNew{})
	d = lc.Decide(&s, lc.Surroundings{SignOutAt: dualclock.Never()}, at(31*day))
	assert.Equal(t, lc.FixedExpired, d.End)
	assert.Equal(t, time.Second, lc.NextWake(&s, lc.Surroundings{SignOutAt: dualclock.Never()}, at(31*day), time.Minute), "until it is read again")
	s = after(s, 31*day, lc.TimePassed{})
	assert.Equal(t, time.Minute, lc.NextWake(&s, lc.Surroundings{SignOutAt: dualclock.Never()}, at(31*day), time.Minute), "then a caller must ask")
}

func TestState_HowLongThingsTake(t *testing.T) {
	s, none := alone.state(), empty.state()
	assert.Equal(t, time.Hour-time.Second, s.LiveFor(at(0)))
	assert.Equal(t, 15*time.Minute, s.SpacingLeft(at(0)), "a quarter of its life")
	assert.Zero(t, none.LiveFor(at(0)))
	assert.Zero(t, none.SpacingLeft(at(0)))
	rejectedByAPI := after(s, 0, lc.Invalidated{})
	assert.Zero(t, rejectedByAPI.SpacingLeft(at(0)), "an invalidation has its own")

	assert.True(t, s.IsServing(at(0)))
	assert.False(t, rejectedByAPI.IsServing(at(0)))
	assert.False(t, s.IsServing(at(time.Hour-time.Second)))
	ended := after(s, 0, rejected)
	assert.True(t, ended.IsServing(at(2*time.Hour)), "callers have their answer")

	last := time.Hour - time.Second - 30*time.Second
	assert.False(t, s.IsLastChance(15*time.Second, at(last-1)))
	assert.True(t, s.IsLastChance(15*time.Second, at(last)))
	assert.True(t, s.IsLastChance(time.Hour, at(time.Hour-time.Second-150*time.Second)), "at most half of the margin")
	assert.False(t, none.IsLastChance(time.Hour, at(0)))
}

func TestState_NextSignOnEnd(t *testing.T) {
	s, none := alone.state(), empty.state()
	assert.Equal(t, lc.End{Reason: lc.FixedExpired, At: in(30 * day)}, s.NextSignOnEnd(at(0)))
	assert.Equal(t, lc.End{Reason: lc.FixedExpired, At: in(0)}, none.NextSignOnEnd(at(0)))
	s = after(s, 0, lc.TokenSet{Pair: granted("b", 0, withoutRefresh)})
	assert.Equal(t, lc.End{Reason: lc.RefreshExpired, At: in(time.Hour)}, s.NextSignOnEnd(at(0)))
	s = after(s, ten, rejected)
	assert.Equal(t, lc.End{Reason: lc.RefreshRejected, At: in(ten), Err: errBoom}, s.NextSignOnEnd(at(0)))
}

func TestState_IsWorthSaving(t *testing.T) {
	for name, tt := range map[string]struct {
		start    start
		outcomes []lc.Outcome
		want     bool
	}{
		"saved":                        {inStore, nil, false},
		"not saved":                    {inStore, outcomes(failedSet), true},
		"ended, and not saved":         {inStore, outcomes(failedSet, rejected), false},
		"signed out, and not saved":    {inStore, outcomes(lc.SignedOutHere{}), true},
		"signed out without the store": {alone, outcomes(lc.SignedOutHere{}), false},
	} {
		s := after(tt.start.state(), 0, tt.outcomes...)
		assert.Equal(t, tt.want, s.IsWorthSaving(), name)
	}
}

func TestState_Adopts(t *testing.T) {
	s := inStore.state()
	assert.True(t, s.IsNews(stored(2, granted("c", 0))))
	assert.True(t, s.Adopts(stored(2, granted("c", 0)), at(0)))
	assert.False(t, s.Adopts(stored(1, granted("c", 0)), at(0)), "not newer")
	assert.False(t, s.Adopts(stored(2, granted("a", 0)), at(0)), "its own pair")
	assert.False(t, s.Adopts(nil, at(0)))
	assert.False(t, s.PrefersConfigToken(nil, at(0)), "not at the first load")
	first := unread.state()
	assert.True(t, first.PrefersConfigToken(nil, at(0)))
	assert.False(t, first.PrefersConfigToken(stored(1, granted("c", 0, ofTheFirstSession)), at(0)), "the generation tells within a session")
	assumed := lc.NewState(lc.NewPair(lc.Arrival{Tokens: named("a"), Origin: lc.HandedIn, At: at(ten), Grant: lc.Grant{Device: device}}), false, true)
	assert.False(t, assumed.PrefersConfigToken(stored(1, granted("c", 0)), at(ten)), "nobody knows when it was issued")
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
		"rejected within ten seconds":        {9 * time.Second, rejected, time.Minute},
		"rejected after them":                {10 * time.Second, rejected, 0},
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
	answer := func(change ...func(*lc.Arrival)) *lc.Pair {
		return granted("b", time.Hour, append([]func(*lc.Arrival){withoutRefresh, func(a *lc.Arrival) {
			a.Former, a.Device, a.RefreshExpiresAt = former, lc.Device{}, time.Time{}
		}}, change...)...)
	}
	next := answer()
	assert.Equal(t, device, next.Device)
	assert.True(t, next.HasRefreshToken)
	assert.Equal(t, in(2*day), next.RefreshExpiresAt)
	assert.Equal(t, in(30*day), next.FixedExpiresAt)
	assert.Equal(t, base, next.StartedAt().UTC())
	next = answer(func(a *lc.Arrival) { a.ClientID, a.RefreshExpiresAt = "PUB_1", in(3*day) })
	assert.Equal(t, lc.Device{ClientID: "PUB_1", AccountID: device.AccountID}, next.Device)
	assert.Equal(t, in(3*day), next.RefreshExpiresAt, "a new expiry of the refresh token that is kept")

	const jump = 50 * 365 * day // the clock is set by the network
	next = lc.NewPair(lc.Arrival{Tokens: named("b"), Former: former, At: dualclock.Instant{Wall: in(jump), Mono: time.Minute}})
	s := lc.NewState(next, false, false)
	d := lc.Decide(&s, lc.Surroundings{SignOutAt: dualclock.Never()}, dualclock.Instant{Wall: in(jump), Mono: time.Minute})
	assert.Equal(t, lc.NotEnded, d.End, "the gateway has just taken the refresh token")
}

func TestNewPair_AHorizonFarAheadDoesNotOverflow(t *testing.T) {
	far := time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	for _, origin := range []lc.Origin{lc.FromGateway, lc.HandedIn} {
		p := granted("a", time.Hour, func(a *lc.Arrival) { a.Origin, a.RefreshExpiresAt, a.FixedExpiresAt = origin, far, far })
		assert.Equal(t, at(2*time.Hour-time.Second).Deadline(), p.ServeUntil())
		assert.Equal(t, far, p.FixedExpiresAt)
		s := lc.NewState(p, false, false)
		assert.Equal(t, lc.NotEnded, look(s, at(time.Hour)).end)
	}
}

func TestPair_WhenItEndsAndUntilWhenItIsServed(t *testing.T) {
	const hour = time.Hour
	for _, tt := range []struct {
		name            string
		access, fixed   time.Duration
		hasRefreshToken bool
		end, expiry     time.Duration
	}{
		{"refreshable, to the fixed horizon", hour, day, true, day, hour},
		{"refreshable, without one", hour, 0, true, 0, hour},
		{"refreshable, beyond it", day, hour, true, hour, hour},
		{"not refreshable, to its expiry", hour, day, false, hour, hour},
		{"not refreshable, without a fixed horizon", hour, 0, false, hour, hour},
		{"not refreshable, beyond it", day, hour, false, hour, hour},
		{"not refreshable, without an expiry", 0, day, false, day, day},
		{"of no known end", 0, 0, true, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			end := func(d time.Duration) (at time.Time) {
				if d != 0 {
					at = in(d)
				}
				return at
			}
			p := granted("a", 0, func(a *lc.Arrival) {
				a.ExpiresAt, a.RefreshExpiresAt, a.FixedExpiresAt, a.HasRefreshToken = end(tt.access), time.Time{}, end(tt.fixed), tt.hasRefreshToken
			})
			assert.Equal(t, end(tt.expiry), p.Expiry())
			assert.Equal(t, tt.expiry != 0, p.RefreshAt().Known())
			_, announced := lc.NewState(p, false, false).Apply(lc.TimePassed{}, at(tt.end-2*time.Second))
			for _, e := range announced {
				assert.Equal(t, lc.EventEnding, e.Kind)
				assert.Equal(t, end(tt.end), e.NextAt)
			}
			assert.Equal(t, tt.end != 0, len(announced) == 1, "announced: %v", announced)
		})
	}
}
