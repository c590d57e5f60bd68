package redisstore

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// A runner is a method of redis.Script that runs it.
type runner func(ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd

// call runs a script until ctx ends. Its error is that of the operation op, or the
// cause of ctx's end.
func (s *Store) call(ctx context.Context, op string, script runner, keys []string, args ...any) (result, error) {
	r, err := await(ctx, nil, func(ctx context.Context) (result, error) {
		return s.shared.run(ctx, script, keys, args...)
	}, nil)
	return r, endedOr(ctx, op, err)
}

// run runs a script. It returns when the client does, which may be after ctx ends. Its
// error contains no text of the client's.
func (sh *shared) run(ctx context.Context, script runner, keys []string, args ...any) (r result, err error) {
	defer func() {
		// The client panics at some results that it cannot parse. This goroutine is
		// the package's own, so the caller cannot recover.
		if recover() != nil {
			r, err = result{}, errGarbled
		}
	}()
	return sh.decode(script(ctx, sh.client(), keys, args...))
}

// decode returns the result that cmd has received.
func (sh *shared) decode(cmd *redis.Cmd) (result, error) {
	words, err := cmd.StringSlice()
	if err = translate(err); isDenied(err) {
		sh.rightsChecked.Store(false)
	}
	switch {
	case err != nil:
		return result{}, err
	case len(words) == 0:
		return result{}, errResult
	default:
		return result{status(words[0]), words[1:]}, nil
	}
}

// await calls f in a new goroutine, since the client ignores contexts while it waits
// for a result. It returns the result of f, the cause of ctx's end, or errTimeout when
// timeout fires, whichever is first. A nil timeout never fires.
//
// If await returns before f does, the goroutine runs until the client gives up. If
// settle is not nil, it is called in the goroutine after f, and received tells whether
// await returned the result of f.
func await[T any](
	ctx context.Context, timeout <-chan time.Time,
	f func(context.Context) (T, error), settle func(r T, err error, received bool),
) (T, error) {
	type outcome struct {
		result T
		err    error
	}
	var none T
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	outcomes, left := make(chan outcome), make(chan struct{})
	defer close(left)
	go func() {
		r, err := f(ctx)
		received := true
		select {
		case outcomes <- outcome{r, err}:
		case <-left:
			received = false
		}
		if settle != nil {
			settle(r, err, received)
		}
	}()
	select {
	case o := <-outcomes:
		if o.err != nil && ctx.Err() != nil {
			return none, context.Cause(ctx)
		}
		return o.result, o.err
	case <-timeout:
		return none, errTimeout
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

// pause waits for d. If ctx ends first it returns the cause.
func (sh *shared) pause(ctx context.Context, d time.Duration) error {
	timer := sh.cfg.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
