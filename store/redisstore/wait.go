package redisstore

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
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
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := waiter{store: s, notifications: s.subscribe(ctx), slotTime: slotTime}
	for !held && err == nil {
		if err = w.wait(ctx, left); err == nil {
			held, left, err = s.tryAcquire(ctx, token)
		}
	}
	return err
}

// A waiter waits for the lock.
type waiter struct {
	store         *Store
	notifications <-chan int // nil after it was closed
	subscribed    bool
	slotTime      time.Duration
}

// wait waits until the lock may be free: after a notification, when the lease, of which
// left is left, may have expired, and after the poll interval.
func (w *waiter) wait(ctx context.Context, left time.Duration) error {
	for {
		timer := w.store.cfg.Clock.NewTimer(w.timeout(left))
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C():
			return nil
		case waiting, ok := <-w.notifications:
			timer.Stop()
			if !ok {
				w.notifications, w.subscribed = nil, false
				continue // with a shorter poll interval
			}
			w.subscribed = true
			if waiting <= 1 {
				return nil
			}
			return w.spread(ctx, waiting)
		}
	}
}

// timeout returns how long to wait without a notification.
func (w *waiter) timeout(left time.Duration) time.Duration {
	s := w.store
	d := s.cfg.PollInterval
	if w.subscribed {
		d *= subscribedFactor
	}
	d += time.Duration((s.cfg.Rand() - 0.5) / 2 * float64(d))
	if left >= 0 {
		d = min(d, left+time.Millisecond+time.Duration(s.cfg.Rand()*float64(min(expirySpread, s.cfg.Lease))))
	}
	return d
}

// spread waits for a random time, after a notification to the given number of waiters.
// It drops a notification that comes meanwhile.
func (w *waiter) spread(ctx context.Context, waiting int) error {
	d := min(time.Duration(waiting)*w.slotTime, maxSpread)
	w.slotTime = min(w.slotTime*2, maxSlotTime)
	if err := w.store.pause(ctx, time.Duration(w.store.cfg.Rand()*float64(d))); err != nil {
		return err
	}
	select {
	case _, ok := <-w.notifications:
		if !ok {
			w.notifications, w.subscribed = nil, false
		}
	default:
	}
	return nil
}

// subscriptionConfirmed is sent once when the subscription begins. The lock may have
// been released just before.
const subscriptionConfirmed = 0

// subscribe subscribes to the notifications of releases until ctx ends. It sends
// subscriptionConfirmed, and for each release the number of waiters. It closes the
// channel when no more notifications will come: the user has no right to subscribe, or
// the connection is lost.
func (s *Store) subscribe(ctx context.Context) <-chan int {
	notifications := make(chan int, 1)
	subscription := s.client().Subscribe(ctx) // without a channel it does not connect yet
	// Close ends Receive, which ignores ctx.
	cancelClose := context.AfterFunc(ctx, func() { _ = subscription.Close() })
	go func() {
		defer close(notifications)
		// The client panics at some messages that it cannot parse.
		defer func() { _ = recover() }()
		defer func() {
			if cancelClose() {
				_ = subscription.Close()
			}
		}()
		if subscription.Subscribe(ctx, s.names.channel) != nil {
			return
		}
		for {
			waiting, err := receive(ctx, subscription)
			if err != nil {
				return
			}
			select {
			case notifications <- waiting:
			default: // the previous one is not received yet, and suffices
			}
		}
	}()
	return notifications
}

// receive waits for the next notification.
func receive(ctx context.Context, subscription *redis.PubSub) (waiting int, err error) {
	for {
		event, err := subscription.Receive(ctx)
		if err != nil {
			return 0, err
		}
		switch e := event.(type) {
		case *redis.Subscription:
			return subscriptionConfirmed, nil
		case *redis.Message:
			// Messages of others may not be numbers. They count as a notification too.
			n, _ := strconv.Atoi(e.Payload)
			return max(n, 1), nil
		}
	}
}
