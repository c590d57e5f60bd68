package lifecycle_test

import (
	"cmp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	lc "github.com/agsauth/agsauth/tokensource/internal/lifecycle"
)

// step is an outcome that comes to a state, which had the outcomes given at base. It
// comes 10 minutes later unless at says otherwise.
type step struct {
	name         string
	start        start
	given        []lc.Outcome
	at           time.Duration
	outcome      lc.Outcome
	want, events string // see look and tell
}

func check(t *testing.T, steps []step) {
	t.Helper()
	for _, tt := range steps {
		t.Run(tt.name, func(t *testing.T) {
			now := at(cmp.Or(tt.at, ten))
			s := after(tt.start.state(), 0, tt.given...)
			next, events := s.Apply(tt.outcome, now)
			assert.Equal(t, tt.want, look(next, now))
			assert.Equal(t, tt.events, tell(events, now))
			if found, ok := tt.outcome.(lc.Found); ok && found.Record != nil {
				assert.Equal(t, strings.Contains(tt.events, "adopted") || strings.Contains(tt.events, "ended"), s.Adopts(found.Record, now))
			}
		})
	}
}

const (
	ten = 10 * time.Minute
	due = 56 * time.Minute // the pair of base is due for a refresh

	dueAgain = "failed: the token given is so near its end that it is due again"
)

func in(d time.Duration) time.Time          { return base.Add(d) }
func outcomes(o ...lc.Outcome) []lc.Outcome { return o }

var (
	failedSave   = lc.SaveResult{Generation: 2, Err: errBoom}
	failedSet    = lc.TokenSet{Pair: granted("s", 0), Save: lc.SaveResult{Err: errBoom, Overwrite: true}}
	rejected     = rejectionOf("a")
	refreshFails = lc.RefreshFailed{Cause: boom, Draw: 0.5}
)

func rejectionOf(name string) lc.Rejected {
	return lc.Rejected{Cause: dead, Pair: granted(name, 0), Draw: 0.5}
}

func refreshed(p *lc.Pair, save lc.SaveResult) lc.Refreshed {
	return lc.Refreshed{Pair: p, Save: save, Draw: 0.5}
}

