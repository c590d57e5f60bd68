package lifecycle

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

func TestProperty_AnyOutcomes(t *testing.T) {
	holds(t, 2000, func(rt *rapid.T) {
		var pair *Pair
		if aCoin(rt, "a pair") {
			pair = aPair(rt, at(0), HandedIn, nil)
		}
		s, now := NewState(pair, aCoin(rt, "login"), aCoin(rt, "store")), at(0)
		for range rapid.IntRange(1, 12).Draw(rt, "outcomes") {
			step := aSpan(rt, "after", anyOf(rt, "limit", time.Minute, time.Hour))
			now = dualclock.Instant{Wall: now.Wall.Add(step), Mono: now.Mono + step}
			if isRare(rt, 8, "clock set") {
				now.Wall = now.Wall.Add(aSpan(rt, "by", 4*time.Hour) - time.Hour)
			}
			o := anOutcome(rt, &s, now)
			before := dump(s)
			next, events := s.Apply(o, now)
			require.Equal(rt, before, dump(s), "the state that %T was applied to has changed", o)

			around := aSurrounding(rt)
			requirePromises(rt, &next, around, now)
			requireNoChangeBeforeNext(rt, &next, around, now)
			requireEventsFit(rt, s, next, events)
			s = next
		}
	})
}

// requireEventsFit requires that each change of the pair, each end and each warning is
// announced once.
func requireEventsFit(rt *rapid.T, s, next State, events []Event) {
	want, got := map[Kind]bool{}, map[Kind]bool{}
	want[EventEnded] = s.end == nil && next.end != nil
	want[EventEnding] = !s.warned && next.warned
	want[0] = next.pair != nil && next.pair != s.pair
	for _, e := range events {
		kind := e.Kind
		if slices.Contains([]Kind{EventRefreshed, EventAdopted, EventTokenSet, EventLoggedIn}, kind) {
			kind = 0
		}
		require.False(rt, got[kind], "announced twice: %v", events)
		got[kind] = true
	}
	for kind, want := range want {
		require.Equal(rt, want, got[kind], "announced: %v", events)
	}
}

// anOutcome draws an outcome that may come to a session in this state.
func anOutcome(rt *rapid.T, s *State, now dualclock.Instant) Outcome {
	draw := aNumber(rt)
	cause := Cause{Err: errors.New("boom"), Class: anyOf(rt, "class", Transient, Refused), RetryAfter: anyOf(rt, "retry after", 0, time.Minute)}
	save := SaveResult{Generation: s.Generation() + 1, Overwrite: aCoin(rt, "overwrite")}
	if aCoin(rt, "save fails") {
		save.Err = cause.Err
	}
	handedIn := aPair(rt, now, HandedIn, nil)
	outcomes := []Outcome{
		LoginFailed{cause, draw},
		DeviceForgotten{},
		SignedOutHere{},
		TimePassed{aSurrounding(rt)},
		Invalidated{},
		TokenSet{handedIn, save},
		LoggedIn{Pair: handedIn, Save: save, Draw: draw},
		OverwriteDropped{},
		RefreshFailed{Cause: cause, DueAtExpiry: aCoin(rt, "due at expiry"), Draw: draw},
	}
	if p := s.pair; p != nil {
		outcomes = append(outcomes, AnswerLost{p}, PairRedeemed{p}, Rejected{Cause: cause, Pair: p, DeviceDeleted: aCoin(rt, "deleted"), Draw: draw},
			Refreshed{Pair: aPair(rt, now, FromGateway, p), Save: save, Draw: draw})
	}
	if s.store != nil {
		r := &Stored{Generation: rapid.Int64Range(1, 9).Draw(rt, "generation"), StartedAt: handedIn.StartedAt(), Device: handedIn.Device}
		if aCoin(rt, "mark") {
			r.SignedOutAt = now.Wall
		} else {
			r.Pair = handedIn
		}
		outcomes = append(outcomes, Found{r}, Found{}, Adopted{r}, NothingNew{aCoin(rt, "empty")}, Saved{save}, MarkSaved{save},
			ConfigTokenSaved{save}, MarkReplaces{Device{"PUB_1", "1"}}, LoggedIn{Pair: handedIn, Newer: r, Draw: draw},
			RefreshFailed{Cause: cause, Deferred: &cause, Pair: s.pair, Draw: draw}, LoadFailed{cause, aCoin(rt, "abandon"), draw})
	}
	return anyOf(rt, "outcome", outcomes...)
}

// dump returns everything that a state has or points to, as text.
func dump(s State) string {
	all := []any{s, deref(s.pair), deref(s.end), deref(s.failure)}
	if p := s.pacing; p != nil {
		all = append(all, *p, deref(p.rejections), deref(p.logins))
		if p.logins != nil {
			all = append(all, deref(p.logins.failure))
		}
	}
	if s.store != nil {
		all = append(all, *s.store, deref(s.store.deferred))
	}
	return fmt.Sprintf("%+v", all)
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
