package lifecycle_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	lc "github.com/agsauth/agsauth/tokensource/internal/lifecycle"
)

// step is an outcome, what the state is like after it, and the events. It comes to a
// state that had the outcomes given at base; zero means 10 minutes later.
type step struct {
	name    string
	start   start
	given   []lc.Outcome
	at      time.Duration
	outcome lc.Outcome
	want    seen
	events  []lc.Event
}

func check(t *testing.T, steps []step) {
	t.Helper()
	for _, tt := range steps {
		t.Run(tt.name, func(t *testing.T) {
			now := tt.at
			if now == 0 {
				now = ten
			}
			next, events := after(tt.start.state(), 0, tt.given...).Apply(tt.outcome, at(now))
			assert.Equal(t, tt.want, look(next, at(now)))
			assert.Equal(t, tt.events, events)
		})
	}
}

const (
	ten = 10 * time.Minute
	due = 56 * time.Minute // the pair of base is due for a refresh
)

// in returns an instant of the wall clock.
func in(d time.Duration) time.Time { return base.Add(d) }

func outcomes(o ...lc.Outcome) []lc.Outcome { return o }
func events(e ...lc.Event) []lc.Event       { return e }

var (
	failedSave   = lc.SaveResult{Generation: 2, Err: errBoom}
	failedSet    = lc.TokenSet{Pair: granted("s", 0), Save: lc.SaveResult{Err: errBoom, Overwrite: true}}
	rejected     = lc.Rejected{Cause: dead, Pair: granted("a", 0), Draw: 0.5}
	refreshFails = lc.RefreshFailed{Cause: boom, Draw: 0.5}
	storeFailed  = lc.Event{Kind: lc.EventStoreFailed, Err: errBoom, NextAt: in(ten + time.Second)}
	ended        = lc.Event{Kind: lc.EventEnded, Reason: lc.RefreshRejected, Err: errBoom}
)

func refreshed(p *lc.Pair, save lc.SaveResult) lc.Refreshed {
	return lc.Refreshed{Pair: p, Save: save, Draw: 0.5}
}

