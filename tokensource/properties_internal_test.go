package tokensource

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// What must hold of the pure core for any token and any instants.

func TestProperty_TheScheduleOfAPair(t *testing.T) {
	holds(t, 3000, func(rt *rapid.T) {
		now := anInstant(time.Hour).Draw(rt, "now")
		token, set, draw := aToken(now).Draw(rt, "token"), someSettings(rt), aDraw(rt)
		fromGateway := rapid.Bool().Draw(rt, "granted")
		s := look(handedInAt(token, now, draw, set))
		if fromGateway {
			s = look(grantedAt(token, now, nil, draw, set))
		}

		first, known := firstHorizon(token)
		if !known {
			assert.False(rt, s.refreshAt.Known(), "what never passes is never due")
			return
		}
		life := max(0, first.Sub(token.IssuedAt))
		least, most := marginBounds(life, set.refreshBefore)
		spaced := now.Deadline() // what is handed in can be due at once
		if fromGateway {
			spaced = now.Add(max(250*time.Millisecond, min(life, first.Sub(now.Wall))/4)).Deadline()
		}
		switch at := wall(s.refreshAt); {
		case !fromGateway && s.winsTime && s.refreshable && token.IssuedAt.Sub(now.Wall) > time.Minute:
			assert.Equal(rt, now.Deadline(), s.refreshAt, "issued in the future: due at once")
		case at.Equal(wall(spaced)):
			assert.False(rt, first.Add(-most).After(wall(spaced)), "put off for the spacing, which was over")
		default:
			assert.False(rt, at.Before(first.Add(-most)), "due before the widest margin")
			assert.False(rt, at.After(first.Add(-least)), "due after the narrowest margin")
		}
		if fromGateway {
			assert.False(rt, s.refreshAt.Wall < spaced.Wall || s.refreshAt.Mono < spaced.Mono, "due within the spacing")
		}
		if slack := min(time.Second, max(0, token.ExpiresAt.Sub(token.IssuedAt))/10); !token.ExpiresAt.IsZero() {
			assert.False(rt, wall(s.served).After(token.ExpiresAt.Add(-slack)), "served into the last second")
		}
		assert.False(rt, s.served.Wall > s.fixed.Wall || s.served.Mono > s.fixed.Mono, "served past the fixed horizon")
	})
}

// firstHorizon is the earliest horizon that a pair tells.
func firstHorizon(t *ags.Token) (first time.Time, known bool) {
	for _, at := range []time.Time{t.ExpiresAt, t.RefreshExpiresAt, t.FixedExpiresAt} {
		if !at.IsZero() && (!known || at.Before(first)) {
			first, known = at, true
		}
	}
	return first, known
}

// marginBounds is the span that the margin is drawn from.
func marginBounds(life, before time.Duration) (least, most time.Duration) {
	least = before
	if least == 0 {
		least = min(max(life/10, 10*time.Second), 5*time.Minute)
	}
	least = min(least, life/2)
	return least, least + least/5
}

func TestProperty_ARefreshIsMadeOnlyWhenItWinsTime(t *testing.T) {
	holds(t, 3000, func(rt *rapid.T) {
		now := at(0)
		token := aToken(now).Draw(rt, "token")
		s := look(grantedAt(token, now, nil, 0, &settings{}))
		if token.FixedExpiresAt.IsZero() {
			assert.True(rt, s.winsTime)
			return
		}
		if token.ExpiresAt.IsZero() {
			return // what is won then is said by nobody
		}
		least := max(s.life/100, min(2*time.Second, s.life/5))
		assert.Equal(rt, token.FixedExpiresAt.Sub(token.ExpiresAt) > least, s.winsTime)
	})
}

