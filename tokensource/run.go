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
	s.mu.Lock()
	if s.running {
		s.mu.Unlock()
		return errRunning
	}
	s.running = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running = false
	}()
	for {
		o := s.look(ctx)
		if err := s.idle(ctx, o); err != nil {
			return err
		}
	}
}

// idle waits until it is time for another look.
func (s *Source) idle(ctx context.Context, o outlook) error {
	var landed <-chan struct{}
	wait := o.next
	if o.flight != nil {
		landed = o.flight.done
	}
	timer := s.cfg.Clock.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C():
		return nil
	case <-landed:
		return nil
	case <-o.changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.closing:
		return ErrClosed
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
	if err := s.takeTurn(ctx, s.set.lockTimeout); err != nil {
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