func TestApply_OutcomesOfARefresh(t *testing.T) {
	b := granted("b", ten)
	check(t, []step{
		{"granted, not saved yet", inStore, nil, 0, lc.PairRedeemed{Pair: granted("a", 0)}, seen{pair: "a", phase: lc.Fresh, generation: 1, notes: []string{"superseded"}}, nil},
		{"granted without a store", alone, nil, 0, lc.PairRedeemed{Pair: granted("a", 0)}, seen{pair: "a", phase: lc.Fresh}, nil},
		{"refreshed", alone, outcomes(refreshFails, lc.AnswerLost{}, lc.Invalidated{}), 0, refreshed(b, lc.SaveResult{}), seen{pair: "b", phase: lc.Fresh}, events(lc.Event{Kind: lc.EventRefreshed})},
		{"refreshed after an end", alone, outcomes(rejected), 0, refreshed(b, lc.SaveResult{}), seen{pair: "b", phase: lc.Fresh}, events(lc.Event{Kind: lc.EventRefreshed})},
		{"refreshed and saved", inStore, outcomes(lc.PairRedeemed{Pair: granted("a", 0)}), 0, refreshed(b, saved(2)), seen{pair: "b", phase: lc.Fresh, generation: 2}, events(lc.Event{Kind: lc.EventRefreshed})},
		{"refreshed and not saved", inStore, nil, 0, refreshed(b, failedSave), seen{pair: "b", phase: lc.Fresh, pending: lc.SaveRetry, generation: 1}, events(lc.Event{Kind: lc.EventRefreshed}, storeFailed)},
		{"a dead answer", alone, nil, 0, refreshed(granted("b", ten, livesFor(0)), lc.SaveResult{}), seen{pair: "b", phase: lc.Expired, retryIn: 250 * time.Millisecond, failed: lc.ErrDeadAnswer.Error()}, events(lc.Event{Kind: lc.EventRefreshed})},
		{"an answer that is due again", alone, outcomes(refreshFails), 0, refreshed(granted("b", ten, livesFor(250*time.Millisecond)), lc.SaveResult{}), seen{pair: "b", phase: lc.Fresh, retryIn: 500 * time.Millisecond, failed: "the token given is so near its end that it is due again"}, events(lc.Event{Kind: lc.EventRefreshed})},
		{"failed", alone, nil, due, refreshFails, seen{pair: "a", phase: lc.Ageing, retryIn: 250 * time.Millisecond, failed: "boom"}, events(lc.Event{Kind: lc.EventRefreshFailed, Err: errBoom, NextAt: in(due + 250*time.Millisecond)})},
		{"failed again", alone, outcomes(refreshFails), due, refreshFails, seen{pair: "a", phase: lc.Ageing, retryIn: 500 * time.Millisecond, failed: "boom"}, events(lc.Event{Kind: lc.EventRefreshFailed, Err: errBoom, NextAt: in(due + 500*time.Millisecond)})},
		{"refused", alone, nil, due, lc.RefreshFailed{Cause: refused}, seen{pair: "a", phase: lc.Ageing, retryIn: time.Minute, failed: "boom"}, events(lc.Event{Kind: lc.EventRefreshFailed, Err: errBoom, NextAt: in(due + time.Minute)})},
		{"refused, due at expiry", alone, nil, 59*time.Minute + 29*time.Second, lc.RefreshFailed{Cause: refused, DueAtExpiry: true}, seen{pair: "a", phase: lc.Ageing, retryIn: 30 * time.Second, failed: "boom"}, events(lc.Event{Kind: lc.EventRefreshFailed, Err: errBoom, NextAt: in(time.Hour - time.Second)})},
		{"refused, due before expiry", alone, nil, due, lc.RefreshFailed{Cause: refused, DueAtExpiry: true}, seen{pair: "a", phase: lc.Ageing, retryIn: time.Minute, failed: "boom"}, events(lc.Event{Kind: lc.EventRefreshFailed, Err: errBoom, NextAt: in(due + time.Minute)})},
		{"asked to wait for an hour", alone, nil, due, lc.RefreshFailed{Cause: lc.Cause{Err: errBoom, RetryAfter: time.Hour}}, seen{pair: "a", phase: lc.Ageing, retryIn: 5 * time.Minute, failed: "boom"}, events(lc.Event{Kind: lc.EventRefreshFailed, Err: errBoom, NextAt: in(due + 5*time.Minute)})},
		{"failed after an invalidation", alone, outcomes(lc.Invalidated{}), 0, refreshFails, seen{pair: "a", phase: lc.Ageing, retryIn: 250 * time.Millisecond, failed: "boom"}, events(lc.Event{Kind: lc.EventRefreshFailed, Err: errBoom, NextAt: in(ten + 250*time.Millisecond)})},
		{"rejected, and the store is away", inStore, nil, due, lc.RefreshFailed{Cause: boom, Deferred: &dead, Draw: 0.5}, seen{pair: "a", phase: lc.Ageing, generation: 1, retryIn: 250 * time.Millisecond, failed: "boom", notes: []string{"deferred"}}, events(lc.Event{Kind: lc.EventRefreshFailed, Err: errBoom, NextAt: in(due + 250*time.Millisecond)})},
		{"rejected", alone, outcomes(refreshFails), 0, rejected, seen{pair: "a", phase: lc.Ageing, end: lc.RefreshRejected}, events(ended)},
		{"rejected after an invalidation", alone, outcomes(lc.Invalidated{}, refreshFails), 0, rejected, seen{pair: "a", phase: lc.Ended, end: lc.RefreshRejected, notes: []string{"withheld"}}, events(ended)},
		{"rejected after a deferred rejection", inStore, outcomes(lc.RefreshFailed{Deferred: &dead}), 0, rejected, seen{pair: "a", phase: lc.Ageing, act: lc.Load, generation: 1, end: lc.RefreshRejected}, events(ended)},
		{"rejected, with a Login", canLogin, nil, 0, rejected, seen{pair: "a", phase: lc.Ageing, act: lc.Login, end: lc.RefreshRejected}, events(ended)},
		{"rejected as the device is deleted", alone, nil, 0, lc.Rejected{Cause: dead, Pair: granted("a", 0), DeviceDeleted: true}, seen{pair: "a", phase: lc.Ageing, end: lc.RefreshRejected, notes: []string{"no client"}}, events(ended)},
		{"rejected after the refresh token expired", alone, nil, 2 * day, rejected, seen{pair: "a", phase: lc.Ended, end: lc.RefreshExpired}, events(lc.Event{Kind: lc.EventEnded, Reason: lc.RefreshExpired, Err: errBoom})},
		{"rejected after the fixed horizon", alone, nil, 31 * day, rejected, seen{pair: "a", phase: lc.Ended, end: lc.FixedExpired}, events(lc.Event{Kind: lc.EventEnded, Reason: lc.FixedExpired, Err: errBoom})},
		{"an answer was lost", alone, nil, 0, lc.AnswerLost{}, seen{pair: "a", phase: lc.Fresh, notes: []string{"outcome unknown"}}, nil},
	})
}

