package tokensource

import (
	"context"
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
	type result struct {
		value T
		err   error
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results, left := make(chan result), make(chan struct{})
	defer close(left)
	s.startInner(func() {
		r := result{err: errGone}
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
	var timeout <-chan time.Time
	if limit > 0 {
		timer := s.watch.newTimer(limit)
		defer timer.Stop()
		timeout = timer.C()
	}
	var none T
	select {
	case r := <-results:
		return r.value, r.err
	case <-timeout:
		cancel(context.DeadlineExceeded)
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
	timer := s.watch.newTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
