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

func (w *world) check() {
	waiting := w.waiting()
	seen := map[*proc]tokensource.Status{}
	for _, c := range waiting {
		if _, has := seen[c.p]; !has && !c.p.crashed {
			seen[c.p] = c.p.src.Status()
		}
	}
	required := map[*proc]bool{}
	for _, p := range w.procs {
		if p != nil {
			select {
			case <-p.src.LoginRequired():
				required[p] = true
			default:
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.fake.Elapsed()
	for _, c := range waiting {
		if !c.p.crashed {
			c.checkLocked(now, seen[c.p])
		}
	}
	w.calls = slices.DeleteFunc(w.calls, func(c *call) bool { return c.done })
	for _, c := range w.calls {
		c.checkLocked(now)
	}
	for _, p := range append(w.procs[:], w.past...) {
		if p != nil && !p.crashed {
			p.checkLocked(now)
			if !p.closing && !p.engagedLocked() && p.host.set(p) == 0 || p.running && p.host.set(p) == 1 {
				p.idleLocked(required[p])
			}
			p.asked, p.acts = nil, 0
		}
	}
}

// idleLocked checks a process in which nothing is under way but Run, perhaps.
func (p *proc) idleLocked(required bool) {
	w, now := p.w, p.moment()
	if required != (p.ended != 0) {
		w.failLocked("15: %s: the channel of LoginRequired is closed: %t, and the end was announced: %t", p.name, required, p.ended != 0)
	}
	due := p.ended == 0 && p.brief != p.current && (p.shelf == nil || p.shelf.clean && p.shelf.troubled == 0) && p.allLocked(p.current, func(b *belief) bool {
		ageing := b.due(0).either(now) && b.wins && (b.arrival.stored || b.spaced().either(now))
		return b.refreshable && (ageing || p.unrefreshed[p.current])
	}) && (!p.failure.next.known || p.failure.next.either(now))
	if due && p.asked == p.current && p.acts == 0 {
		w.failLocked("2: %s: %s is ageing, and asking for it brings no refresh", p.name, p.current)
	}
	switch {
	case !due || !p.running || p.acts > 0:
		p.overdue = 0
	case p.overdue == 0:
		p.overdue = now.mono
	case now.mono-p.overdue > time.Minute:
		w.failLocked("2: %s: %s is ageing, and Run lets it", p.name, p.current)
	}
}

// checkLocked checks that a caller waits for good reason.
func (c *caller) checkLocked(now time.Duration, st tokensource.Status) {
	p, w := c.p, c.p.w
	if of := w.gw.issued[st.IssuedAt.UnixNano()]; !st.IssuedAt.IsZero() && st.Phase != tokensource.Unknown && st.Phase != tokensource.Ended {
		p.seenLocked(of)
		if p.servableLocked() && !c.revived {
			w.failLocked("2: %s: a caller waits though %s lives", p.name, of)
		}
	}
	human := slices.ContainsFunc(p.air, func(f *airborne) bool { return f.pair == nil })
	spacing := p.anyLocked(p.current, func(b *belief) bool { return !b.arrival.stored && !b.spaced().either(p.moment()) })
	if human || spacing {
		c.since = now
	}
	switch {
	case c.cancelled:
		w.failLocked("4: %s: a caller has left, and is not answered", p.name)
	case p.closing:
		w.failLocked("12: %s: a caller waits after Close has begun", p.name)
	case !st.Busy && !p.engagedLocked():
		w.failLocked("13: %s: a caller waits for nothing", p.name)
	case now-max(c.begun, c.since) > longestWait:
		w.failLocked("13: %s: a caller has waited for %s", p.name, now-c.begun)
	}
}

// engagedLocked reports whether something is under way that is not for the session
// of now: what SetToken or SignOut has overtaken, or one of these.
func (p *proc) engagedLocked() bool {
	return len(p.air) > 0 || p.shelf != nil && len(p.shelf.calls) > 0 ||
		slices.ContainsFunc(p.w.calls, func(c *call) bool { return c.p == p && !c.done && c.name != "run" })
}

func (c *call) checkLocked(now time.Duration) {
	w := c.p.w
	switch {
	case c.name == "run" && !c.cancelled && !c.p.closing:
	case c.name == "close" && now-c.begun < closeTimeout:
	case c.cancelled && c.name != "close" && !c.p.crashed:
		if now-c.begun > longestWait {
			w.failLocked("4: %s: %s was broken off, and goes on", c.p.name, c.name)
		}
	case c.name == "another run" && c.p.running:
		w.failLocked("3: %s: two Runs at once", c.p.name)
	case now-c.begun > longestWait:
		w.failLocked("4: %s: %s has waited for %s", c.p.name, c.name, now-c.begun)
	}
}

// checkLocked checks the calls of the gateway that are under way.
func (p *proc) checkLocked(now time.Duration) {
	for pr := range p.owed {
		p.w.failLocked("12: %s: %s came after its sign-out, and is not signed out", p.name, pr)
	}
	if p.lost != nil && p.lostAt == now && len(p.air) == 0 {
		p.w.failLocked("15: %s: the answer about %s was lost, and is not asked for again", p.name, p.lost.pair)
	}
	for _, f := range p.air {
		flown, limit := now-f.first.mono, firstTry
		if f.again {
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
func (w *world) heal() {
	w.say("all is well again")
	w.mu.Lock()
	w.gw.refresh, w.gw.login, w.disk.faults, w.disk.away = nil, nil, nil, false
	w.mu.Unlock()
	w.outsideUnlock()
	w.release()
	w.settle()
	w.mend()
	for who := range w.procs {
		if w.procs[who] == nil && (who == 0 || w.house.neighbour) {
			w.start(who)
		}
	}
	for range 12 {
		all := true
		for _, p := range w.procs {
			if p != nil {
				all = w.lives(p) && all
			}
		}
		if all || w.failed() {
			return
		}
		w.advance(2 * time.Minute)
		w.advance(time.Second)
	}
	w.fail("13: all has been well for long, and a session that can live is not served")
}

// lives asks a process for a token, and reports whether the answer is one that can
// stay.
func (w *world) lives(p *proc) bool {
	w.ask(p, 1, 0)
	w.settle()
	waiting := len(w.waiting()) > 0
	st := p.src.Status()
	w.mu.Lock()
	defer w.mu.Unlock()
	now := p.moment()
	of := p.current
	switch {
	case waiting || st.Unsaved || w.wrong != "":
		return false
	case st.Reason == tokensource.SignedOut:
		return true
	case st.Phase == tokensource.Ended:
		if w.house.login {
			// Where clocks differ by more than a session lives, each host takes what the
			// other has for over. It logs in every 10 seconds, and no more often.
			return (w.house.behind != 0 || w.clockSet) && p.loggedIn > 0 && now.mono-p.loggedIn < 10*time.Second
		}
		return !w.couldLiveLocked(p)
	}
	return of != nil && p.anyLocked(of, func(b *belief) bool { return !b.served.either(now) })
}

// couldLiveLocked reports whether the gateway would grant a refresh of what the
// process has, or of what is stored.
func (w *world) couldLiveLocked(p *proc) bool {
	over := func(pr *pair) bool {
		now := p.moment()
		return p.anyLocked(pr, func(b *belief) bool { return b.fixed.either(now) || b.refresh.either(now) || b.over(now) })
	}
	if w.goodLocked(p.endedPair) && !over(p.endedPair) && !p.answered[p.endedPair] {
		return true
	}
	if p.shelf == nil || w.disk.tampered {
		return false
	}
	r, held := w.disk.storedLocked()
	if !w.goodLocked(held) || p.answered[held] {
		return false
	}
	b := w.believe(held, r.token(), arrival{at: p.moment(), stored: true})
	return !over(held) && !b.over(p.moment()) && !b.fixed.either(p.moment()) && !b.refresh.either(p.moment())
}

// goodLocked reports whether the gateway would take a pair's refresh token.
func (w *world) goodLocked(pr *pair) bool {
	return pr != nil && !pr.spent && !pr.account.over && (pr.spentBy == 0 || w.true() < pr.spentBy) && (pr.account.end == 0 || w.true() < pr.account.end)
}

// end ends the story: all processes are closed, and all that hangs is answered.
func (w *world) end() {
	for _, p := range w.procs {
		if p != nil {
			w.close(p, false)
		}
	}
	w.outsideUnlock()
	for range 3 {
		synctest.Wait()
		w.release()
		w.advance(time.Minute)
	}
}
