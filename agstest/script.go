package agstest

import (
	"slices"
	"sync"
)

// script holds the faults and the holds of requests to come. It is safe for
// concurrent use.
type script struct {
	mu     sync.Mutex // guards all below; not held while a Fault's function runs
	queues map[Op][]*queued
	always map[Op]permanent
	holds  map[Op][]chan struct{} // each is closed by the release function of its Hold
}

// permanent is what Always or AlwaysFunc has set.
type permanent struct {
	fault  Fault // that of Always
	choose func(Request) Fault
}

// queued is a fault in a queue.
type queued struct {
	fault Fault
	left  int // how many more requests it applies to
}

func newScript() *script {
	return &script{
		queues: map[Op][]*queued{},
		always: map[Op]permanent{},
		holds:  map[Op][]chan struct{}{},
	}
}

// Script adds faults to the queue of an operation. Each request takes the first
// fault that applies to it; see [Fault].If. Without one, the server answers
// normally. To let a request succeed before a fault, queue a zero Fault first.
func (s *Server) Script(op Op, faults ...Fault) {
	s.script.mu.Lock()
	defer s.script.mu.Unlock()
	for _, f := range faults {
		s.script.queues[op] = append(s.script.queues[op], &queued{fault: f, left: max(f.Times, 1)})
	}
}

// Always sets the fault of every request of an operation that takes none from the
// queue, until [Server.Clear]. It replaces an earlier Always or AlwaysFunc.
func (s *Server) Always(op Op, fault Fault) {
	s.script.setAlways(op, permanent{fault, func(rq Request) Fault {
		if fault.appliesTo(rq) {
			return fault
		}
		return Fault{}
	}})
}

// AlwaysFunc is like [Server.Always], but choose returns the fault of each request;
// a zero Fault means none. Choose is called like the functions of a [Fault].
func (s *Server) AlwaysFunc(op Op, choose func(Request) Fault) {
	s.script.setAlways(op, permanent{choose: choose})
}

func (s *script) setAlways(op Op, p permanent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always[op] = p
}

// Clear removes what Script and Always set for the given operations, or for all
// operations if none is given. Requests that already have their fault keep it.
func (s *Server) Clear(ops ...Op) {
	s.script.mu.Lock()
	defer s.script.mu.Unlock()
	if len(ops) == 0 {
		clear(s.script.queues)
		clear(s.script.always)
	}
	for _, op := range ops {
		delete(s.script.queues, op)
		delete(s.script.always, op)
	}
}

// Pending returns how many requests the queue of an operation still has faults for.
// Zero means that the whole script was used.
func (s *Server) Pending(op Op) int {
	s.script.mu.Lock()
	defer s.script.mu.Unlock()
	n := 0
	for _, q := range s.script.queues[op] {
		n += q.left
	}
	return n
}

// Hold stops every later request of an operation before the server handles it, until
// release is called. A held request is counted at once, so [Server.Wait] can wait for
// it; its fault is chosen after the release. If its client gives up or the server is
// closed, it ends without a response. Release may be called more than once.
func (s *Server) Hold(op Op) (release func()) {
	hold := make(chan struct{})
	s.script.mu.Lock()
	defer s.script.mu.Unlock()
	s.script.holds[op] = append(s.script.holds[op], hold)
	return func() { s.script.release(op, hold) }
}

// release ends a hold, unless it has ended.
func (s *script) release(op Op, hold chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.holds[op], hold); i >= 0 {
		s.holds[op] = slices.Delete(s.holds[op], i, i+1)
		close(hold)
	}
}

// reset removes all faults and ends all holds.
func (s *script) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.queues)
	clear(s.always)
	for _, holds := range s.holds {
		for _, hold := range holds {
			close(hold)
		}
	}
	clear(s.holds)
}

// holdsFor returns the holds that a request of an operation must wait for.
func (s *script) holdsFor(op Op) []chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.holds[op])
}

// next returns the fault of a request, and removes it from the queue.
func (s *script) next(rq Request) Fault {
	s.mu.Lock()
	queue, always := slices.Clone(s.queues[rq.Op]), s.always[rq.Op].choose
	s.mu.Unlock()
	if len(queue) > 0 || always != nil {
		rq.Header = rq.Header.Clone() // the test's functions may change it
	}
	for _, q := range queue {
		// Another request may have taken the fault in the meantime.
		if q.fault.appliesTo(rq) && s.take(rq.Op, q) {
			return q.fault
		}
	}
	if always == nil {
		return Fault{}
	}
	return always(rq)
}

func (s *script) take(op Op, q *queued) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.queues[op], q)
	if i < 0 {
		return false
	}
	if q.left--; q.left == 0 {
		s.queues[op] = slices.Delete(s.queues[op], i, i+1)
	}
	return true
}