func TestApply_OutcomesOfARefresh(t *testing.T) {
	b := granted("b", ten)
	check(t, []step{
		{"granted, not saved yet", inStore, nil, 0, lc.PairRedeemed{Pair: granted("a", 0)}, "a fresh gen=1 superseded", ""},
		{"granted without a store", alone, nil, 0, lc.PairRedeemed{Pair: granted("a", 0)}, "a fresh", ""},
		{"refreshed", alone, outcomes(refreshFails, lc.AnswerLost{Pair: granted("a", 0)}, lc.Invalidated{}), 0, refreshed(b, lc.SaveResult{}), "b fresh", "refreshed"},
		{"refreshed after an end", alone, outcomes(rejected), 0, refreshed(b, lc.SaveResult{}), "b fresh", "refreshed"},
		{"refreshed and saved", inStore, outcomes(lc.PairRedeemed{Pair: granted("a", 0)}), 0, refreshed(b, saved(2)), "b fresh gen=2", "refreshed"},
		{"refreshed and not saved", inStore, nil, 0, refreshed(b, failedSave), "b fresh pending=retry worthSaving gen=1", "refreshed, storeFailed boom 1s"},
		{"a dead answer", alone, nil, 0, refreshed(granted("b", ten, livesFor(0)), lc.SaveResult{}), "b expired retry=250ms failed: the token given had expired when it arrived", "refreshed"},
		{"an answer that is due again", alone, outcomes(refreshFails), 0, refreshed(granted("b", ten, livesFor(250*time.Millisecond)), lc.SaveResult{}), "b fresh retry=500ms " + dueAgain, "refreshed"},
		{"failed", alone, nil, due, refreshFails, "a ageing retry=250ms failed: boom", "refreshFailed boom 250ms"},
		{"failed again", alone, outcomes(refreshFails), due, refreshFails, "a ageing retry=500ms failed: boom", "refreshFailed boom 500ms"},
		{"refused", alone, nil, due, lc.RefreshFailed{Cause: refused}, "a ageing retry=1m0s failed: boom", "refreshFailed boom 1m0s"},
		{"refused, due at expiry", alone, nil, 59*time.Minute + 29*time.Second, lc.RefreshFailed{Cause: refused, DueAtExpiry: true}, "a ageing retry=30s failed: boom", "refreshFailed boom 30s"},
		{"refused, due before expiry", alone, nil, due, lc.RefreshFailed{Cause: refused, DueAtExpiry: true}, "a ageing retry=1m0s failed: boom", "refreshFailed boom 1m0s"},
		{"asked to wait for an hour", alone, nil, due, lc.RefreshFailed{Cause: lc.Cause{Err: errBoom, RetryAfter: time.Hour}}, "a ageing retry=5m0s failed: boom", "refreshFailed boom 5m0s"},
		{"failed after an invalidation", alone, outcomes(lc.Invalidated{}), 0, refreshFails, "a ageing retry=250ms failed: boom", "refreshFailed boom 250ms"},
		{"rejected, and the store is away", inStore, nil, due, lc.RefreshFailed{Cause: boom, Deferred: &dead, Pair: granted("a", 0), Draw: 0.5}, "a ageing gen=1 retry=250ms deferred failed: boom", "refreshFailed boom 250ms"},
		{"rejected", alone, outcomes(refreshFails), 0, rejected, "a ageing end=rejected", "ended rejected boom"},
		{"rejected after an invalidation", alone, outcomes(lc.Invalidated{}, refreshFails), 0, rejected, "a ended end=rejected withheld", "ended rejected boom"},
		{"rejected after a deferred rejection", inStore, outcomes(lc.RefreshFailed{Deferred: &dead, Pair: granted("a", 0)}), 0, rejected, "a ageing end=rejected act=load gen=1", "ended rejected boom"},
		{"rejected, with a Login", canLogin, nil, 0, rejected, "a ageing end=rejected act=login", "ended rejected boom"},
		{"rejected as the device is deleted", alone, nil, 0, lc.Rejected{Cause: dead, Pair: granted("a", 0), DeviceDeleted: true}, "a ageing end=rejected noClient", "ended rejected boom"},
		{"rejected after the refresh token expired", alone, nil, 2 * day, rejected, "a ended end=refreshExpired", "ended refreshExpired boom"},
		{"rejected after the fixed horizon", alone, nil, 31 * day, rejected, "a ended end=fixedExpired", "ended fixedExpired boom"},
		{"rejected, but another pair was adopted", inStore, outcomes(lc.Adopted{Record: stored(2, b)}), 0, rejected, "b fresh gen=2", ""},
		{"refreshed, but a later pair was adopted", inStore, outcomes(lc.Adopted{Record: stored(3, b)}), 0, refreshed(granted("c", ten), saved(2)), "b fresh gen=3", ""},
		{"adopted, but a later pair was adopted", inStore, outcomes(lc.Adopted{Record: stored(3, b)}), 0, lc.Adopted{Record: stored(2, granted("c", ten))}, "b fresh gen=3", ""},
		{"deferred, but another pair was adopted", inStore, outcomes(lc.Adopted{Record: stored(2, b)}), 0, lc.RefreshFailed{Cause: boom, Deferred: &dead, Pair: granted("a", 0), Draw: 0.5}, "b fresh gen=2 retry=250ms failed: boom", "refreshFailed boom 250ms"},
		{"an answer for a former pair was lost", alone, outcomes(refreshed(b, lc.SaveResult{})), 0, lc.AnswerLost{Pair: granted("a", 0)}, "b fresh", ""},
		{"an answer was lost", alone, nil, 0, lc.AnswerLost{Pair: granted("a", 0)}, "a fresh outcomeUnknown", ""},
	})
}