func TestApply_OutcomesOfALogin(t *testing.T) {
	b := granted("b", ten, handedIn)
	loggedIn := lc.Event{Kind: lc.EventLoggedIn}
	failed := func(reason lc.Reason, wait time.Duration) []lc.Event {
		return events(lc.Event{Kind: lc.EventLoginFailed, Reason: reason, Err: errBoom, NextAt: in(ten + wait)})
	}
	check(t, []step{
		{"succeeded", canLogin, outcomes(rejected), 0, lc.LoggedIn{Pair: b}, seen{pair: "b", phase: lc.Fresh}, events(loggedIn)},
		{"succeeded and not saved", inStore, outcomes(rejected), 0, lc.LoggedIn{Pair: b, Save: failedSave}, seen{pair: "b", phase: lc.Fresh, pending: lc.SaveRetry, generation: 1}, events(loggedIn, storeFailed)},
		{"another process was faster", inStore, outcomes(rejected), 0, lc.LoggedIn{Pair: b, Newer: stored(4, granted("c", ten))}, seen{pair: "c", phase: lc.Fresh, generation: 4}, events(lc.Event{Kind: lc.EventAdopted})},
		{"its token is due at once", canLogin, outcomes(rejected), 0, lc.LoggedIn{Pair: granted("b", ten, withoutRefresh, livesFor(0)), Draw: 0.5}, seen{pair: "b", phase: lc.Ended, failed: "the token given is so near its end that it is due again"}, events(loggedIn)},
		{"its session is short", canLogin, outcomes(rejected), 0, lc.LoggedIn{Pair: granted("b", ten, withoutRefresh, livesFor(9*time.Second)), Draw: 0.5}, seen{pair: "b", phase: lc.Fresh, failed: "the token given is so near its end that it is due again"}, events(loggedIn)},
		{"failed", canLogin, outcomes(rejected), 0, lc.LoginFailed{Cause: refused}, seen{pair: "a", phase: lc.Ageing, end: lc.RefreshRejected, failed: "boom"}, failed(lc.RefreshRejected, time.Minute)},
		{"failed again", canLogin, outcomes(rejected, lc.LoginFailed{Cause: refused}), 0, lc.LoginFailed{Cause: refused}, seen{pair: "a", phase: lc.Ageing, end: lc.RefreshRejected, failed: "boom"}, failed(lc.RefreshRejected, 2*time.Minute)},
		{"failed before the end, after an invalidation", canLogin, outcomes(lc.Invalidated{}), 0, lc.LoginFailed{Cause: boom, Draw: 0.5}, seen{pair: "a", phase: lc.Ageing, act: lc.Refresh, failed: "boom"}, failed(lc.NotEnded, 250*time.Millisecond)},
		{"the device is not known any more", canLogin, nil, 0, lc.DeviceForgotten{}, seen{pair: "a", phase: lc.Fresh, notes: []string{"no client"}}, nil},
	})
}

