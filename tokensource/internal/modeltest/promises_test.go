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

// printedLocked checks that a value prints no secret. Every failure begins with the number
// of the promise that is broken.
func (m *model) printedLocked(v any) {
	if v == nil {
		return
	}
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if strings.Contains(fmt.Sprintf(verb, v), mark) {
			m.failLocked("9: a token in the %s of a %T", verb, v)
		}
	}
}

// servedLocked checks the token that a caller got.
func (p *process) servedLocked(t *oauth2.Token) {
	m := p.model
	if p.crashed {
		return
	}
	pr, now := m.gw.pairs[t.AccessToken], p.now()
	m.logLocked("  %s: serves %s", p.name, pr)
	switch {
	case pr == nil:
		m.failLocked("5: %s: a token that was never issued", p.name)
		return
	case t.RefreshToken != "":
		m.failLocked("9: %s: a refresh token is handed out", p.name)
	case p.mustNotServe == pr && p.invalidated[pr]:
		m.failLocked("8: %s: %s is served after Invalidate", p.name, pr)
	case p.closed:
		m.failLocked("12: %s: served after Close", p.name)
	case p.signedOut[pr.session] && !m.tamperedLocked():
		m.failLocked("1: %s: a token of a session that was signed out", p.name)
	case !p.anyLocked(pr, func(b *belief) bool { return !b.serveUntil.either(now) }):
		m.failLocked("1: %s: %s is served after its expiry", p.name, pr)
	case !m.clockSet && m.settings.clockOffset == 0 && pr.accessExpires > 0 && m.true() >= pr.accessExpires:
		m.failLocked("1: %s: %s is served after its true expiry", p.name, pr)
	case !p.anyLocked(pr, func(b *belief) bool { return t.Expiry.Equal(expiryOf(b)) }):
		m.failLocked("1: %s: the Expiry of %s is %s, not %s", p.name, pr, t.Expiry, expiryOf(p.beliefs[pr][0]))
	}
	p.becameCurrentLocked(pr)
	p.lastServed = pr
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

// refusedLocked checks the error that a caller got.
func (p *process) refusedLocked(c *caller, err error) {
	m := p.model
	if p.crashed {
		return
	}
	m.printedLocked(err)
	m.logLocked("  %s: a caller gets %v", p.name, err)
	var ended *tokensource.LoginRequiredError
	var later *tokensource.UnavailableError
	var short *tokensource.ValidityError
	switch {
	case errors.As(err, &short):
		c.unreachableLocked()
	case errors.Is(err, tokensource.ErrClosed):
		if !p.closing {
			m.failLocked("12: %s: ErrClosed without Close", p.name)
		}
	case errors.Is(err, errLeft):
		if !c.cancelled {
			m.failLocked("4: %s: a caller gets the cancellation of another", p.name)
		}
	case errors.As(err, &ended):
		p.endedLocked(c, ended)
	case errors.As(err, &later):
		if c.servableLocked() {
			m.failLocked("2: %s: a caller gets a transient failure although %s can be served", p.name, p.current)
		}
		if later.Err == nil || !m.clockSet && m.slept == 0 && !later.NextAt.After(p.host.now()) {
			m.failLocked("13: %s: a failure without a cause, or without a time for the next attempt", p.name)
		}
	default:
		m.failLocked("13: %s: an unknown error: %T %v", p.name, err, err)
	}
}

// endedLocked checks the LoginRequiredError that a caller got.
func (p *process) endedLocked(c *caller, ended *tokensource.LoginRequiredError) {
	m := p.model
	switch {
	case !errors.Is(ended, tokensource.ErrLoginRequired):
		m.failLocked("15: %s: an end that is not ErrLoginRequired", p.name)
	case ended.Reason == 0:
		m.failLocked("15: %s: an end without a reason", p.name)
	case ended.Reason == tokensource.SignedOut, ended.Reason == tokensource.FixedExpired:
	case c.servableLocked():
		m.failLocked("2: %s: a caller gets the end (%s) although %s is live", p.name, ended.Reason, p.current)
	case ended.Reason == tokensource.RefreshRejected && p.unknown[p.endedPair] && !ended.OutcomeUnknown:
		m.failLocked("15: %s: %s was redeemed without an answer, and OutcomeUnknown is false", p.name, p.endedPair)
	}
}

// servableLocked reports whether the current token must be served.
func (p *process) servableLocked() bool {
	now := p.now()
	if _, rejected := p.unrefreshed[p.current]; rejected && p.ended == tokensource.RefreshRejected {
		return false // the API and the gateway agree
	}
	return p.current != nil && p.ended != tokensource.SignedOut && !p.invalidated[p.current] && !p.signedOut[p.current.session] &&
		p.allLocked(p.current, func(b *belief) bool { return !b.serveUntil.either(now) && !b.fixed.both(now) })
}

// refreshesLocked checks that a refresh may be made now.
func (p *process) refreshesLocked(f *gatewayCall) {
	m, pr := p.model, f.pair
	p.outgoingLocked("a refresh")
	p.calledLocked(f)
	if f.repeats {
		return // the repetition is immediate, within the same timeout
	}
	switch {
	case p.closing:
		m.failLocked("12: %s: a refresh begins after Close has", p.name)
	case p.signedOut[pr.session] && !m.tamperedLocked():
		m.failLocked("12: %s: a refresh of %s, which was signed out", p.name, pr)
	case p.answered[pr] && !m.tamperedLocked():
		m.failLocked("5: %s: presents %s again after a final answer", p.name, pr)
	case p.ended != 0 && p.endedPair == pr && p.current == pr:
		m.failLocked("6: %s: a refresh of %s, which has ended", p.name, pr)
	case p.failure.pair == pr && !p.failure.login && p.failure.next.known && !p.failure.next.either(f.at):
		m.failLocked("13: %s: a refresh of %s within its backoff", p.name, pr)
	}
	if p.store != nil {
		p.lockedRefreshLocked(pr)
	}
	p.dueLocked(pr, f.at)
}

// calledLocked checks what holds for all calls of the gateway.
func (p *process) calledLocked(f *gatewayCall) {
	for _, o := range p.inFlight {
		// A request that ignores its context counts until the end of the timeout.
		if o.ctx.Err() == nil || o.pair != nil && f.at.mono-o.first.mono < oneRefresh {
			p.model.failLocked("3: %s: the gateway is called during another call", p.name)
		}
	}
	if _, has := f.ctx.Deadline(); has || f.ctx.Err() != nil {
		p.model.failLocked("14: %s: the gateway is called with a caller's deadline", p.name)
	}
	if f.ctx.Value(valueKey{}) == nil {
		p.model.failLocked("14: %s: the gateway is called without the caller's values", p.name)
	}
}

// lockedRefreshLocked checks a refresh against the stored record.
func (p *process) lockedRefreshLocked(pr *pair) {
	m, s := p.model, p.store
	if m.settings.locks && (s.held == nil || s.held.releasing || s.failingSince > 0) {
		m.shared.unlocked = true
		now := p.now()
		expired := p.anyLocked(pr, func(b *belief) bool { return b.serveUntil.either(now) })
		since := s.failingSince
		if s.failedBefore > 0 && s.recoveredAt == now.mono {
			since = s.failedBefore
		}
		away := since > 0 && now.mono+1-since >= 30*time.Second || s.lockedIn >= 30*time.Second ||
			s.lockBegan > 0 && now.mono+1-s.lockBegan >= 30*time.Second || s.savesFailSince > 0 && now.mono+1-s.savesFailSince >= 30*time.Second
		switch {
		case !expired && !m.clockSet:
			m.failLocked("3: %s: a refresh without the lock, while %s is live", p.name, pr)
		case !away && !m.clockSet && m.slept == 0:
			m.failLocked("3: %s: a refresh without the lock, although the store is available", p.name)
		}
		return
	}
	switch r, held := m.shared.storedLocked(); {
	case held.follows(pr) && !m.shared.tampered && !m.shared.unlocked && !m.settings.keepsRefreshToken:
		m.failLocked("6: %s: presents %s while %s is stored", p.name, pr, held)
	case held == pr && r.AttemptAt.IsZero() && !s.unwritten && !m.shared.unlocked:
		m.failLocked("15: %s: presents %s without an attempt mark", p.name, pr)
	}
}

// dueLocked checks that a pair is due for refresh.
func (p *process) dueLocked(pr *pair, now instant) {
	m := p.model
	expired := p.anyLocked(pr, func(b *belief) bool { return b.serveUntil.either(now) })
	_, owed := p.unrefreshed[pr]
	if p.invalidated[pr] && !owed && !expired && !p.anyLocked(pr, func(b *belief) bool { return b.due(1).either(now) }) {
		p.forcedLocked(pr)
		return
	}
	if !expired && p.askedLocked(pr, now) && !p.anyLocked(pr, func(b *belief) bool { return b.due(1).either(now) }) {
		if !p.anyLocked(pr, func(b *belief) bool { return b.origin.stored || b.earliestAsked().either(now) }) {
			m.failLocked("8: %s: %s is refreshed for a caller too soon after the last refresh", p.name, pr)
		}
		return
	}
	switch {
	case p.invalidated[pr], owed:
	case !expired && !p.anyLocked(pr, func(b *belief) bool { return b.due(1).either(now) || b.issuedInFuture }):
		m.failLocked("8: %s: %s is refreshed before it is due", p.name, pr)
	case !expired && !p.anyLocked(pr, func(b *belief) bool { return b.refreshExtends }):
		m.failLocked("8: %s: %s is refreshed although that does not extend the session", p.name, pr)
	case !p.anyLocked(pr, func(b *belief) bool { return b.origin.stored || b.earliestRefresh().either(now) }):
		m.failLocked("8: %s: %s is refreshed too soon after the last refresh", p.name, pr)
	}
}

// forcedLocked checks a refresh that Invalidate caused: one Invalidate must be long enough
// after the one that caused the last forced refresh.
func (p *process) forcedLocked(pr *pair) {
	least := 10 * time.Second
	for _, b := range p.beliefs[pr] {
		if b.life > 0 {
			least = min(least, b.life/2)
		}
	}
	for _, invalidatedAt := range p.rejections[pr] {
		if p.lastForced.wall.IsZero() || (deadline{p.lastForced, true}).add(least).either(invalidatedAt) {
			p.lastForced = invalidatedAt
			return
		}
	}
	p.model.failLocked("8: %s: %s is refreshed for a second Invalidate within %s", p.name, pr, least)
}

// logsInLocked checks that a login may be made now.
func (p *process) logsInLocked(f *gatewayCall, ended *tokensource.LoginRequiredError) {
	m := p.model
	p.outgoingLocked("a login")
	p.calledLocked(f)
	m.printedLocked(ended)
	now := f.at
	again := ags.DeviceDeleted(ended.Err) && ended.ClientID == "" // at once, as a new device
	switch {
	case p.closing:
		m.failLocked("12: %s: a login begins after Close has", p.name)
	case ended.Reason == tokensource.SignedOut, p.lastAction.signOut && p.current != nil && p.signedOut[p.current.session]:
		m.failLocked("12: %s: a sign-out is undone by a login", p.name)
	case p.failure.login && p.failure.next.known && !p.failure.next.either(now) && !again:
		m.failLocked("13: %s: a login within the backoff of the last", p.name)
	case p.client != "" && ended.ClientID == "" && !p.deleted:
		m.failLocked("15: %s: a login as a new device, although one is known", p.name)
	case p.store != nil && m.settings.locks && p.store.held == nil && !again:
		m.failLocked("3: %s: a login without the lock", p.name)
	}
	near := func(b *belief) bool {
		return b.expired(now) || (!b.refreshExtends || !b.refreshable) && (b.issuedInFuture || b.due(1).either(now))
	}
	switch ended.Reason {
	case tokensource.FixedExpired, tokensource.RefreshExpired:
		if ended.Err == nil && p.current != nil && p.ended == 0 && !p.anyLocked(p.current, near) {
			m.failLocked("7: %s: a login for %s, although %s is live by a clock", p.name, ended.Reason, p.current)
		}
	case tokensource.NoSession, tokensource.RefreshRejected, tokensource.SignedOut:
	}
}
