package lifecycle_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
	lc "github.com/agsauth/agsauth/tokensource/internal/lifecycle"
)

// An hour's token is served for 59m59s. Refreshes that callers ask for are 10 s apart.
const (
	served  = time.Hour - time.Second
	longest = served - 10*time.Second
)

func fixedAfter(d time.Duration) func(*lc.Arrival) {
	return func(a *lc.Arrival) { a.FixedExpiresAt = a.At.Wall.Add(d) }
}

func issuedEarlier(d time.Duration) func(*lc.Arrival) {
	return func(a *lc.Arrival) { a.IssuedAt = a.At.Wall.Add(-d) }
}

func TestState_ValidityAt(t *testing.T) {
	unknownIssue := func(a *lc.Arrival) { a.IssuedAt = time.Time{} }
	unknownExpiry := func(a *lc.Arrival) { a.ExpiresAt = time.Time{} }
	unknownFixed := func(a *lc.Arrival) { a.FixedExpiresAt = time.Time{} }
	type changes []func(*lc.Arrival)
	for _, tt := range []struct {
		name string
		pair changes
		at   dualclock.Instant
		want lc.Validity
	}{
		{"a new pair", nil, at(0), lc.Validity{Current: served, Longest: longest}},
		{"later a refresh gives more", nil, at(ten), lc.Validity{Current: served - ten, Longest: longest}},
		{"by the clock that is ahead", nil, dualclock.Instant{Wall: in(ten), Mono: 2 * ten}, lc.Validity{Current: served - 2*ten, Longest: longest}},
		{"by the wall clock, if that is ahead", nil, dualclock.Instant{Wall: in(2 * ten), Mono: ten}, lc.Validity{Current: served - 2*ten, Longest: longest}},
		{"a pair of four seconds", changes{livesFor(4 * time.Second)}, at(2 * time.Second), lc.Validity{Current: 1600 * time.Millisecond, Longest: 3200 * time.Millisecond}},
		{"a pair of a second", changes{livesFor(time.Second)}, at(0), lc.Validity{Current: 900 * time.Millisecond, Longest: 650 * time.Millisecond}},
		{"a pair of a tenth of a second", changes{livesFor(100 * time.Millisecond)}, at(0), lc.Validity{Current: 90 * time.Millisecond}},
		{"the session ends earlier", changes{fixedAfter(90 * time.Minute)}, at(40 * time.Minute), lc.Validity{Current: served - 40*time.Minute, Longest: 50 * time.Minute, IsLastToken: true}},
		{"a refresh cannot extend it", changes{fixedAfter(time.Hour)}, at(ten), lc.Validity{Current: served - ten, Longest: served - ten, IsLastToken: true}},
		{"there is no refresh token", changes{withoutRefresh}, at(ten), lc.Validity{Current: served - ten, Longest: served - ten, IsLastToken: true}},
		{"no fixed end is known", changes{unknownFixed}, at(ten), lc.Validity{Current: served - ten, Longest: longest}},
		{"no expiry is known", changes{unknownExpiry, unknownFixed}, at(ten), lc.Validity{Current: math.MaxInt64, Longest: math.MaxInt64}},
		{"loaded late in its life", changes{handedIn, issuedEarlier(50 * time.Minute), livesFor(ten)}, at(0), lc.Validity{Current: ten - time.Second, Longest: longest}},
		{"handed in, issued nobody knows when", changes{handedIn, unknownIssue, livesFor(ten), unknownFixed}, at(0), lc.Validity{Current: ten - time.Second, Longest: math.MaxInt64}},
		{"granted with a wrong instant of issue", changes{issuedEarlier(50 * time.Minute), livesFor(ten)}, at(0), lc.Validity{Current: ten - time.Second, Longest: ten - 11*time.Second}},
		{"dead", nil, at(2 * time.Hour), lc.Validity{Current: served - 2*time.Hour, Longest: longest}},
	} {
		s := lc.NewState(granted("a", 0, tt.pair...), false, false)
		assert.Equal(t, tt.want, s.ValidityAt(tt.at), tt.name)
	}
	none := empty.state()
	assert.Equal(t, lc.Validity{IsLastToken: true}, none.ValidityAt(at(0)))
}