func TestApply_WhatAUserAsksFor(t *testing.T) {
	b := granted("b", ten, handedIn)
	set, out := lc.Event{Kind: lc.EventTokenSet}, lc.Event{Kind: lc.EventEnded, Reason: lc.SignedOut}
	check(t, []step{
		{"SetToken", canLogin, outcomes(rejected, lc.LoginFailed{Cause: refused}), 0, lc.TokenSet{Pair: b}, seen{pair: "b", phase: lc.Fresh}, events(set)},
		{"SetToken saved", unread, nil, 0, lc.TokenSet{Pair: b, Save: saved(7)}, seen{pair: "b", phase: lc.Fresh, generation: 7}, events(set)},
		{"SetToken not saved", inStore, nil, 0, lc.TokenSet{Pair: b, Save: lc.SaveResult{Err: errBoom, Overwrite: true}}, seen{pair: "b", phase: lc.Fresh, pending: lc.SaveOverwrite, generation: 1, notes: []string{"superseded"}}, events(set, storeFailed)},
		{"a SetToken that came to nothing", inStore, outcomes(failedSet), 0, lc.OverwriteDropped{}, seen{pair: "s", phase: lc.Fresh, act: lc.Save, pending: lc.SaveRetry, generation: 1, notes: []string{"superseded"}}, nil},
		{"the same without a store", alone, nil, 0, lc.OverwriteDropped{}, seen{pair: "a", phase: lc.Fresh}, nil},
		{"a rejection of its pair", inStore, outcomes(failedSet), 0, rejected, seen{pair: "s", phase: lc.Ageing, act: lc.Save, end: lc.RefreshRejected, pending: lc.SaveRetry, generation: 1, notes: []string{"superseded"}}, events(ended)},
		{"SignOut", canLogin, outcomes(refreshFails, lc.AnswerLost{}), 0, lc.SignedOutHere{}, seen{phase: lc.Ended, end: lc.SignedOut}, events(out)},
		{"SignOut after an end", alone, outcomes(rejected), 0, lc.SignedOutHere{}, seen{phase: lc.Ended, end: lc.SignedOut}, nil},
		{"SignOut with a store", inStore, nil, 0, lc.SignedOutHere{}, seen{phase: lc.Ended, end: lc.SignedOut, pending: lc.SaveOverwrite, generation: 1, notes: []string{"superseded"}}, events(out)},
		{"its mark saved", inStore, outcomes(lc.SignedOutHere{}), 0, lc.MarkSaved{SaveResult: saved(2)}, seen{phase: lc.Ended, end: lc.SignedOut, generation: 2}, nil},
		{"its mark not saved", inStore, outcomes(lc.SignedOutHere{}), 0, lc.MarkSaved{SaveResult: lc.SaveResult{Err: errBoom, Overwrite: true}}, seen{phase: lc.Ended, end: lc.SignedOut, pending: lc.SaveOverwrite, generation: 1, notes: []string{"superseded"}}, events(storeFailed)},
		{"its mark saved at last", inStore, outcomes(lc.SignedOutHere{}, lc.MarkSaved{SaveResult: failedSave}), 0, lc.MarkSaved{SaveResult: saved(2)}, seen{phase: lc.Ended, end: lc.SignedOut, generation: 2}, events(lc.Event{Kind: lc.EventSaved})},
		{"Invalidate", alone, nil, 0, lc.Invalidated{}, seen{pair: "a", phase: lc.Expired, act: lc.Refresh, notes: []string{"invalidated", "withheld"}}, nil},
		{"Invalidate without a session", empty, nil, 0, lc.Invalidated{}, seen{phase: lc.Ended, notes: []string{"no client"}}, nil},
		{"Invalidate soon after another", alone, outcomes(lc.Invalidated{}, refreshed(granted("b", 0), lc.SaveResult{})), time.Second, lc.Invalidated{}, seen{pair: "b", phase: lc.Fresh}, nil},
		{"Invalidate before the next attempt", alone, outcomes(lc.RefreshFailed{Cause: refused}), time.Second, lc.Invalidated{}, seen{pair: "a", phase: lc.Fresh, retryIn: 59 * time.Second, failed: "boom"}, nil},
		{"Invalidate after an end", alone, outcomes(rejected), 0, lc.Invalidated{}, seen{pair: "a", phase: lc.Ended, end: lc.RefreshRejected, notes: []string{"invalidated", "withheld"}}, nil},
		{"Invalidate without a refresh token", alone, outcomes(lc.TokenSet{Pair: granted("b", 0, withoutRefresh)}), 0, lc.Invalidated{}, seen{pair: "b", phase: lc.Fresh}, nil},
	})
}

