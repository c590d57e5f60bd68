package lifecycle

import (
	"slices"
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// rereadInterval is how often an ended session looks whether it was revived.
const rereadInterval = time.Second

// Outcome is something that has happened to a session: what an operation came to, what a
// user asked for, or what the store turned out to hold.
type Outcome interface{ apply(c *change) }

// Apply returns the state after an outcome, and the events to announce.
func (s State) Apply(o Outcome, now dualclock.Instant) (State, []Event) {
	c := change{State: s, now: now}
	if s.store != nil {
		c.store = new(*s.store)
	}
	o.apply(&c)
	return c.State, c.events
}

// change is a state while an outcome is applied to it.
type change struct {
	State

	now    dualclock.Instant
	events []Event
}

// Kind is what an event tells.
type Kind uint8

// The kinds of events. See the constants of tokensource with the same names.
const (
	EventRefreshed Kind = iota + 1
	EventRefreshFailed
	EventAdopted
	EventTokenSet
	EventLoggedIn
	EventLoginFailed
	EventEnding
	EventEnded
	EventStoreFailed
	EventSaved
	EventUnlocked
	EventStoreRepaired
)

// Event is to be announced. See tokensource.Event.
type Event struct {
	Kind   Kind
	Reason Reason
	Err    error
	NextAt time.Time
}

func (c *change) emit(events ...Event) { c.events = append(c.events, events...) }

// publish makes p the current pair. Only here is a pair replaced: both tokens, and all
// that is known of them, at once.
func (c *change) publish(p *Pair, kind Kind) {
	if c.pair == nil || p.startedAt != c.pair.startedAt {
		c.warned = false // another session has an end of its own
	}
	c.pair, c.current = p, current{}
	c.forgetFailures(kind)
	if c.store != nil {
		c.store.deferred, c.store.rereadAt = nil, dualclock.Always()
	}
	c.device = p.Or(c.device)
	c.end = nil
	c.emit(Event{Kind: kind})
}

// forgetFailures forgets what the current pair has made up for. A pair that another
// process got is no reason to call any sooner if it is as good as dead, or if Login is
// what has failed.
func (c *change) forgetFailures(kind Kind) {
	adopted, due := kind == EventAdopted, c.pair.schedule()
	if !adopted || !c.failure.isTransientRefresh() || !c.pair.isBrief(&due, c.now) {
		c.failure = nil
	}
	switch {
	case adopted:
		c.setLogins(c.pacing.lastLogins().superseded(c.now))
	case kind == EventTokenSet:
		c.setLogins(nil)
	}
}

// endSession ends the refreshing of the session. An end that follows another one changes
// the reason, and is not announced.
func (c *change) endSession(reason Reason, err error) {
	first := c.end == nil
	c.end = &End{Reason: reason, At: endAt(c.pair, reason, c.now), Err: err}
	if c.store != nil {
		c.store.deferred = nil
		if reason != SignedOut {
			c.yieldToStored() // a session that has ended never overwrites a stored record
		}
	}
	c.failure = nil
	if first {
		c.emit(Event{Kind: EventEnded, Reason: reason, Err: err})
	}
}

// endAt returns when a session ended: at the horizon that passed, or else now.
func endAt(p *Pair, reason Reason, now dualclock.Instant) time.Time {
	at := time.Time{}
	if p != nil {
		switch reason {
		case FixedExpired:
			at = p.FixedExpiresAt
		case RefreshExpired:
			at = p.RefreshExpiresAt
			access := p.ExpiresAt
			if at.IsZero() || !p.HasRefreshToken && !access.IsZero() && access.Before(at) {
				at = access
			}
		case NotEnded, NoSession, RefreshRejected, SignedOut:
		}
	}
	if at.IsZero() {
		at = now.Wall.Round(0)
	}
	return at
}

// supersede notes that the current pair is replaced by one that is not saved yet.
func (c *change) supersede(p *Pair) {
	if c.store != nil && p != nil {
		c.store.superseded = append(slices.Clip(c.store.superseded), p.Tokens.Fingerprint())
	}
}

// yieldToStored makes what is to be saved give way to what others have stored.
func (c *change) yieldToStored() { c.store.pending = min(c.store.pending, SaveRetry) }

// SaveResult is how a save went. It is ignored without a store.
type SaveResult struct {
	Generation int64 // of what was saved
	Err        error // nil if it was
	// Overwrite is set for an explicit SetToken or SignOut, which is saved over whatever
	// is stored.
	Overwrite bool
}

// saved notes how a save went, and returns the events to announce once what was saved is
// published.
func (c *change) saved(r SaveResult) []Event {
	st := c.store
	if st == nil {
		return nil
	}
	if r.Err == nil {
		former := st.pending
		st.generation, st.pending, st.saveFailures, st.superseded = r.Generation, SaveNothing, 0, nil
		if former != SaveNothing {
			return []Event{{Kind: EventSaved}}
		}
		return nil
	}
	st.pending = max(st.pending, SaveRetry)
	if r.Overwrite {
		st.pending = SaveOverwrite
	}
	next := c.now.Add(saveRetryWait(st.saveFailures))
	st.saveAt = next.Deadline()
	st.saveFailures++
	return []Event{{Kind: EventStoreFailed, Err: r.Err, NextAt: next.Wall}}
}

// TimePassed is the outcome when time may have brought about an end, or its nearness.
type TimePassed struct{ Surroundings }

func (o TimePassed) apply(c *change) {
	if c.isUnread() {
		return
	}
	d := Decide(&c.State, o.Surroundings, c.now)
	if d.End != NotEnded && c.end == nil {
		c.endSession(d.End, nil)
	}
	switch {
	case d.rearm:
		c.warned = false
	case d.warn:
		c.warned = true
		reason := FixedExpired
		if !c.pair.HasRefreshToken {
			reason = RefreshExpired
		}
		c.emit(Event{Kind: EventEnding, Reason: reason, NextAt: c.pair.endsAt()})
	}
}
