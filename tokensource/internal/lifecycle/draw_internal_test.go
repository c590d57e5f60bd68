package lifecycle

import (
	"flag"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

var base = time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC)

// at returns the instant d after base on both clocks.
func at(d time.Duration) dualclock.Instant { return dualclock.Instant{Wall: base.Add(d), Mono: d} }

// wall returns when the wall clock reaches a deadline.
func wall(d dualclock.Deadline) time.Time { return d.Wall.Time(base) }

// named are tokens that have a name instead of secrets.
type named string

func (n named) Fingerprint() (f Fingerprint) {
	copy(f[:], n)
	return f
}

// pairOf returns the pair of a grant.
func pairOf(g Grant, origin Origin, now dualclock.Instant, former *Pair) *Pair {
	return NewPair(Arrival{Grant: g, Tokens: named("a"), Origin: origin, At: now, Former: former})
}

// lives returns a grant at an instant. A life of zero is unknown.
func lives(issued time.Time, access, refresh, fixed time.Duration) Grant {
	end := func(life time.Duration) time.Time {
		if life == 0 {
			return time.Time{}
		}
		return issued.Add(life)
	}
	return Grant{IssuedAt: issued, ExpiresAt: end(access), RefreshExpiresAt: end(refresh), FixedExpiresAt: end(fixed), HasRefreshToken: true}
}

// holds checks a property with this many draws, unless -rapid.checks is given.
func holds(t *testing.T, checks int, property func(*rapid.T)) {
	t.Helper()
	const name = "rapid.checks"
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if !given {
		value := flag.Lookup(name).Value // flag.Set would count as given
		former := value.String()
		require.NoError(t, value.Set(strconv.Itoa(checks)))
		defer func() { _ = value.Set(former) }()
	}
	rapid.Check(t, property)
}

func aCoin(rt *rapid.T, name string) bool { return rapid.Bool().Draw(rt, name) }

// isRare is true once in n draws.
func isRare(rt *rapid.T, n int, name string) bool {
	return rapid.IntRange(0, n-1).Draw(rt, name) == n-1
}

func anyOf[T any](rt *rapid.T, name string, values ...T) T {
	return rapid.SampledFrom(values).Draw(rt, name)
}

func aNumber(rt *rapid.T) float64 { return rapid.Float64Range(0, 0.999999).Draw(rt, "draw") }

// aSpan draws a duration up to limit, a round one or any.
func aSpan(rt *rapid.T, name string, limit time.Duration) time.Duration {
	unit := anyOf(rt, name+" in", time.Nanosecond, time.Second)
	return time.Duration(rapid.Int64Range(0, int64(limit/unit)).Draw(rt, name)) * unit
}

// anInstant draws an instant within limit of base. The clocks agree or do not.
func anInstant(rt *rapid.T, name string, limit time.Duration) dualclock.Instant {
	now := at(aSpan(rt, name, limit))
	if aCoin(rt, name+" apart") {
		now.Wall = base.Add(aSpan(rt, name+" wall", 2*limit) - limit/2)
	}
	return now
}

// aGrant draws a grant that was issued at an instant, or hours from it.
func aGrant(rt *rapid.T, now dualclock.Instant) Grant {
	issued := now.Wall
	if aCoin(rt, "issued at another time") {
		issued = issued.Add(aSpan(rt, "issued", 4*time.Hour) - 3*time.Hour)
	}
	limit := anyOf(rt, "limit", time.Second, time.Minute, time.Hour, 30*24*time.Hour)
	end := func(name string, limit time.Duration) time.Time {
		if isRare(rt, 4, name+" unknown") {
			return time.Time{}
		}
		return issued.Add(aSpan(rt, name, limit))
	}
	return Grant{
		IssuedAt: issued, ExpiresAt: end("access", limit), RefreshExpiresAt: end("refresh", 4*limit), FixedExpiresAt: end("fixed", 8*limit),
		HasRefreshToken: !isRare(rt, 4, "no refresh token"),
	}
}

// aPair draws a pair that arrives at an instant, with any settings.
func aPair(rt *rapid.T, now dualclock.Instant, origin Origin, former *Pair) *Pair {
	settings := []time.Duration{0, time.Second, time.Minute, 24 * time.Hour}
	return NewPair(Arrival{
		Grant: aGrant(rt, now), Tokens: named(anyOf(rt, "tokens", "a", "b", "c")), Origin: origin, At: now, Former: former, Draw: aNumber(rt),
		RefreshBefore: anyOf(rt, "refresh before", settings...), WarnBefore: anyOf(rt, "warn before", settings...),
	})
}

// aState draws a state, whether or not outcomes lead to it, and an instant that is often
// near one of its deadlines.
func aState(rt *rapid.T) (State, dualclock.Instant) {
	const limit = 9 * time.Hour
	deadline := func(name string) dualclock.Deadline { return anInstant(rt, name, limit).Deadline() }
	s := State{login: anyOf(rt, "login", noLogin, hasLogin), warned: aCoin(rt, "warned")}
	if !isRare(rt, 8, "no pair") {
		s.pair = aPair(rt, anInstant(rt, "issued at", time.Hour), anyOf(rt, "origin", FromGateway, HandedIn), nil)
		s.current.invalidation = anyOf(rt, "invalidation", notInvalidated, notInvalidated, invalidated, refreshOwed)
		s.current.asked = isRare(rt, 4, "asked")
	}
	if aCoin(rt, "failed") {
		s.failure = &Failure{next: deadline("retry")}
	}
	if aCoin(rt, "logged in") {
		s.setLogins(&logins{next: deadline("login at")})
	}
	if aCoin(rt, "stored") {
		s.store = &store{
			phase: anyOf(rt, "phase", notLoaded, detached, loaded, loaded), pending: anyOf(rt, "pending", SaveNothing, SaveRetry, SaveOverwrite),
			rereadAt: deadline("reread"), saveAt: deadline("save"),
		}
	}
	if isRare(rt, 4, "ended") {
		s.end = &End{Reason: anyOf(rt, "reason", NoSession, RefreshExpired, FixedExpired, RefreshRejected, SignedOut)}
	}
	now := anInstant(rt, "now", limit)
	near := []dualclock.Deadline{s.failure.retryAt(), s.pacing.lastLogins().retryAt()}
	if due := s.schedule(); s.pair != nil {
		near = append(near, due.serveUntil, due.refreshUntil, due.fixed, due.refreshAt, due.warnAt)
	}
	if d := anyOf(rt, "near", near...); d.Known() && d != dualclock.Always() && aCoin(rt, "is near") {
		side := func(name string) time.Duration { return anyOf(rt, name, -time.Second, -1, 0, 1, time.Second) }
		now = dualclock.Instant{Wall: wall(d).Add(side("wall side")), Mono: max(0, d.Mono+side("other side"))}
	}
	return s, now
}

// aSurrounding draws what decisions depend on besides the state.
func aSurrounding(rt *rapid.T) Surroundings {
	around := Surroundings{SignOutAt: dualclock.Never(), WithoutReread: isRare(rt, 8, "without reread")}
	if isRare(rt, 4, "running") {
		around.Running = anyOf(rt, "action", Load, Refresh, Login, Save, SignOut)
	}
	if aCoin(rt, "sign-outs") {
		around.SignOutAt = anInstant(rt, "sign out at", 9*time.Hour).Deadline()
	}
	return around
}