func TestApply_OutcomesOfALogin(t *testing.T) {
	b := granted("b", ten, handedIn)
	check(t, []step{
		{"succeeded", canLogin, outcomes(rejected), 0, lc.LoggedIn{Pair: b}, "b fresh", "loggedIn"},
		{"succeeded and not saved", inStore, outcomes(rejected), 0, lc.LoggedIn{Pair: b, Save: failedSave}, "b fresh pending=retry worthSaving gen=1", "loggedIn, storeFailed boom 1s"},
		{"another process was faster", inStore, outcomes(rejected), 0, lc.LoggedIn{Pair: b, Newer: stored(4, granted("c", ten))}, "c fresh gen=4", "adopted"},
		{"its token is due at once", canLogin, outcomes(rejected), 0, lc.LoggedIn{Pair: granted("b", ten, withoutRefresh, livesFor(0)), Draw: 0.5}, "b ended " + dueAgain, "loggedIn"},
		{"its session is short", canLogin, outcomes(rejected), 0, lc.LoggedIn{Pair: granted("b", ten, withoutRefresh, livesFor(9*time.Second)), Draw: 0.5}, "b fresh " + dueAgain, "loggedIn"},
		{"failed", canLogin, outcomes(rejected), 0, lc.LoginFailed{Cause: refused}, "a ageing end=rejected failed: boom", "loginFailed rejected boom 1m0s"},
		{"failed again", canLogin, outcomes(rejected, lc.LoginFailed{Cause: refused}), 0, lc.LoginFailed{Cause: refused}, "a ageing end=rejected failed: boom", "loginFailed rejected boom 2m0s"},
		{"failed before the end, after an invalidation", canLogin, outcomes(lc.Invalidated{}), 0, lc.LoginFailed{Cause: boom, Draw: 0.5}, "a ageing act=refresh failed: boom", "loginFailed boom 250ms"},
		{"the device is not known any more", canLogin, nil, 0, lc.DeviceForgotten{}, "a fresh noClient", ""},
	})
}

func TestApply_WhatAUserAsksFor(t *testing.T) {
	b := granted("b", ten, handedIn)
	check(t, []step{
		{"SetToken", canLogin, outcomes(rejected, lc.LoginFailed{Cause: refused}), 0, lc.TokenSet{Pair: b}, "b fresh", "tokenSet"},
		{"SetToken saved", unread, nil, 0, lc.TokenSet{Pair: b, Save: saved(7)}, "b fresh gen=7", "tokenSet"},
		{"SetToken not saved", inStore, nil, 0, lc.TokenSet{Pair: b, Save: lc.SaveResult{Err: errBoom, Overwrite: true}}, "b fresh pending=overwrite worthSaving gen=1 superseded", "tokenSet, storeFailed boom 1s"},
		{"a SetToken that came to nothing", inStore, outcomes(failedSet), 0, lc.OverwriteDropped{}, "s fresh act=save pending=retry worthSaving gen=1 superseded", ""},
		{"the same without a store", alone, nil, 0, lc.OverwriteDropped{}, "a fresh", ""},
		{"a rejection of its pair", inStore, outcomes(failedSet), 0, rejectionOf("s"), "s ageing end=rejected act=save pending=retry gen=1 superseded", "ended rejected boom"},
		{"SignOut", canLogin, outcomes(refreshFails, lc.AnswerLost{Pair: granted("a", 0)}), 0, lc.SignedOutHere{}, "none ended end=signedOut", "ended signedOut"},
		{"SignOut after an end", alone, outcomes(rejected), 0, lc.SignedOutHere{}, "none ended end=signedOut", ""},
		{"SignOut with a store", inStore, nil, 0, lc.SignedOutHere{}, "none ended end=signedOut pending=overwrite worthSaving gen=1 superseded", "ended signedOut"},
		{"its mark saved", inStore, outcomes(lc.SignedOutHere{}), 0, lc.MarkSaved{SaveResult: saved(2)}, "none ended end=signedOut gen=2", ""},
		{"its mark not saved", inStore, outcomes(lc.SignedOutHere{}), 0, lc.MarkSaved{SaveResult: lc.SaveResult{Err: errBoom, Overwrite: true}}, "none ended end=signedOut pending=overwrite worthSaving gen=1 superseded", "storeFailed boom 1s"},
		{"its mark saved at last", inStore, outcomes(lc.SignedOutHere{}, lc.MarkSaved{SaveResult: failedSave}), 0, lc.MarkSaved{SaveResult: saved(2)}, "none ended end=signedOut gen=2", "saved"},
		{"Invalidate", alone, nil, 0, lc.Invalidated{}, "a expired act=refresh invalidated withheld", ""},
		{"Invalidate without a session", empty, nil, 0, lc.Invalidated{}, "none ended noClient", ""},
		{"Invalidate soon after another", alone, outcomes(lc.Invalidated{}, refreshed(granted("b", 0), lc.SaveResult{})), time.Second, lc.Invalidated{}, "b fresh", ""},
		{"Invalidate before the next attempt", alone, outcomes(lc.RefreshFailed{Cause: refused}), time.Second, lc.Invalidated{}, "a fresh retry=59s failed: boom", ""},
		{"Invalidate after an end", alone, outcomes(rejected), 0, lc.Invalidated{}, "a ended end=rejected invalidated withheld", ""},
		{"Invalidate without a refresh token", alone, outcomes(lc.TokenSet{Pair: granted("b", 0, withoutRefresh)}), 0, lc.Invalidated{}, "b fresh", ""},
	})
}