// TestState_AnAskForAValidity shows when a refresh is due for a caller that asks for a
// validity, and what such a caller is told meanwhile.
func TestState_AnAskForAValidity(t *testing.T) {
	const refreshing = "a ageing act=refresh asked"
	for _, tt := range []struct {
		name    string
		start   start
		given   []lc.Outcome
		span    time.Duration
		running lc.Action
		want    string // the state after the ask
		told    lc.Prospect
	}{
		{"the token is valid for that long", alone, nil, served - ten, lc.Nothing, "a fresh", lc.Sufficient},
		{"it is not", alone, nil, served - ten + 1, lc.Refresh, refreshing, lc.Coming},
		{"the longest that can be asked for", alone, nil, longest, lc.Refresh, refreshing, lc.Coming},
		{"longer than any token is", alone, nil, longest + 1, lc.Nothing, "a fresh", lc.Unreachable},
		{"longer than any, during a save", inStore, nil, 2 * time.Hour, lc.Save, "a fresh gen=1", lc.Unreachable},
		{"longer than any, during a refresh", alone, nil, 2 * time.Hour, lc.Refresh, "a fresh", lc.Coming},
		{"during a save", inStore, nil, longest, lc.Save, "a ageing act=refresh gen=1 asked", lc.Coming},
		{"before the first load", unread, nil, longest, lc.Load, "a unknown act=load withheld", lc.Coming},
		{"a failure is remembered", alone, outcomes(lc.RefreshFailed{Cause: refused}), longest, lc.Nothing, "a fresh retry=50s failed: boom", lc.Failing},
		{"a failure, and longer than any", alone, outcomes(lc.RefreshFailed{Cause: refused}), 2 * time.Hour, lc.Nothing, "a fresh retry=50s failed: boom", lc.Unreachable},
		{"the session has ended", alone, outcomes(rejected), longest, lc.Nothing, "a ageing end=rejected", lc.Failing},
		{"it has ended, during a save", alone, outcomes(rejected), longest, lc.Save, "a ageing end=rejected", lc.Failing},
		{"it has ended, during a login", canLogin, outcomes(rejected), longest, lc.Login, "a ageing end=rejected act=login", lc.Coming},
		{"it has ended, and a login comes after a save", canLogin, outcomes(rejected), longest, lc.Save, "a ageing end=rejected act=login", lc.Coming},
		{"an API has rejected the token", alone, outcomes(lc.Invalidated{}), served - ten, lc.Refresh, "a expired act=refresh invalidated withheld", lc.Sufficient},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := at(ten)
			s := after(tt.start.state(), ten-10*time.Second, tt.given...)
			due := s.RefreshesFor(tt.span, now)
			s = after(s, ten, lc.Asked{Span: tt.span})
			assert.Equal(t, tt.want, look(s, now))
			assert.Equal(t, due, s.IsAsked())
			assert.Equal(t, tt.told, s.ProspectOf(tt.span, tt.running, now))
		})
	}
}

func TestState_WhatBecomesOfAnAsk(t *testing.T) {
	s := after(inStore.state(), ten, lc.Asked{Span: longest})
	for _, tt := range []struct {
		name    string
		outcome lc.Outcome
		want    string
	}{
		{"it is refreshed", lc.Refreshed{Pair: granted("b", ten), Save: saved(2)}, "b fresh gen=2"},
		{"the refresh fails", refreshFails, "a fresh gen=1 retry=250ms failed: boom"},
		{"another process has refreshed", lc.Found{Record: stored(2, granted("b", ten))}, "b fresh gen=2"},
		{"another process has not", lc.Found{Record: stored(1, granted("a", 0))}, "a ageing act=refresh gen=1 asked"},
		{"another session is set", lc.TokenSet{Pair: granted("b", ten), Save: saved(2)}, "b fresh gen=2"},
		{"the new pair is to be exchanged", lc.Granted{Pair: granted("b", 0), Save: saved(2)}, "b ageing act=refresh gen=2 asked"},
	} {
		assert.Equal(t, tt.want, look(after(s, ten, tt.outcome), at(ten)), tt.name)
	}
}

// An ask does not wait for the spacing of refreshes that the Source makes by itself.
func TestState_SpacingOfAsks(t *testing.T) {
	for _, tt := range []struct {
		name string
		pair *lc.Pair
		age  time.Duration
		span time.Duration
		want time.Duration
	}{
		{"ten seconds after the last refresh", granted("a", 0), 5 * time.Second, longest, 5 * time.Second},
		{"long after it", granted("a", 0), ten, longest, 0},
		{"a tenth of a short life", granted("a", 0, livesFor(10*time.Second)), 600 * time.Millisecond, 8 * time.Second, 400 * time.Millisecond},
		{"not after a pair that was loaded", granted("a", 0, handedIn), time.Second, longest, 0},
	} {
		s := lc.NewState(tt.pair, false, false)
		// The wall clock was set forward, so that the token is not valid for long enough.
		s, _ = s.Apply(lc.Asked{Span: tt.span}, dualclock.Instant{Wall: in(40 * time.Minute), Mono: tt.age})
		assert.Equal(t, tt.want, max(0, s.SpacingLeft(at(tt.age))), tt.name)
	}
}
