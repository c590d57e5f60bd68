package agstest

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// These limits bound the memory of a server that runs for hours. Count is not
// limited.
const (
	recordedRequests = 2048     // for each operation
	recordedBody     = 64 << 10 // bytes
)

// requestLog records the requests that a server received. It is safe for concurrent
// use.
type requestLog struct {
	mu       sync.Mutex // guards all below
	ops      map[Op]*opLog
	received int // how many requests, not reset
	journal  journal
	changed  chan struct{} // closed and replaced whenever the journal grows
}

// opLog records the requests of one operation.
type opLog struct {
	count, inFlight, maxInFlight int
	kept                         []*Request // the latest, oldest first; fewer than 2*recordedRequests
}

// entry is the record of a request that is being served.
type entry struct {
	log      *requestLog
	op       *opLog
	request  *Request // log.mu guards Status and Fault; the other fields do not change
	finished bool     // guarded by log.mu
}

func newRequestLog() *requestLog {
	return &requestLog{ops: map[Op]*opLog{}, journal: newJournal(), changed: make(chan struct{})}
}

// Count returns how many requests of an operation the server has received.
func (s *Server) Count(op Op) int { return s.requests.snapshot(op).count }

// InFlight returns how many requests of an operation the server has received and not
// yet begun to answer.
func (s *Server) InFlight(op Op) int { return s.requests.snapshot(op).inFlight }

// MaxInFlight returns the highest value that [Server.InFlight] ever had. 1 proves
// that no two requests of the operation were concurrent.
func (s *Server) MaxInFlight(op Op) int { return s.requests.snapshot(op).maxInFlight }

// Requests returns the records of the latest 2048 requests of an operation, in the
// order in which the server received them. With several operations it returns those of
// each, and with none those of all. The caller owns the records.
func (s *Server) Requests(ops ...Op) []Request {
	s.requests.mu.Lock()
	defer s.requests.mu.Unlock()
	return s.requests.requestsLocked(ops)
}

func (l *requestLog) requestsLocked(ops []Op) []Request {
	if len(ops) == 0 {
		ops = slices.Collect(maps.Keys(l.ops))
	}
	requests := []Request{}
	for _, op := range ops {
		kept := l.opLocked(op).kept
		for _, rq := range kept[max(0, len(kept)-recordedRequests):] {
			requests = append(requests, rq.copied())
		}
	}
	slices.SortFunc(requests, func(a, b Request) int { return cmp.Compare(a.Number, b.Number) })
	return requests
}

// Wait waits until the server has received n requests of an operation since it was
// created or reset. It returns the cause of ctx if ctx ends first, and [http.ErrServerClosed]
// if the server is closed first.
func (s *Server) Wait(ctx context.Context, op Op, n int) error {
	for {
		s.requests.mu.Lock()
		count, changed := s.requests.opLocked(op).count, s.requests.changed
		s.requests.mu.Unlock()
		if count >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.done:
			return http.ErrServerClosed
		}
	}
}

// begin adds a request, which is in flight until finish is called.
func (l *requestLog) begin(op Op, r *http.Request, body []byte, at time.Time) (*entry, Request) {
	rq := newRequest(op, r, body, at)
	l.mu.Lock()
	defer l.mu.Unlock()
	o := l.opLocked(op)
	o.count++
	rq.Serial = o.count
	l.received++
	rq.Number = l.received
	o.inFlight++
	o.maxInFlight = max(o.maxInFlight, o.inFlight)
	if len(o.kept) == 2*recordedRequests-1 {
		o.kept = slices.Clone(o.kept[recordedRequests:])
	}
	o.kept = append(o.kept, rq)
	l.addLocked(update{request: rq})
	return &entry{log: l, op: o, request: rq}, *rq
}

// addLocked adds an update to the journal.
func (l *requestLog) addLocked(u update) {
	l.journal.add(u)
	close(l.changed)
	l.changed = make(chan struct{})
}

// reset forgets all requests. Those in flight are no longer recorded.
func (l *requestLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.ops)
	l.journal.reset()
	l.addLocked(update{act: resetAct})
}

// note adds to the journal that an act of the operator has changed something.
func (l *requestLog) note(act string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addLocked(update{act: act})
}

func (l *requestLog) snapshot(op Op) opLog {
	l.mu.Lock()
	defer l.mu.Unlock()
	return *l.opLocked(op)
}

func (l *requestLog) opLocked(op Op) *opLog {
	if l.ops[op] == nil {
		l.ops[op] = &opLog{}
	}
	return l.ops[op]
}

// setFault records the name of the request's fault.
func (e *entry) setFault(name string) {
	e.log.mu.Lock()
	defer e.log.mu.Unlock()
	e.request.Fault = name
	if name != "" {
		e.updatedLocked()
	}
}

// updatedLocked adds the request to the journal, unless it is from before a reset.
func (e *entry) updatedLocked() {
	if e.log.ops[e.request.Op] == e.op {
		e.log.addLocked(update{request: e.request})
	}
}

// finish records the status of the response, zero for none. The request is no longer
// in flight. Only the first call has an effect; it calls onRequest.
func (e *entry) finish(status int, onRequest func(Request)) {
	if rq, first := e.close(status); first && onRequest != nil {
		onRequest(rq)
	}
}

// close does what finish does under the lock.
func (e *entry) close(status int) (rq Request, first bool) {
	e.log.mu.Lock()
	defer e.log.mu.Unlock()
	if e.finished {
		return Request{}, false
	}
	e.finished = true
	e.request.Status = status
	e.op.inFlight--
	e.updatedLocked()
	return e.request.copied(), true
}
