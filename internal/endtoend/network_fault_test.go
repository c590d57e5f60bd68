package endtoend_test

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/internal/faultproxy"
	"github.com/agsauth/agsauth/tokensource"
	"github.com/agsauth/agsauth/transport"
)

// After any network fault during a refresh, waiting callers get an UnavailableError
// within the timeout of the refresh. The session continues, and the next attempt
// succeeds. The fake clock moves only where the test advances it, so a fault that
// ends by itself has not waited for a timeout.
func TestNetworkFaults_Gateway(t *testing.T) {
	fake := clock.NewFake(time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC))
	var proxy *faultproxy.Proxy
	opts := options{
		platform: agstest.Config{Clock: fake, ReusableRefreshTokens: true},
		gateway: func(cfg *ags.Config) {
			proxy = faultproxy.New(t, cfg.BaseURL)
			cfg.BaseURL, cfg.HTTPClient, cfg.Clock = proxy.URL, &http.Client{Transport: proxy.Transport()}, fake
		},
	}
	var out printer
	overLoopback(t, opts, func(t *testing.T, s *stack) {
		for _, scenario := range faultproxy.Scenarios(t, proxy) {
			t.Run(scenario.Name, func(t *testing.T) {
				s := s.in(t)
				fake.Advance(2 * time.Hour)
				before := s.srv.Count(agstest.Refresh)
				proxy.Set(scenario.Fault)
				r := s.getDuring(fake, proxy, scenario)
				proxy.Set(nil)
				proxy.AwaitClosed()
				if scenario.Harmless {
					require.NoError(t, r.asError())
					s.wantCount(agstest.Refresh, before+1)
					return
				}
				var e *tokensource.UnavailableError
				require.ErrorAs(t, r.err, &e)
				out.printError(r.err)
				s.wantTransient(e, scenario)

				fake.Advance(e.NextAt.Sub(fake.Now()))
				require.NoError(t, s.get(t.Context()).asError(), "the next attempt")
				s.wantCount(agstest.SignOn, 1)
			})
		}
		assert.Empty(t, s.events.ofKind(tokensource.EventEnded))
		assert.Equal(t, 1, s.srv.MaxInFlight(agstest.Refresh))
		out.print(s.src.Status(), s.token)
		s.wantNoSecret(s.presentedTokens(), out.String()+s.logs.String())
	})
}

// in returns a copy of the stack for a subtest.
func (s *stack) in(t *testing.T) *stack {
	t.Helper()
	part := *s
	part.t = t
	return &part
}

// getDuring calls the API while a refresh is due and the fault is active. If the fault
// never ends by itself, it advances the clock to the timeout.
func (s *stack) getDuring(fake *clock.Fake, proxy *faultproxy.Proxy, scenario faultproxy.Scenario) reply {
	s.t.Helper()
	result := make(chan reply, 1)
	go func() { result <- s.get(s.t.Context()) }()
	if scenario.Stuck {
		proxy.AwaitStuck()
		require.NoError(s.t, fake.BlockUntil(s.t.Context(), 1))
		fake.Advance(15 * time.Second)
	}
	return <-result
}

// wantTransient asserts that a failed refresh is transient and has not ended the
// session.
func (s *stack) wantTransient(e *tokensource.UnavailableError, scenario faultproxy.Scenario) {
	s.t.Helper()
	status := s.src.Status()
	assert.Equal(s.t, tokensource.Expired, status.Phase)
	assert.Zero(s.t, status.Reason)
	assert.LessOrEqual(s.t, e.NextAt.Sub(s.clock.Now()), 10*time.Second)
	if scenario.Stuck {
		require.ErrorIs(s.t, e, context.DeadlineExceeded)
		return
	}
	var failure *ags.Error
	require.ErrorAs(s.t, e, &failure)
	assert.Equal(s.t, scenario.Unsent, failure.NotSent)
}

// presentedTokens returns the secrets that the platform has received.
func (s *stack) presentedTokens() *secretSet {
	v := &secretSet{secrets: []string{agstest.DefaultPassword}}
	for _, op := range []agstest.Op{agstest.Refresh, agstest.API} {
		for _, rq := range s.srv.Requests(op) {
			v.secrets = append(v.secrets, strings.TrimPrefix(rq.Reveal("Authorization"), "Bearer "))
		}
	}
	return v
}

