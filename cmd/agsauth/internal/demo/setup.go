package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
	"github.com/agsauth/agsauth/transport"
)

// stage is all that takes part.
type stage struct {
	plan      Plan
	clock     *lidClock
	hand      hand
	server    *agstest.Server
	chronicle *chronicle
	ledger    *ledger
	api       *apiWatch
	source    *tokensource.Source
	status    func() tokensource.Status // the source's
	crew      *crew
}

// build starts the server, signs on, and puts together what a program has that
// uses the library; nobody is at work yet. The stage is to be cleared, also after
// an error.
func build(ctx context.Context, plan Plan, tell func(Moment)) (*stage, error) {
	s := &stage{plan: plan, clock: newLidClock(), ledger: newLedger()}
	s.chronicle = newChronicle(s.clock, s.ledger, tell)
	s.startServer()
	s.api = &apiWatch{base: s.server.Client().Transport}

	if err := s.signOn(ctx); err != nil {
		return s, err
	}
	s.crew = &crew{
		client:    &http.Client{Transport: &transport.Transport{Source: s.source, Base: s.api}},
		url:       s.server.URL + "/api/films",
		pause:     plan.Pause,
		failed:    s.requestFailed,
		underHand: s.underHand,
		ledger:    s.ledger,
		dismissed: make(chan struct{}),
	}
	return s, nil
}

// signOn signs on at the gateway, and hands the session to a Source.
func (s *stage) signOn(ctx context.Context) error {
	gateway, err := ags.New(ags.Config{
		BaseURL:       s.server.URL,
		AuthServiceID: "Customer Auth Service",
		TenantID:      "nagra",
		Clock:         s.clock,
		HTTPClient:    &http.Client{Transport: &gatewayWatch{s.server.Client().Transport, s.chronicle}},
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
	s.chronicle.signedOn(token)
	s.source, err = tokensource.New(tokensource.Config{
		Refresher:     gateway,
		Token:         token,
		Login:         tokensource.SignOnWith(gateway, request),
		RefreshBefore: s.plan.RefreshBefore,
		WarnBefore:    s.plan.WarnBefore,
		OnEvent:       s.chronicle.event,
		Clock:         s.clock,
	})
	if err != nil {
		return err
	}
	s.status = s.source.Status
	return nil
}

// startServer starts a gateway, with an API, that is as slow as real ones are.
// It keeps time by the millisecond: at whole seconds, a third of a token that
// lives for three could be lost to rounding.
func (s *stage) startServer() {
	plan := s.plan
	s.server = agstest.NewServer(agstest.Config{
		InMemory:        plan.InMemory,
		Clock:           s.clock,
		AccessLifetime:  plan.Access,
		RefreshLifetime: plan.Refresh,
		FixedLifetime:   plan.Session,
		Quirks:          agstest.Quirks{MillisecondClaims: true},
	})
	for _, op := range []agstest.Op{agstest.SignOn, agstest.Refresh} {
		s.server.AlwaysFunc(op, s.gatewayFault)
	}
	if plan.Prepare != nil {
		plan.Prepare(s.server)
	}
}

// toldFailures is how many failed requests are told of.
const toldFailures = 5

// requestFailed tells of the first few requests that fail, and of the first of
// those that fail by hand together: the rest is in the report.
func (s *stage) requestFailed(status int, err error, byHand bool) {
	if byHand {
		if s.chronicle.firstByHand() {
			s.chronicle.say(Moment{Kind: RequestFailedByHand, Status: status, Err: err})
		}
		return
	}
	if sums := s.ledger.sums(); sums.failed-sums.byHand <= toldFailures {
		s.chronicle.say(Moment{Kind: RequestFailed, Status: status, Err: err})
	}
}

// clear ends all that runs, and returns when it has ended. What is under way is
// seen through, and told of; unless it was interrupted.
func (s *stage) clear(interrupted bool) {
	if interrupted {
		s.chronicle.silence()
		s.server.Close() // nobody is to wait for a slow answer of its
	}
	if s.crew != nil {
		s.crew.dismiss()
	}
	if s.source != nil {
		_ = s.source.Close() // what it could complain of, a refresh that never ends, ends with the server
	}
	s.server.Close()
}

// wait waits until d after the beginning, awake.
func (s *stage) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d - s.clock.Elapsed())
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// waitUntil waits until an instant of the wall clock, which may jump there.
func (s *stage) waitUntil(ctx context.Context, t time.Time) error {
	for {
		changed := s.chronicle.next()
		left := s.clock.until(t)
		if left <= 0 {
			return nil
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}
