// Package task bounds the calls of a user's code, tracks the goroutines that make them,
// and keeps them one at a time where that is needed.
package task

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// ErrTimeout is the error of a call that had no answer within its limit.
var ErrTimeout = fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)

var errGone = errors.New("the call ended its goroutine")

// Caller calls the user's code.
type Caller struct {
	// Clock is where the limits are measured.
	Clock *dualclock.Reader
	// Start runs a function on a goroutine of its own.
	Start func(func())
	// Panicked is told of a recovered panic, on the goroutine of the panic.
	Panicked func(ctx context.Context, call string, value any)
}

// Limit bounds a call in time. Zero means no limit.
type Limit struct {
	Whole time.Duration
	// First, if not zero, is the first part of Whole. Expire is called at its end, and
	// the call goes on.
	First  time.Duration
	Expire func()
}

// rest returns what is left of the limit after First. The timer of First may have been
// late, so elapsed may be more.
func (l Limit) rest(elapsed time.Duration) time.Duration {
	return l.Whole - max(l.First, elapsed)
}

// Call calls f and waits until it returns, ctx ends or the limit has passed, whichever is
// first. The context of f ends when Call returns. An f that does not heed it is left
// behind; if it succeeds after all, its value is passed to late, if late is not nil. There
// is one timer at a time.
//
// The error is that of f, [ErrTimeout], or the cause of ctx's end. If f panics or ends
// its goroutine, the error says so. name is the name of f in errors.
func Call[T any](
	ctx context.Context, c Caller, limit Limit, name string,
	f func(context.Context) (T, error), late func(T),
) (T, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	left := make(chan struct{})
	defer close(left)
	began, rest := c.Clock.Now().Mono, limit.Whole
	results := start(ctx, c, name, f, late, left)
	if limit.First > 0 {
		if r, inTime := await(ctx, c, limit.First, results); inTime {
			return r.value, r.err
		}
		rest = limit.rest(c.Clock.Now().Mono - began)
		if rest > 0 {
			limit.Expire()
		}
	}
	if rest > 0 || limit.Whole == 0 {
		if r, inTime := await(ctx, c, rest, results); inTime {
			return r.value, r.err
		}
	}
	cancel(context.DeadlineExceeded)
	var none T
	return none, ErrTimeout
}

// Do is [Call] for an f that returns only an error, with a limit for the whole call.
func Do(ctx context.Context, c Caller, limit time.Duration, name string, f func(context.Context) error) error {
	_, err := Call(ctx, c, Limit{Whole: limit}, name, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) }, nil)
	return err
}

// result is what a call has returned.
type result[T any] struct {
	value T
	err   error
}

// start calls f on a goroutine of its own. After left is closed the value of f goes to
// late.
func start[T any](
	ctx context.Context, c Caller, name string,
	f func(context.Context) (T, error), late func(T), left <-chan struct{},
) <-chan result[T] {
	results := make(chan result[T])
	c.Start(func() {
		r := result[T]{err: errGone}
		defer func() {
			if v := recover(); v != nil {
				c.Panicked(ctx, name, v)
				r.err = fmt.Errorf("panic in %s (%T)", name, v)
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

// await waits for the result of a call until ctx ends, or for at most limit; zero means no
// limit. It reports false if the limit has passed. A result that has come by the end of
// the wait is returned in any case.
func await[T any](ctx context.Context, c Caller, limit time.Duration, results <-chan result[T]) (r result[T], inTime bool) {
	var timeout <-chan time.Time
	if limit > 0 {
		timer := c.Clock.NewTimer(limit)
		defer timer.Stop()
		timeout = timer.C()
	}
	select {
	case r = <-results:
		return r, true
	case <-timeout:
	case <-ctx.Done():
		r.err, inTime = context.Cause(ctx), true
	}
	select {
	case r = <-results:
		return r, true
	default:
		return r, inTime
	}
}

// Pause waits for d, or until ctx ends, and then returns the cause of that.
func Pause(ctx context.Context, clock *dualclock.Reader, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	timer := clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
