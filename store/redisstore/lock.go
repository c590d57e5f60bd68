package redisstore

import (
	"context"
	"crypto/rand"
	"strconv"
	"sync"
	"time"
)

const (
	// The lease is renewed after 1/renewals of it, so that two renewals may fail. After
	// a failed renewal the next one follows after 1/retries.
	renewals = 3
	retries  = 12
	// releaseTimeout is the time limit of unlock. After it the lease expires by
	// itself.
	releaseTimeout = 5 * time.Second
)

// Lock waits until it holds the lock of the session, exclusively among all Stores on all
// hosts. If ctx ends first, Lock returns the cause. It also fails if the server cannot
// be reached or refuses writes.
//
// The first Lock checks that the user may run the commands that a Store needs, and so
// does the first Lock after a denied right. If rights are missing, it does not take the
// lock, and its error names them: see [Store.Check].
//
// The lock is renewed until unlock is called, even if ctx ends. unlock releases it within
// 5 seconds. Its error Is [ErrLeaseLost] if the lock was not held all the time. Further
// calls of unlock do nothing and return the same error.
//
// The lock excludes only other callers of Lock. The other methods may be called with
// and without it.
func (s *Store) Lock(ctx context.Context) (unlock func() error, err error) {
	const op = "lock"
	if err := s.begin(ctx, op, holding); err != nil {
		return nil, err
	}
	token := rand.Text()
	if err := s.acquire(ctx, token); err != nil {
		s.locks.unlock(holding)
		return nil, endedOr(ctx, op, err)
	}
	return s.hold(context.WithoutCancel(ctx), token), nil
}

// tryAcquire takes the lock if it is free. Otherwise left is the time that is left of the
// holder's lease, or negative if it has no end.
func (s *Store) tryAcquire(ctx context.Context, token string) (held bool, left time.Duration, err error) {
	detachedCtx, keys := context.WithoutCancel(ctx), []string{s.key(keyLock)}
	checkRights := !s.shared.rightsChecked.Load()
	if checkRights {
		keys = append(keys, s.key(keyRecord))
	}
	r, err := await(ctx, nil, func(ctx context.Context) (result, error) {
		return s.shared.run(ctx, s.shared.script.acquire.Run, keys, token, s.shared.cfg.Lease.Milliseconds())
	}, func(r result, err error, received bool) {
		// If the caller does not learn that it holds the lock, nobody else releases it.
		if (r.status != statusHeld || !received) && !isNotTaken(r, err) {
			_, _ = s.runRelease(detachedCtx, token)
		}
	})
	switch {
	case err != nil:
		return false, 0, err
	case r.status == statusHeld:
		if checkRights {
			s.shared.rightsChecked.Store(true)
		}
		return true, 0, nil
	case r.status == statusBusy && len(r.values) == 1:
		ms, err := strconv.ParseInt(r.values[0], 10, 64)
		if err != nil {
			return false, 0, errResult // err would quote the value
		}
		return false, time.Duration(ms) * time.Millisecond, nil
	default:
		return false, 0, r.problem()
	}
}

// isNotTaken reports whether a result means for certain that the lock was not taken.
func isNotTaken(r result, err error) bool {
	return isRefusal(err) || r.status == statusBusy || r.status == statusDenied
}

// hold renews the lock until unlock is called.
func (s *Store) hold(ctx context.Context, token string) (unlock func() error) {
	renewCtx, stop := context.WithCancel(ctx)
	lost := make(chan bool, 1)
	go func() { lost <- s.renew(renewCtx, token) }()
	return sync.OnceValue(func() error {
		defer s.locks.unlock(holding)
		stop()
		err := ErrLeaseLost
		if !<-lost {
			err = s.release(ctx, token)
		}
		return endedOr(ctx, "unlock", err)
	})
}

// renew renews the lease until ctx ends. If the lock is lost, renew does not take it
// again, and returns true at once.
func (s *Store) renew(ctx context.Context, token string) (lost bool) {
	next := s.shared.cfg.Lease / renewals
	for {
		if s.shared.pause(ctx, next) != nil {
			return false
		}
		r, err := await(ctx, nil, func(ctx context.Context) (result, error) {
			return s.shared.run(ctx, s.shared.script.renew.Run, []string{s.key(keyLock)}, token, s.shared.cfg.Lease.Milliseconds())
		}, nil)
		switch {
		case err == nil && r.status == statusLost:
			return true
		case err == nil:
			next = s.shared.cfg.Lease / renewals
		default:
			next = s.shared.cfg.Lease / retries
		}
	}
}

// release releases the lock, and notifies those who wait for it.
func (s *Store) release(ctx context.Context, token string) error {
	timer := s.shared.cfg.Clock.NewTimer(releaseTimeout)
	defer timer.Stop()
	r, err := await(ctx, timer.C(), func(ctx context.Context) (result, error) { return s.runRelease(ctx, token) }, nil)
	switch {
	case err != nil:
		return err
	case r.status == statusReleased:
		return nil
	case r.status == statusLost:
		return ErrLeaseLost
	default:
		return r.problem()
	}
}

func (s *Store) runRelease(ctx context.Context, token string) (result, error) {
	return s.shared.run(ctx, s.shared.script.release.Run, []string{s.key(keyLock), s.key(keyReleased)}, token, s.shared.cfg.Lease.Milliseconds(), s.key(keyChannel))
}
