package ags

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/agsauth/agsauth/clock"
)

// defaultTimeout is the default of [Config.Timeout].
const defaultTimeout = 30 * time.Second

// timeoutError is the error of an attempt that exceeds [Config.Timeout]. It is a
// [net.Error].
type timeoutError struct{ after time.Duration }

func (e timeoutError) Error() string { return fmt.Sprintf("no complete response within %v", e.after) }

// Is reports whether target is context.DeadlineExceeded.
func (timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// Timeout reports true.
func (timeoutError) Timeout() bool { return true }

// Temporary reports true.
func (timeoutError) Temporary() bool { return true }

// withTimeout returns a context that is cancelled with a timeoutError after d on c.
// The caller must call stop, which waits for the goroutine of the timer.
func withTimeout(ctx context.Context, c clock.Clock, d time.Duration) (limited context.Context, stop func()) {
	limited, cancel := context.WithCancelCause(ctx)
	timer := c.NewTimer(d)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-timer.C():
			cancel(timeoutError{d})
		case <-limited.Done():
		}
	}()
	return limited, func() {
		timer.Stop()
		cancel(nil)
		<-done
	}
}

// orTimeout returns the timeoutError that ended ctx, if any, in place of err, which
// is its consequence. It returns nil if err is nil.
func orTimeout(ctx context.Context, err error) error {
	if t, ok := errors.AsType[timeoutError](context.Cause(ctx)); ok && err != nil {
		return t
	}
	return err
}
