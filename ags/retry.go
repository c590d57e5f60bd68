package ags

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/agsauth/agsauth/clock"
)

// policy says which failures of a call are repeated: how much harm it does to
// have made the call twice.
type policy uint8

const (
	// retryTransient changes nothing: it repeats all transient failures.
	retryTransient policy = iota
	// retryUnsent may register another device each time: it repeats only what never
	// reached the gateway, and what was turned away unlooked at.
	retryUnsent
	// retryLostOnce uses up a token. It repeats all transient failures; an answer that was
	// lost is asked for once more and at once, while the gateway may still
	// remember whom it was for.
	retryLostOnce
)

// delay returns whether the attempt that was just made is to be repeated, and
// after what wait.
func (x *exchange) delay() (time.Duration, bool) {
	e, ok := errors.AsType[*Error](x.err)
	if !ok {
		return 0, false
	}
	again := x.lost || errors.Is(e, ErrUnavailable)
	switch x.call.policy {
	case retryTransient:
	case retryUnsent:
		again = x.notSent || e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable && !e.NotFromGateway
	case retryLostOnce:
		if x.lost {
			return 0, !x.lostBefore
		}
	}
	if !again {
		return 0, false
	}
	wait := x.settings.retry.wait(x.waits, x.settings.random())
	x.waits++
	return max(wait, e.RetryAfter), true
}

// wait returns the wait after so many before it, random being drawn from [0,1).
func (r Retry) wait(before int, random float64) time.Duration {
	d := r.Min
	for range before {
		d = min(2*d, r.Cap)
	}
	return time.Duration((0.75 + random/2) * float64(d))
}

// pause waits for d, and reports whether it could. A wait that the context would
// not outlive is not begun.
func (x *exchange) pause(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	// Deadlines of contexts are by the system's clock, whatever ours is.
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
