package modeltest_test

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// What was promised, looked at when a caller is answered, and when the gateway is
// called. What is broken is told with the number of the promise.

// printedLocked looks for secrets in what may be printed.
func (w *world) printedLocked(v any) {
	if v == nil {
		return
	}
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if strings.Contains(fmt.Sprintf(verb, v), mark) {
			w.failLocked("9: a token in the %s of a %T", verb, v)
		}
	}
}

// servedLocked checks what a caller was given.
func (p *proc) servedLocked(t *oauth2.Token) {
	w := p.w
	if p.crashed {
		return
	}
	pr, now := w.gw.pairs[t.AccessToken], p.moment()
	w.sayLocked("  %s: serves %s", p.name, pr)
	switch {
	case pr == nil:
		w.failLocked("5: %s: a token that was never issued", p.name)
		return
	case t.RefreshToken != "":
		w.failLocked("9: %s: a refresh token is handed out", p.name)
	case p.shunned == pr && p.invalidated[pr]:
		w.failLocked("8: %s: %s is served, which an API has rejected", p.name, pr)
	case p.closed:
		w.failLocked("12: %s: served after Close", p.name)
	case p.gone[pr.account] && !w.tamperedLocked():
		w.failLocked("1: %s: a token of a session that was signed out", p.name)
	case !p.anyLocked(pr, func(b *belief) bool { return !b.served.either(now) }):
		w.failLocked("1: %s: %s is dead, and served", p.name, pr)
	case !w.clockSet && w.house.behind == 0 && pr.dead > 0 && w.true() >= pr.dead:
		w.failLocked("1: %s: %s is dead in truth, and served", p.name, pr)
	case !p.anyLocked(pr, func(b *belief) bool { return t.Expiry.Equal(expiryOf(b)) }):
		w.failLocked("1: %s: the Expiry of %s is %s, not %s", p.name, pr, t.Expiry, expiryOf(p.beliefs[pr][0]))
	}
	p.seenLocked(pr)
	p.asked = pr
}

func expiryOf(b *belief) time.Time {
	switch {
	case b.fixed.known && (!b.access.known || b.fixed.wall.Before(b.access.wall)):
		return b.fixed.wall
	case b.access.known:
		return b.access.wall
	}
	return time.Time{}
}

// refusedLocked checks what a caller was told who got no token.
func (p *proc) refusedLocked(c *caller, err error) {
	w := p.w
	if p.crashed {
		return
	}
	w.printedLocked(err)
	w.sayLocked("  %s: a caller is told %v", p.name, err)
	var ended *tokensource.LoginRequiredError
	var later *tokensource.UnavailableError
	switch {
	case errors.Is(err, tokensource.ErrClosed):
		if !p.closing {
			w.failLocked("12: %s: closed, and nobody has closed it", p.name)
		}
	case errors.Is(err, errLeft):
		if !c.cancelled {
			w.failLocked("4: %s: a caller is told that it has left", p.name)
		}
	case errors.As(err, &ended):
		p.endedLocked(ended)
	case errors.As(err, &later):
		if p.servableLocked() {
			w.failLocked("2: %s: a passing failure is seen by a caller who could be served %s", p.name, p.current)
		}
		if later.Err == nil || !w.clockSet && w.slept == 0 && !later.NextAt.After(p.host.now()) {
			w.failLocked("13: %s: a failure without a cause, or without a time for the next attempt", p.name)
		}
	default:
		w.failLocked("13: %s: an error of no kind: %T %v", p.name, err, err)
	}
}

