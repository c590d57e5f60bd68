package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
)

// Demo is one run of the demo. Its methods are safe for concurrent use.
type Demo struct {
	plan    Plan
	clock   *suspendClock
	server  *agstest.Server
	workers sync.WaitGroup
	stop    chan struct{} // closed to end the workers after their current request

	logMu sync.Mutex // held while emit runs, so that events keep their order
	emit  func(Event)

	mu      sync.Mutex // guards state and changed; never held while emit runs
	state   state
	changed chan struct{} // closed and replaced whenever state changes
}

// New returns a demo that passes its events to emit, one at a time and in order.
func New(plan Plan, emit func(Event)) *Demo {
	d := &Demo{plan: plan, clock: &suspendClock{start: time.Now()}, emit: emit, stop: make(chan struct{}), changed: make(chan struct{})}
	d.state.pending, d.state.condition = make([]time.Time, plan.Workers), Healthy
	return d
}

// Run runs the demo once. The end of ctx interrupts it, which the report says. An
// error means that the demo could not start. When Run returns, all goroutines of the
// demo have ended.
func (d *Demo) Run(ctx context.Context) (Report, error) {
	d.startServer()
	err := d.signOn(ctx)
	if err == nil {
		d.log("workers", "start: %d of them call the API in a loop", d.plan.Workers)
		for id := range d.plan.Workers {
			d.workers.Go(func() { d.work(ctx, id) })
		}
		d.playScript(ctx)
	}
	interrupted := ctx.Err() != nil
	d.close(interrupted)
	if interrupted {
		err = nil
	}
	return d.report(interrupted), err
}

// startServer starts a gateway with an API. Its tokens have claims in milliseconds:
// rounding to seconds could take a third off a token that lives for three.
func (d *Demo) startServer() {
	d.server = agstest.NewServer(agstest.Config{
		InMemory: d.plan.InMemory, Clock: d.clock,
		AccessLifetime: d.plan.Access, RefreshLifetime: d.plan.Refresh, FixedLifetime: d.plan.Session,
		Quirks: agstest.Quirks{MillisecondClaims: true},
	})
	fault := func(agstest.Request) agstest.Fault {
		if d.outage() {
			return agstest.Fault{Status: http.StatusServiceUnavailable}
		}
		return agstest.Fault{Delay: d.plan.Latency}
	}
	d.server.AlwaysFunc(agstest.SignOn, fault)
	d.server.AlwaysFunc(agstest.Refresh, fault)
	if d.plan.Prepare != nil {
		d.plan.Prepare(d.server)
	}
}

// signOn signs on at the gateway and creates the Source that keeps the session.
func (d *Demo) signOn(ctx context.Context) error {
	gateway, err := ags.New(ags.Config{
		BaseURL: d.server.URL, AuthServiceID: "Customer Auth Service", TenantID: "nagra",
		Clock: d.clock, HTTPClient: &http.Client{Transport: roundTripFunc(d.gatewayRoundTrip)},
	})
	if err != nil {
		return err
	}
	request := ags.SignOnRequest{
		Parameters:        []ags.Parameter{{Name: "username", Value: agstest.DefaultUsername}, {Name: "password", Value: agstest.DefaultPassword}},
		DeviceInformation: json.RawMessage(`{"deviceType":"demo"}`),
	}
	token, err := gateway.SignOn(ctx, request)
	if err != nil {
		return fmt.Errorf("sign on: %w", err)
	}
	d.log("session 1", "starts with a sign-on as device %s and lasts %s", token.ClientID, span(d.clock.until(token.FixedExpiresAt)))
	source, err := tokensource.New(tokensource.Config{
		Token: token, Refresher: gateway, Login: tokensource.SignOnWith(gateway, request),
		RefreshBefore: d.plan.RefreshBefore, WarnBefore: d.plan.WarnBefore,
		OnEvent: d.sourceEvent, Clock: d.clock,
	})
	if err != nil {
		return err
	}
	d.update(func(s *state) {
		s.source, s.status, s.running = source, source.Status, true
		s.Logins, s.calls, s.firstSessionEnd = 1, 0, token.FixedExpiresAt
	})
	return nil
}

// close stops everything and waits for it. Requests and refreshes in progress are
// completed and logged, unless the demo was interrupted.
func (d *Demo) close(interrupted bool) {
	d.update(func(s *state) { s.running = false })
	if interrupted {
		d.silence()
		d.server.Close() // ends delayed responses
	}
	close(d.stop)
	d.workers.Wait()
	if source := d.read().source; source != nil {
		_ = source.Close() // it can only report a refresh that did not end, and the server ends that
	}
	d.server.Close()
	d.silence()
}

// playScript plays all steps and records those that did not happen as they should.
// After a fault by key they are excused.
func (d *Demo) playScript(ctx context.Context) {
	limited, cancel := context.WithTimeoutCause(ctx, d.plan.Limit, errors.New("it did not happen in time"))
	defer cancel()
	for _, step := range d.script() {
		err := sleep(limited, step.start-d.clock.Elapsed())
		if err == nil {
			err = step.play(limited)
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		d.update(func(s *state) {
			list := &s.missing
			if s.Keys != (Keys{}) {
				list = &s.excused
			}
			*list = append(*list, fmt.Sprintf("%s: %v", step.name, err))
		})
	}
}

// sleep waits for duration. The error is the cause of ctx's end.
func sleep(ctx context.Context, duration time.Duration) error {
	select {
	case <-time.After(duration):
	case <-ctx.Done():
	}
	return context.Cause(ctx)
}
