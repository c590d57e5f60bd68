package store

import (
	"context"
	"sync"
)

// A gate lets one in at a time, as a mutex does, and lets those who wait give
// up. The zero value is an open one.
type gate struct {
	once sync.Once
	slot chan struct{} // holds one value while somebody is in
}

// enter waits until nobody else is in. If ctx ends first, or is over already, it
// returns the cause.
func (g *gate) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	g.once.Do(func() { g.slot = make(chan struct{}, 1) })
	select {
	case g.slot <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g *gate) leave() { <-g.slot }