// endedLocked checks what a caller is told of an end.
func (p *proc) endedLocked(ended *tokensource.LoginRequiredError) {
	w := p.w
	switch {
	case !errors.Is(ended, tokensource.ErrLoginRequired):
		w.failLocked("15: %s: an end that is not ErrLoginRequired", p.name)
	case ended.Reason == 0:
		w.failLocked("15: %s: an end without a reason", p.name)
	case ended.Reason == tokensource.SignedOut, ended.Reason == tokensource.FixedExpired:
	case p.servableLocked():
		w.failLocked("2: %s: told of an end (%s) though %s lives", p.name, ended.Reason, p.current)
	case ended.Reason == tokensource.RefreshRejected && p.unknown[p.endedPair] && !ended.OutcomeUnknown:
		w.failLocked("15: %s: %s was spent without an answer, and the rejection does not say so", p.name, p.endedPair)
	}
}

// servableLocked reports whether there is a token that must be served.
func (p *proc) servableLocked() bool {
	now := p.moment()
	if _, rejected := p.unrefreshed[p.current]; rejected && p.ended == tokensource.RefreshRejected {
		return false // an API and the gateway agree
	}
	return p.current != nil && p.ended != tokensource.SignedOut && !p.invalidated[p.current] && !p.gone[p.current.account] &&
		p.allLocked(p.current, func(b *belief) bool { return !b.served.either(now) && !b.fixed.both(now) })
}

// refreshesLocked checks that a refresh may be made now.
func (p *proc) refreshesLocked(f *airborne) {
	w, pr := p.w, f.pair
	p.beganLocked("a refresh")
	p.calledLocked(f)
	if f.again {
		return // of an answer that was lost: asked for at once, under the same time limit
	}
	switch {
	case p.closing:
		w.failLocked("12: %s: a refresh begins after Close has", p.name)
	case p.gone[pr.account] && !w.tamperedLocked():
		w.failLocked("12: %s: a refresh of %s, which was signed out", p.name, pr)
	case p.answered[pr] && !w.tamperedLocked():
		w.failLocked("5: %s: presents %s again, which the gateway has answered for good", p.name, pr)
	case p.ended != 0 && p.endedPair == pr && p.current == pr:
		w.failLocked("6: %s: a refresh of %s, which has ended", p.name, pr)
	case p.failure.pair == pr && !p.failure.login && p.failure.next.known && !p.failure.next.either(f.began):
		w.failLocked("13: %s: a refresh of %s within its back-off", p.name, pr)
	}
	if p.shelf != nil {
		p.lockedRefreshLocked(pr)
	}
	p.dueLocked(pr, f.began)
}

// calledLocked checks what holds of any call of the gateway.
func (p *proc) calledLocked(f *airborne) {
	for _, o := range p.air {
		// A first request that does not heed its end is waited for, as long as there is time.
		if o.ctx.Err() == nil || o.pair != nil && f.began.mono-o.first.mono < oneRefresh {
			p.w.failLocked("3: %s: the gateway is called during another call", p.name)
		}
	}
	if _, has := f.ctx.Deadline(); has || f.ctx.Err() != nil {
		p.w.failLocked("14: %s: the gateway is called with a caller's deadline", p.name)
	}
	if f.ctx.Value(valueKey{}) == nil {
		p.w.failLocked("14: %s: the gateway is called without the caller's values", p.name)
	}
}

// lockedRefreshLocked checks a refresh against what is stored.
func (p *proc) lockedRefreshLocked(pr *pair) {
	w, s := p.w, p.shelf
	if w.house.locks && (s.hold == nil || s.hold.givingBack || s.troubled > 0) {
		w.disk.unlocked = true
		now := p.moment()
		dead := p.anyLocked(pr, func(b *belief) bool { return b.served.either(now) })
		since := s.troubled
		if s.formerly > 0 && s.recovered == now.mono {
			since = s.formerly
		}
		away := since > 0 && now.mono+1-since >= 30*time.Second || s.lockedIn >= 30*time.Second ||
			s.lockBegan > 0 && now.mono+1-s.lockBegan >= 30*time.Second
		switch {
		case !dead && !w.clockSet:
			w.failLocked("3: %s: a refresh without the lock, while %s lives", p.name, pr)
		case !away && !w.clockSet && w.slept == 0:
			w.failLocked("3: %s: a refresh without the lock, though the store can be reached", p.name)
		}
		return
	}
	switch r, held := w.disk.storedLocked(); {
	case held.follows(pr) && !w.disk.tampered && !w.disk.unlocked && !w.house.keeps:
		w.failLocked("6: %s: presents %s, and %s is stored", p.name, pr, held)
	case held == pr && r.AttemptAt.IsZero() && !s.unwritten && !w.disk.unlocked:
		w.failLocked("15: %s: presents %s, and has not noted so", p.name, pr)
	}
}

