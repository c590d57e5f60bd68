package demo

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/agsauth/agsauth/agstest"
)

// step is a part of the script. Play makes it happen or waits for it; an error says
// that it did not happen as it should.
type step struct {
	name  string
	start time.Duration // at the earliest
	play  func(context.Context) error
}

// script returns the steps, in order.
func (d *Demo) script() []step {
	return []step{
		{"a refresh", 0, d.refresh},
		{"a slow refresh", d.plan.SlowAt, d.slowRefresh},
		{"a failing gateway", d.plan.FailAt, d.failingGateway},
		{"a rejected token", d.plan.RejectAt, d.rejectedToken},
		{"the warning before the session's end", 0, d.warning},
		{"a login before the session's end", 0, d.login},
		{"the end of the first session", 0, d.sessionEnd},
	}
}

// refresh waits for the first refresh, without any fault.
func (d *Demo) refresh(ctx context.Context) error {
	return d.waitFor(ctx, func(s state) bool { return s.Refreshes > 0 })
}

// slowRefresh delays a refresh. No worker may wait for it.
func (d *Demo) slowRefresh(ctx context.Context) error {
	d.log("demo", "slows the gateway: the next refresh takes %s longer", span(d.plan.SlowFor))
	d.setCondition(Slow)
	defer d.setCondition(Healthy)
	d.server.Script(agstest.Refresh, agstest.Fault{Delay: d.plan.Latency + d.plan.SlowFor, If: d.scriptedFault})
	if err := d.waitFor(ctx, func(s state) bool { return s.scriptedFaults > 0 }); err != nil {
		return err
	}
	before, text := d.read(), "is in progress; all workers wait: the token cannot be used"
	if before.rejectedAt.IsZero() && d.clock.until(before.status().ExpiresAt) > 0 {
		text = "is in progress; nobody waits: " + d.validity()
	}
	d.log(nth("refresh", before.Refreshes+1), "%s", text)
	if err := d.nextPair(ctx, before); err != nil {
		return err
	}
	// A request that waits for the refresh waits for all of the delay.
	if a := d.read().since(before.Totals); a.requests == 0 || a.slowest >= d.plan.SlowFor {
		return errors.New("workers had to wait for it")
	}
	return nil
}

// failingGateway refuses some refreshes and then loses one response.
func (d *Demo) failingGateway(ctx context.Context) error {
	d.log("demo", "breaks the gateway: %d refusals (503), then a lost response", d.plan.Refusals)
	d.setCondition(Failing)
	defer d.setCondition(Healthy)
	before := d.read()
	d.server.Script(agstest.Refresh,
		agstest.Fault{Status: http.StatusServiceUnavailable, Times: d.plan.Refusals, If: d.scriptedFault},
		agstest.Fault{Kind: agstest.Lost, If: d.scriptedFault})
	if err := d.waitFor(ctx, func(s state) bool { return s.scriptedFaults > before.scriptedFaults+d.plan.Refusals }); err != nil {
		return err
	}
	return d.nextPair(ctx, d.read())
}

// rejectedToken makes the API reject the current token. It tries again with the next
// token if this one was replaced before any request was rejected.
func (d *Demo) rejectedToken(ctx context.Context) error {
	for {
		before := d.read()
		if before.Keys.Rejections > 0 {
			return nil // by key; the Source may ignore another one for long
		}
		// A refresh is due no earlier than 6/5 of RefreshBefore ahead of the expiry.
		if d.clock.until(before.status().ExpiresAt) > d.plan.RefreshBefore*6/5 {
			d.rejectToken(ctx, "demo", "makes the API reject the current token, long before it expires")
		}
		if err := d.nextPair(ctx, before); err != nil {
			return err
		}
		if d.read().Rejected > before.Rejected {
			return nil
		}
	}
}

// warning waits for the Source to announce the session's end before the login.
func (d *Demo) warning(ctx context.Context) error {
	err := d.waitFor(ctx, func(s state) bool { return s.warned || s.Logins > 1 })
	if err == nil && !d.read().warned {
		return errors.New("it did not come before the login")
	}
	return err
}

// login waits for the second login, which must come before the first session ends.
func (d *Demo) login(ctx context.Context) error {
	err := d.waitFor(ctx, func(s state) bool { return s.Logins > 1 })
	if err == nil && d.clock.until(d.read().firstSessionEnd) <= 0 {
		return errors.New("it came too late")
	}
	return err
}

// sessionEnd waits for the end of the first session. It polls since a suspend moves
// the clock, but no timer.
func (d *Demo) sessionEnd(ctx context.Context) error {
	const interval, margin = 20 * time.Millisecond, 100 * time.Millisecond
	before := d.read()
	for d.clock.until(before.firstSessionEnd.Add(margin)) > 0 {
		if err := sleep(ctx, interval); err != nil {
			return err
		}
	}
	s := d.read()
	if st := d.server.Stats(); st.Sessions != s.Logins || st.Sessions < 2 || st.LiveSessions != 1 {
		return errors.New("the gateway still has the session")
	}
	a := s.since(before.Totals)
	d.log("session 1", "is over; %s since the login, %d failed", requests(a.requests), a.failed)
	return sleep(ctx, d.plan.Tail-margin)
}

// nextPair waits for a token pair that is newer than those of before.
func (d *Demo) nextPair(ctx context.Context, before state) error {
	return d.waitFor(ctx, func(s state) bool { return s.pairs() > before.pairs() })
}

func (d *Demo) setCondition(c Condition) { d.update(func(s *state) { s.condition = c }) }

// scriptedFault admits a fault of the script, unless there is an outage by key.
func (d *Demo) scriptedFault(agstest.Request) bool {
	if d.outage() {
		return false
	}
	d.update(func(s *state) { s.scriptedFaults++ })
	return true
}