func TestApply_WhatTheStoreHas(t *testing.T) {
	c := granted("c", 5*time.Minute)
	own := granted("c", 5*time.Minute, ofTheFirstSession)
	check(t, []step{
		{"nothing at first", unread, nil, 0, lc.Found{}, "a fresh act=save pending=retry worthSaving", ""},
		{"a later pair at first", unread, outcomes(refreshFails), 0, lc.Found{Record: stored(3, c)}, "c fresh gen=3", "adopted"},
		{"an earlier pair at first", unread, nil, 0, lc.Found{Record: stored(3, granted("z", -time.Minute))}, "a fresh act=save pending=retry worthSaving gen=3", ""},
		{"another device's pair at first", unread, nil, 0, lc.Found{Record: stored(3, granted("c", 5*time.Minute, ofAnotherDevice))}, "a fresh act=save pending=retry worthSaving gen=3", ""},
		{"an earlier mark at first", unread, nil, 0, lc.Found{Record: &lc.Stored{Generation: 3, SignedOutAt: in(-time.Hour)}}, "a fresh act=save pending=retry worthSaving gen=3", ""},
		{"an earlier pair after the session has ended", unread, outcomes(rejected), 0, lc.Found{Record: stored(3, granted("z", -time.Minute))}, "z fresh gen=3", "adopted"},
		{"a later mark", inStore, outcomes(refreshFails), 0, lc.Found{Record: mark(2)}, "none ended end=signedOut gen=2", "ended signedOut"},
		{"nothing later", inStore, nil, 0, lc.Found{Record: stored(1, c)}, "a fresh gen=1", ""},
		{"the pair in memory", inStore, outcomes(refreshed(c, failedSave)), 0, lc.Found{Record: stored(2, c)}, "c fresh gen=2", "saved"},
		{"a pair that was replaced", inStore, outcomes(lc.PairRedeemed{Pair: granted("a", 0)}, refreshed(c, failedSave)), 0, lc.Found{Record: stored(2, granted("a", 0))}, "c fresh act=save pending=retry worthSaving gen=1 superseded", ""},
		{"a pair that a SetToken is to overwrite", inStore, outcomes(failedSet), 0, lc.Found{Record: stored(2, c)}, "s fresh act=save pending=overwrite worthSaving gen=1 superseded", ""},
		{"the successor of the pair set", inStore, outcomes(failedSet), 0, lc.Found{Record: stored(2, own)}, "c fresh gen=2", "adopted"},
		{"adopted instead of a save", inStore, outcomes(failedSet), 0, lc.Adopted{Record: stored(9, c)}, "c fresh gen=9", "adopted"},
		{"adopted after an end", inStore, outcomes(rejected), 0, lc.Adopted{Record: stored(9, c)}, "c fresh gen=9", "adopted"},
		{"a mark adopted after an end", inStore, outcomes(rejected), 0, lc.Adopted{Record: mark(9)}, "none ended end=signedOut gen=9", ""},
		{"nothing new", inStore, outcomes(rejected), 0, lc.NothingNew{}, "a ageing end=rejected gen=1", ""},
		{"the store was emptied", inStore, nil, 0, lc.NothingNew{IsEmpty: true}, "a fresh act=save pending=retry worthSaving gen=1", ""},
		{"the first load makes up for one that failed", unread, outcomes(lc.LoadFailed{Cause: boom}, lc.Found{Record: stored(1, granted("a", 0))}), 0, lc.NothingNew{}, "a fresh gen=1", ""},
		{"a mark replaces a record", empty, nil, 0, lc.MarkReplaces{Device: device}, "none ended", ""},
	})
}

