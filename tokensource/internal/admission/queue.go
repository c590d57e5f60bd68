package admission

import (
	"math"
	"slices"
	"time"
)

const (
	// Never is the wait for something that the passing of time does not bring.
	Never = time.Duration(math.MaxInt64)
	// maxWait keeps sums of waits from overflowing.
	maxWait = 100 * 365 * 24 * time.Hour
	// loginHold is how long a login counts as a call that is under way. One that takes
	// longer waits for a human, or hangs.
	loginHold = 30 * time.Second
	// startsPerExpired is how many starts there are for each one of an expired session that
	// a living one could have had. Without these, the expired would never start if the living
	// ones need the whole rate.
	startsPerExpired = 16
)

// Limits bounds the operations. The zero Limits is none.
type Limits struct {
	// PerSecond is how many calls of the gateway start in a second at most. If it is less
	// than 1, one starts every 1/PerSecond seconds. Zero means no limit.
	PerSecond float64
	// Concurrent is how many calls of the gateway are under way at most, and how many
	// reads of the store. Half of them, or one, may be logins, and half early refreshes.
	// Zero means no limit.
	Concurrent int
}

// Queue is the operations that wait, and what is known of those under way. Its zero value
// is empty and has no limits.
type Queue struct {
	limits  Limits
	pace    pace
	health  health
	arrived uint64

	asked, living, expired, early lane
	loadsAsked, loadsDue          heap

	calls, loads int       // under way
	earlyCalls   int       // of them
	logins       []*Ticket // of them, by their start
	askedLast    bool      // the last start was for a caller
	sinceExpired int       // starts since the last one of an expired session
	loadedLast   bool      // the last read was for a caller
}

// lane is the tickets of one urgency. Logins have a heap of their own, since they may have
// to wait while refreshes start.
type lane struct{ refreshes, logins heap }

func (l *lane) heap(k Kind) *heap {
	if k == Login {
		return &l.logins
	}
	return &l.refreshes
}

func (l *lane) first(withLogins bool) *Ticket {
	r, login := l.refreshes.first(), l.logins.first()
	if withLogins && before(login, r) {
		return login
	}
	return r
}

func (l *lane) has(t *Ticket) bool { return t.in == l.heap(t.Kind) }

func (l *lane) len() int { return len(l.refreshes.tickets) + len(l.logins.tickets) }

// SetLimits replaces the limits.
func (q *Queue) SetLimits(l Limits, now time.Duration) {
	q.limits = l
	q.pace.setRate(q.Rate(now), now)
}

// Limits returns the limits.
func (q *Queue) Limits() Limits { return q.limits }

// Push adds a ticket.
func (q *Queue) Push(t *Ticket, now time.Duration) {
	q.arrived++
	t.arrival = q.arrived
	q.place(t, now)
}

// place puts a ticket where it waits.
func (q *Queue) place(t *Ticket, now time.Duration) {
	t.state = queued
	switch {
	case t.Kind == Load && t.Urgency == Asked:
		t.key = now
		q.loadsAsked.push(t)
	case t.Kind == Load:
		t.key = t.Expiry
		q.loadsDue.push(t)
	case t.Urgency == Asked:
		t.key = now
		q.asked.heap(t.Kind).push(t)
	case t.Urgency == Early:
		t.key = t.Expiry
		q.early.heap(t.Kind).push(t)
	case t.Expiry > now:
		t.key = t.Expiry
		q.living.heap(t.Kind).push(t)
	default:
		t.key = now
		q.expired.heap(t.Kind).push(t)
	}
}

// Remove takes back a ticket that waits. It reports false if it does not wait.
func (q *Queue) Remove(t *Ticket) bool {
	if t.state != queued {
		return false
	}
	t.in.remove(t)
	t.state = done
	return true
}

// Raise makes a ticket that waits more urgent.
func (q *Queue) Raise(t *Ticket, u Urgency, now time.Duration) {
	if t.state != queued || u <= t.Urgency {
		return
	}
	t.in.remove(t)
	t.Urgency = u
	q.place(t, now)
}