// A network fault between client and API is returned to the caller. It causes no
// refresh, does not end the session, and the next request succeeds.
func TestNetworkFaults_API(t *testing.T) {
	overLoopback(t, options{}, func(t *testing.T, s *stack) {
		proxy := faultproxy.New(t, s.srv.URL)
		client := &http.Client{Transport: &transport.Transport{Source: s.src, Base: proxy.Transport()}}
		var out printer
		for _, scenario := range faultproxy.Scenarios(t, proxy) {
			if scenario.Name == "a redirect to a stranger" {
				continue // covered by TestNetworkFaults_RedirectToAnotherHost
			}
			t.Run(scenario.Name, func(t *testing.T) {
				proxy.Set(scenario.Fault)
				r := sendThrough(t, proxy, client, scenario)
				if r.err != nil {
					out.printError(r.err)
				}
				require.Equal(t, scenario.Harmless, r.echo.Generation == 1, "%+v", r)
				proxy.Set(nil)
				proxy.AwaitClosed()
				require.NoError(t, send(t.Context(), client, http.MethodGet, proxy.URL+"/api/profile", "").asError())
			})
		}
		assert.Equal(t, tokensource.Fresh, s.src.Status().Phase)
		s.wantCount(agstest.Refresh, 0)
		out.print(s.src.Status(), s.token)
		s.wantNoSecret(s.presentedTokens(), out.String()+s.logs.String())
	})
}

// sendThrough sends a request to the API. If the fault never ends by itself, it
// cancels the request.
func sendThrough(t *testing.T, proxy *faultproxy.Proxy, client *http.Client, scenario faultproxy.Scenario) reply {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	result := make(chan reply, 1)
	go func() { result <- send(ctx, client, http.MethodPost, proxy.URL+"/api/profile", "body") }()
	if scenario.Stuck {
		proxy.AwaitStuck()
		cancel()
	}
	return <-result
}

// The transport reads only the beginning of a response that may be a rejection, and
// the caller still gets the whole response.
func TestNetworkFaults_BoundedMemory(t *testing.T) {
	s := newStack(t, options{}) // not parallel, since it measures memory
	defer s.srv.Close()
	proxy := faultproxy.New(t, s.srv.URL)
	client := &http.Client{Transport: &transport.Transport{Source: s.src, Base: proxy.Transport()}}
	for name, fault := range map[string]faultproxy.Fault{
		"compressed":          faultproxy.Bomb(http.StatusForbidden, "gzip"),
		"an unknown encoding": faultproxy.Bomb(http.StatusForbidden, "br"),
		"without end": faultproxy.Endless("HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n\r\n",
			[]byte(strings.Repeat(" ", 64<<10))),
	} {
		proxy.Set(fault)
		spent := allocated(func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, proxy.URL+"/api/profile", http.NoBody)
			require.NoError(t, err)
			resp, err := client.Do(req)
			require.NoError(t, err, name)
			assert.Equal(t, http.StatusForbidden, resp.StatusCode)
			n, err := io.CopyN(io.Discard, resp.Body, 64<<10)
			require.NoError(t, err, name)
			assert.EqualValues(t, 64<<10, n, "the bytes that the transport has read are there as well")
			require.NoError(t, resp.Body.Close())
		})
		assert.Less(t, spent, uint64(16<<20), name)
		proxy.AwaitClosed()
	}
	s.wantCount(agstest.Refresh, 0)
	require.NoError(t, s.src.Close())
}

// allocated returns how many bytes the process allocates while f runs.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A redirect to another host is followed without the token.
func TestNetworkFaults_RedirectToAnotherHost(t *testing.T) {
	overLoopback(t, options{}, func(t *testing.T, s *stack) {
		other := agstest.NewServer(agstest.Config{})
		defer other.Close()
		proxy := faultproxy.New(t, s.srv.URL)
		client := &http.Client{Transport: &transport.Transport{Source: s.src, Base: proxy.Transport()}}
		for _, to := range []string{other.URL, "http://localhost" + other.URL[strings.LastIndexByte(other.URL, ':'):]} {
			proxy.Set(faultproxy.Redirect(to + "/api/profile"))
			r := send(t.Context(), client, http.MethodPost, proxy.URL+"/api/profile", "body")
			require.NoError(t, r.err)
			assert.Equal(t, http.StatusForbidden, r.status, "the other host wants a token")
		}
		require.Len(t, other.Requests(agstest.API), 2)
		for _, rq := range other.Requests(agstest.API) {
			assert.Empty(t, rq.Reveal("Authorization"))
			assert.Equal(t, "body", string(rq.Body()))
		}
		s.wantCount(agstest.Refresh, 0)
	})
}
