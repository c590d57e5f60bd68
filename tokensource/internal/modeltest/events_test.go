package modeltest_test

import (
	"errors"
	"slices"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// told is an OnEvent.
func (p *proc) told(e tokensource.Event) {
	w := p.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.crashed {
		return
	}
	w.printedLocked(e)
	of := w.gw.issued[e.Status.IssuedAt.UnixNano()]
	if e.Status.IssuedAt.IsZero() {
		of = nil
	}
	w.sayLocked("  %s: event %s %s of %s: %v", p.name, e.Kind, e.Reason, of, e.Err)
	switch e.Kind {
	case tokensource.EventRefreshed, tokensource.EventAdopted, tokensource.EventTokenSet, tokensource.EventLoggedIn:
		p.beganSessionLocked(e, of)
	case tokensource.EventRefreshFailed, tokensource.EventLoginFailed:
		p.failedLocked(e, of)
	case tokensource.EventEnded:
		p.endLocked(e, of)
	case tokensource.EventEnding:
		if of == nil {
			break
		}
		former, again := p.warned[of.account]
		// A grant may have moved it; and seen through clocks that differ, it moves by itself.
		if again && !w.clockSet && w.house.behind.Abs() <= time.Minute && e.NextAt.Sub(former).Abs() <= time.Minute {
			w.failLocked("7: %s: the end of a session is announced twice ahead of time", p.name)
		}
		p.warned[of.account] = e.NextAt
	case tokensource.EventStoreFailed, tokensource.EventSaved, tokensource.EventUnlocked:
		p.failure.count = 0 // it may have been forgotten
		p.wish.unsaved = p.wish.unsaved && e.Kind != tokensource.EventSaved
	case tokensource.EventStoreRepaired:
		w.failLocked("5: %s: a store that repairs nothing is said to have done so", p.name)
	}
	if p.closed {
		w.failLocked("12: %s: an event after Close", p.name)
	}
}

func (p *proc) beganSessionLocked(e tokensource.Event, of *pair) {
	w := p.w
	if of == nil {
		w.failLocked("5: %s: %s, and it is nobody's pair", p.name, e.Kind)
		return
	}
	if e.Kind == tokensource.EventAdopted {
		foreign := p.wish.account != nil && p.wish.account != of.account
		if p.wish.unsaved && (p.wish.signOut || foreign) && !p.wishing() {
			w.failLocked("6: %s: %s is adopted, and what a human wants is not saved yet", p.name, of)
		}
	}
	if p.shelf != nil && e.Kind != tokensource.EventAdopted && !p.tried[of] && !e.Status.Unsaved {
		w.failLocked("5: %s: %s is used before it is saved", p.name, of)
	}
	if e.Kind == tokensource.EventTokenSet && p.wish.account == of.account {
		p.arrivedLocked(of, p.wish.token, arrival{at: p.moment(), stored: true}) // it counts from here
	}
	if p.current != nil && p.current != of {
		delete(p.invalidated, p.current)
		delete(p.unrefreshed, p.current)
	}
	p.ended, p.endedPair, p.failure = 0, nil, memory{}
	// Replaced by a login, or known to have been saved as a neighbour goes on with it.
	p.wish.unsaved = p.wish.unsaved && e.Kind != tokensource.EventLoggedIn && (e.Kind != tokensource.EventAdopted || p.wish.account != of.account)
	if e.Kind == tokensource.EventLoggedIn {
		p.loggedIn = p.moment().mono
	}
	p.client = e.Status.ClientID
	p.seenLocked(of)
	// Good for less than 250 ms when it came: it counts as a failure, if one of ours.
	soon := p.moment()
	soon.wall, soon.mono = soon.wall.Add(250*time.Millisecond), soon.mono+250*time.Millisecond
	p.brief = nil
	if p.anyLocked(of, func(b *belief) bool { return b.served.either(soon) || b.refresh.either(soon) }) {
		p.brief = of
	}
}

// wishing reports whether a call with a wish has not returned yet. The world is
// locked.
func (p *proc) wishing() bool {
	return slices.ContainsFunc(p.w.calls, func(c *call) bool {
		return c.p == p && !c.done && (c.name == "set token" || c.name == "sign out")
	})
}

// failedLocked checks the memory of a failure.
func (p *proc) failedLocked(e tokensource.Event, of *pair) {
	w := p.w
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
	now := p.moment()
	if dead := p.allLocked(of, func(b *belief) bool { return b.served.either(now) }); dead && !refused && !login {
		least = max(least, 3*min(10*time.Second, 250*time.Millisecond<<min(count-1, 10))/4)
	}
	if held := of != nil && !asked && !login; held && p.allLocked(of, func(b *belief) bool {
		return !b.served.either(now) && b.served.either(moment{now.wall.Add(wait), now.mono + wait})
	}) {
		least = 0 // what the store holds up is due when the token is dead
	}
	if wait < least || wait > most {
		w.failLocked("13: %s: the next attempt is due in %s, which is not between %s and %s", p.name, wait, least, most)
	}
	p.failure = memory{next: deadline{moment{e.NextAt, w.fake.Elapsed() + wait}, true}, pair: of, login: login, count: count}
	if refused {
		p.failure.count = 0
	}
	if of != nil && p.ended == 0 && p.invalidated[of] {
		p.unrefreshed[of] = p.unrefreshed[of] || p.shunned == of
		delete(p.invalidated, of) // it is served again
	}
}

// endLocked checks that a session may be given up.
func (p *proc) endLocked(e tokensource.Event, of *pair) {
	w, now := p.w, p.moment()
	if p.ended != 0 {
		w.failLocked("7: %s: an end is announced twice", p.name)
	}
	rejected := errors.Is(e.Err, ags.ErrUnauthorized)
	switch e.Reason {
	case tokensource.SignedOut:
	case tokensource.NoSession:
		if of != nil {
			w.failLocked("7: %s: no session, and there is one", p.name)
		}
	case tokensource.RefreshExpired, tokensource.FixedExpired, tokensource.RefreshRejected:
		switch {
		case !rejected && e.Reason == tokensource.RefreshRejected:
			w.failLocked("6: %s: ended as rejected, by %v", p.name, e.Err)
		case !rejected && !p.anyLocked(of, func(b *belief) bool { return b.over(now) }):
			w.failLocked("7: %s: %s is given up (%s) though a clock says that it lives", p.name, of, e.Reason)
		case rejected && p.shelf != nil && p.shelf.loaded == p.refusedAt:
			w.failLocked("6: %s: given up for a rejection, and the store was not read again", p.name)
		case rejected && p.shelf != nil && p.shelf.newest > e.Status.Generation && !of.follows(p.shelf.found) && !p.had[p.shelf.found]:
			w.failLocked("6: %s: given up for a rejection, though a newer pair is stored", p.name)
		}
	}
	if e.Reason != tokensource.SignedOut && of != p.current && of != nil {
		p.seenLocked(of)
	}
	p.ended, p.endedPair = e.Reason, of
	p.wish.unsaved = p.wish.unsaved && p.wish.signOut && e.Reason == tokensource.SignedOut
	if !p.failure.login {
		p.failure = memory{}
	}
}
