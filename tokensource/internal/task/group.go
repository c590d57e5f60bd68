package task

import (
	"context"
	"sync"
)

// Group tracks goroutines and calls that are under way. Its zero value is empty. It is
// safe for concurrent use.
type Group struct {
	wg sync.WaitGroup

	mu       sync.Mutex // guards the rest
	active   int
	detached int
	calls    map[*context.CancelCauseFunc]struct{}
}

// Go runs f on a goroutine, which counts as active, and calls done after it.
func (g *Group) Go(f, done func()) { g.run(&g.active, f, done) }

// GoDetached is [Group.Go] for a goroutine that does not count as active: the user's
// code may keep it for ever.
func (g *Group) GoDetached(f, done func()) { g.run(&g.detached, f, done) }

func (g *Group) run(count *int, f, done func()) {
	g.add(count, 1)
	g.wg.Go(func() {
		defer done()
		defer g.add(count, -1)
		f()
	})
}

func (g *Group) add(count *int, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	*count += n
}

// Enter registers a call as active. The context of the call ends with ctx and by
// [Group.Cancel]. leave must be called at the end of the call.
func (g *Group) Enter(ctx context.Context) (called context.Context, leave func()) {
	called, cancel := context.WithCancelCause(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.active++
	g.wg.Add(1)
	if g.calls == nil {
		g.calls = map[*context.CancelCauseFunc]struct{}{}
	}
	g.calls[&cancel] = struct{}{}
	return called, func() {
		cancel(nil)
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.calls, &cancel)
		g.active--
		g.wg.Done()
	}
}

// Cancel ends the contexts of the registered calls.
func (g *Group) Cancel(cause error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for cancel := range g.calls {
		(*cancel)(cause)
	}
}

// Wait waits until nothing is under way.
func (g *Group) Wait() { g.wg.Wait() }

// Active reports whether anything that counts as active is under way.
func (g *Group) Active() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.active > 0
}

// Idle reports whether nothing at all is under way.
func (g *Group) Idle() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.active == 0 && g.detached == 0
}
