package multiproc

import (
	"context"
	"sync"
	"time"
)

const (
	// pace is what lies between two calls of one caller.
	pace = 40 * time.Millisecond
	// keptFailures is how many failures are kept whole.
	keptFailures = 5
)

// traffic is callers at work.
type traffic struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu    sync.Mutex // guards tally
	tally Tally
}

// begin has callers ask until end is called.
func (t *traffic) begin(ctx context.Context, callers int, ask func(context.Context) Answer) {
	t.tally = Tally{Generations: map[int]int{}}
	ctx, t.cancel = context.WithCancel(ctx)
	for range callers {
		t.wg.Go(func() {
			ticker := time.NewTicker(pace)
			defer ticker.Stop()
			for {
				// Not under ctx: what is under way at the end is to count as well.
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

// end lets the calls under way come to their ends, and returns what has come of all.
func (t *traffic) end() Tally {
	t.cancel()
	t.wg.Wait()
	return t.tally
}
