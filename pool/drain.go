package pool

import (
	"cmp"
	"context"
	"sync"

	"github.com/agsauth/agsauth/tokensource"
)

// closers is how many Sources Drain closes at a time.
const closers = 64

// Drain closes the Pool. It ends Run and Warm, and begins nothing new: what waits at the
// Gate is given up. Refreshes that are under way are waited for, because their answers may
// be the only valid tokens; logins are ended. It saves what the store does not have. For how
// long one session may take see [tokensource.Source.Close]; 64 are closed at a time.
// Callers get [ErrClosed] from then on.
//
// The error is a [*DrainError] if not all sessions could be saved and closed, or if ctx has
// ended before. Calls that are under way then end by themselves, and a further call of
// Drain goes on with the rest. If all was done already it does nothing.
func (p *Pool) Drain(ctx context.Context) error {
	p.drainOnce.Do(p.shut)
	if err := p.awaitGroup(ctx); err != nil {
		return err
	}
	p.drainMu.Lock()
	defer p.drainMu.Unlock()
	d := &draining{open: p.queuedFirst(append(p.open, p.takeSources()...))}
	d.run(ctx)
	var result DrainError
	p.open, result = d.rest(ctx)
	if result.Err == nil {
		return nil
	}
	return &result
}

// shut ends Run and Warm, and has all callers without a Source get ErrClosed.
func (p *Pool) shut() {
	p.groupMu.Lock()
	p.closed = true
	p.groupMu.Unlock()
	for i := range p.shards {
		sh := &p.shards[i]
		sh.mu.Lock()
		sh.closed = true
		sh.mu.Unlock()
	}
	close(p.closing)
}

// awaitGroup waits until Run, Warm and the evictions have ended.
func (p *Pool) awaitGroup(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.group.Wait()
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		return &DrainError{Open: p.schedule.residents() + p.schedule.evicting, Err: context.Cause(ctx)}
	}
}

// takeSources takes all Sources out of their entries, so that nobody begins to use them.
func (p *Pool) takeSources() (all []*tokensource.Source) {
	for i := range p.shards {
		sh := &p.shards[i]
		sh.mu.Lock()
		for _, e := range sh.entries {
			if src := e.live.Swap(nil); src != nil {
				all = append(all, src)
			}
		}
		clear(sh.entries)
		sh.mu.Unlock()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.schedule = newSchedule()
	return all
}

// queuedFirst puts those Sources first whose operations wait at the Gate, so that few of
// them start before they are closed.
func (p *Pool) queuedFirst(all []*tokensource.Source) []*tokensource.Source {
	if p.cfg.Gate.Status().Queued == 0 {
		return all
	}
	var queued, others []*tokensource.Source
	for _, src := range all {
		if src.Status().Queued {
			queued = append(queued, src)
		} else {
			others = append(others, src)
		}
	}
	return append(queued, others...)
}

// draining is one call of Drain.
type draining struct {
	open []*tokensource.Source

	mu     sync.Mutex // guards the rest
	next   int        // the index of the next one to close
	closed []bool     // by index
	result DrainError
}

// run closes the Sources until ctx ends.
func (d *draining) run(ctx context.Context) {
	d.closed = make([]bool, len(d.open))
	var wg sync.WaitGroup
	for range min(closers, len(d.open)) {
		wg.Go(func() {
			for i, ok := d.take(ctx); ok; i, ok = d.take(ctx) {
				d.done(i, d.open[i].Close())
			}
		})
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		wg.Wait()
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

// take returns the index of the next Source to close.
func (d *draining) take(ctx context.Context) (i int, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.next == len(d.open) || ctx.Err() != nil {
		return 0, false
	}
	d.next++
	return d.next - 1, true
}

func (d *draining) done(i int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed[i] = true
	if err != nil {
		d.result.Unsaved++
		d.result.Err = cmp.Or(d.result.Err, err)
	}
}

// rest returns the Sources that are not closed, and the result so far.
func (d *draining) rest(ctx context.Context) (open []*tokensource.Source, result DrainError) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, src := range d.open {
		if !d.closed[i] {
			open = append(open, src)
		}
	}
	result = d.result
	if result.Open = len(open); result.Open > 0 {
		result.Err = context.Cause(ctx)
	}
	return open, result
}