func TestProperty_WhatIsHandedInLivesNoLongerThanWhatIsGranted(t *testing.T) {
	holds(t, 3000, func(rt *rapid.T) {
		now := anInstant(time.Hour).Draw(rt, "now")
		token, set := aToken(now).Draw(rt, "token"), someSettings(rt)
		old, fresh := look(handedInAt(token, now, 0, set)), look(grantedAt(token, now, nil, 0, set))
		for name, pair := range map[string][2]dualclock.Deadline{
			"served": {old.served, fresh.served}, "refresh": {old.refresh, fresh.refresh}, "fixed": {old.fixed, fresh.fixed},
		} {
			given, full := pair[0], pair[1]
			assert.Equal(rt, full.Known(), given.Known(), name)
			assert.Equal(rt, full.Wall, given.Wall, name)
			assert.LessOrEqual(rt, given.Mono, full.Mono, name)
			if given.Known() && !now.Wall.Before(wall(given)) {
				assert.True(rt, given.PassedOnBoth(now), "%s: past when it came, and not past on both clocks", name)
			}
		}
	})
}

func TestProperty_Decisions(t *testing.T) {
	holds(t, 5000, func(rt *rapid.T) {
		issued := anInstant(time.Hour).Draw(rt, "issued at")
		var s *session
		if rapid.IntRange(0, 7).Draw(rt, "a session") > 0 {
			s = grantedAt(aToken(issued).Draw(rt, "token"), issued, nil, aDraw(rt), someSettings(rt))
		}
		v, now := aView(rt, s)
		if s == nil && v.ended == 0 && !v.unread {
			v.flying = false // without a session there is nothing to be in the air for
		}
		d := decide(v, now)

		if d.serve {
			in := look(s)
			require.False(rt, in.served.PassedOnEither(now), "served though a clock says that it is dead")
			require.False(rt, in.fixed.PassedOnEither(now), "served past the fixed horizon")
			require.NotEqual(rt, invalidated, v.invalidated)
			require.False(rt, v.invalidated == refreshOwed && v.ended == RefreshRejected, "the gateway and an API agree")
			require.NotContains(rt, []Reason{FixedExpired, SignedOut}, d.end)
		}
		if s != nil && !v.unread && !v.invalidated.withholds(v.ended) && !look(s).served.PassedOnEither(now) && d.end != FixedExpired && d.end != SignedOut {
			require.True(rt, d.serve, "there is a live token, and callers wait")
		}
		require.False(rt, v.flying && d.act != doNothing, "one at a time")
		if d.end != 0 && v.ended == 0 {
			requireOver(rt, s, d.end, now)
		}
		requireActPermitted(rt, v, d, now)
	})
}

// requireOver requires that a session is given up for a reason that time gives.
func requireOver(rt *rapid.T, s *session, end Reason, now dualclock.Instant) {
	if s == nil {
		require.Equal(rt, NoSession, end)
		return
	}
	in := look(s)
	switch end {
	case FixedExpired:
		require.True(rt, in.fixed.PassedOnBoth(now) || in.futile && in.served.PassedOnBoth(now), "given up though a clock disagrees")
	case RefreshExpired:
		require.True(rt, in.refresh.PassedOnBoth(now) || !in.refreshable && in.served.PassedOnEither(now), "given up though a clock disagrees")
	case NoSession, RefreshRejected, SignedOut:
		require.Fail(rt, "time does not do that", end.String())
	}
}

// requireActPermitted requires that what is started may be started.
func requireActPermitted(rt *rapid.T, v *view, d decision, now dualclock.Instant) {
	switch d.act {
	case doRefresh:
		in := look(v.session)
		require.False(rt, v.unread || v.ended != 0, "a refresh of what has ended, or was not read yet")
		require.True(rt, in.refreshable)
		require.True(rt, v.retryAt.PassedOnEither(now), "a failure is not remembered")
		require.False(rt, in.fixed.PassedOnBoth(now) || in.refresh.PassedOnBoth(now))
		alive := !in.served.PassedOnEither(now)
		require.False(rt, alive && v.invalidated == notInvalidated && !in.winsTime, "nothing is won by it")
		require.False(rt, alive && v.invalidated == notInvalidated && !in.refreshAt.PassedOnEither(now), "it is not due")
		require.False(rt, alive && v.invalidated == notInvalidated && !in.spaced.PassedOnEither(now), "it is too close to the last")
	case doLogin:
		require.True(rt, v.canLogin && v.loginAt.PassedOnEither(now))
		require.False(rt, v.unread, "a sign-on is spent before the store was read")
		require.NotEqual(rt, SignedOut, d.end, "a sign-out is undone")
		require.True(rt, d.end != 0 || look(v.session).refreshAt.PassedOnEither(now), "it is not due")
	case doRead:
		require.True(rt, v.unread || v.stored && v.rereadAt.PassedOnEither(now))
	case doSave:
		require.True(rt, v.unsaved && v.saveAt.PassedOnEither(now))
	case doSignOut:
		require.True(rt, v.signOuts && v.signOutAt.PassedOnEither(now))
		require.False(rt, v.unread)
	case doNothing:
	}
}

