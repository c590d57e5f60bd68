package demo

import (
	"context"
	"time"

	"github.com/agsauth/agsauth/tokensource"
)

// Outage makes the gateway refuse every call for [Plan].OutageFor.
func (d *Demo) Outage() {
	if d.keyPressed(func(s *state) {
		s.Keys.Outages++
		s.outageEnds = d.clock.Elapsed() + d.plan.OutageFor
	}) {
		d.log("you", "stop the gateway for %s: it refuses every call (503)", span(d.plan.OutageFor))
	}
}

// outage returns how long the outage by key still lasts.
func (d *Demo) outage() time.Duration { return max(0, d.read().outageEnds-d.clock.Elapsed()) }

// Suspend moves the wall clock by [Plan].SuspendFor, as if the machine had been
// suspended.
func (d *Demo) Suspend() {
	if !d.keyPressed(func(s *state) {
		s.Keys.Suspends++
		d.clock.suspend(d.plan.SuspendFor)
	}) {
		return
	}
	d.log("you", "suspend the machine for %s; %s", span(d.plan.SuspendFor), validity(d.clock.until(d.read().tokenExpiresAt)))
}

// Reject makes the API reject the current access token, unless the Source would
// ignore that: it does not follow an API that rejects token after token. Reject may
// wait for a token until ctx ends.
func (d *Demo) Reject(ctx context.Context) {
	s := d.read()
	if !s.running {
		return
	}
	if st := s.status(); st.Err != nil || st.Phase == tokensource.Expired || st.Phase == tokensource.Ended {
		d.log("you", "can reject a token only after the next refresh")
		return
	}
	wait, err := d.rejectToken(ctx, "you", "make the API reject the current token")
	if err == nil && wait > 0 {
		d.log("you", "can reject a token again in %s: until then the library ignores it", span(wait))
	}
}

// rejectToken makes the API reject the current token, on behalf of the script
// ("demo") or of a key ("you"). If the Source would ignore that, it only returns how
// long to wait.
func (d *Demo) rejectToken(ctx context.Context, who, what string) (wait time.Duration, err error) {
	before := d.read()
	token, err := before.source.TokenContext(ctx)
	if err != nil {
		return 0, err
	}
	d.update(func(s *state) {
		now := d.clock.Elapsed()
		if wait = max(0, s.rejectFrom-now); wait > 0 {
			return
		}
		s.rejectEvery = max(d.plan.Access/2, 2*s.rejectEvery)
		s.rejectFrom = now + s.rejectEvery
		if s.pairs() == before.pairs() {
			s.rejectedAt, s.rejectedBefore = time.Now(), s.Rejected
		}
		if who == "you" {
			s.Keys.Rejections++
			s.faultByKey = true
		}
	})
	if wait == 0 {
		d.log(who, "%s", what)
		d.server.RejectToken(token.AccessToken)
	}
	return wait, nil
}

// keyPressed records a fault by key. It does nothing and returns false unless the
// demo is running.
func (d *Demo) keyPressed(record func(*state)) bool {
	pressed := false
	d.update(func(s *state) {
		if pressed = s.running; pressed {
			s.faultByKey = true
			record(s)
		}
	})
	return pressed
}