// Next returns a ticket that may start at now, and counts it as started. If there is none
// it returns nil, and after what time to ask again: Never if only another call of the
// Queue can bring one.
func (q *Queue) Next(now time.Duration) (t *Ticket, wait time.Duration) {
	t, wait = q.first(now)
	if t != nil {
		q.start(t, now)
	}
	return t, wait
}

// Admit adds a ticket and starts it, if it may start at now and nothing comes before it. It
// reports whether it did. A ticket that was not started waits.
func (q *Queue) Admit(t *Ticket, now time.Duration) bool {
	q.Push(t, now)
	first := q.firstLoad()
	if t.Kind != Load {
		first, _ = q.firstCall(now)
	}
	if first != t {
		return false
	}
	q.start(t, now)
	return true
}

// first returns a ticket that may start at now.
func (q *Queue) first(now time.Duration) (*Ticket, time.Duration) {
	if t := q.firstLoad(); t != nil {
		return t, 0
	}
	return q.firstCall(now)
}

// firstLoad returns the next read of the store, if it may start.
func (q *Queue) firstLoad() *Ticket {
	if q.limits.Concurrent > 0 && q.loads >= q.limits.Concurrent {
		return nil
	}
	asked, other := q.loadsAsked.first(), q.loadsDue.first()
	if asked != nil && (other == nil || !q.loadedLast) {
		return asked
	}
	return other
}

// firstCall returns the next call of the gateway, if it may start at now.
func (q *Queue) firstCall(now time.Duration) (*Ticket, time.Duration) {
	wait := q.releaseLogins(now)
	if q.limits.Concurrent > 0 && q.calls >= q.limits.Concurrent {
		return nil, wait
	}
	t := q.choose(now)
	if t == nil && q.early.len() > 0 && !q.isWhole(now) {
		return nil, min(wait, rampDoubling)
	}
	if t == nil {
		return nil, wait
	}
	switch at := q.startAt(now); {
	case at == Never:
		return nil, wait
	case at > now:
		return nil, min(wait, at-now)
	}
	return t, 0
}

// releaseLogins stops counting logins that take too long. It returns after what time the
// next one is to be released.
func (q *Queue) releaseLogins(now time.Duration) time.Duration {
	for len(q.logins) > 0 {
		t := q.logins[0]
		if left := t.started + loginHold - now; left > 0 {
			return left
		}
		q.release(t)
		t.state = unheld
		if t.probe {
			t.probe = false
			q.health.note(Result{}, true, now)
		}
	}
	return Never
}

// choose returns the ticket that comes next, whenever it may start.
func (q *Queue) choose(now time.Duration) *Ticket {
	withLogins := q.limits.Concurrent == 0 || len(q.logins) < share(q.limits.Concurrent)
	for _, h := range []*heap{&q.living.refreshes, &q.living.logins} {
		for t := h.first(); t != nil && t.Expiry <= now; t = h.first() {
			h.remove(t)
			q.place(t, now)
		}
	}
	asked, other := q.asked.first(withLogins), q.living.first(withLogins)
	if expired := q.expired.first(withLogins); other == nil || expired != nil && q.sinceExpired >= startsPerExpired-1 {
		other = expired
	}
	switch {
	case asked != nil && (other == nil || !q.askedLast):
		return asked
	case other != nil:
		return other
	}
	if !q.isWhole(now) || q.limits.Concurrent > 0 && q.earlyCalls >= share(q.limits.Concurrent) {
		return nil
	}
	return q.early.first(withLogins)
}

// isWhole reports whether calls start at the whole rate, as far as the gateway bears it.
func (q *Queue) isWhole(now time.Duration) bool {
	_, closed := q.health.closed(now)
	return !closed && q.health.isGrown(now)
}

// share is how many of the calls under way may be of a kind that must leave room for others.
func share(concurrent int) int { return max(1, concurrent/2) }

// startAt returns when a call may start; Never if only the end of another one can tell.
func (q *Queue) startAt(now time.Duration) time.Duration {
	at := max(q.pace.startAt(q.Rate(now)), q.health.pausedTo)
	switch {
	case !q.health.away:
	case q.health.probing:
		return Never
	default:
		at = max(at, q.health.probeAt)
	}
	return at
}

