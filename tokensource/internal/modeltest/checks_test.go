package modeltest_test

import (
	"slices"
	"testing/synctest"
	"time"

	"github.com/agsauth/agsauth/tokensource"
)

// The longest waits. A caller waits for the slot, the lock, the store and the gateway,
// and without limit for a login.
const (
	longestWait  = 4 * time.Minute
	closeTimeout = 20 * time.Second
	oneRefresh   = 15 * time.Second // with the repetition after a lost answer
	firstTry     = 10 * time.Second // then its answer counts as lost
)

// check checks what must hold when all goroutines have come to rest.
func (m *model) check() {
	waiting := m.waiting()
	seen := map[*process]tokensource.Status{}
	for _, c := range waiting {
		if _, has := seen[c.p]; !has && !c.p.crashed {
			seen[c.p] = c.p.src.Status()
		}
	}
	required := map[*process]bool{}
	for _, p := range m.procs {
		if p != nil {
			select {
			case <-p.src.LoginRequired():
				required[p] = true
			default:
			}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.fake.Elapsed()
	for _, c := range waiting {
		if !c.p.crashed {
			c.checkLocked(now, seen[c.p])
		}
	}
	m.calls = slices.DeleteFunc(m.calls, func(c *call) bool { return c.done })
	for _, c := range m.calls {
		c.checkLocked(now)
	}
	for _, p := range append(m.procs[:], m.past...) {
		if p != nil && !p.crashed {
			p.checkLocked(now)
			if !p.closing && !p.busyLocked() && p.host.set(p) == 0 || p.running && p.host.set(p) == 1 {
				p.idleLocked(required[p])
			}
			p.lastServed, p.outgoing = nil, 0
		}
	}
}

// idleLocked checks a process without a call in flight, except for Run.
func (p *process) idleLocked(required bool) {
	m, now := p.model, p.now()
	if required != (p.ended != 0) {
		m.failLocked("15: %s: the channel of LoginRequired is closed: %t, and the end was emitted: %t", p.name, required, p.ended != 0)
	}
	due := p.ended == 0 && p.shortLived != p.current && (p.store == nil || p.store.clean && p.store.failingSince == 0) && p.allLocked(p.current, func(b *belief) bool {
		ageing := b.due(0).either(now) && b.refreshExtends && (b.origin.stored || b.earliestRefresh().either(now))
		return b.refreshable && (ageing || p.unrefreshed[p.current])
	}) && (!p.failure.next.known || p.failure.next.either(now))
	if due && p.lastServed == p.current && p.outgoing == 0 {
		m.failLocked("2: %s: %s is ageing, and a caller starts no refresh", p.name, p.current)
	}
	switch {
	case !due || !p.running || p.outgoing > 0:
		p.overdue = 0
	case p.overdue == 0:
		p.overdue = now.mono
	case now.mono-p.overdue > time.Minute:
		m.failLocked("2: %s: %s is ageing, and Run starts no refresh", p.name, p.current)
	}
}

// checkLocked checks that a caller has a reason to wait.
func (c *caller) checkLocked(now time.Duration, st tokensource.Status) {
	p, m := c.p, c.p.model
	if of := m.gw.issued[st.IssuedAt.UnixNano()]; !st.IssuedAt.IsZero() && st.Phase != tokensource.Unknown && st.Phase != tokensource.Ended {
		p.becameCurrentLocked(of)
		if c.servableLocked() && !c.clockJumped {
			m.failLocked("2: %s: a caller waits although %s is live", p.name, of)
		}
	}
	loggingIn := slices.ContainsFunc(p.inFlight, func(f *gatewayCall) bool { return f.pair == nil })
	spacing := p.anyLocked(p.current, func(b *belief) bool { return !b.origin.stored && !b.earliestRefresh().either(p.now()) })
	if loggingIn || spacing {
		c.restartedAt = now
	}
	switch {
	case c.cancelled:
		m.failLocked("4: %s: a cancelled caller is not answered", p.name)
	case p.closing:
		m.failLocked("12: %s: a caller waits after Close has begun", p.name)
	case !st.Busy && !p.busyLocked():
		m.failLocked("13: %s: a caller waits for nothing", p.name)
	case now-max(c.begun, c.restartedAt) > longestWait:
		m.failLocked("13: %s: a caller has waited for %s", p.name, now-c.begun)
	}
}

// busyLocked reports whether a call is in flight, including what SetToken or SignOut has
// superseded.
func (p *process) busyLocked() bool {
	return len(p.inFlight) > 0 || p.store != nil && len(p.store.calls) > 0 ||
		slices.ContainsFunc(p.model.calls, func(c *call) bool { return c.p == p && !c.done && c.name != "run" })
}

func (c *call) checkLocked(now time.Duration) {
	m := c.p.model
	switch {
	case c.name == "run" && !c.cancelled && !c.p.closing:
	case c.name == "close" && now-c.begun < closeTimeout:
	case c.cancelled && c.name != "close" && !c.p.crashed:
		if now-c.begun > longestWait {
			m.failLocked("4: %s: %s was cancelled, and goes on", c.p.name, c.name)
		}
	case c.name == "another run" && c.p.running:
		m.failLocked("3: %s: two Runs at once", c.p.name)
	case now-c.begun > longestWait:
		m.failLocked("4: %s: %s has waited for %s", c.p.name, c.name, now-c.begun)
	}
}

// checkLocked checks the calls of the gateway that are in flight.
func (p *process) checkLocked(now time.Duration) {
	for pr := range p.owesSignOut {
		p.model.failLocked("12: %s: %s came after its sign-out, and is not signed out", p.name, pr)
	}
	if p.lost != nil && p.lostAt == now && len(p.inFlight) == 0 {
		p.model.failLocked("15: %s: the answer for %s was lost, and the refresh is not repeated", p.name, p.lost.pair)
	}
	for _, f := range p.inFlight {
		flown, limit := now-f.first.mono, firstTry
		if f.repeats {
			limit = oneRefresh
		}
		switch ended := f.ctx.Err() != nil; {
		case f.pair == nil:
			if p.closing && !ended {
				p.model.failLocked("12: %s: a login goes on after Close", p.name)
			}
		case ended && flown < limit:
			p.model.failLocked("14: %s: a refresh of %s is cancelled early", p.name, f.pair)
		case !ended && flown > limit:
			p.model.failLocked("14: %s: a refresh of %s goes on for %s", p.name, f.pair, flown)
		}
	}
}

// restoreService ends all faults and lets time pass. Every session that can live must be
// served then.
func (m *model) restoreService() {
	m.logf("all faults end")
	m.mu.Lock()
	m.gw.refresh, m.gw.login, m.shared.faults, m.shared.unavailable = nil, nil, nil, false
	m.mu.Unlock()
	m.outsideUnlock()
	m.release()
	m.settle()
	m.removeDamaged()
	for index := range m.procs {
		if m.procs[index] == nil && (index == 0 || m.settings.secondProcess) {
			m.start(index)
		}
	}
	for range 12 {
		all := true
		for _, p := range m.procs {
			if p != nil {
				all = m.isServed(p) && all
			}
		}
		if all || m.failed() {
			return
		}
		m.advance(2 * time.Minute)
		m.advance(time.Second)
	}
	m.fail("13: long after all faults, a session that can live is not served")
}

// isServed asks a process for a token, and reports whether the answer is final.
func (m *model) isServed(p *process) bool {
	m.ask(p, 1, 0)
	m.settle()
	waiting := len(m.waiting()) > 0
	st := p.src.Status()
	m.mu.Lock()
	defer m.mu.Unlock()
	now := p.now()
	of := p.current
	switch {
	case waiting || st.Unsaved || m.broken != "":
		return false
	case st.Reason == tokensource.SignedOut:
		return true
	case st.Phase == tokensource.Ended:
		if m.settings.withLogin {
			// If clocks differ by more than a session lasts, each host considers the session of
			// the other as expired. It logs in every 10 seconds at most.
			return (m.settings.clockOffset != 0 || m.clockSet) && p.loggedIn > 0 && now.mono-p.loggedIn < 10*time.Second
		}
		return !m.couldLiveLocked(p)
	}
	return of != nil && p.anyLocked(of, func(b *belief) bool { return !b.serveUntil.either(now) })
}

// couldLiveLocked reports whether the gateway would grant a refresh of the pair of the
// process, or of the stored one.
func (m *model) couldLiveLocked(p *process) bool {
	over := func(pr *pair) bool {
		now := p.now()
		return p.anyLocked(pr, func(b *belief) bool { return b.fixed.either(now) || b.refresh.either(now) || b.expired(now) })
	}
	if m.goodLocked(p.endedPair) && !over(p.endedPair) && !p.answered[p.endedPair] {
		return true
	}
	if p.store == nil || m.shared.tampered {
		return false
	}
	r, held := m.shared.storedLocked()
	if !m.goodLocked(held) || p.answered[held] {
		return false
	}
	b := m.newBelief(held, r.token(), origin{at: p.now(), stored: true})
	return !over(held) && !b.expired(p.now()) && !b.fixed.either(p.now()) && !b.refresh.either(p.now())
}

// goodLocked reports whether the gateway would accept a pair's refresh token.
func (m *model) goodLocked(pr *pair) bool {
	return pr != nil && !pr.redeemed && !pr.session.ended && (pr.refreshExpires == 0 || m.true() < pr.refreshExpires) && (pr.session.end == 0 || m.true() < pr.session.end)
}

// end ends the scenario: it closes all processes and releases all calls.
func (m *model) end() {
	for _, p := range m.procs {
		if p != nil {
			m.close(p, false)
		}
	}
	m.outsideUnlock()
	for range 3 {
		synctest.Wait()
		m.release()
		m.advance(time.Minute)
	}
}
