package ags

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/agsauth/agsauth/clock"
)

// retryPolicy says which failures of a call are retried. It depends on the harm of
// making the call twice.
type retryPolicy uint8

const (
	// retryTransient retries all transient failures. It is for calls that change
	// nothing.
	retryTransient retryPolicy = iota
	// retryUnsent retries only requests that did not reach the gateway or that it
	// did not process. It is for calls that may register a device each time.
	retryUnsent
	// retryLostOnce retries all transient failures, but a lost response only once
	// and without delay. It is for calls that use up a token: the gateway may still
	// accept it shortly afterwards.
	retryLostOnce
)

// retryDelay reports whether to retry after the last attempt, and after what delay.
func (x *exchange) retryDelay() (delay time.Duration, retry bool) {
	e, ok := errors.AsType[*Error](x.err)
	if !ok {
		return 0, false
	}
	retry = x.outcome == lost || errors.Is(e, ErrUnavailable)
	switch x.call.policy {
	case retryTransient:
	case retryUnsent:
		retry = x.outcome == notSent || e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable && !e.NotFromGateway
	case retryLostOnce:
		if x.outcome == lost {
			return 0, !x.lostBefore
		}
	}
	if !retry {
		return 0, false
	}
	delay = x.settings.retry.delay(x.delays, x.settings.random())
	x.delays++
	return max(delay, e.RetryAfter), true
}

// delay returns the delay after n earlier ones. random is in [0,1).
func (r Retry) delay(n int, random float64) time.Duration {
	d := r.Min
	for range n {
		d = min(2*d, r.Cap)
	}
	return time.Duration((0.75 + random/2) * float64(d))
}

// wait waits for d and reports true, or reports false at once if ctx would end
// before, and when ctx ends.
func (x *exchange) wait(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	// A context's deadline is by the system clock, not by the configured one.
	if deadline, ok := ctx.Deadline(); ok && !(clock.Real{}).Now().Add(d).Before(deadline) {
		return false
	}
	if d <= 0 {
		return true
	}
	timer := x.settings.clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
