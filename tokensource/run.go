package tokensource

import (
	"context"
	"time"
)

// runLooksAtLeast is how often Run looks at the session though no timer is due:
// the timers of a machine that slept are late.
const runLooksAtLeast = time.Minute

// Run keeps the token fresh while nobody asks for one, so that the session of an
// idle program does not end unnoticed and the first request after a pause does
// not wait. It looks when something is due, and at least once a minute, as a
// machine that slept has late timers. When the session has ended and there is no
// Login it waits for SetToken or Sync, or for another process to revive it.
//
// It returns the cause of ctx's end, or ErrClosed; or an error at once when
// another Run is running.
func (s *Source) Run(ctx context.Context) error {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	stop, err := s.beginRun()
	if err != nil {
		return err
	}
	defer stop()
	for {
		changed, next := s.lookOn(ctx)
		if err := s.idle(ctx, changed, next); err != nil {
			return err
		}
	}
}

// beginRun makes sure that there is one Run at a time. stop is to be called at its
// end.
func (s *Source) beginRun() (stop func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.workLocked()
	if w.running {
		return nil, errRunning
	}
	w.running = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		w.running = false
	}, nil
}

// idle waits until it is time for another look.
func (s *Source) idle(ctx context.Context, changed <-chan struct{}, next time.Duration) error {
	timer := s.watch.NewTimer(next)
	defer timer.Stop()
	select {
	case <-timer.C():
		return nil
	case <-changed:
		return context.Cause(ctx) // of Close, too, ctx is the end
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Sync reads the store now and takes over what is newer there: a refresh or a
// login by another process, or a sign-out. It never calls the gateway. It waits
// for a refresh or login under way in this process, for LockTimeout at most, and
// for the store, for StoreTimeout; the end of ctx ends both waits. After Close the
// error is [ErrClosed]. Without a Store it does nothing.
func (s *Source) Sync(ctx context.Context) error {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	defer s.deliver(ctx)
	if s.cfg.Store == nil {
		return nil
	}
	if s.inLogin(ctx) {
		return errInLogin
	}
	if err := s.takeTurn(ctx, s.cfg.settings().lockTimeout); err != nil {
		return callError(ctx, "sync", err)
	}
	defer s.leaveTurn()
	s.mu.Lock()
	epoch := s.epoch
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.wakeLocked()
	}()
	return callError(ctx, "sync", s.readStore(ctx, context.WithoutCancel(ctx), epoch))
}
