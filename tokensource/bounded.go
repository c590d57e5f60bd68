package tokensource

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// bounded calls f, and waits for it until ctx ends or limit has passed on the
// Source's clock (zero is no limit), whichever is first. f's context ends then
// too. An f that does not heed it is left behind: it can hang itself but not the
// session; what it returns after all is given to late, if that is not nil.
//
// The error is f's own, errTimeout, or the cause of ctx's end. A panic of f, and
// its leaving by runtime.Goexit, are errors.
func bounded[T any](
	ctx context.Context, s *Source, limit time.Duration, what string,
	f func(context.Context) (T, error), late func(T),
) (T, error) {
	return boundedBy(ctx, s, timeLimit{whole: limit}, what, f, late)
}

// timeLimit bounds a call. When first of whole has passed expire is called, and the
// call goes on. Zero is no limit.
type timeLimit struct {
	whole, first time.Duration
	expire       func()
}

// rest returns what is left of whole once first has passed. elapsed is since the
// beginning: the timer of first may have been late.
func (l timeLimit) rest(elapsed time.Duration) time.Duration {
	return l.whole - max(l.first, elapsed)
}

// boundedBy is bounded with a limit that may have a first part. It has one timer at a
// time.
func boundedBy[T any](
	ctx context.Context, s *Source, limit timeLimit, what string,
	f func(context.Context) (T, error), late func(T),
) (T, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	left := make(chan struct{})
	defer close(left)
	began, rest := s.watch.Now().Mono, limit.whole
	results := startCall(ctx, s, what, f, late, left)
	if limit.first > 0 {
		value, err := await(ctx, s, limit.first, results)
		if !errors.Is(err, errTimeout) {
			return value, err
		}
		rest = limit.rest(s.watch.Now().Mono - began)
		if rest > 0 {
			limit.expire()
		}
	}
	if rest > 0 || limit.whole == 0 {
		value, err := await(ctx, s, rest, results)
		if !errors.Is(err, errTimeout) {
			return value, err
		}
	}
	cancel(context.DeadlineExceeded)
	var none T
	return none, errTimeout
}

// result is what a call of the user's code has returned.
type result[T any] struct {
	value T
	err   error
}

// startCall calls f on a goroutine of its own. What f returns once left is closed is
// given to late.
func startCall[T any](
	ctx context.Context, s *Source, what string,
	f func(context.Context) (T, error), late func(T), left <-chan struct{},
) <-chan result[T] {
	results := make(chan result[T])
	s.startInner(func() {
		r := result[T]{err: errGone}
		defer func() {
			if v := recover(); v != nil {
				s.logPanic(ctx, what, v)
				r.err = fmt.Errorf("panic in %s (%T)", what, v)
			}
			select {
			case results <- r:
			case <-left:
				if r.err == nil && late != nil {
					late(r.value)
				}
			}
		}()
		r.value, r.err = f(ctx)
	})
	return results
}

// await waits for the result of a call, for limit at most (zero is no limit). The
// error is the call's own, errTimeout, or the cause of ctx's end.
func await[T any](ctx context.Context, s *Source, limit time.Duration, results <-chan result[T]) (T, error) {
	var timeout <-chan time.Time
	if limit > 0 {
		timer := s.watch.NewTimer(limit)
		defer timer.Stop()
		timeout = timer.C()
	}
	var none T
	select {
	case r := <-results:
		return r.value, r.err
	case <-timeout:
		return none, errTimeout
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

// pause waits for d on the Source's clock, or until ctx ends, and returns the
// cause of that.
func (s *Source) pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	timer := s.watch.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
