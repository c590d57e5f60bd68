package lifecycle_test

import (
	"errors"
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

// seen is a state as its accessors show it.
type seen struct {
	pair       string
	phase      lc.Phase
	act        lc.Action
	end        lc.Reason
	pending    lc.PendingSave
	generation int64
	retryIn    time.Duration
	failed     string // the error of the last failure
	notes      []string
}

func look(s lc.State, now dualclock.Instant) seen {
	d := lc.Decide(&s, lc.Surroundings{SignOutAt: dualclock.Never()}, now)
	v := seen{phase: d.Phase, act: d.Act, pending: s.Pending(), generation: s.Generation(), retryIn: max(0, s.RetryIn(now))}
	if p := s.Pair(); p != nil {
		v.pair = string(p.Tokens.(named))
	}
	if s.End() != nil {
		v.end = s.End().Reason
	}
	if f := s.LastFailure(); f != nil {
		v.failed = f.Err.Error()
	}
	for _, note := range []struct {
		name string
		is   bool
	}{
		{"invalidated", s.IsInvalidated()},
		{"outcome unknown", s.IsOutcomeUnknown()},
		{"deferred", s.DeferredRejection() != nil},
		{"superseded", s.IsSuperseded(named("a").Fingerprint())},
		{"withheld", s.HasLiveToken(now) && !d.Serve},
		{"no client", s.Device().ClientID == ""},
	} {
		if note.is {
			v.notes = append(v.notes, note.name)
		}
	}
	return v
}
