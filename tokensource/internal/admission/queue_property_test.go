package admission_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/agsauth/agsauth/tokensource/internal/admission"
)

// lateness is by how much a Next may be put off although a ticket could start: where the
// rate grows, the tolerance for late timers sets in, and at the end of a ramp to no limit
// the last spacing ends.
const lateness = 40 * time.Millisecond

var errDown = errors.New("down")

// call is a started ticket, as the machine knows it.
type call struct {
	*admission.Ticket

	at    time.Duration
	probe bool
}

// machine does with a Queue what a Gate may do, and checks each start.
type machine struct {
	*rapid.T

	queue   admission.Queue
	limits  admission.Limits
	now     time.Duration
	waiting []*admission.Ticket
	running []call

	starts    []time.Duration // of calls
	changedAt time.Duration   // when the limits were last changed
	highest   float64         // the highest rate within a second before now
	askedLast bool
	// sinceExpired is how many calls have started since the last one of an expired session.
	sinceExpired int
	pausedTo     time.Duration
	failedAt     time.Duration // when the last call or probe has failed, while the gateway was away
}

func oneOf[V any](m *machine, label string, values ...V) V {
	return rapid.SampledFrom(values).Draw(m.T, label)
}

func (m *machine) newTicket() *admission.Ticket {
	return &admission.Ticket{
		Kind:    oneOf(m, "kind", admission.Refresh, admission.Refresh, admission.Refresh, admission.Login, admission.Load),
		Urgency: oneOf(m, "urgency", admission.Early, admission.Due, admission.Due, admission.Asked),
		Expiry:  m.now + time.Duration(rapid.IntRange(-10, 300).Draw(m.T, "expiry"))*time.Second,
	}
}

func (m *machine) push() {
	t := m.newTicket()
	m.waiting = append(m.waiting, t)
	m.queue.Push(t, m.now)
}

func (m *machine) admit() {
	t := m.newTicket()
	m.waiting = append(m.waiting, t)
	if m.queue.Admit(t, m.now) {
		m.started(t)
	}
}

// pick returns the index of a random element, -1 if there is none.
func (m *machine) pick(label string, n int) int {
	if n == 0 {
		return -1
	}
	return rapid.IntRange(0, n-1).Draw(m.T, label)
}

func (m *machine) remove() {
	if i := m.pick("removed", len(m.waiting)); i >= 0 {
		require.True(m, m.queue.Remove(m.waiting[i]))
		require.False(m, m.queue.Remove(m.waiting[i]))
		m.forget(m.waiting[i])
	}
}

func (m *machine) raise() {
	if i := m.pick("raised", len(m.waiting)); i >= 0 {
		m.queue.Raise(m.waiting[i], oneOf(m, "urgency", admission.Due, admission.Asked), m.now)
	}
}

func (m *machine) setLimits() {
	m.highest = max(m.highestRate(), m.limits.PerSecond)
	if m.limits.PerSecond == 0 {
		m.highest = math.Inf(1)
	}
	m.limits = admission.Limits{
		PerSecond:  oneOf(m, "per second", 0, 0.5, 1, 2.5, 7, 60, 500),
		Concurrent: oneOf(m, "concurrent", 0, 1, 2, 5, 40),
	}
	m.changedAt = m.now
	m.queue.SetLimits(m.limits, m.now)
}

// highestRate returns the highest rate that held in the second before now.
func (m *machine) highestRate() float64 {
	rate := m.limits.PerSecond
	if rate == 0 {
		rate = math.Inf(1)
	}
	if m.now < m.changedAt+time.Second {
		rate = max(rate, m.highest)
	}
	return rate
}

func (m *machine) result() admission.Result {
	r := admission.Result{Answer: oneOf(m, "answer", admission.NotCalled, admission.Answered, admission.Answered, admission.Unavailable, admission.Unavailable, admission.Unavailable)}
	if r.Answer == admission.Unavailable {
		r.Err = errDown
		r.RetryAfter = oneOf(m, "retry after", 0, 0, 0, 0, time.Second, time.Minute, time.Hour)
	}
	r.Draw = oneOf(m, "draw", 0, 0.5, 0.99)
	return r
}

func (m *machine) done() {
	if i := m.pick("done", len(m.running)); i >= 0 {
		m.end(i, m.result())
	}
}

// failMany has calls fail, as in an outage. The oldest ones take longer.
func (m *machine) failMany() {
	for range m.pick("failed", len(m.running)) {
		m.end(len(m.running)-1, admission.Result{Answer: admission.Unavailable, Err: errDown})
	}
}

