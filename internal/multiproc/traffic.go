package multiproc

import (
	"context"
	"sync"
	"time"
)

const (
	// callInterval is the time between two requests of a caller.
	callInterval = 40 * time.Millisecond
	// keptFailures is the number of failures that are kept in full.
	keptFailures = 5
)

// traffic is a set of callers.
type traffic struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu    sync.Mutex // guards tally
	tally Tally
}

// begin starts callers, which run until end is called.
func (t *traffic) begin(ctx context.Context, callers int, ask func(context.Context) Answer) {
	t.tally = Tally{Generations: map[int]int{}}
	ctx, t.cancel = context.WithCancel(ctx)
	for range callers {
		t.wg.Go(func() {
			ticker := time.NewTicker(callInterval)
			defer ticker.Stop()
			for {
				// Without ctx, so that the last request also counts.
				t.note(ask(context.WithoutCancel(ctx)))
				select {
				case <-ticker.C:
				case <-ctx.Done():
					return
				}
			}
		})
	}
}

func (t *traffic) note(a Answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tally.Calls++
	t.tally.Slowest = max(t.tally.Slowest, a.Took)
	t.tally.Generations[a.Generation]++
	if !a.OK() {
		t.tally.Failed++
		if len(t.tally.Failures) < keptFailures {
			t.tally.Failures = append(t.tally.Failures, a)
		}
	}
}

// end waits for the requests in progress, and returns the summary.
func (t *traffic) end() Tally {
	t.cancel()
	t.wg.Wait()
	return t.tally
}
