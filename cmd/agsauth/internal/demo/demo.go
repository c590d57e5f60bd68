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

// Event is one line of the event log. It carries no secret.
type Event struct {
	At        time.Duration // since the start of the demo
	Who, What string        // the subject and the rest of a sentence
}

// String returns the event as a line.
func (e Event) String() string {
	return fmt.Sprintf("%4.1fs  %-10s %s", e.At.Seconds(), e.Who, e.What)
}

// Demo is one run of the demo. Its methods are safe for concurrent use.
type Demo struct {
	plan    Plan
	clock   *suspendClock
	server  *agstest.Server
	workers sync.WaitGroup
	stop    chan struct{} // closed by close; workers then finish their request and end

	logMu sync.Mutex // held while emit runs, so that events keep their order
	emit  func(Event)

	mu      sync.Mutex // guards all below; never held while emit runs
	state   state
	changed chan struct{} // closed and replaced whenever state changes
}

// New returns a demo that passes its events to emit, one at a time and in order.
// The demo may wait for emit to return; the workers do not.
func New(plan Plan, emit func(Event)) *Demo {
	d := &Demo{plan: plan, clock: newSuspendClock(), emit: emit, stop: make(chan struct{}), changed: make(chan struct{})}
	d.state.pending = make([]time.Time, plan.Workers)
	return d
}

// Run runs the demo once. The end of ctx interrupts it at once, which is no error
// but marked in the report. An error means that the demo could not start. All
// goroutines of the demo have ended when Run returns.
func (d *Demo) Run(ctx context.Context) (Report, error) {
	var missing, excused []string
	d.startServer()
	err := d.signOn(ctx)
	if err == nil {
		d.log("workers", "start: %d of them call the API in a loop", d.plan.Workers)
		for id := range d.plan.Workers {
			d.workers.Go(func() { d.newWorker(id).run(ctx) })
		}
		missing, excused = d.playScript(ctx)
	}
	interrupted := ctx.Err() != nil
	d.close(interrupted)
	if interrupted {
		missing, excused, err = nil, nil, nil
	}
	return d.report(missing, excused, interrupted), err
}

// startServer starts a gateway with an API, with the latency of a real one. Its
// tokens have claims in milliseconds: with whole seconds, rounding could take a
// third off a token that lives for three.
func (d *Demo) startServer() {
	d.server = agstest.NewServer(agstest.Config{
		InMemory:        d.plan.InMemory,
		Clock:           d.clock,
		AccessLifetime:  d.plan.Access,
		RefreshLifetime: d.plan.Refresh,
		FixedLifetime:   d.plan.Session,
		Quirks:          agstest.Quirks{MillisecondClaims: true},
	})
	for _, op := range []agstest.Op{agstest.SignOn, agstest.Refresh} {
		d.server.AlwaysFunc(op, func(agstest.Request) agstest.Fault {
			if d.outage() > 0 {
				return agstest.Fault{Status: http.StatusServiceUnavailable}
			}
			return agstest.Fault{Delay: d.plan.Latency}
		})
	}
	if d.plan.Prepare != nil {
		d.plan.Prepare(d.server)
	}
}

// signOn signs on at the gateway and creates the Source that keeps the session.
func (d *Demo) signOn(ctx context.Context) error {
	gateway, err := ags.New(ags.Config{
		BaseURL:       d.server.URL,
		AuthServiceID: "Customer Auth Service",
		TenantID:      "nagra",
		Clock:         d.clock,
		HTTPClient:    &http.Client{Transport: d.gatewayTransport()},
	})
	if err != nil {
		return err
	}
	request := ags.SignOnRequest{
		Parameters: []ags.Parameter{
			{Name: "username", Value: agstest.DefaultUsername},
			{Name: "password", Value: agstest.DefaultPassword},
		},
		DeviceInformation: json.RawMessage(`{"deviceType":"demo"}`),
	}
	token, err := gateway.SignOn(ctx, request)
	if err != nil {
		return fmt.Errorf("sign on: %w", err)
	}
	d.signedOn(token)
	source, err := tokensource.New(tokensource.Config{
		Refresher:     gateway,
		Token:         token,
		Login:         tokensource.SignOnWith(gateway, request),
		RefreshBefore: d.plan.RefreshBefore,
		WarnBefore:    d.plan.WarnBefore,
		OnEvent:       d.sourceEvent,
		Clock:         d.clock,
	})
	if err != nil {
		return err
	}
	d.update(func(s *state) { s.source, s.status, s.running = source, source.Status, true })
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

func (d *Demo) log(who, format string, args ...any) {
	d.logMu.Lock()
	defer d.logMu.Unlock()
	if d.emit != nil {
		d.emit(Event{d.clock.Elapsed(), who, fmt.Sprintf(format, args...)})
	}
}

// silence ends the event log.
func (d *Demo) silence() {
	d.logMu.Lock()
	defer d.logMu.Unlock()
	d.emit = nil
}

// errTimeout is the reason for a step that did not happen.
var errTimeout = errors.New("it did not happen in time")

// playScript plays all steps and returns those that did not happen, with the
// reason. After a fault by key the script cannot demand them: they are excused.
func (d *Demo) playScript(ctx context.Context) (missing, excused []string) {
	ctx, cancel := context.WithTimeoutCause(ctx, d.plan.Limit, errTimeout)
	defer cancel()
	for _, step := range d.script() {
		err := sleep(ctx, step.start-d.clock.Elapsed())
		if err == nil {
			err = step.play(ctx)
		}
		switch {
		case err == nil:
		case d.read().Keys != Keys{}:
			excused = append(excused, fmt.Sprintf("%s: %v", step.name, err))
		default:
			missing = append(missing, fmt.Sprintf("%s: %v", step.name, err))
		}
	}
	return missing, excused
}

// sleep waits for d. The error is the cause of ctx's end.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
	return context.Cause(ctx)
}
