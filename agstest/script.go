package agstest

import (
	"slices"
	"sync"
)

// script is what is to go wrong, and what is to wait. Safe for concurrent use.
type script struct {
	mu     sync.Mutex // guards all below; never held while a function of the user's runs
	queues map[Op][]*queued
	always map[Op]func(Request) Fault
	holds  map[Op][]chan struct{} // each is closed by the release that Hold returned
}

// queued is a fault of a script, and for how many requests it still is.
type queued struct {
	fault Fault
	left  int
}

func newScript() *script {
	return &script{
		queues: map[Op][]*queued{},
		always: map[Op]func(Request) Fault{},
		holds:  map[Op][]chan struct{}{},
	}
}

// Script adds faults to the queue of a call. Each request takes the first that is
// for it (see [Fault].If), and one that finds none is answered as ever. To let a
// request through before a fault, queue a zero Fault before it.
func (s *Server) Script(op Op, faults ...Fault) {
	s.script.mu.Lock()
	defer s.script.mu.Unlock()
	for _, f := range faults {
		s.script.queues[op] = append(s.script.queues[op], &queued{fault: f, left: max(f.Times, 1)})
	}
}

// Always has a fault befall every request of a call that it is for, and that
// takes none from the queue, until [Server.Clear]. It replaces what Always or
// AlwaysFunc had set before.
func (s *Server) Always(op Op, fault Fault) {
	s.AlwaysFunc(op, func(rq Request) Fault {
		if fault.wants(rq) {
			return fault
		}
		return Fault{}
	})
}

// AlwaysFunc is [Server.Always] with a fault chosen for each request, the zero
// one for none. What is said of the functions of a [Fault] holds for choose too.
func (s *Server) AlwaysFunc(op Op, choose func(Request) Fault) {
	s.script.mu.Lock()
	defer s.script.mu.Unlock()
	s.script.always[op] = choose
}

// Clear drops what Script and Always set for these calls, or for all if none is
// named. Requests that are under way keep their fault.
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

// Pending returns for how many requests there still are faults in the queue of a
// call: zero, once a script was played to its end.
func (s *Server) Pending(op Op) int {
	s.script.mu.Lock()
	defer s.script.mu.Unlock()
	n := 0
	for _, q := range s.script.queues[op] {
		n += q.left
	}
	return n
}

// Hold stops every request of a call that arrives from now on, before anything is
// done about it, until release is called. Such a request is counted at once, so
// that [Server.Wait] can be used to see that it is there; the fault that it meets
// is chosen when it is released. It is let go without an answer when its client
// gives up, or the server is closed. Release may be called more than once.
func (s *Server) Hold(op Op) (release func()) {
	hold := make(chan struct{})
	s.script.mu.Lock()
	defer s.script.mu.Unlock()
	s.script.holds[op] = append(s.script.holds[op], hold)
	return sync.OnceFunc(func() {
		s.script.mu.Lock()
		defer s.script.mu.Unlock()
		s.script.holds[op] = slices.DeleteFunc(s.script.holds[op], func(h chan struct{}) bool { return h == hold })
		close(hold)
	})
}

// holdsOf returns what a request of this call that arrives now has to wait for.
func (s *script) holdsOf(op Op) []chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.holds[op])
}

// next takes the fault for a request.
func (s *script) next(rq Request) Fault {
	s.mu.Lock()
	queue, always := slices.Clone(s.queues[rq.Op]), s.always[rq.Op]
	s.mu.Unlock()
	if len(queue) > 0 || always != nil {
		rq.Header = rq.Header.Clone() // the user's functions may do with it what they like
	}
	for _, q := range queue {
		// Another request may have taken the last of it in the meantime.
		if q.fault.wants(rq) && s.take(rq.Op, q) {
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
