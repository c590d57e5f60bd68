package redisstore

import (
	"context"
	"crypto/rand"
	"strconv"
	"sync"
	"time"
)

const (
	// renewals is how often a lease is renewed while it would last once: two of
	// them may fail.
	renewals = 3
	// retries is the same for renewals after one that failed.
	retries = 12
	// releaseTimeout is how long unlock tries to give the lock back. If it cannot,
	// the lease ends by itself.
	releaseTimeout = 5 * time.Second
)

// Lock waits until no other holds the lock, be it through this value, another one
// or on another host, and takes it. The wait ends with ctx, whose cause is then
// returned; it also ends when the server cannot be asked, or refuses writes.
//
// The first Lock also checks that the user may run the commands that the Store
// needs, and so does one that follows the denial of a right. If some are missing
// it takes no lock, and its error names them: see [Store.Check].
//
// From then on the lock is renewed, until what is returned is called, which gives
// it back. That takes 5 seconds at most, and its error Is [ErrLeaseLost] if the
// lock was not held all the time. Calling it again does nothing but return the
// same error. ctx is of no influence on any of this; only its values are kept.
//
// The lock keeps out those who take it, and nobody else; in particular one who
// holds it may use all other methods.
func (s *Store) Lock(ctx context.Context) (unlock func() error, err error) {
	if err := s.turn.enter(ctx); err != nil {
		return nil, err
	}
	token := rand.Text()
	if err := s.acquire(ctx, token); err != nil {
		s.turn.leave()
		return nil, endedOr(ctx, "lock", err)
	}
	return s.hold(context.WithoutCancel(ctx), token), nil
}

// attempt takes the lock if it is free. If not, left is what the holder's lease
// has left, negative if that has no end.
func (s *Store) attempt(ctx context.Context, token string) (held bool, left time.Duration, err error) {
	after, keys := context.WithoutCancel(ctx), []string{s.names.lock}
	checks := !s.checked.Load()
	if checks {
		keys = append(keys, s.names.record)
	}
	a, err := await(ctx, nil, func(ctx context.Context) (answer, error) {
		return s.run(ctx, s.script.acquire.Run, keys, token, s.cfg.Lease.Milliseconds())
	}, func(a answer, err error, received bool) {
		// The caller goes without the lock. So it must not be left held.
		kept := a.verdict == isHeld && received
		if !kept && !notTaken(a, err) {
			_, _ = s.runRelease(after, token)
		}
	})
	switch {
	case err != nil:
		return false, 0, err
	case a.verdict == isHeld:
		if checks {
			s.checked.Store(true)
		}
		return true, 0, nil
	case a.verdict == isBusy && len(a.rest) == 1:
		ms, err := strconv.ParseInt(a.rest[0], 10, 64)
		if err != nil {
			return false, 0, errAnswer // the error would quote it
		}
		return false, time.Duration(ms) * time.Millisecond, nil
	default:
		return false, 0, a.problem()
	}
}

// notTaken reports whether an answer says for certain that the lock was not taken.
func notTaken(a answer, err error) bool {
	return refused(err) || a.verdict == isBusy || a.verdict == isDenied
}

// hold renews the lock until what is returned is called.
func (s *Store) hold(ctx context.Context, token string) (unlock func() error) {
	renewing, stop := context.WithCancel(ctx)
	lost := make(chan bool, 1)
	go func() { lost <- s.renew(renewing, token) }()
	return sync.OnceValue(func() error {
		defer s.turn.leave()
		stop()
		err := ErrLeaseLost
		if !<-lost {
			err = s.release(ctx, token)
		}
		return endedOr(ctx, "unlock", err)
	})
}

// renew prolongs the lease again and again until ctx ends. A lease that is not
// there any more, or is another's, is not taken back: then it returns at once.
func (s *Store) renew(ctx context.Context, token string) (lost bool) {
	next := s.cfg.Lease / renewals
	for {
		if s.pause(ctx, next) != nil {
			return false
		}
		a, err := await(ctx, nil, func(ctx context.Context) (answer, error) {
			return s.run(ctx, s.script.renew.Run, []string{s.names.lock}, token, s.cfg.Lease.Milliseconds())
		}, nil)
		switch {
		case err == nil && a.verdict == isLost:
			return true
		case err == nil:
			next = s.cfg.Lease / renewals
		default:
			next = s.cfg.Lease / retries
		}
	}
}

// release gives the lock back, and tells those who wait.
func (s *Store) release(ctx context.Context, token string) error {
	timer := s.cfg.Clock.NewTimer(releaseTimeout)
	defer timer.Stop()
	a, err := await(ctx, timer.C(), func(ctx context.Context) (answer, error) { return s.runRelease(ctx, token) }, nil)
	switch {
	case err != nil:
		return err
	case a.verdict == isReleased:
		return nil
	case a.verdict == isLost:
		return ErrLeaseLost
	default:
		return a.problem()
	}
}

func (s *Store) runRelease(ctx context.Context, token string) (answer, error) {
	return s.run(ctx, s.script.release.Run, []string{s.names.lock, s.names.released}, token, s.cfg.Lease.Milliseconds(), s.names.channel)
}
