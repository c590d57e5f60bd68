package demo

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// ledger is the record of the workers' requests. Safe for concurrent use.
type ledger struct {
	mu        sync.Mutex // guards all below
	begun     map[int]time.Time
	latencies []time.Duration // of all requests that ended, in that order
	failed    int
	forbidden int // of those that failed: a 401 or 403, as for a bad token
}

// mark is a place in a ledger: how many requests had ended there.
type mark int

func newLedger() *ledger { return &ledger{begun: map[int]time.Time{}} }

func (l *ledger) begin(worker int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun[worker] = time.Now()
}

func (l *ledger) end(worker, status int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latencies = append(l.latencies, time.Since(l.begun[worker]))
	delete(l.begun, worker)
	if err == nil {
		return
	}
	l.failed++
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		l.forbidden++
	}
}

// mark returns the place up to which the ledger is written.
func (l *ledger) mark() mark {
	l.mu.Lock()
	defer l.mu.Unlock()
	return mark(len(l.latencies))
}

// since returns how many requests have ended since m, and how long the slowest
// took. Those still under way count for that with what they have taken so far:
// who waits for a token is not overlooked for having no answer yet.
func (l *ledger) since(m mark) (served int, slowest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ended := l.latencies[m:]
	for _, begun := range l.begun {
		slowest = max(slowest, time.Since(begun))
	}
	if len(ended) > 0 {
		slowest = max(slowest, slices.Max(ended))
	}
	return len(ended), slowest
}

// failures returns how many requests failed, and how many of them with the status
// of a rejected token.
func (l *ledger) failures() (failed, forbidden int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed, l.forbidden
}

// sorted returns how long the requests took, the fastest first.
func (l *ledger) sorted() []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(slices.Values(l.latencies))
}
