package boltstore

import (
	"context"
	"sync"
)

// locks are mutual exclusion locks, one for each key. Their waits end with a context.
// Only those that are in use take memory. The zero value is ready for use.
type locks[K comparable] struct {
	mu  sync.Mutex
	all map[K]*keyLock // guarded by mu
}

type keyLock struct {
	users int           // who hold the lock or wait for it; guarded by locks.mu
	slot  chan struct{} // holds one value while the lock is held
}

// lock takes the lock of key. If ctx ends first, or has ended already, it returns the
// cause.
func (l *locks[K]) lock(ctx context.Context, key K) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	slot := l.enter(key)
	select {
	case slot <- struct{}{}:
		return nil
	case <-ctx.Done():
		l.leave(key, false)
		return context.Cause(ctx)
	}
}

func (l *locks[K]) unlock(key K) { l.leave(key, true) }

func (l *locks[K]) enter(key K) chan<- struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[K]*keyLock{}
	}
	one := l.all[key]
	if one == nil {
		one = &keyLock{slot: make(chan struct{}, 1)}
		l.all[key] = one
	}
	one.users++
	return one.slot
}

func (l *locks[K]) leave(key K, held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.all[key]
	if held {
		<-one.slot
	}
	if one.users--; one.users == 0 {
		delete(l.all, key)
	}
}
