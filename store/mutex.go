package store

import (
	"context"
	"sync"
)

// A mutex is a mutual exclusion lock whose waits end with a context. The zero value
// is unlocked.
type mutex struct {
	once sync.Once
	slot chan struct{} // holds one value while the mutex is locked
}

// lock locks m. If ctx ends first, or has ended already, it returns the cause.
func (m *mutex) lock(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	m.once.Do(func() { m.slot = make(chan struct{}, 1) })
	select {
	case m.slot <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (m *mutex) unlock() { <-m.slot }
