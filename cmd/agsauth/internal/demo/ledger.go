package demo

import (
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
	byHand    int // of those that failed: for want of a token, after a fault by hand
}

// mark is a place in a ledger: how many requests had ended there.
type mark int

func newLedger() *ledger { return &ledger{begun: map[int]time.Time{}} }

func (l *ledger) begin(worker int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun[worker] = time.Now()
}

// end takes down the outcome of a worker's request. ByHand says that it failed for
// want of a token, after a fault by hand.
func (l *ledger) end(worker int, err error, byHand bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latencies = append(l.latencies, time.Since(l.begun[worker]))
	delete(l.begun, worker)
	if err == nil {
		return
	}
	l.failed++
	if byHand {
		l.byHand++
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

// sums are how many requests had which outcome.
type sums struct{ requests, failed, byHand int }

// sums returns how many requests have ended so far, how many of these failed, and
// how many of those for the reasons that matter here.
func (l *ledger) sums() sums {
	l.mu.Lock()
	defer l.mu.Unlock()
	return sums{len(l.latencies), l.failed, l.byHand}
}

// sorted returns how long the requests took, the fastest first.
func (l *ledger) sorted() []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(slices.Values(l.latencies))
}
