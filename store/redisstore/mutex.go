package redisstore

import (
	"context"
	"time"
)

// A gate lets one in at a time, as a mutex does, and lets those who wait give up.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

// enter waits until nobody else is in. If ctx ends first, or is over already, it
// returns the cause.
func (g gate) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g gate) leave() { <-g }

// await returns what ask does, or the cause of ctx's end, or errTimeout when
// limit fires (nil never does), whichever is first. The client heeds no context
// while it waits for an answer; so ask has a goroutine of its own, which lives on
// when it is left behind, until the client gives up. Then settle, if not nil, is
// called there with what came of it, and whether that was still received.
func await(
	ctx context.Context, limit <-chan time.Time, ask func(context.Context) (answer, error), settle func(a answer, err error, received bool),
) (answer, error) {
	type result struct {
		answer answer
		err    error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results, left := make(chan result), make(chan struct{})
	defer close(left)
	go func() {
		a, err := ask(ctx)
		received := true
		select {
		case results <- result{a, err}:
		case <-left:
			received = false
		}
		if settle != nil {
			settle(a, err, received)
		}
	}()
	select {
	case r := <-results:
		if r.err != nil && ctx.Err() != nil {
			return answer{}, context.Cause(ctx)
		}
		return r.answer, r.err
	case <-limit:
		return answer{}, errTimeout
	case <-ctx.Done():
		return answer{}, context.Cause(ctx)
	}
}

// pause waits for d, or until ctx ends, and returns the cause of that.
func (s *Store) pause(ctx context.Context, d time.Duration) error {
	timer := s.cfg.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
