package lifecycle

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

func TestProperty_Decisions(t *testing.T) {
	holds(t, 10_000, func(rt *rapid.T) {
		s, now := aState(rt)
		around := aSurrounding(rt)
		requirePromises(rt, &s, around, now)
		requireNoChangeBeforeNext(rt, &s, around, now)
	})
}

// TestDecide_EveryKindOfDecisionIsDrawn shows that the properties see all of them.
func TestDecide_EveryKindOfDecisionIsDrawn(t *testing.T) {
	seen := map[Decision]int{}
	decision := rapid.Custom(func(rt *rapid.T) Decision {
		s, now := aState(rt)
		d := Decide(&s, aSurrounding(rt), now)
		return Decision{Phase: d.Phase, Serve: d.Serve, Act: d.Act}
	})
	for seed := range 3000 {
		seen[decision.Example(seed)]++
	}
	for phase, actions := range map[Phase][]Action{
		Unknown: {Load}, Fresh: {Nothing, Save, SignOut}, Ageing: {Nothing, Load, Refresh, Login},
		Expired: {Nothing, Refresh}, Ended: {Nothing, Load, Login, Save, SignOut},
	} {
		for _, act := range actions {
			d := Decision{Phase: phase, Serve: phase == Fresh || phase == Ageing, Act: act}
			assert.Greater(t, seen[d], 5, "%+v", d)
		}
	}
}

// requirePromises requires of a decision what must be true of all of them.
func requirePromises(rt *rapid.T, s *State, around Surroundings, now dualclock.Instant) {
	d, due, ended := Decide(s, around, now), s.schedule(), s.endReason()
	if d.Serve {
		require.False(rt, due.serveUntil.PassedOnEither(now), "served though one clock says that it is dead")
		require.False(rt, due.fixed.PassedOnEither(now), "served past the fixed horizon")
		require.False(rt, s.current.invalidation.withholds(ended), "served though an API has rejected it")
		require.NotContains(rt, []Reason{FixedExpired, SignedOut}, d.End)
	} else if s.HasLiveToken(now) && !s.IsUnread() && !s.current.invalidation.withholds(ended) {
		require.Contains(rt, []Reason{FixedExpired, SignedOut}, d.End, "there is a live token, and callers wait")
	}
	if ended != NotEnded && !s.IsUnread() {
		require.Equal(rt, ended, d.End, "an end is not undone by time")
	} else if d.End != NotEnded {
		requireOver(rt, s, d.End, now)
	}
	if !s.IsUnread() {
		noted, events := s.Apply(TimePassed{around}, now)
		require.Equal(rt, d.HasNews(s), !assert.ObjectsAreEqual(*s, noted))
		require.False(rt, d.IsSettled(s) && len(events) > 0)
	}
	require.False(rt, around.Running != Nothing && d.Act != Nothing, "one operation at a time")
	requireActPermitted(rt, s, around, d, now)
}

// requireOver requires that the passing of time ends a session for this reason.
func requireOver(rt *rapid.T, s *State, end Reason, now dualclock.Instant) {
	if s.pair == nil {
		require.Equal(rt, NoSession, end)
		return
	}
	switch due := s.schedule(); end {
	case FixedExpired:
		require.True(rt, due.fixed.PassedOnBoth(now) || due.exhausted && due.serveUntil.PassedOnBoth(now), "given up though a clock disagrees")
		require.True(rt, due.fixed.PassedOnBoth(now) || !due.refreshExtends, "given up though a refresh helps")
	case RefreshExpired:
		require.True(rt, due.refreshUntil.PassedOnBoth(now) || !s.pair.HasRefreshToken && due.serveUntil.PassedOnEither(now), "given up though a clock disagrees")
	case NotEnded, NoSession, RefreshRejected, SignedOut:
		require.Fail(rt, "time does not do that", end)
	}
}

// requireActPermitted requires that the action of a decision may be started.
func requireActPermitted(rt *rapid.T, s *State, around Surroundings, d Decision, now dualclock.Instant) {
	due := s.schedule()
	require.False(rt, s.IsUnread() && d.Act != Nothing && d.Act != Load, "the store was not read yet")
	switch d.Act {
	case Refresh:
		require.Nil(rt, s.end, "a session that has ended is refreshed")
		require.True(rt, s.pair.HasRefreshToken)
		require.True(rt, s.failure.retryAt().PassedOnEither(now), "a failure is not remembered")
		require.False(rt, due.fixed.PassedOnBoth(now) || due.refreshUntil.PassedOnBoth(now))
		if s.HasLiveToken(now) && s.current.invalidation == notInvalidated {
			require.True(rt, due.refreshExtends, "nothing is won by it")
			require.True(rt, s.current.asked || due.refreshAt.PassedOnEither(now), "it is not due")
			require.True(rt, s.current.asked || due.earliestRefresh.PassedOnEither(now), "it is too close to the last one")
		}
	case Login:
		require.True(rt, s.login == hasLogin && s.pacing.lastLogins().retryAt().PassedOnEither(now))
		require.NotEqual(rt, SignedOut, d.End, "a sign-out is undone by a login")
		require.True(rt, d.End != NotEnded || due.refreshAt.PassedOnEither(now), "it is not due")
	case Load:
		require.NotNil(rt, s.store)
		require.True(rt, s.IsUnread() || !around.WithoutReread && s.store.rereadAt.PassedOnEither(now))
	case Save:
		require.True(rt, s.Pending() != SaveNothing && s.store.saveAt.PassedOnEither(now))
	case SignOut:
		require.True(rt, around.SignOutAt.PassedOnEither(now))
		require.Equal(rt, SaveNothing, s.Pending(), "the mark is stored first")
	case Nothing:
	}
}

// requireNoChangeBeforeNext requires that a decision holds until NextChange.
func requireNoChangeBeforeNext(rt *rapid.T, s *State, around Surroundings, now dualclock.Instant) {
	next, wallNow := NextChange(s, around, now), dualclock.UnixNanoOf(now.Wall)
	require.True(rt, next.Mono > now.Mono && next.Wall > wallNow, "a deadline that has passed comes again")
	// Each clock goes some of the way, or all of it but a nanosecond.
	some := func(name string, left time.Duration) time.Duration {
		left = min(left, 100*365*24*time.Hour)
		if aCoin(rt, name+" to the end") {
			return left - 1
		}
		return time.Duration(rapid.Int64Range(0, int64(left-1)).Draw(rt, name))
	}
	later := dualclock.Instant{Wall: now.Wall.Add(some("wall", next.Wall.Sub(wallNow))), Mono: now.Mono + some("mono", next.Mono-now.Mono)}
	before, after := Decide(s, around, now), Decide(s, around, later)
	if around.Running != Nothing {
		before.Phase, after.Phase = 0, 0 // reported, and not acted upon
	}
	require.Equal(rt, before, after)
	wake := NextWake(s, around, now, time.Minute)
	require.True(rt, wake >= 0 && wake <= time.Minute)
}