func (m *machine) end(i int, r admission.Result) {
	c := m.running[i]
	m.running = append(m.running[:i:i], m.running[i+1:]...)
	_, before := m.queue.Closed(m.now)
	closed := m.queue.Done(c.Ticket, r, m.now)
	require.False(m, m.queue.Done(c.Ticket, r, m.now), "it is done already")
	if c.Kind == admission.Load {
		require.False(m, closed)
		return
	}
	if r.RetryAfter > 0 {
		m.pausedTo = max(m.pausedTo, m.now+min(r.RetryAfter, 5*time.Minute))
	}
	if r.Answer == admission.Answered {
		require.False(m, m.queue.IsAway(), "it was answered")
	}
	if r.Answer == admission.Unavailable && m.queue.IsAway() {
		m.failedAt = m.now
		require.Equal(m, errDown, m.queue.LastError())
	}
	_, after := m.queue.Closed(m.now)
	require.Equal(m, !before && after, closed)
}

// drain starts what may start now. Some of that turns out not to be needed.
func (m *machine) drain() (started int) {
	for {
		t, wait := m.queue.Next(m.now)
		if t == nil {
			require.Positive(m, wait)
			return started
		}
		started++
		m.started(t)
		if t.Kind != admission.Load && rapid.IntRange(0, 9).Draw(m.T, "unused") == 0 {
			m.queue.Unused(t, m.now)
			m.running = m.running[:len(m.running)-1]
			m.starts = m.starts[:len(m.starts)-1]
		}
	}
}

// started checks a start.
func (m *machine) started(t *admission.Ticket) {
	m.forget(t)
	c := call{Ticket: t, at: m.now}
	if t.Kind == admission.Load {
		m.running = append(m.running, c)
		m.withinConcurrent(func(o call) bool { return o.Kind == admission.Load }, m.limits.Concurrent)
		return
	}
	m.inOrder(t)
	m.askedLast = t.Urgency == admission.Asked
	m.sinceExpired++
	if t.Urgency == admission.Due && t.Expiry <= m.now {
		m.sinceExpired = 0
	}
	require.GreaterOrEqual(m, m.now, m.pausedTo, "a start before a Retry-After has passed")
	if m.queue.IsAway() {
		m.asProbe(&c)
	}
	m.running = append(m.running, c)
	half := max(1, m.limits.Concurrent/2)
	m.withinConcurrent(m.isHeld, m.limits.Concurrent)
	if t.Kind == admission.Login && m.limits.Concurrent > 0 {
		m.withinConcurrent(func(o call) bool { return o.Kind == admission.Login && m.isHeld(o) }, half)
	}
	if t.Urgency == admission.Early && m.limits.Concurrent > 0 {
		m.withinConcurrent(func(o call) bool { return o.Urgency == admission.Early && m.isHeld(o) }, half)
	}
	m.starts = append(m.starts, m.now)
	m.withinRate()
}

// isHeld reports whether a call counts as one that is under way.
func (m *machine) isHeld(c call) bool {
	return c.Kind != admission.Load && (c.Kind != admission.Login || m.now < c.at+30*time.Second)
}

func (m *machine) withinConcurrent(counts func(call) bool, limit int) {
	if n := m.count(counts); limit > 0 {
		require.LessOrEqual(m, n, limit, "too many are under way")
	}
}

func (m *machine) count(counts func(call) bool) (n int) {
	for _, c := range m.running {
		if counts(c) {
			n++
		}
	}
	return n
}

// withinRate checks the second that ends with the latest start.
func (m *machine) withinRate() {
	n := 0
	for i := len(m.starts) - 1; i >= 0 && m.starts[i] > m.now-time.Second; i-- {
		n++
	}
	require.LessOrEqual(m, float64(n), math.Ceil(m.highestRate()), "too many starts in a second")
}

// asProbe checks a start while the gateway is away.
func (m *machine) asProbe(c *call) {
	require.GreaterOrEqual(m, m.now, m.failedAt+time.Second, "a probe less than a second after a failure")
	require.Zero(m, m.count(func(o call) bool { return o.probe && m.isHeld(o) }), "two probes at once")
	c.probe = true
}

