package agstest

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

// What is kept of the requests: it bounds what a server that runs for hours
// takes of memory. Counts are of all that there were.
const (
	recordedRequests = 2048 // of each call
	recordedBody     = 64 << 10
)

// journal is the record of all requests. Safe for concurrent use.
type journal struct {
	mu    sync.Mutex // guards all below
	calls map[Op]*callLog
	grown chan struct{} // closed, and replaced, whenever a request is added
}

// callLog is the journal of one call.
type callLog struct {
	count, inFlight, maxInFlight int
	kept                         []*Request // the latest, oldest first; fewer than twice recordedRequests
}

// entry is a request under way.
type entry struct {
	journal *journal
	request *Request // its Status and Fault are guarded by journal.mu, all else is not written again
	left    bool     // guarded by journal.mu
}

func newJournal() *journal {
	return &journal{calls: map[Op]*callLog{}, grown: make(chan struct{})}
}

// Count returns how many requests of a call were received.
func (s *Server) Count(op Op) int {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return s.journal.callLocked(op).count
}

// InFlight returns how many requests of a call are being served: received, and
// their answer not begun.
func (s *Server) InFlight(op Op) int {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return s.journal.callLocked(op).inFlight
}

// MaxInFlight returns the most that [Server.InFlight] ever was: 1 proves that
// there were never two at a time.
func (s *Server) MaxInFlight(op Op) int {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return s.journal.callLocked(op).maxInFlight
}

// Requests returns the records of a call's requests, in the order in which they
// were received: all, or the latest 2048. The caller owns them.
func (s *Server) Requests(op Op) []Request {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	kept := s.journal.callLocked(op).kept
	kept = kept[max(0, len(kept)-recordedRequests):]
	requests := make([]Request, len(kept))
	for i, rq := range kept {
		requests[i] = *rq
		requests[i].Header = rq.Header.Clone()
	}
	return requests
}

// Wait waits until n requests of a call were received since the server was made.
// It returns the cause of ctx's end if that comes first, and
// [http.ErrServerClosed] if Close does.
func (s *Server) Wait(ctx context.Context, op Op, n int) error {
	for {
		count, grown := s.journal.look(op)
		if count >= n {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.done:
			return http.ErrServerClosed
		}
	}
}

// begin adds a request, which is in flight from now on.
func (j *journal) begin(op Op, r *http.Request, body []byte, at time.Time) (*entry, Request) {
	rq := newRequest(op, r, body, at)
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.callLocked(op)
	c.count++
	rq.Serial = c.count
	c.inFlight++
	c.maxInFlight = max(c.maxInFlight, c.inFlight)
	if len(c.kept) == 2*recordedRequests-1 {
		c.kept = slices.Clone(c.kept[recordedRequests:])
	}
	c.kept = append(c.kept, rq)
	close(j.grown)
	j.grown = make(chan struct{})
	return &entry{journal: j, request: rq}, *rq
}

func (j *journal) look(op Op) (int, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.callLocked(op).count, j.grown
}

func (j *journal) callLocked(op Op) *callLog {
	if j.calls[op] == nil {
		j.calls[op] = &callLog{}
	}
	return j.calls[op]
}

// meets notes the fault that a request meets.
func (e *entry) meets(f Fault) {
	e.journal.mu.Lock()
	defer e.journal.mu.Unlock()
	e.request.Fault = f.name()
}

// leave ends the request's time in flight, with the status that is about to be
// answered or zero for none. Only the first call counts.
func (e *entry) leave(status int) {
	e.journal.mu.Lock()
	defer e.journal.mu.Unlock()
	if e.left {
		return
	}
	e.left = true
	e.request.Status = status
	e.journal.callLocked(e.request.Op).inFlight--
}
