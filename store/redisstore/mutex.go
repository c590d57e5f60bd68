package redisstore

import "context"

// A mutex is a mutual exclusion lock whose waits end with a context.
type mutex chan struct{}

func newMutex() mutex { return make(mutex, 1) }

// lock locks m. If ctx ends first, or has ended already, it returns the cause.
func (m mutex) lock(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case m <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (m mutex) unlock() { <-m }