func TestProperty_NothingChangesBeforeNextChange(t *testing.T) {
	holds(t, 5000, func(rt *rapid.T) {
		issued := anInstant(time.Hour).Draw(rt, "issued at")
		var s *session
		if rapid.IntRange(0, 7).Draw(rt, "a session") > 0 {
			s = grantedAt(aToken(issued).Draw(rt, "token"), issued, nil, aDraw(rt), someSettings(rt))
		}
		v, now := aView(rt, s)
		next := nextChange(v, now)
		require.True(rt, next.Mono > now.Mono && next.Wall > dualclock.UnixNanoOf(now.Wall), "what was acted upon comes again")

		// Each clock goes some of the way, or all of it but a nanosecond.
		some := func(name string, left time.Duration) time.Duration {
			if rapid.Bool().Draw(rt, name+" to the end") {
				return left - 1
			}
			return time.Duration(rapid.Int64Range(0, int64(left-1)).Draw(rt, name))
		}
		limit := 100 * 365 * 24 * time.Hour
		later := dualclock.Instant{
			Wall: now.Wall.Add(some("wall", min(next.Wall.Sub(dualclock.UnixNanoOf(now.Wall)), limit))),
			Mono: now.Mono + some("mono", min(next.Mono-now.Mono, limit)),
		}
		before, after := decide(v, now), decide(v, later)
		if v.flying {
			before.phase, after.phase = 0, 0 // told, and not acted upon
		}
		require.Equal(rt, before, after)
	})
}

func TestProperty_TheFixedHorizonIsMovedByAClaimOrByProofOnly(t *testing.T) {
	holds(t, 2000, func(rt *rapid.T) {
		set := &settings{}
		now := at(0)
		s := grantedAt(aToken(now).Draw(rt, "first"), now, nil, 0, set)
		for range rapid.IntRange(1, 6).Draw(rt, "grants") {
			step := aSpan(2*time.Hour).Draw(rt, "after")
			now = dualclock.Instant{Wall: now.Wall.Add(step), Mono: now.Mono + step + aSpan(time.Hour).Draw(rt, "slept")}
			former := look(s)
			s = grantedAt(aToken(now).Draw(rt, "next"), now, s, 0, set)
			if next := look(s); former.fixed.Known() && !former.fixed.PassedOnEither(now) {
				require.False(rt, next.fixed.Wall > former.fixed.Wall || next.fixed.Mono > former.fixed.Mono, "moved away by a mere span")
			}
		}
	})
}

func TestProperty_TheWaitAfterAFailure(t *testing.T) {
	holds(t, 3000, func(rt *rapid.T) {
		var f *failure
		count := 0
		var last [2]any
		for range rapid.IntRange(1, 40).Draw(rt, "failures") {
			now := anInstant(time.Hour).Draw(rt, "now")
			c := rapid.SampledFrom([]class{passing, refusal}).Draw(rt, "class")
			login, left := rapid.Bool().Draw(rt, "login"), aSpan(time.Hour).Draw(rt, "left")-10*time.Minute
			asked := rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute, time.Hour}).Draw(rt, "asked")
			f = f.after(&ags.Error{Status: 503, RetryAfter: asked}, c, login, left, now, aDraw(rt))
			if kind := [2]any{c, login}; kind != last {
				count, last = 0, kind
			}
			count++
			least, most := waitBounds(c, login, left, count)
			floor := min(asked, 5*time.Minute)
			wait := f.next.Mono - now.Mono
			require.GreaterOrEqual(rt, wait, max(least, floor))
			require.LessOrEqual(rt, wait, max(most, floor))
			require.True(rt, f.nextAt.Equal(wall(f.next)) && wall(f.next).Sub(now.Wall) == wait, "callers are told another time")
		}
	})
}

