package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/pool"
	"github.com/agsauth/agsauth/tokensource"
	"github.com/agsauth/agsauth/transport"
)

const (
	concurrent     = 64 // calls of the gateway
	requestTimeout = 10 * time.Second
	drainTimeout   = 10 * time.Second
)

// generator is a run.
type generator struct {
	options  options
	url      string
	sessions *pool.Pool
	client   *http.Client
	counts   counts
}

// run makes the load and returns what was measured. The end of ctx ends it early.
func run(ctx context.Context, o options) (result, error) {
	if o.users < 1 || o.duration <= 0 {
		return result{}, errors.New("there must be users and a duration")
	}
	platform := newPlatform(o)
	defer platform.Close()
	g := &generator{options: o, url: platform.URL + "/api/films"}
	gateway, err := ags.New(ags.Config{
		BaseURL: platform.URL, AuthServiceID: "Customer Auth Service", TenantID: "nagra", HTTPClient: platform.Client(),
	})
	if err != nil {
		return result{}, err
	}
	g.sessions, err = pool.New(pool.Config{
		Refresher: gateway,
		Login:     func(key string) tokensource.LoginFunc { return tokensource.SignOnWith(gateway, credentials(key)) },
		Gate:      tokensource.NewGate(tokensource.GateConfig{PerSecond: o.perSecond, Concurrent: concurrent}),
		KeepAlive: pool.Tokens, // all users are active
		OnEvent:   g.counts.event,
	})
	if err != nil {
		return result{}, err
	}
	base, done := newBase(platform, o)
	defer done()
	g.client = &http.Client{Transport: &transport.Transport{Source: g.sessions.Keyed(), Base: base}, Timeout: requestTimeout}

	ran := make(chan error, 1)
	go func() { ran <- g.sessions.Run(context.WithoutCancel(ctx)) }() // until Drain
	started := time.Now()
	g.load(ctx)
	took := time.Since(started)

	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	err = g.sessions.Drain(ending)
	if ended := <-ran; !errors.Is(ended, pool.ErrClosed) {
		err = errors.Join(err, ended)
	}
	return g.counts.result(took, peak(platform)), err
}

// newPlatform starts a gateway and an API.
func newPlatform(o options) *agstest.Server {
	platform := agstest.NewServer(agstest.Config{
		AccessLifetime: o.tokenLifetime,
		DeviceLimit:    -1, // all users are devices of one account
		InMemory:       o.inMemory,
	})
	platform.Always(agstest.SignOn, agstest.Fault{Delay: o.latency})
	platform.Always(agstest.Refresh, agstest.Fault{Delay: o.latency})
	return platform
}

// newBase returns what sends the requests to the API, and what closes it. The default
// transport of net/http keeps only two idle connections to a host.
func newBase(platform *agstest.Server, o options) (base http.RoundTripper, done func()) {
	if o.inMemory {
		return platform.Client().Transport, func() {}
	}
	t := &http.Transport{MaxIdleConnsPerHost: o.users}
	return t, t.CloseIdleConnections
}

// credentials returns the sign-on of a user. A real load test has a password for each.
func credentials(key string) ags.SignOnRequest {
	device, _ := json.Marshal(map[string]string{"deviceType": "load generator", "name": key}) // it never fails
	return ags.SignOnRequest{
		Parameters: []ags.Parameter{
			{Name: "username", Value: agstest.DefaultUsername},
			{Name: "password", Value: agstest.DefaultPassword},
		},
		DeviceInformation: device,
	}
}

// load runs all users, and returns when they have ended.
func (g *generator) load(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, g.options.duration)
	defer cancel()
	var users sync.WaitGroup
	defer users.Wait()
	for i := range g.options.users {
		users.Go(func() {
			if sleep(ctx, g.options.rampUp*time.Duration(i)/time.Duration(g.options.users)) {
				g.user(ctx, fmt.Sprintf("user %d", i))
			}
		})
	}
}

// user is a virtual user, who signs on and then makes requests until ctx ends.
func (g *generator) user(ctx context.Context, key string) {
	session := g.sessions.Session(key)
	for { // a sign-on waits for its turn at the gateway
		if _, err := session.TokenContext(ctx); err == nil {
			break
		}
		if !sleep(ctx, g.options.pause) {
			return
		}
	}
	// The loop has no refresh in it, and knows nothing of tokens.
	for {
		phase := session.Status().Phase
		hasToken := phase == tokensource.Fresh || phase == tokensource.Ageing
		began := time.Now()
		err := g.request(pool.WithKey(ctx, key))
		if ctx.Err() != nil {
			return // a request that the end of the run interrupts has not failed
		}
		g.counts.request(time.Since(began), err, hasToken)
		if !sleep(ctx, g.options.pause) {
			return
		}
	}
}

// request makes one request.
func (g *generator) request(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.url, nil)
	if err != nil {
		return err
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

// sleep reports whether d has passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
