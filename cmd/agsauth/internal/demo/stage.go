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
	server    *agstest.Server
	chronicle *chronicle
	ledger    *ledger
	api       *apiWatch
	source    *tokensource.Source
	crew      *crew
}

// build starts the server, signs on, and puts together what a program has that
// uses the library; nobody is at work yet. The stage is to be cleared, also after
// an error.
func build(ctx context.Context, plan Plan, tell func(Moment)) (*stage, error) {
	s := &stage{plan: plan, ledger: newLedger()}
	s.chronicle = newChronicle(s.ledger, tell)
	s.server = startServer(plan)
	s.api = &apiWatch{base: s.server.Client().Transport}

	gateway, err := ags.New(ags.Config{
		BaseURL:       s.server.URL,
		AuthServiceID: "Customer Auth Service",
		TenantID:      "nagra",
		HTTPClient:    &http.Client{Transport: &gatewayWatch{s.server.Client().Transport, s.chronicle}},
	})
	if err != nil {
		return s, err
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
		return s, fmt.Errorf("sign on: %w", err)
	}
	s.chronicle.signedOn(token)
	s.source, err = tokensource.New(tokensource.Config{
		Refresher:     gateway,
		Token:         token,
		Login:         tokensource.SignOnWith(gateway, request),
		RefreshBefore: plan.RefreshBefore,
		WarnBefore:    plan.WarnBefore,
		OnEvent:       s.chronicle.event,
	})
	if err != nil {
		return s, err
	}
	s.crew = &crew{
		client:    &http.Client{Transport: &transport.Transport{Source: s.source, Base: s.api}},
		url:       s.server.URL + "/api/films",
		pause:     plan.Pause,
		failed:    s.requestFailed,
		ledger:    s.ledger,
		dismissed: make(chan struct{}),
	}
	return s, nil
}

// startServer returns a gateway, with an API, that is as slow as real ones are.
// It keeps time by the millisecond: at whole seconds, a third of a token that
// lives for three could be lost to rounding.
func startServer(plan Plan) *agstest.Server {
	server := agstest.NewServer(agstest.Config{
		InMemory:        plan.InMemory,
		AccessLifetime:  plan.Access,
		RefreshLifetime: plan.Refresh,
		FixedLifetime:   plan.Session,
		Quirks:          agstest.Quirks{MillisecondClaims: true},
	})
	for _, op := range []agstest.Op{agstest.SignOn, agstest.Refresh} {
		server.Always(op, agstest.Fault{Delay: plan.Latency})
	}
	if plan.Prepare != nil {
		plan.Prepare(server)
	}
	return server
}

// toldFailures is how many failed requests are told of.
const toldFailures = 5

// requestFailed tells of the first few requests that fail: the rest is in the
// report.
func (s *stage) requestFailed(status int, err error) {
	if failed, _ := s.ledger.failures(); failed > toldFailures {
		return
	}
	s.chronicle.say(Moment{Kind: RequestFailed, Status: status, Err: err})
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

// wait waits until d after the beginning.
func (s *stage) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(time.Until(s.chronicle.began.Add(d)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