func TestApply_WhatTheStoreHas(t *testing.T) {
	c, adopted, savedAtLast := granted("c", 5*time.Minute), lc.Event{Kind: lc.EventAdopted}, lc.Event{Kind: lc.EventSaved}
	out := lc.Event{Kind: lc.EventEnded, Reason: lc.SignedOut}
	superseded := []string{"superseded"}
	reFailed := outcomes(refreshFails)
	own := granted("c", 5*time.Minute, ofTheFirstSession)
	check(t, []step{
		{"nothing at first", unread, nil, 0, lc.Found{}, seen{pair: "a", phase: lc.Fresh, act: lc.Save, pending: lc.SaveRetry}, nil},
		{"a later pair at first", unread, reFailed, 0, lc.Found{Record: stored(3, c)}, seen{pair: "c", phase: lc.Fresh, generation: 3}, events(adopted)},
		{"an earlier pair at first", unread, nil, 0, lc.Found{Record: stored(3, granted("z", -time.Minute))}, seen{pair: "a", phase: lc.Fresh, act: lc.Save, pending: lc.SaveRetry, generation: 3}, nil},
		{"another device's pair at first", unread, nil, 0, lc.Found{Record: stored(3, granted("c", 5*time.Minute, ofAnotherDevice))}, seen{pair: "a", phase: lc.Fresh, act: lc.Save, pending: lc.SaveRetry, generation: 3}, nil},
		{"an earlier mark at first", unread, nil, 0, lc.Found{Record: &lc.Stored{Generation: 3, SignedOutAt: in(-time.Hour)}}, seen{pair: "a", phase: lc.Fresh, act: lc.Save, pending: lc.SaveRetry, generation: 3}, nil},
		{"an earlier pair after the session has ended", unread, outcomes(rejected), 0, lc.Found{Record: stored(3, granted("z", -time.Minute))}, seen{pair: "z", phase: lc.Fresh, generation: 3}, events(adopted)},
		{"a later mark", inStore, reFailed, 0, lc.Found{Record: mark(2)}, seen{phase: lc.Ended, end: lc.SignedOut, generation: 2}, events(out)},
		{"nothing later", inStore, nil, 0, lc.Found{Record: stored(1, c)}, seen{pair: "a", phase: lc.Fresh, generation: 1}, nil},
		{"the pair in memory", inStore, outcomes(refreshed(c, failedSave)), 0, lc.Found{Record: stored(2, c)}, seen{pair: "c", phase: lc.Fresh, generation: 2}, events(savedAtLast)},
		{"a pair that was replaced", inStore, outcomes(lc.PairRedeemed{Pair: granted("a", 0)}, refreshed(c, failedSave)), 0, lc.Found{Record: stored(2, granted("a", 0))}, seen{pair: "c", phase: lc.Fresh, act: lc.Save, pending: lc.SaveRetry, generation: 1, notes: superseded}, nil},
		{"a pair that a SetToken is to overwrite", inStore, outcomes(failedSet), 0, lc.Found{Record: stored(2, c)}, seen{pair: "s", phase: lc.Fresh, act: lc.Save, pending: lc.SaveOverwrite, generation: 1, notes: superseded}, nil},
		{"the successor of the pair set", inStore, outcomes(failedSet), 0, lc.Found{Record: stored(2, own)}, seen{pair: "c", phase: lc.Fresh, generation: 2}, events(adopted)},
		{"adopted instead of a save", inStore, outcomes(failedSet), 0, lc.Adopted{Record: stored(9, c)}, seen{pair: "c", phase: lc.Fresh, generation: 9}, events(adopted)},
		{"adopted after an end", inStore, outcomes(rejected), 0, lc.Adopted{Record: stored(9, c)}, seen{pair: "c", phase: lc.Fresh, generation: 9}, events(adopted)},
		{"a mark adopted after an end", inStore, outcomes(rejected), 0, lc.Adopted{Record: mark(9)}, seen{phase: lc.Ended, end: lc.SignedOut, generation: 9}, nil},
		{"nothing new", inStore, outcomes(rejected), 0, lc.NothingNew{}, seen{pair: "a", phase: lc.Ageing, end: lc.RefreshRejected, generation: 1}, nil},
		{"the store was emptied", inStore, nil, 0, lc.NothingNew{IsEmpty: true}, seen{pair: "a", phase: lc.Fresh, act: lc.Save, pending: lc.SaveRetry, generation: 1}, nil},
		{"the first load makes up for one that failed", unread, outcomes(lc.LoadFailed{Cause: boom}, lc.Found{Record: stored(1, granted("a", 0))}), 0, lc.NothingNew{}, seen{pair: "a", phase: lc.Fresh, generation: 1}, nil},
		{"a mark replaces a record", empty, nil, 0, lc.MarkReplaces{Device: device}, seen{phase: lc.Ended}, nil},
	})
}

