package redisstore

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// patience is how many times more rarely one looks that will be told.
	patience = 10
	// turnTime is about what one takes that has waited only to find that there is
	// nothing left to do: to lock, load and unlock. Those who wait are spread so
	// that they come one after the other, and each mostly finds the lock free.
	turnTime = 4 * time.Millisecond
	// maxTurnTime is what it may grow to, as it doubles each time that one finds
	// the lock taken after all: then the way to the server is a longer one.
	maxTurnTime = 32 * time.Millisecond
	// maxSpread is the longest that they are spread over.
	maxSpread = 2 * time.Second
	// deadSpread is the same when a holder has died, which nobody counts.
	deadSpread = 250 * time.Millisecond
)

// acquire waits for the lock and takes it.
func (s *Store) acquire(ctx context.Context, token string) error {
	held, left, err := s.attempt(ctx, token)
	if held || err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := waiter{store: s, bell: s.listen(ctx), turn: turnTime}
	for !held && err == nil {
		if err = w.wait(ctx, left); err == nil {
			held, left, err = s.attempt(ctx, token)
		}
	}
	return err
}

// A waiter is one that waits for the lock.
type waiter struct {
	store *Store
	bell  <-chan int // nil when it will not ring any more
	told  bool       // the bell will ring
	turn  time.Duration
}

// wait returns when it is worth looking whether the lock is free: after a release,
// when the lease that has left to go may have ended, and in any case from time to
// time.
func (w *waiter) wait(ctx context.Context, left time.Duration) error {
	for {
		timer := w.store.cfg.Clock.NewTimer(w.limit(left))
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C():
			return nil
		case waiting, ok := <-w.bell:
			timer.Stop()
			if !ok {
				// Nobody tells any more, or never did: it is for us to look.
				w.bell, w.told = nil, false
				continue
			}
			w.told = true
			if waiting <= 1 {
				return nil
			}
			return w.spread(ctx, waiting)
		}
	}
}

// limit is how long to wait without a word.
func (w *waiter) limit(left time.Duration) time.Duration {
	s := w.store
	d := s.cfg.PollInterval
	if w.told {
		d *= patience
	}
	d += time.Duration((s.cfg.Rand() - 0.5) / 2 * float64(d))
	if left >= 0 {
		d = min(d, left+time.Millisecond+time.Duration(s.cfg.Rand()*float64(min(deadSpread, s.cfg.Lease))))
	}
	return d
}

// spread waits for this one's turn among so many who were told the same. What
// the bell rings meanwhile is of no more interest.
func (w *waiter) spread(ctx context.Context, waiting int) error {
	d := min(time.Duration(waiting)*w.turn, maxSpread)
	w.turn = min(w.turn*2, maxTurnTime)
	if err := w.store.pause(ctx, time.Duration(w.store.cfg.Rand()*float64(d))); err != nil {
		return err
	}
	select {
	case _, ok := <-w.bell:
		if !ok {
			w.bell, w.told = nil, false
		}
	default:
	}
	return nil
}

// subscribed is what the bell rings once, when from then on it will ring after
// each release. The one just before may have gone by.
const subscribed = 0

// listen returns a bell that rings after a release, with the number of those who
// wait for it. It is closed when it will not ring any more: when this user may not
// subscribe, or the connection is lost. It ends with ctx.
func (s *Store) listen(ctx context.Context) <-chan int {
	bell := make(chan int, 1)
	subscription := s.client().Subscribe(ctx) // to nothing yet, which connects to nothing
	// To close it is what ends its wait.
	over := context.AfterFunc(ctx, func() { _ = subscription.Close() })
	go func() {
		defer close(bell)
		// The client panics at some messages that it cannot read.
		defer func() { _ = recover() }()
		defer func() {
			if over() {
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
			case bell <- waiting:
			default: // it has rung already
			}
		}
	}()
	return bell
}

// receive waits for the next that a subscription has to say.
func receive(ctx context.Context, subscription *redis.PubSub) (waiting int, err error) {
	for {
		event, err := subscription.Receive(ctx)
		if err != nil {
			return 0, err
		}
		switch e := event.(type) {
		case *redis.Subscription:
			return subscribed, nil
		case *redis.Message:
			// What is no number is somebody else's, and still a reason to look.
			n, _ := strconv.Atoi(e.Payload)
			return max(n, 1), nil
		}
	}
}
