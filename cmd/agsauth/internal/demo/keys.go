package demo

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/tokensource"
)

// Press makes the fault of a key: "o" for an outage of the gateway, "r" to reject the
// current access token, "s" to suspend the machine. It needs a running demo.
func (d *Demo) Press(ctx context.Context, key string) {
	if !d.read().running {
		return
	}
	switch key {
	case "o":
		d.update(func(s *state) {
			s.keyEffect = true
			s.Keys.Outages++
			s.outageEnds = d.clock.Elapsed() + d.plan.OutageFor
		})
		d.log("you", "stop the gateway for %s: it refuses every call (503)", span(d.plan.OutageFor))
	case "r":
		if !d.rejectToken(ctx, "you", "make the API reject the current token") {
			d.log("you", "cannot reject a token now: the library would ignore it")
		}
	case "s":
		d.update(func(s *state) {
			s.keyEffect = true
			s.Keys.Suspends++
			d.clock.suspended.Add(int64(d.plan.SuspendFor))
		})
		d.log("you", "suspend the machine for %s; %s", span(d.plan.SuspendFor), d.validity())
	}
}

// outage reports whether there is an outage by key.
func (d *Demo) outage() bool { return d.clock.Elapsed() < d.read().outageEnds }

// rejectToken makes the API reject the current token, for the script ("demo") or a
// key ("you"). It returns false if there is no token or if the Source would ignore
// the rejection: after repeated ones it refreshes only at intervals that double.
func (d *Demo) rejectToken(ctx context.Context, subject, text string) (rejected bool) {
	before := d.read()
	if st := before.status(); st.Err != nil || st.Phase != tokensource.Fresh && st.Phase != tokensource.Ageing {
		return false
	}
	token, err := before.source.TokenContext(ctx)
	if err != nil {
		return false
	}
	d.update(func(s *state) {
		now := d.clock.Elapsed()
		if rejected = now >= s.rejectFrom; !rejected {
			return
		}
		s.rejectEvery = max(d.plan.Access/2, 2*s.rejectEvery)
		s.rejectFrom = now + s.rejectEvery
		if s.pairs() == before.pairs() {
			s.rejectedAt, s.rejectedBefore = time.Now(), s.Rejected
		}
		if subject == "you" {
			s.keyEffect = true
			s.Keys.Rejections++
		}
	})
	if rejected {
		d.log(subject, "%s", text)
		d.server.RejectToken(token.AccessToken)
	}
	return rejected
}

// suspendClock is the system's clock on a machine that can be suspended. A suspend
// moves the wall clock on, but neither the monotonic clock nor any timer. All parts
// of the demo share it, including the gateway. It is safe for concurrent use.
type suspendClock struct {
	clock.Real

	start     time.Time
	suspended atomic.Int64 // nanoseconds
}

// Now implements [clock.Clock], without a monotonic reading, which would not include
// the suspended time.
func (c *suspendClock) Now() time.Time {
	return time.Now().Round(0).Add(time.Duration(c.suspended.Load()))
}

// Elapsed implements [clock.Monotonic]: the time since the start of the demo.
func (c *suspendClock) Elapsed() time.Duration { return time.Since(c.start) }

func (c *suspendClock) until(t time.Time) time.Duration { return t.Sub(c.Now()) }