func TestApply_OutcomesOfTheStore(t *testing.T) {
	again := lc.Event{Kind: lc.EventStoreFailed, Err: errBoom, NextAt: in(ten + 2*time.Second)}
	check(t, []step{
		{"the first load failed", unread, nil, 0, lc.LoadFailed{Cause: boom, Draw: 0.5}, seen{pair: "a", phase: lc.Ageing, retryIn: 250 * time.Millisecond, failed: "boom"}, nil},
		{"the store is abandoned", unread, outcomes(lc.LoadFailed{Cause: boom}), 0, lc.LoadFailed{Cause: boom, Abandon: true}, seen{pair: "a", phase: lc.Fresh, pending: lc.SaveRetry}, events(storeFailed)},
		{"a later load failed", inStore, outcomes(rejected), 0, lc.LoadFailed{Cause: boom}, seen{pair: "a", phase: lc.Ageing, end: lc.RefreshRejected, generation: 1}, nil},
		{"saved", inStore, outcomes(refreshed(granted("b", 0), failedSave)), 0, lc.Saved{SaveResult: saved(2)}, seen{pair: "b", phase: lc.Fresh, generation: 2}, events(lc.Event{Kind: lc.EventSaved})},
		{"saved, with nothing to make up for", inStore, nil, 0, lc.Saved{SaveResult: saved(2)}, seen{pair: "a", phase: lc.Fresh, generation: 2}, nil},
		{"not saved again", inStore, outcomes(refreshed(granted("b", 0), failedSave)), 0, lc.Saved{SaveResult: failedSave}, seen{pair: "b", phase: lc.Fresh, pending: lc.SaveRetry, generation: 1}, events(again)},
		{"saved without a store", alone, nil, 0, lc.Saved{SaveResult: saved(2)}, seen{pair: "a", phase: lc.Fresh}, nil},
		{"Config.Token saved", unread, outcomes(lc.LoadFailed{Cause: boom}), 0, lc.ConfigTokenSaved{SaveResult: saved(2)}, seen{pair: "a", phase: lc.Fresh, generation: 2}, nil},
		{"Config.Token not saved", unread, nil, 0, lc.ConfigTokenSaved{SaveResult: failedSave}, seen{pair: "a", phase: lc.Fresh, pending: lc.SaveRetry}, events(storeFailed)},
	})
}

func TestApply_TimePassed(t *testing.T) {
	ending := func(reason lc.Reason, end time.Duration) []lc.Event {
		return events(lc.Event{Kind: lc.EventEnding, Reason: reason, NextAt: in(end)})
	}
	long := granted("b", 0, withoutRefresh, func(a *lc.Arrival) { a.FixedExpiresAt = time.Time{} })
	passed := lc.TimePassed{}
	check(t, []step{
		{"nothing is near", alone, nil, 0, passed, seen{pair: "a", phase: lc.Fresh}, nil},
		{"the store was not read yet", unread, nil, 31 * day, passed, seen{pair: "a", act: lc.Load}, nil},
		{"the refresh token has expired", alone, nil, 2 * day, passed, seen{pair: "a", phase: lc.Ended, end: lc.RefreshExpired}, events(lc.Event{Kind: lc.EventEnded, Reason: lc.RefreshExpired})},
		{"a refresh wins no time", alone, outcomes(lc.TokenSet{Pair: granted("b", 0, func(a *lc.Arrival) { a.FixedExpiresAt = in(time.Hour + 2*time.Second) })}), time.Hour - time.Second, passed, seen{pair: "b", phase: lc.Ended, end: lc.FixedExpired}, events(lc.Event{Kind: lc.EventEnded, Reason: lc.FixedExpired})},
		{"an end is near", alone, outcomes(lc.TokenSet{Pair: long}), 55 * time.Minute, passed, seen{pair: "b", phase: lc.Ageing}, ending(lc.RefreshExpired, time.Hour)},
		{"there is no session", empty, nil, 0, passed, seen{phase: lc.Ended, end: lc.NoSession, notes: []string{"no client"}}, events(lc.Event{Kind: lc.EventEnded, Reason: lc.NoSession})},
	})
}
