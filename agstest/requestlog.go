package agstest

import (
	"context"
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
	mu    sync.Mutex // guards all below
	ops   map[Op]*opLog
	added chan struct{} // closed and replaced whenever a request is added
}

// opLog records the requests of one operation.
type opLog struct {
	count, inFlight, maxInFlight int
	kept                         []*Request // the latest, oldest first; fewer than 2*recordedRequests
}

// entry is the record of a request that is being served.
type entry struct {
	log      *requestLog
	request  *Request // log.mu guards Status and Fault; the other fields do not change
	finished bool     // guarded by log.mu
}

func newRequestLog() *requestLog {
	return &requestLog{ops: map[Op]*opLog{}, added: make(chan struct{})}
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
// order in which the server received them. The caller owns the records.
func (s *Server) Requests(op Op) []Request {
	s.requests.mu.Lock()
	defer s.requests.mu.Unlock()
	kept := s.requests.opLocked(op).kept
	kept = kept[max(0, len(kept)-recordedRequests):]
	requests := make([]Request, len(kept))
	for i, rq := range kept {
		requests[i] = *rq
		requests[i].Header = rq.Header.Clone()
	}
	return requests
}

// Wait waits until the server has received n requests of an operation since it was
// created. It returns the cause of ctx if ctx ends first, and [http.ErrServerClosed]
// if the server is closed first.
func (s *Server) Wait(ctx context.Context, op Op, n int) error {
	for {
		s.requests.mu.Lock()
		count, added := s.requests.opLocked(op).count, s.requests.added
		s.requests.mu.Unlock()
		if count >= n {
			return nil
		}
		select {
		case <-added:
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
	o.inFlight++
	o.maxInFlight = max(o.maxInFlight, o.inFlight)
	if len(o.kept) == 2*recordedRequests-1 {
		o.kept = slices.Clone(o.kept[recordedRequests:])
	}
	o.kept = append(o.kept, rq)
	close(l.added)
	l.added = make(chan struct{})
	return &entry{log: l, request: rq}, *rq
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
}

// finish records the status of the response, zero for none. The request is no longer
// in flight. Only the first call has an effect.
func (e *entry) finish(status int) {
	e.log.mu.Lock()
	defer e.log.mu.Unlock()
	if e.finished {
		return
	}
	e.finished = true
	e.request.Status = status
	e.log.opLocked(e.request.Op).inFlight--
}