// Rate returns how many calls a second may start at now; zero if there is no limit.
func (q *Queue) Rate(now time.Duration) float64 {
	ramp, limit, whole := q.health.ramp(now), q.health.limit(now), q.limits.PerSecond
	switch {
	case ramp == 1 && limit == 1:
		return whole
	case whole == 0:
		whole = rampRate
	}
	return min(whole*limit, max(1, whole*ramp))
}

// start counts a ticket as started.
func (q *Queue) start(t *Ticket, now time.Duration) {
	isExpired := q.expired.has(t)
	t.in.remove(t)
	t.state, t.started = started, now
	if t.Kind == Load {
		q.loads++
		q.loadedLast = t.Urgency == Asked
		return
	}
	q.calls++
	q.sinceExpired++
	if isExpired {
		q.sinceExpired = 0
	}
	q.askedLast = t.Urgency == Asked
	q.pace.start(q.Rate(now), now)
	if q.health.away {
		t.probe, q.health.probing = true, true
	}
	if t.Kind == Login {
		q.logins = append(q.logins, t)
	}
	if t.Urgency == Early {
		q.earlyCalls++
	}
}

// Charge counts a call that was made without a ticket.
func (q *Queue) Charge(now time.Duration) { q.pace.start(q.Rate(now), now) }

// Done notes that a started operation has ended. It reports whether the gateway is away, or
// asks to be left alone, since then: those who wait must know.
func (q *Queue) Done(t *Ticket, r Result, now time.Duration) (closed bool) {
	if t.state != started && t.state != unheld {
		return false
	}
	if t.state == started {
		q.release(t)
	}
	t.state = done
	if t.Kind == Load {
		return false
	}
	_, before := q.health.closed(now)
	q.health.note(r, t.probe, now)
	_, after := q.health.closed(now)
	return after && !before
}

// Unused takes back a ticket that was started by the Queue and not used: no call was made.
func (q *Queue) Unused(t *Ticket, now time.Duration) {
	if t.state != started {
		return
	}
	if t.Kind != Load {
		q.pace.refund(q.Rate(now))
	}
	q.Done(t, Result{}, now)
}

// release stops counting a ticket as under way.
func (q *Queue) release(t *Ticket) {
	if t.Kind == Load {
		q.loads--
		return
	}
	q.calls--
	if t.Urgency == Early { // only one that waits is raised
		q.earlyCalls--
	}
	if i := slices.Index(q.logins, t); i >= 0 {
		q.logins = slices.Delete(q.logins, i, i+1)
	}
}

// Closed reports whether calls are held up because the gateway is away, or has asked to be
// left alone, and until when at least.
func (q *Queue) Closed(now time.Duration) (until time.Duration, closed bool) {
	return q.health.closed(now)
}

// LastError returns the error of the last failure.
func (q *Queue) LastError() error { return q.health.err }

// AskedFor returns the tickets that callers wait for, except for reads of the store.
func (q *Queue) AskedFor() (waiting []*Ticket) {
	return slices.Concat(q.asked.refreshes.tickets, q.asked.logins.tickets)
}

// Counts is how many operations wait and are under way.
type Counts struct {
	Asked, Living, Expired, Early, Loads int // waiting
	Calls, Reads                         int // under way
}

// Waiting returns how many operations wait.
func (c Counts) Waiting() int { return c.Asked + c.Living + c.Expired + c.Early + c.Loads }

// Counts returns how many operations wait and are under way.
func (q *Queue) Counts() Counts {
	return Counts{
		Asked: q.asked.len(), Living: q.living.len(), Expired: q.expired.len(), Early: q.early.len(),
		Loads: len(q.loadsAsked.tickets) + len(q.loadsDue.tickets), Calls: q.calls, Reads: q.loads,
	}
}

// IsEmpty reports whether nothing waits.
func (q *Queue) IsEmpty() bool { return q.Counts().Waiting() == 0 }

// IsAway reports whether the gateway counts as away.
func (q *Queue) IsAway() bool { return q.health.away }