// waitBounds is what the wait after the n-th failure in a row is drawn from.
func waitBounds(c class, login bool, left time.Duration, n int) (least, most time.Duration) {
	double := func(first, limit time.Duration) time.Duration {
		for range n - 1 {
			first = min(limit, 2*first)
		}
		return min(first, limit)
	}
	switch {
	case c == passing && left > 0:
		wait := double(250*time.Millisecond, min(max(left/4, 250*time.Millisecond), 30*time.Second))
		return wait * 3 / 4, wait * 5 / 4
	case c == passing:
		wait := double(250*time.Millisecond, 10*time.Second)
		return wait * 3 / 4, wait * 5 / 4
	case login:
		return double(time.Minute, 15*time.Minute), double(time.Minute, 15*time.Minute)
	default:
		return double(time.Minute, 5*time.Minute), double(time.Minute, 5*time.Minute)
	}
}

func TestProperty_RejectionsAreSpaced(t *testing.T) {
	holds(t, 2000, func(rt *rapid.T) {
		life := rapid.SampledFrom([]time.Duration{0, 2 * time.Second, 30 * time.Second, time.Hour}).Draw(rt, "life")
		token := func(now dualclock.Instant) *session {
			token := &ags.Token{AccessToken: ags.NewSecret("a"), RefreshToken: ags.NewSecret("r"), IssuedAt: now.Wall}
			if life > 0 {
				token.ExpiresAt = now.Wall.Add(life)
			}
			return grantedAt(token, now, nil, 0, &settings{})
		}
		least := 10 * time.Second
		if life > 0 {
			least = min(least, life/2)
		}
		var r *rejections
		now := at(0)
		s := token(now)
		var last *dualclock.Instant
		required := least // before the next one: doubled while each is young
		for range rapid.IntRange(1, 60).Draw(rt, "rejections") {
			now = now.Add(aSpan(8*time.Minute).Draw(rt, "after"))
			next, ok := r.admit(s, now)
			young := life == 0 || now.Wall.Before(s.token.IssuedAt.Add(life/2))
			require.Equal(rt, last == nil || now.Mono-last.Mono >= required, ok)
			if !ok {
				continue
			}
			switch {
			case last != nil && young:
				required = min(2*required, 5*time.Minute)
			default:
				required = least
			}
			last, r = &dualclock.Instant{Wall: now.Wall, Mono: now.Mono}, &next
			s = token(now)
		}
	})
}

func TestProperty_OnlyARejectionIsTerminal(t *testing.T) {
	holds(t, 2000, func(rt *rapid.T) {
		e := &ags.Error{
			Status: rapid.SampledFrom([]int{0, 200, 201, 204, 300, 302, 400, 401, 403, 404, 409, 418, 429, 500, 502, 503, 504}).Draw(rt, "status"),
			Code:   rapid.SampledFrom([]int{0, 20001, 20002, 20003, 20004, 20007, 20018, 20020, 20021}).Draw(rt, "code"),
		}
		e.Malformed, e.NotSent = rapid.Bool().Draw(rt, "malformed"), e.Status == 0 && rapid.Bool().Draw(rt, "not sent")
		want := !e.Malformed && (e.Status == 401 || e.Status == 403 && (e.Code == 20003 || e.Code == 20020))
		require.Equal(rt, want, classifyRefresh(e) == terminal)
		require.Equal(rt, want, classifyRefresh(errors.Join(errors.New("beside it"), e)) == terminal)
		if want {
			require.False(rt, outcomeUnknown(e), "a rejection is known")
		}
	})
}
