package modeltest_test

import (
	"errors"
	"slices"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// onEvent is the OnEvent of the process.
func (p *process) onEvent(e tokensource.Event) {
	m := p.model
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.crashed {
		return
	}
	m.printedLocked(e)
	of := m.gw.issued[e.Status.IssuedAt.UnixNano()]
	if e.Status.IssuedAt.IsZero() {
		of = nil
	}
	m.logLocked("  %s: event %s %s of %s: %v", p.name, e.Kind, e.Reason, of, e.Err)
	switch e.Kind {
	case tokensource.EventRefreshed, tokensource.EventAdopted, tokensource.EventTokenSet, tokensource.EventLoggedIn:
		p.sessionChangedLocked(e, of)
	case tokensource.EventRefreshFailed, tokensource.EventLoginFailed:
		p.failedLocked(e, of)
	case tokensource.EventEnded:
		p.endLocked(e, of)
	case tokensource.EventEnding:
		if of == nil {
			break
		}
		former, again := p.warned[of.session]
		// A grant may move the end, and so do clocks that differ.
		if again && !m.clockSet && m.settings.clockOffset.Abs() <= time.Minute && e.NextAt.Sub(former).Abs() <= time.Minute {
			m.failLocked("7: %s: the warning is emitted twice", p.name)
		}
		p.warned[of.session] = e.NextAt
	case tokensource.EventStoreFailed, tokensource.EventSaved, tokensource.EventUnlocked:
		p.failure.count = 0 // it may have been forgotten
		p.lastAction.unsaved = p.lastAction.unsaved && e.Kind != tokensource.EventSaved
	case tokensource.EventStoreRepaired:
		m.failLocked("5: %s: a repair is emitted for a store that repairs nothing", p.name)
	}
	if p.closed {
		m.failLocked("12: %s: an event after Close", p.name)
	}
}

func (p *process) sessionChangedLocked(e tokensource.Event, of *pair) {
	m := p.model
	if of == nil {
		m.failLocked("5: %s: %s, and the pair was never issued", p.name, e.Kind)
		return
	}
	if e.Kind == tokensource.EventAdopted {
		foreign := p.lastAction.session != nil && p.lastAction.session != of.session
		if p.lastAction.unsaved && (p.lastAction.signOut || foreign) && !p.hasPendingAction() {
			m.failLocked("6: %s: %s is adopted before an explicit SetToken or SignOut is saved", p.name, of)
		}
	}
	if p.store != nil && e.Kind != tokensource.EventAdopted && !p.tried[of] && !e.Status.Unsaved {
		m.failLocked("5: %s: %s is used before it is saved", p.name, of)
	}
	if e.Kind == tokensource.EventTokenSet && p.lastAction.session == of.session {
		p.obtainedLocked(of, p.lastAction.token, origin{at: p.now(), stored: true}) // its lifetime counts from here
	}
	if p.current != nil && p.current != of {
		delete(p.invalidated, p.current)
		delete(p.unrefreshed, p.current)
	}
	p.ended, p.endedPair, p.failure = 0, nil, failureMemory{}
	// A login replaces it. Adoption proves that it was saved.
	p.lastAction.unsaved = p.lastAction.unsaved && e.Kind != tokensource.EventLoggedIn && (e.Kind != tokensource.EventAdopted || p.lastAction.session != of.session)
	if e.Kind == tokensource.EventLoggedIn {
		p.loggedIn = p.now().mono
	}
	p.client = e.Status.ClientID
	p.becameCurrentLocked(of)
	// A granted pair that lives for less than 250 ms counts as a failure.
	soon := p.now()
	soon.wall, soon.mono = soon.wall.Add(250*time.Millisecond), soon.mono+250*time.Millisecond
	p.shortLived = nil
	if p.anyLocked(of, func(b *belief) bool { return b.serveUntil.either(soon) || b.refresh.either(soon) }) {
		p.shortLived = of
	}
}

// hasPendingAction reports whether a SetToken or SignOut is in flight. The caller must
// hold the model's mutex.
func (p *process) hasPendingAction() bool {
	return slices.ContainsFunc(p.model.calls, func(c *call) bool {
		return c.p == p && !c.done && (c.name == "set token" || c.name == "sign out")
	})
}

// failedLocked checks the event of a failure.
func (p *process) failedLocked(e tokensource.Event, of *pair) {
	m := p.model
	login := e.Kind == tokensource.EventLoginFailed
	wait := e.NextAt.Sub(e.At)
	var gw *ags.Error
	asked := errors.As(e.Err, &gw)
	refused := asked && !gw.Malformed && !errors.Is(gw, ags.ErrUnavailable) && (login || !errors.Is(gw, ags.ErrUnauthorized))
	least, most := 187500*time.Microsecond, 37500*time.Millisecond
	if refused {
		least = time.Minute
	}
	if refused || login {
		most = 15 * time.Minute
	}
	if asked {
		floor := min(gw.RetryAfter, 5*time.Minute)
		least, most = max(least, floor), max(most, floor)
	}
	if p.failure.pair != of || p.failure.login != login {
		p.failure.count = 0
	}
	count := p.failure.count + 1
	now := p.now()
	if expired := p.allLocked(of, func(b *belief) bool { return b.serveUntil.either(now) }); expired && !refused && !login {
		least = max(least, 3*min(10*time.Second, 250*time.Millisecond<<min(count-1, 10))/4)
	}
	if held := of != nil && !asked && !login; held && p.allLocked(of, func(b *belief) bool {
		return !b.serveUntil.either(now) && b.serveUntil.either(instant{now.wall.Add(wait), now.mono + wait})
	}) {
		least = 0 // an attempt that the store delays is due when the token expires
	}
	if wait < least || wait > most {
		m.failLocked("13: %s: the next attempt is due in %s, which is not between %s and %s", p.name, wait, least, most)
	}
	p.failure = failureMemory{next: deadline{instant{e.NextAt, m.fake.Elapsed() + wait}, true}, pair: of, login: login, count: count}
	if refused {
		p.failure.count = 0
	}
	if of != nil && p.ended == 0 && p.invalidated[of] {
		p.unrefreshed[of] = p.unrefreshed[of] || p.mustNotServe == of
		delete(p.invalidated, of) // it is served again
	}
}

// endLocked checks that a session may end.
func (p *process) endLocked(e tokensource.Event, of *pair) {
	m, now := p.model, p.now()
	if p.ended != 0 {
		m.failLocked("7: %s: an end is emitted twice", p.name)
	}
	rejected := errors.Is(e.Err, ags.ErrUnauthorized)
	switch e.Reason {
	case tokensource.SignedOut:
	case tokensource.NoSession:
		if of != nil {
			m.failLocked("7: %s: no session, and there is one", p.name)
		}
	case tokensource.RefreshExpired, tokensource.FixedExpired, tokensource.RefreshRejected:
		switch {
		case !rejected && e.Reason == tokensource.RefreshRejected:
			m.failLocked("6: %s: ended as rejected, by %v", p.name, e.Err)
		case !rejected && !p.anyLocked(of, func(b *belief) bool { return b.expired(now) }):
			m.failLocked("7: %s: %s has ended (%s) although it is live by a clock", p.name, of, e.Reason)
		case rejected && p.store != nil && p.store.loaded == p.loadsAtRejection:
			m.failLocked("6: %s: ended by a rejection before the store was read again", p.name)
		case rejected && p.store != nil && p.store.newest > e.Status.Generation && !of.follows(p.store.found) && !p.wasCurrent[p.store.found]:
			m.failLocked("6: %s: ended by a rejection although a newer pair is stored", p.name)
		}
	}
	if e.Reason != tokensource.SignedOut && of != p.current && of != nil {
		p.becameCurrentLocked(of)
	}
	p.ended, p.endedPair = e.Reason, of
	p.lastAction.unsaved = p.lastAction.unsaved && p.lastAction.signOut && e.Reason == tokensource.SignedOut
	if !p.failure.login {
		p.failure = failureMemory{}
	}
}