// dueLocked checks that a pair is due for refresh.
func (p *proc) dueLocked(pr *pair, now moment) {
	w := p.w
	dead := p.anyLocked(pr, func(b *belief) bool { return b.served.either(now) })
	_, owed := p.unrefreshed[pr]
	if p.invalidated[pr] && !owed && !dead && !p.anyLocked(pr, func(b *belief) bool { return b.due(1).either(now) }) {
		p.forcedLocked(pr)
		return
	}
	switch {
	case p.invalidated[pr], owed:
	case !dead && !p.anyLocked(pr, func(b *belief) bool { return b.due(1).either(now) || b.ahead }):
		w.failLocked("8: %s: %s is refreshed before it is due", p.name, pr)
	case !dead && !p.anyLocked(pr, func(b *belief) bool { return b.wins }):
		w.failLocked("8: %s: %s is refreshed though nothing is won by it", p.name, pr)
	case !p.anyLocked(pr, func(b *belief) bool { return b.arrival.stored || b.spaced().either(now) }):
		w.failLocked("8: %s: %s is refreshed too soon after the last refresh", p.name, pr)
	}
}

// forcedLocked checks a refresh for the sake of an API's rejection: one of those
// that were told must have come long enough after the last that was followed.
func (p *proc) forcedLocked(pr *pair) {
	least := 10 * time.Second
	for _, b := range p.beliefs[pr] {
		if b.life > 0 {
			least = min(least, b.life/2)
		}
	}
	for _, told := range p.rejections[pr] {
		if p.forced.wall.IsZero() || (deadline{p.forced, true}).add(least).either(told) {
			p.forced = told
			return
		}
	}
	p.w.failLocked("8: %s: %s is refreshed for a second rejection within %s", p.name, pr, least)
}

// logsInLocked checks that a login may be made now.
func (p *proc) logsInLocked(f *airborne, ended *tokensource.LoginRequiredError) {
	w := p.w
	p.beganLocked("a login")
	p.calledLocked(f)
	w.printedLocked(ended)
	now := f.began
	again := ags.DeviceDeleted(ended.Err) && ended.ClientID == "" // at once, as another device
	switch {
	case p.closing:
		w.failLocked("12: %s: a login begins after Close has", p.name)
	case ended.Reason == tokensource.SignedOut, p.wish.signOut && p.current != nil && p.gone[p.current.account]:
		w.failLocked("12: %s: a sign-out is undone by a login", p.name)
	case p.failure.login && p.failure.next.known && !p.failure.next.either(now) && !again:
		w.failLocked("13: %s: a login within the back-off of the last", p.name)
	case p.client != "" && ended.ClientID == "" && !p.deleted:
		w.failLocked("15: %s: a login as a new device, though one is known", p.name)
	case p.shelf != nil && w.house.locks && p.shelf.hold == nil && !again:
		w.failLocked("3: %s: a login without the lock", p.name)
	}
	near := func(b *belief) bool {
		return b.over(now) || (!b.wins || !b.refreshable) && (b.ahead || b.due(1).either(now))
	}
	switch ended.Reason {
	case tokensource.FixedExpired, tokensource.RefreshExpired:
		if ended.Err == nil && p.current != nil && p.ended == 0 && !p.anyLocked(p.current, near) {
			w.failLocked("7: %s: a login for %s, though a clock says that %s lives", p.name, ended.Reason, p.current)
		}
	case tokensource.NoSession, tokensource.RefreshRejected, tokensource.SignedOut:
	}
}
