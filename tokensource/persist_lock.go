package tokensource

import (
	"context"
	"errors"
	"time"
)

// takeTurn waits until no other goroutine of this Source uses the store or the
// gateway. Who has the turn gives it back with leaveTurn.
func (s *Source) takeTurn(ctx context.Context, limit time.Duration) error {
	turn := s.turn()
	select {
	case turn <- struct{}{}:
		return nil
	default:
	}
	timer := s.watch.NewTimer(limit)
	defer timer.Stop()
	select {
	case turn <- struct{}{}:
		return nil
	case <-timer.C():
		return errTurnTaken
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Source) leaveTurn() { <-s.turn() }

func (s *Source) turn() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.workLocked()
	if w.turn == nil {
		w.turn = make(chan struct{}, 1)
	}
	return w.turn
}

// lock takes the lock that is shared with other processes, where the store has
// one. Who calls it has the turn. The error is errLockHeld when somebody else
// has held it for limit, a storeError when it cannot be had, or the cause of
// ctx's end. unlock is never nil.
func (s *Source) lock(ctx context.Context, limit time.Duration) (unlock func(context.Context), err error) {
	locker, ok := s.cfg.Store.(Locker)
	if !ok {
		return func(context.Context) {}, nil
	}
	// What comes too late is given back by the goroutine that got it.
	late := func(unlock func() error) { _ = unlock() }
	release, err := bounded(ctx, s, limit, "Store.Lock", locker.Lock, late)
	switch {
	case err == nil:
		s.storeWorks(lockOperation)
		s.announceNotices()
		return func(ctx context.Context) { s.unlock(ctx, release) }, nil
	case errors.Is(err, errors.ErrUnsupported):
		s.noLocking(err)
		return func(context.Context) {}, nil
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.Is(err, errTimeout):
		err = errLockHeld
	default:
		err = s.storeTrouble(lockOperation, err)
	}
	return func(context.Context) {}, err
}

// noLocking announces, once, that the operating system has no lock for the store where
// it is. Work goes on without one.
func (s *Source) noLocking(err error) {
	// A store that has no lock by its nature says so with the sentinel itself.
	for e := any(err); e != nil; {
		if e == any(errors.ErrUnsupported) {
			return
		}
		inner, ok := e.(interface{ Unwrap() error })
		if !ok {
			break
		}
		e = inner.Unwrap()
	}
	now := s.watch.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ledger.lockless {
		s.ledger.lockless = true
		s.announceLocked(now, Event{Kind: EventUnlocked, Err: &storeError{"lock", err}})
	}
}

func (s *Source) unlock(ctx context.Context, release func() error) {
	_, err := bounded(ctx, s, s.cfg.settings().storeTimeout, "unlock",
		func(context.Context) (struct{}, error) { return struct{}{}, release() }, nil)
	if err != nil {
		s.announce(Event{Kind: EventStoreFailed, Err: &storeError{"unlock", err}})
	}
}
