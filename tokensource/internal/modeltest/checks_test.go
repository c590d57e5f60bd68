package modeltest_test

import (
	"slices"
	"testing/synctest"
	"time"

	"github.com/agsauth/agsauth/tokensource"
)

// What must hold whenever nothing happens any more without time, and in the end.

// The longest waits that there are: a call for a token waits for its turn, the
// lock, the store's calls and the gateway; and for a human, without limit.
const (
	longestWait  = 4 * time.Minute
	closeTimeout = 20 * time.Second
	oneRefresh   = 15 * time.Second // its repetition after a lost answer included
	firstTry     = 10 * time.Second // after which its answer is a lost one
)

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

// idleLocked checks a process in which nothing is under way but Run, perhaps.
func (p *process) idleLocked(required bool) {
	m, now := p.w, p.now()
	if required != (p.ended != 0) {
		m.failLocked("15: %s: the channel of LoginRequired is closed: %t, and the end was announced: %t", p.name, required, p.ended != 0)
	}
	due := p.ended == 0 && p.shortLived != p.current && (p.store == nil || p.store.clean && p.store.failingSince == 0) && p.allLocked(p.current, func(b *belief) bool {
		ageing := b.due(0).either(now) && b.refreshExtends && (b.origin.stored || b.earliestRefresh().either(now))
		return b.refreshable && (ageing || p.unrefreshed[p.current])
	}) && (!p.failure.next.known || p.failure.next.either(now))
	if due && p.lastServed == p.current && p.outgoing == 0 {
		m.failLocked("2: %s: %s is ageing, and asking for it brings no refresh", p.name, p.current)
	}
	switch {
	case !due || !p.running || p.outgoing > 0:
		p.overdue = 0
	case p.overdue == 0:
		p.overdue = now.mono
	case now.mono-p.overdue > time.Minute:
		m.failLocked("2: %s: %s is ageing, and Run lets it", p.name, p.current)
	}
}

// checkLocked checks that a caller waits for good reason.
func (c *caller) checkLocked(now time.Duration, st tokensource.Status) {
	p, m := c.p, c.p.w
	if of := m.gw.issued[st.IssuedAt.UnixNano()]; !st.IssuedAt.IsZero() && st.Phase != tokensource.Unknown && st.Phase != tokensource.Ended {
		p.becameCurrentLocked(of)
		if p.servableLocked() && !c.clockJumped {
			m.failLocked("2: %s: a caller waits though %s lives", p.name, of)
		}
	}
	human := slices.ContainsFunc(p.inFlight, func(f *gatewayCall) bool { return f.pair == nil })
	spacing := p.anyLocked(p.current, func(b *belief) bool { return !b.origin.stored && !b.earliestRefresh().either(p.now()) })
	if human || spacing {
		c.restartedAt = now
	}
	switch {
	case c.cancelled:
		m.failLocked("4: %s: a caller has left, and is not answered", p.name)
	case p.closing:
		m.failLocked("12: %s: a caller waits after Close has begun", p.name)
	case !st.Busy && !p.busyLocked():
		m.failLocked("13: %s: a caller waits for nothing", p.name)
	case now-max(c.begun, c.restartedAt) > longestWait:
		m.failLocked("13: %s: a caller has waited for %s", p.name, now-c.begun)
	}
}

// engagedLocked reports whether something is under way that is not for the session
// of now: what SetToken or SignOut has overtaken, or one of these.
func (p *process) busyLocked() bool {
	return len(p.inFlight) > 0 || p.store != nil && len(p.store.calls) > 0 ||
		slices.ContainsFunc(p.w.calls, func(c *call) bool { return c.p == p && !c.done && c.name != "run" })
}

func (c *call) checkLocked(now time.Duration) {
	m := c.p.w
	switch {
	case c.name == "run" && !c.cancelled && !c.p.closing:
	case c.name == "close" && now-c.begun < closeTimeout:
	case c.cancelled && c.name != "close" && !c.p.crashed:
		if now-c.begun > longestWait {
			m.failLocked("4: %s: %s was broken off, and goes on", c.p.name, c.name)
		}
	case c.name == "another run" && c.p.running:
		m.failLocked("3: %s: two Runs at once", c.p.name)
	case now-c.begun > longestWait:
		m.failLocked("4: %s: %s has waited for %s", c.p.name, c.name, now-c.begun)
	}
}

// checkLocked checks the calls of the gateway that are under way.
func (p *process) checkLocked(now time.Duration) {
	for pr := range p.owesSignOut {
		p.w.failLocked("12: %s: %s came after its sign-out, and is not signed out", p.name, pr)
	}
	if p.lost != nil && p.lostAt == now && len(p.inFlight) == 0 {
		p.w.failLocked("15: %s: the answer about %s was lost, and is not asked for again", p.name, p.lost.pair)
	}
	for _, f := range p.inFlight {
		flown, limit := now-f.first.mono, firstTry
		if f.repeats {
			limit = oneRefresh
		}
		switch ended := f.ctx.Err() != nil; {
		case f.pair == nil:
			if p.closing && !ended {
				p.w.failLocked("12: %s: a login goes on after Close", p.name)
			}
		case ended && flown < limit:
			p.w.failLocked("14: %s: a refresh of %s is broken off", p.name, f.pair)
		case !ended && flown > limit:
			p.w.failLocked("14: %s: a refresh of %s goes on for %s", p.name, f.pair, flown)
		}
	}
}

// heal lets all faults stop and time pass: who can live, lives again.
func (m *model) restoreService() {
	m.logf("all is well again")
	m.mu.Lock()
	m.gw.refresh, m.gw.login, m.shared.faults, m.shared.unavailable = nil, nil, nil, false
	m.mu.Unlock()
	m.outsideUnlock()
	m.release()
	m.settle()
	m.removeDamaged()
	for who := range m.procs {
		if m.procs[who] == nil && (who == 0 || m.settings.secondProcess) {
			m.start(who)
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
	m.fail("13: all has been well for long, and a session that can live is not served")
}

// lives asks a process for a token, and reports whether the answer is one that can
// stay.
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
			// Where clocks differ by more than a session lives, each host takes what the
			// other has for over. It logs in every 10 seconds, and no more often.
			return (m.settings.clockOffset != 0 || m.clockSet) && p.loggedIn > 0 && now.mono-p.loggedIn < 10*time.Second
		}
		return !m.couldLiveLocked(p)
	}
	return of != nil && p.anyLocked(of, func(b *belief) bool { return !b.serveUntil.either(now) })
}

// couldLiveLocked reports whether the gateway would grant a refresh of what the
// process has, or of what is stored.
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

// goodLocked reports whether the gateway would take a pair's refresh token.
func (m *model) goodLocked(pr *pair) bool {
	return pr != nil && !pr.redeemed && !pr.session.ended && (pr.refreshExpires == 0 || m.true() < pr.refreshExpires) && (pr.session.end == 0 || m.true() < pr.session.end)
}

// end ends the story: all processes are closed, and all that hangs is answered.
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