func TestApply_OutcomesOfTheStore(t *testing.T) {
	check(t, []step{
		{"the first load failed", unread, nil, 0, lc.LoadFailed{Cause: boom, Draw: 0.5}, "a ageing retry=250ms failed: boom", ""},
		{"the store is abandoned", unread, outcomes(lc.LoadFailed{Cause: boom}), 0, lc.LoadFailed{Cause: boom, Abandon: true}, "a fresh pending=retry worthSaving", "storeFailed boom 1s"},
		{"a later load failed", inStore, outcomes(rejected), 0, lc.LoadFailed{Cause: boom}, "a ageing end=rejected gen=1", ""},
		{"saved", inStore, outcomes(refreshed(granted("b", 0), failedSave)), 0, lc.Saved{SaveResult: saved(2)}, "b fresh gen=2", "saved"},
		{"saved, with nothing to make up for", inStore, nil, 0, lc.Saved{SaveResult: saved(2)}, "a fresh gen=2", ""},
		{"not saved again", inStore, outcomes(refreshed(granted("b", 0), failedSave)), 0, lc.Saved{SaveResult: failedSave}, "b fresh pending=retry worthSaving gen=1", "storeFailed boom 2s"},
		{"saved without a store", alone, nil, 0, lc.Saved{SaveResult: saved(2)}, "a fresh", ""},
		{"Config.Token saved", unread, outcomes(lc.LoadFailed{Cause: boom}), 0, lc.ConfigTokenSaved{SaveResult: saved(2)}, "a fresh gen=2", ""},
		{"Config.Token not saved", unread, nil, 0, lc.ConfigTokenSaved{SaveResult: failedSave}, "a fresh pending=retry worthSaving", "storeFailed boom 1s"},
	})
}

func TestApply_TimePassed(t *testing.T) {
	long := granted("b", 0, withoutRefresh, func(a *lc.Arrival) { a.FixedExpiresAt = time.Time{} })
	passed := lc.TimePassed{}
	check(t, []step{
		{"nothing is near", alone, nil, 0, passed, "a fresh", ""},
		{"the store was not read yet", unread, nil, 31 * day, passed, "a unknown act=load", ""},
		{"the refresh token has expired", alone, nil, 2 * day, passed, "a ended end=refreshExpired", "ended refreshExpired"},
		{"a refresh wins no time", alone, outcomes(lc.TokenSet{Pair: granted("b", 0, func(a *lc.Arrival) { a.FixedExpiresAt = in(time.Hour + 2*time.Second) })}), time.Hour - time.Second, passed, "b ended end=fixedExpired", "ended fixedExpired"},
		{"an end is near", alone, outcomes(lc.TokenSet{Pair: long}), 55 * time.Minute, passed, "b ageing", "ending refreshExpired 5m0s"},
		{"there is no session", empty, nil, 0, passed, "none ended end=noSession noClient", "ended noSession"},
	})
}
