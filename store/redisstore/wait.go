package redisstore

import (
	"context"
	"time"
)

const (
	// While a waiter is subscribed to notifications, it polls this many times less
	// often.
	subscribedFactor = 10
	// After a notification all waiters try to take the lock at random times. They are
	// spread over slotTime for each waiter, about the time to lock, load and unlock, so
	// that most find the lock free. A waiter that finds it taken doubles its slotTime,
	// up to maxSlotTime, since the connection to the server must be slow. maxSpread
	// limits the sum.
	slotTime    = 4 * time.Millisecond
	maxSlotTime = 32 * time.Millisecond
	maxSpread   = 2 * time.Second
	// expirySpread is the time over which waiters are spread when a lease expires.
	expirySpread = 250 * time.Millisecond
)

// acquire waits for the lock and takes it.
func (s *Store) acquire(ctx context.Context, token string) error {
	held, left, err := s.tryAcquire(ctx, token)
	if held || err != nil {
		return err
	}
	w := waiter{shared: s.shared, listener: s.shared.hub.listen(ctx, s.key(keyChannel)), slotTime: slotTime}
	defer w.listener.leave()
	for !held && err == nil {
		if err = w.wait(ctx, left); err == nil {
			held, left, err = s.tryAcquire(ctx, token)
		}
	}
	return err
}

// A waiter waits for the lock.
type waiter struct {
	shared   *shared
	listener *listener
	slotTime time.Duration
}

// wait waits until the lock may be free: after a notification, when the lease, of which
// left is left, may have expired, and after the poll interval.
func (w *waiter) wait(ctx context.Context, left time.Duration) error {
	for {
		timer := w.shared.cfg.Clock.NewTimer(w.timeout(left))
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C():
			return nil
		case <-w.listener.signal:
			timer.Stop()
		}
		switch subscribed, waiting := w.listener.state(); {
		case !subscribed: // continue with a shorter poll interval
		case waiting <= 1:
			return nil
		default:
			return w.spread(ctx, waiting)
		}
	}
}

// timeout returns how long to wait without a notification.
func (w *waiter) timeout(left time.Duration) time.Duration {
	cfg := &w.shared.cfg
	d := cfg.PollInterval
	if subscribed, _ := w.listener.state(); subscribed {
		d *= subscribedFactor
	}
	d += time.Duration((w.shared.random() - 0.5) / 2 * float64(d))
	if left >= 0 {
		d = min(d, left+time.Millisecond+time.Duration(w.shared.random()*float64(min(expirySpread, cfg.Lease))))
	}
	return d
}

// spread waits for a random time, after a notification to the given number of waiters.
// It drops a notification that comes meanwhile.
func (w *waiter) spread(ctx context.Context, waiting int) error {
	d := min(time.Duration(waiting)*w.slotTime, maxSpread)
	w.slotTime = min(w.slotTime*2, maxSlotTime)
	if err := w.shared.pause(ctx, time.Duration(w.shared.random()*float64(d))); err != nil {
		return err
	}
	select {
	case <-w.listener.signal:
	default:
	}
	return nil
}
