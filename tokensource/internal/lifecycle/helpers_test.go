package lifecycle_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/agsauth/agsauth/internal/leak"
	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
	lc "github.com/agsauth/agsauth/tokensource/internal/lifecycle"
)

func TestMain(m *testing.M) { leak.Main(m) }

const day = 24 * time.Hour

var (
	base    = time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC)
	errBoom = errors.New("boom")
	boom    = lc.Cause{Err: errBoom}
	refused = lc.Cause{Err: errBoom, Class: lc.Refused}
	dead    = lc.Cause{Err: errBoom, Class: lc.Terminal}
	idle    = lc.Surroundings{SignOutAt: dualclock.Never()}
	device  = lc.Device{ClientID: "PUB_989", AccountID: "1663"}
)

func at(d time.Duration) dualclock.Instant { return dualclock.Instant{Wall: base.Add(d), Mono: d} }

// named are tokens that have a name instead of secrets.
type named string

func (n named) Fingerprint() (f lc.Fingerprint) {
	copy(f[:], n)
	return f
}

// granted returns a pair that the gateway issues at an instant. It is due for a refresh
// after 55 minutes.
func granted(name string, issued time.Duration, change ...func(*lc.Arrival)) *lc.Pair {
	now := at(issued)
	a := lc.Arrival{
		Tokens: named(name), At: now,
		Grant: lc.Grant{
			Device: device, IssuedAt: now.Wall, ExpiresAt: now.Wall.Add(time.Hour),
			RefreshExpiresAt: now.Wall.Add(2 * day), FixedExpiresAt: now.Wall.Add(30 * day), HasRefreshToken: true,
		},
	}
	for _, f := range change {
		f(&a)
	}
	return lc.NewPair(a)
}

func withoutRefresh(a *lc.Arrival)    { a.HasRefreshToken = false }
func handedIn(a *lc.Arrival)          { a.Origin = lc.HandedIn }
func ofAnotherDevice(a *lc.Arrival)   { a.Device = lc.Device{ClientID: "PUB_1"} }
func ofTheFirstSession(a *lc.Arrival) { a.StartedAt = base }

func livesFor(d time.Duration) func(*lc.Arrival) {
	return func(a *lc.Arrival) { a.ExpiresAt = a.At.Wall.Add(d) }
}

// stored returns the record of a pair.
func stored(generation int64, p *lc.Pair) *lc.Stored {
	return &lc.Stored{Generation: generation, Device: p.Device, StartedAt: p.StartedAt(), Pair: p}
}

// mark returns the mark of a sign-out.
func mark(generation int64) *lc.Stored {
	return &lc.Stored{Generation: generation, Device: device, SignedOutAt: base.Add(time.Minute)}
}

func saved(generation int64) lc.SaveResult { return lc.SaveResult{Generation: generation} }

// start is a state that tests begin with. Its pair is "a", issued at base.
type start uint8

const (
	alone    start = iota // without a store
	canLogin              // without a store, with a Login
	unread                // with a store that was not read yet
	inStore               // with a store that has the pair, as generation 1
	empty                 // without a store and without a pair
)

func (s start) state() lc.State {
	pair := granted("a", 0)
	if s == empty {
		pair = nil
	}
	state := lc.NewState(pair, s == canLogin, s == unread || s == inStore)
	if s == inStore {
		state = after(state, 0, lc.Found{}, lc.Saved{SaveResult: saved(1)})
	}
	return state
}

// after returns the state after outcomes.
func after(s lc.State, now time.Duration, outcomes ...lc.Outcome) lc.State {
	for _, o := range outcomes {
		s, _ = s.Apply(o, at(now))
	}
	return s
}

// look describes a state by what its accessors return, as far as that is not zero.
func look(s lc.State, now dualclock.Instant) string {
	d := lc.Decide(&s, idle, now)
	words := []string{"none", phases[d.Phase]}
	if p := s.Pair(); p != nil {
		words[0] = string(p.Tokens.(named))
	}
	note := func(is bool, word ...any) {
		if is {
			words = append(words, fmt.Sprint(word...))
		}
	}
	if e := s.End(); e != nil {
		note(true, "end=", reasons[e.Reason])
	}
	note(d.Act != lc.Nothing, "act=", actions[d.Act])
	note(s.Pending() != lc.SaveNothing, "pending=", pendings[s.Pending()])
	note(s.IsWorthSaving(), "worthSaving")
	note(s.Generation() != 0, "gen=", s.Generation())
	note(s.RetryIn(now) > 0, "retry=", s.RetryIn(now))
	note(s.IsInvalidated(), "invalidated")
	note(s.IsAsked(), "asked")
	note(s.HasLiveToken(now) && !d.Serve, "withheld")
	note(s.IsOutcomeUnknown(), "outcomeUnknown")
	note(s.DeferredRejection() != nil, "deferred")
	note(s.IsSuperseded(named("a").Fingerprint()), "superseded")
	note(s.Device().ClientID == "", "noClient")
	if f := s.LastFailure(); f != nil {
		note(true, "failed: ", f.Err)
	}
	return strings.Join(words, " ")
}

var (
	phases   = [...]string{"unknown", "fresh", "ageing", "expired", "ended"}
	actions  = [...]string{"", "load", "refresh", "login", "save", "signOut"}
	pendings = [...]string{"", "retry", "overwrite"}
	reasons  = [...]string{"", "noSession", "refreshExpired", "fixedExpired", "rejected", "signedOut"}
	kinds    = [...]string{"", "refreshed", "refreshFailed", "adopted", "tokenSet", "loggedIn", "loginFailed", "ending", "ended", "storeFailed", "saved"}
)

// tell describes events: their kinds, reasons, errors, and how long it is until NextAt.
func tell(events []lc.Event, now dualclock.Instant) string {
	all := make([]string, len(events))
	for i, e := range events {
		all[i] = kinds[e.Kind]
		if e.Reason != lc.NotEnded {
			all[i] += " " + reasons[e.Reason]
		}
		if e.Err != nil {
			all[i] += " " + e.Err.Error()
		}
		if !e.NextAt.IsZero() {
			all[i] += " " + e.NextAt.Sub(now.Wall).String()
		}
	}
	return strings.Join(all, ", ")
}