// inOrder checks that no other ticket had to come first.
func (m *machine) inOrder(t *admission.Ticket) {
	logins := m.count(func(c call) bool { return c.Kind == admission.Login && m.isHeld(c) })
	var asked, living, expired []*admission.Ticket
	for _, o := range m.waiting {
		switch {
		case o.Kind == admission.Load:
		case o.Kind == admission.Login && m.limits.Concurrent > 0 && logins >= max(1, m.limits.Concurrent/2):
		case o.Urgency == admission.Asked:
			asked = append(asked, o)
		case o.Urgency == admission.Early:
		case o.Expiry > m.now:
			living = append(living, o)
		default:
			expired = append(expired, o)
		}
	}
	switch {
	case t.Urgency == admission.Asked:
		require.True(m, !m.askedLast || len(living)+len(expired) == 0, "two starts for callers, while others wait")
		return
	case len(asked) > 0:
		require.True(m, m.askedLast, "a caller waits")
	}
	if t.Urgency == admission.Early {
		require.Empty(m, append(append(asked, living...), expired...), "an early refresh, while others wait")
		return
	}
	if t.Expiry <= m.now {
		require.True(m, len(living) == 0 || m.sinceExpired >= 15, "an expired one, while a living one waits")
		return
	}
	require.True(m, len(expired) == 0 || m.sinceExpired < 15, "an expired one has waited for long")
	for _, o := range living {
		require.LessOrEqual(m, t.Expiry, o.Expiry, "a living one that expires earlier waits")
	}
}

func (m *machine) forget(t *admission.Ticket) {
	for i, o := range m.waiting {
		if o == t {
			m.waiting = append(m.waiting[:i:i], m.waiting[i+1:]...)
			return
		}
	}
	require.Fail(m, "a ticket was started that did not wait")
}

// wait lets time pass until Next asks to be called again, and checks that this is right:
// not a moment before something can start, nor after.
func (m *machine) wait() {
	m.drain()
	for range 100 {
		_, wait := m.queue.Next(m.now)
		if wait == admission.Never {
			m.now += time.Hour
			require.Zero(m, m.drain(), "something starts that Next did not expect")
			return
		}
		// About early refreshes Next is asked each second until the rate has grown.
		exact := m.queue.Counts().Early == 0 || wait > time.Second
		if before := wait - lateness - 1; before > 0 && exact {
			m.now += before
			require.Zero(m, m.drain(), "it could have started before")
			wait -= before
		}
		m.now += wait
		if m.drain() > 0 {
			return
		}
	}
	require.True(m, m.hasOnlyEarly(), "nothing ever starts") // they make no probe
}

// hasOnlyEarly reports whether only early refreshes wait.
func (m *machine) hasOnlyEarly() bool {
	n := m.queue.Counts()
	return n.Asked+n.Living+n.Expired == 0
}

func (m *machine) pass() {
	m.now += oneOf(m, "passed", time.Millisecond, 30*time.Millisecond, 300*time.Millisecond, time.Second, 10*time.Second, time.Minute)
}

// consistent checks what the Queue says of itself.
func (m *machine) consistent() {
	n := m.queue.Counts()
	require.Equal(m, len(m.waiting), n.Asked+n.Living+n.Expired+n.Early+n.Loads)
	require.Equal(m, len(m.waiting) == 0, m.queue.IsEmpty())
	require.Equal(m, m.count(func(c call) bool { return c.Kind == admission.Load }), n.Reads)
	require.GreaterOrEqual(m, n.Calls, m.count(m.isHeld), "a login is released when that matters")
	require.Len(m, m.queue.AskedFor(), n.Asked)
	require.Equal(m, m.limits, m.queue.Limits())
	if rate := m.queue.Rate(m.now); m.limits.PerSecond > 0 {
		require.LessOrEqual(m, rate, m.limits.PerSecond)
		require.Positive(m, rate)
	}
}

func TestProperty_Queue(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{T: rt, pausedTo: -1, failedAt: -time.Hour}
		m.setLimits()
		m.highest, m.changedAt = 0, -time.Hour
		steps := []func(){
			m.setLimits, m.push, m.push, m.push, m.push, m.admit, m.raise, m.remove,
			m.done, m.done, m.done, m.failMany, m.failMany, m.wait, m.pass, func() { m.drain() },
		}
		for range rapid.IntRange(1, 300).Draw(rt, "steps") {
			i := rapid.IntRange(0, 10*(len(steps)-1)).Draw(rt, "step")
			steps[(i+9)/10]() // the first one rarely
			m.consistent()
		}
	})
}
