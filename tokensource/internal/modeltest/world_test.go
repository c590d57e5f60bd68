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

// world is everything around the Sources of a story.
type world struct {
	house house
	fake  *clock.Fake
	procs [2]*proc // those that are running
	past  []*proc  // those that were closed, or crashed

	mu       sync.Mutex // guards all below, and all of the processes; never held across a call of a Source
	trace    []string
	wrong    string
	slept    time.Duration
	hosts    [2]*host
	gw       *issuer
	disk     *disk
	callers  []*caller
	calls    []*call
	clockSet bool // a wall clock was set to what it is not
}

// newWorld makes what a bubble need not have made.
func newWorld(p *plan) *world {
	return &world{house: p.house, fake: clock.NewFake(start)}
}

// open begins the story, in its bubble.
func (w *world) open() {
	w.gw = &issuer{w: w, pairs: map[string]*pair{}, issued: map[int64]*pair{}, released: make(chan struct{})}
	w.disk = newDisk(w)
	w.hosts = [2]*host{{w: w}, {w: w, off: w.house.behind}}
	w.start(0)
	if w.house.neighbour {
		w.start(1)
	}
	w.settle()
}

// true is the time that the gateway goes by.
func (w *world) true() time.Duration { return w.fake.Elapsed() + w.slept }

// settle waits until nothing happens any more without time, and looks whether all
// promises hold.
func (w *world) settle() {
	synctest.Wait()
	w.check()
	for _, h := range w.hosts {
		h.mu.Lock()
		h.made = 0
		h.mu.Unlock()
	}
}

// maxEvents is how many instants one advance goes through: a day of a session that
// lives for seconds is not looked at to its end.
const maxEvents = 200

// advance moves both clocks, from one instant at which something is due to the
// next.
func (w *world) advance(d time.Duration) {
	end := w.fake.Elapsed() + d
	for range maxEvents {
		next := end
		for _, h := range w.hosts {
			next = min(next, h.nextDue())
		}
		for _, c := range w.waiting() {
			if c.limit > 0 {
				next = min(next, c.begun+c.limit)
			}
		}
		w.fake.Advance(next - w.fake.Elapsed())
		for _, c := range w.waiting() {
			if c.limit > 0 && c.begun+c.limit <= next {
				w.cancel(c)
			}
		}
		w.settle()
		if next == end || w.failed() {
			return
		}
	}
}

// sleep is a machine that sleeps: its monotonic clock stands still.
func (w *world) sleep(d time.Duration) {
	w.mu.Lock()
	w.slept += d
	w.mu.Unlock()
	w.fake.Suspend(d)
}

func (w *world) setClock(who int, d time.Duration) {
	w.mu.Lock()
	w.clockSet = true
	for _, c := range w.callers {
		c.revived = true
	}
	w.mu.Unlock()
	h := w.hosts[who]
	h.mu.Lock()
	defer h.mu.Unlock()
	h.off += d
}

func (w *world) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.gw.released)
	w.gw.released = make(chan struct{})
	close(w.disk.released)
	w.disk.released = make(chan struct{})
}

// host is a machine with clocks of its own.
type host struct {
	w *world

	mu     sync.Mutex // guards all below; taken last
	off    time.Duration
	timers []*hostTimer
	made   int // timers since the last rest
}

func (h *host) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.w.fake.Now().Add(h.off)
}

// nextDue is when the first timer fires.
func (h *host) nextDue() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	next, now := time.Duration(1<<63-1), h.w.fake.Elapsed()
	h.timers = slices.DeleteFunc(h.timers, func(t *hostTimer) bool { return t.due <= now })
	for _, t := range h.timers {
		next = min(next, t.due)
	}
	return next
}

// set counts the timers that a process has set.
func (h *host) set(p *proc) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.w.fake.Elapsed()
	for _, t := range h.timers {
		if t.of == p && t.due > now {
			n++
		}
	}
	return n
}

func (h *host) newTimer(d time.Duration, of *proc) clock.Timer {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.made++; h.made > 2000 {
		d = 1 << 62 // or a loop would never come to rest
	}
	if h.made == 2001 {
		go h.w.fail("8: a loop that waits for nothing")
	}
	t := &hostTimer{Timer: h.w.fake.NewTimer(d), host: h, due: h.w.fake.Elapsed() + d, of: of}
	h.timers = append(h.timers, t)
	return t
}

type hostTimer struct {
	clock.Timer
	host *host
	due  time.Duration
	of   *proc
}

func (t *hostTimer) Stop() bool {
	t.host.mu.Lock()
	t.host.timers = slices.DeleteFunc(t.host.timers, func(o *hostTimer) bool { return o == t })
	t.host.mu.Unlock()
	return t.Timer.Stop()
}

// ticker is the clock of one process: that of its host.
type ticker struct{ p *proc }

func (t ticker) Now() time.Time                       { return t.p.host.now() }
func (t ticker) Elapsed() time.Duration               { return t.p.w.fake.Elapsed() }
func (t ticker) NewTimer(d time.Duration) clock.Timer { return t.p.host.newTimer(d, t.p) }
func (p *proc) random() func() float64 {
	return rand.New(rand.NewPCG(p.w.house.seed, uint64(p.n))).Float64
}
func (w *world) peer() *store.Memory { return w.disk.memory.Peer() }
func (p *proc) context() (context.Context, context.CancelCauseFunc) {
	return context.WithCancelCause(context.WithValue(context.Background(), valueKey{}, p.name))
}

// valueKey is of a value that every caller's context has.
type valueKey struct{}

var errLeft = errors.New("the caller has left")
