package tokensource

import (
	"flag"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// What the properties draw, and how they look into the core. Nothing else in
// properties_internal_test.go knows how a session is laid out.

// holds checks a property with this many draws, unless -rapid.checks says
// otherwise.
func holds(t *testing.T, checks int, property func(*rapid.T)) {
	t.Helper()
	const name = "rapid.checks"
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if !given {
		// Set on the flag's value, so that it does not count as given.
		value := flag.Lookup(name).Value
		former := value.String()
		require.NoError(t, value.Set(strconv.Itoa(checks)))
		defer func() { _ = value.Set(former) }()
	}
	rapid.Check(t, property)
}

// aSpan draws a duration up to limit: a round one, or any.
func aSpan(limit time.Duration) *rapid.Generator[time.Duration] {
	return rapid.OneOf(
		rapid.Map(rapid.Int64Range(0, int64(limit/time.Second)), func(n int64) time.Duration { return time.Duration(n) * time.Second }),
		rapid.Map(rapid.Int64Range(0, int64(limit)), func(n int64) time.Duration { return time.Duration(n) }),
	)
}

// anInstant draws one within limit of the base, on clocks that agree or do not.
func anInstant(limit time.Duration) *rapid.Generator[dualclock.Instant] {
	return rapid.Custom(func(rt *rapid.T) dualclock.Instant {
		now := at(aSpan(limit).Draw(rt, "elapsed"))
		if rapid.Bool().Draw(rt, "apart") {
			now.Wall = base.Add(aSpan(2*limit).Draw(rt, "wall") - limit/2)
		}
		return now
	})
}

// aToken draws a pair that was issued within a minute of now, or far from it.
func aToken(now dualclock.Instant) *rapid.Generator[*ags.Token] {
	return rapid.Custom(func(rt *rapid.T) *ags.Token {
		issued := now.Wall
		if rapid.Bool().Draw(rt, "issued before") {
			issued = issued.Add(aSpan(4*time.Hour).Draw(rt, "issued") - 3*time.Hour)
		}
		told := func(name string, limit time.Duration) time.Time {
			if rapid.IntRange(0, 3).Draw(rt, name+" told") == 0 {
				return time.Time{}
			}
			return issued.Add(aSpan(limit).Draw(rt, name))
		}
		limit := rapid.SampledFrom([]time.Duration{time.Second, time.Minute, time.Hour, 30 * 24 * time.Hour}).Draw(rt, "limit")
		t := &ags.Token{
			AccessToken: ags.NewSecret("a"), IssuedAt: issued,
			ExpiresAt: told("access", limit), RefreshExpiresAt: told("refresh", 4*limit), FixedExpiresAt: told("fixed", 8*limit),
		}
		if rapid.IntRange(0, 3).Draw(rt, "refreshable") > 0 {
			t.RefreshToken = ags.NewSecret("r")
		}
		return t
	})
}

func aDraw(rt *rapid.T) float64 { return rapid.Float64Range(0, 0.999999).Draw(rt, "draw") }

// someSettings draws settings of a user.
func someSettings(rt *rapid.T) *settings {
	span := rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute, 24 * time.Hour})
	return &settings{refreshBefore: span.Draw(rt, "refresh before"), warnBefore: span.Draw(rt, "warn before")}
}

// grantedAt makes a session of a pair that the gateway gave at now, handedInAt of
// one that is loaded, adopted or set.
func grantedAt(t *ags.Token, now dualclock.Instant, former *session, draw float64, set *settings) *session {
	return newSession(arrival{token: t, from: granted, at: now, former: former, draw: draw}, set)
}

func handedInAt(t *ags.Token, now dualclock.Instant, draw float64, set *settings) *session {
	return newSession(arrival{token: t, from: handedIn, at: now, draw: draw}, set)
}

// inner is what the properties see of a session.
type inner struct {
	schedule

	refreshable bool
}

func look(s *session) inner { return inner{s.schedule(), s.refreshable()} }

// wall is a horizon's dualclock.Instant on the wall clock.
func wall(h dualclock.Deadline) time.Time { return h.Wall.Time(base) }

// aView draws a state of a Source around a session, none when that is nil, and an
// instant that lies near one of the horizons more often than chance would have it.
func aView(rt *rapid.T, s *session) (*view, dualclock.Instant) {
	limit := 9 * time.Hour
	coin := func(name string) bool { return rapid.Bool().Draw(rt, name) }
	hour := func(name string) dualclock.Deadline { return anInstant(limit).Draw(rt, name).Deadline() }
	v := &view{
		session: s, stored: coin("stored"), canLogin: coin("login"), warned: coin("warned"), unsaved: coin("unsaved"),
		flying: rapid.IntRange(0, 3).Draw(rt, "flying") == 0, failed: coin("failed"),
		unread:  rapid.IntRange(0, 5).Draw(rt, "unread") == 0,
		retryAt: hour("retry"), loginAt: hour("login"), saveAt: hour("save"), rereadAt: hour("reread"),
		signOuts: coin("sign-outs"), signOutAt: hour("sign out"),
	}
	if s != nil {
		v.due = s.schedule()
		v.invalidated = rapid.SampledFrom([]invalidation{notInvalidated, notInvalidated, invalidated, refreshOwed}).Draw(rt, "invalidated")
	}
	if rapid.IntRange(0, 3).Draw(rt, "ended") == 0 || s == nil && coin("noticed") {
		v.ended = rapid.SampledFrom([]Reason{NoSession, RefreshExpired, FixedExpired, RefreshRejected, SignedOut}).Draw(rt, "reason")
	}
	now := anInstant(limit).Draw(rt, "now")
	if s == nil || coin("anywhere") {
		return v, now
	}
	near := rapid.SampledFrom([]dualclock.Deadline{v.due.served, v.due.refresh, v.due.fixed, v.due.refreshAt, v.due.warnAt, v.retryAt, v.loginAt, v.saveAt, v.rereadAt}).Draw(rt, "near")
	if near.Known() {
		side := rapid.SampledFrom([]time.Duration{-time.Second, -1, 0, 1, time.Second})
		now.Wall, now.Mono = wall(near).Add(side.Draw(rt, "wall side")), max(0, near.Mono+side.Draw(rt, "mono side"))
	}
	return v, now
}
