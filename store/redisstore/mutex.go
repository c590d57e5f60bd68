package redisstore

import (
	"context"
	"sync"
)

// A lockName names one of the locks of a Store.
type lockName int

const (
	holding   lockName = iota // from Lock until its unlock
	operating                 // during each of the other operations
	lockNames
)

// locks are the mutual exclusion locks of a Store. Their waits end with a context. The
// zero value is unlocked. They take little memory while none is in use, since a process
// may have a million Stores.
type locks struct {
	mu    sync.Mutex
	inUse *slots // nil if no lock is held or waited for; guarded by mu
}

type slots struct {
	users int // who hold a lock or wait for one; guarded by locks.mu
	// each holds one value while its lock is held
	each [lockNames]chan struct{}
}

// lock takes a lock. If ctx ends first, or has ended already, it returns the cause.
func (l *locks) lock(ctx context.Context, which lockName) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	slot := l.enter(which)
	select {
	case slot <- struct{}{}:
		return nil
	case <-ctx.Done():
		l.leave(nil)
		return context.Cause(ctx)
	}
}

func (l *locks) unlock(which lockName) { l.leave(&which) }

func (l *locks) enter(which lockName) chan<- struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inUse == nil {
		l.inUse = &slots{}
	}
	l.inUse.users++
	if l.inUse.each[which] == nil {
		l.inUse.each[which] = make(chan struct{}, 1)
	}
	return l.inUse.each[which]
}

// leave ends the use of a lock, and releases held unless it is nil.
func (l *locks) leave(held *lockName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if held != nil {
		<-l.inUse.each[*held]
	}
	l.inUse.users--
	if l.inUse.users == 0 {
		l.inUse = nil
	}
}
