package modeltest_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/store"
)

// model is the state of a scenario: the processes, their clocks, the gateway and the
// store.
type model struct {
	settings settings
	fake     *clock.Fake
	procs    [2]*process // running
	past     []*process  // closed or crashed

	mu       sync.Mutex // guards all below, and all of the processes; never held across a call of a Source
	trace    []string
	broken   string
	slept    time.Duration
	hosts    [2]*host
	gw       *gateway
	shared   *sharedStore
	callers  []*caller
	calls    []*call
	clockSet bool // a wall clock was set wrong
}

// newModel makes what need not be made in the bubble.
func newModel(p *plan) *model {
	return &model{settings: p.settings, fake: clock.NewFake(start)}
}

// begin begins the scenario, in its bubble.
func (m *model) begin() {
	m.gw = &gateway{model: m, pairs: map[string]*pair{}, issued: map[int64]*pair{}, released: make(chan struct{})}
	m.shared = newSharedStore(m)
	m.hosts = [2]*host{{model: m}, {model: m, off: m.settings.clockOffset}}
	m.start(0)
	if m.settings.secondProcess {
		m.start(1)
	}
	m.settle()
}

// true is the time of the gateway.
func (m *model) true() time.Duration { return m.fake.Elapsed() + m.slept }

// settle waits until all goroutines have come to rest, and checks all promises.
func (m *model) settle() {
	synctest.Wait()
	m.check()
	for _, h := range m.hosts {
		h.mu.Lock()
		h.made = 0
		h.mu.Unlock()
	}
}

// maxEvents limits the instants of one advance, for sessions that live for seconds.
const maxEvents = 200

// advance advances both clocks, from timer to timer.
func (m *model) advance(d time.Duration) {
	end := m.fake.Elapsed() + d
	for range maxEvents {
		next := end
		for _, h := range m.hosts {
			next = min(next, h.nextDue())
		}
		for _, c := range m.waiting() {
			if c.limit > 0 {
				next = min(next, c.begun+c.limit)
			}
		}
		m.fake.Advance(next - m.fake.Elapsed())
		for _, c := range m.waiting() {
			if c.limit > 0 && c.begun+c.limit <= next {
				m.cancel(c)
			}
		}
		m.settle()
		if next == end || m.failed() {
			return
		}
	}
}

// suspend suspends the machines: their monotonic clocks stand still.
func (m *model) suspend(d time.Duration) {
	m.mu.Lock()
	m.slept += d
	m.mu.Unlock()
	m.fake.Suspend(d)
}

func (m *model) setClock(index int, d time.Duration) {
	m.mu.Lock()
	m.clockSet = true
	for _, c := range m.callers {
		c.clockJumped = true
	}
	m.mu.Unlock()
	h := m.hosts[index]
	h.mu.Lock()
	defer h.mu.Unlock()
	h.off += d
}

func (m *model) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.gw.released)
	m.gw.released = make(chan struct{})
	close(m.shared.released)
	m.shared.released = make(chan struct{})
}

// host is a machine with its own clocks.
type host struct {
	model *model

	mu     sync.Mutex // guards all below; taken last
	off    time.Duration
	timers []*hostTimer
	made   int // timers since the last settle
}

func (h *host) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.model.fake.Now().Add(h.off)
}

// nextDue is when the next timer fires.
func (h *host) nextDue() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	next, now := time.Duration(1<<63-1), h.model.fake.Elapsed()
	h.timers = slices.DeleteFunc(h.timers, func(t *hostTimer) bool { return t.due <= now })
	for _, t := range h.timers {
		next = min(next, t.due)
	}
	return next
}

// set returns the number of timers of a process.
func (h *host) set(p *process) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.model.fake.Elapsed()
	for _, t := range h.timers {
		if t.of == p && t.due > now {
			n++
		}
	}
	return n
}

func (h *host) newTimer(d time.Duration, of *process) clock.Timer {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.made++; h.made > 2000 {
		d = 1 << 62 // ends a loop that never comes to rest
	}
	if h.made == 2001 {
		go h.model.fail("8: an endless loop")
	}
	t := &hostTimer{Timer: h.model.fake.NewTimer(d), host: h, due: h.model.fake.Elapsed() + d, of: of}
	h.timers = append(h.timers, t)
	return t
}

type hostTimer struct {
	clock.Timer
	host *host
	due  time.Duration
	of   *process
}

func (t *hostTimer) Stop() bool {
	t.host.mu.Lock()
	t.host.timers = slices.DeleteFunc(t.host.timers, func(o *hostTimer) bool { return o == t })
	t.host.mu.Unlock()
	return t.Timer.Stop()
}

// processClock is the clock of one process, which is that of its host.
type processClock struct{ p *process }

func (t processClock) Now() time.Time                       { return t.p.host.now() }
func (t processClock) Elapsed() time.Duration               { return t.p.model.fake.Elapsed() }
func (t processClock) NewTimer(d time.Duration) clock.Timer { return t.p.host.newTimer(d, t.p) }
func (p *process) random() func() float64 {
	return rand.New(rand.NewPCG(p.model.settings.seed, uint64(p.n))).Float64
}
func (m *model) peer() *store.Memory { return m.shared.memory.Peer() }
func (p *process) context() (context.Context, context.CancelCauseFunc) {
	return context.WithCancelCause(context.WithValue(context.Background(), valueKey{}, p.name))
}

// valueKey is the key of a value in every caller's context.
type valueKey struct{}

var errLeft = errors.New("cancelled by the caller")
