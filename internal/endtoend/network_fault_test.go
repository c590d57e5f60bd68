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
	var road *faultproxy.Road
	opts := options{
		platform: agstest.Config{Clock: fake, ReusableRefreshTokens: true},
		gateway: func(cfg *ags.Config) {
			road = faultproxy.New(t, cfg.BaseURL)
			cfg.BaseURL, cfg.HTTPClient, cfg.Clock = road.URL, &http.Client{Transport: road.Transport()}, fake
		},
	}
	var out printer
	overLoopback(t, opts, func(t *testing.T, s *stack) {
		for _, hazard := range faultproxy.Hazards(t, road) {
			t.Run(hazard.Name, func(t *testing.T) {
				s := s.in(t)
				fake.Advance(2 * time.Hour)
				before := s.srv.Count(agstest.Refresh)
				road.Set(hazard.Fault)
				r := s.getDuring(fake, road, hazard)
				road.Set(nil)
				road.AwaitGone()
				if hazard.Harmless {
					require.NoError(t, r.asError())
					s.wantCount(agstest.Refresh, before+1)
					return
				}
				var e *tokensource.UnavailableError
				require.ErrorAs(t, r.err, &e)
				out.printError(r.err)
				s.wantTransient(e, hazard)

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

// in returns the stack as a part of a test has it.
func (s *stack) in(t *testing.T) *stack {
	t.Helper()
	part := *s
	part.t = t
	return &part
}

// getThrough asks the API for something, for which a refresh is due. Where that is
// stuck its time is up.
func (s *stack) getDuring(fake *clock.Fake, road *faultproxy.Road, hazard faultproxy.Hazard) reply {
	s.t.Helper()
	told := make(chan reply, 1)
	go func() { told <- s.get(s.t.Context()) }()
	if hazard.Stuck {
		road.AwaitStuck()
		require.NoError(s.t, fake.BlockUntil(s.t.Context(), 1))
		fake.Advance(15 * time.Second)
	}
	return <-told
}

// wantPassing asserts that a failed refresh is of a kind that passes, and has
// ended nothing.
func (s *stack) wantTransient(e *tokensource.UnavailableError, hazard faultproxy.Hazard) {
	s.t.Helper()
	status := s.src.Status()
	assert.Equal(s.t, tokensource.Expired, status.Phase)
	assert.Zero(s.t, status.Reason)
	assert.LessOrEqual(s.t, e.NextAt.Sub(s.clock.Now()), 10*time.Second)
	if hazard.Stuck {
		require.ErrorIs(s.t, e, context.DeadlineExceeded)
		return
	}
	var failure *ags.Error
	require.ErrorAs(s.t, e, &failure)
	assert.Equal(s.t, hazard.Unsent, failure.NotSent)
}

// presented returns what was presented at the gateway, which are secrets all.
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
		road := faultproxy.New(t, s.srv.URL)
		client := &http.Client{Transport: &transport.Transport{Source: s.src, Base: road.Transport()}}
		var out printer
		for _, hazard := range faultproxy.Hazards(t, road) {
			if hazard.Name == "a redirect to a stranger" {
				continue // is followed, see below
			}
			t.Run(hazard.Name, func(t *testing.T) {
				road.Set(hazard.Fault)
				r := sendThrough(t, road, client, hazard)
				if r.err != nil {
					out.printError(r.err)
				}
				require.Equal(t, hazard.Harmless, r.echo.Generation == 1, "%+v", r)
				road.Set(nil)
				road.AwaitGone()
				require.NoError(t, send(t.Context(), client, http.MethodGet, road.URL+"/api/profile", "").asError())
			})
		}
		assert.Equal(t, tokensource.Fresh, s.src.Status().Phase)
		s.wantCount(agstest.Refresh, 0)
		out.print(s.src.Status(), s.token)
		s.wantNoSecret(s.presentedTokens(), out.String()+s.logs.String())
	})
}

// sendOver sends a request to the API. Where that is stuck its caller loses
// patience.
func sendThrough(t *testing.T, road *faultproxy.Road, client *http.Client, hazard faultproxy.Hazard) reply {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := make(chan reply, 1)
	go func() { told <- send(ctx, client, http.MethodPost, road.URL+"/api/profile", "body") }()
	if hazard.Stuck {
		road.AwaitStuck()
		cancel()
	}
	return <-told
}

// The transport reads only the beginning of a response that may be a rejection, and
// the caller still gets the whole response.
func TestNetworkFaults_BoundedMemory(t *testing.T) {
	s := newStack(t, options{}) // not beside others, whose memory would count
	defer s.srv.Close()
	road := faultproxy.New(t, s.srv.URL)
	client := &http.Client{Transport: &transport.Transport{Source: s.src, Base: road.Transport()}}
	for name, fault := range map[string]faultproxy.Fault{
		"compressed":               faultproxy.Bomb(http.StatusForbidden, "gzip"),
		"an encoding nobody knows": faultproxy.Bomb(http.StatusForbidden, "br"),
		"without end": faultproxy.Endless("HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n\r\n",
			[]byte(strings.Repeat(" ", 64<<10))),
	} {
		road.Set(fault)
		spent := allocated(func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, road.URL+"/api/profile", http.NoBody)
			require.NoError(t, err)
			resp, err := client.Do(req)
			require.NoError(t, err, name)
			assert.Equal(t, http.StatusForbidden, resp.StatusCode)
			n, err := io.CopyN(io.Discard, resp.Body, 64<<10)
			require.NoError(t, err, name)
			assert.EqualValues(t, 64<<10, n, "what was looked at is there as well")
			require.NoError(t, resp.Body.Close())
		})
		assert.Less(t, spent, uint64(16<<20), name)
		road.AwaitGone()
	}
	s.wantCount(agstest.Refresh, 0)
	require.NoError(t, s.src.Close())
}

// allocated returns how many bytes f, and all that goes on beside it, has allocated.
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
		stranger := agstest.NewServer(agstest.Config{})
		defer stranger.Close()
		road := faultproxy.New(t, s.srv.URL)
		client := &http.Client{Transport: &transport.Transport{Source: s.src, Base: road.Transport()}}
		for _, to := range []string{stranger.URL, "http://localhost" + stranger.URL[strings.LastIndexByte(stranger.URL, ':'):]} {
			road.Set(faultproxy.Redirect(to + "/api/profile"))
			r := send(t.Context(), client, http.MethodPost, road.URL+"/api/profile", "body")
			require.NoError(t, r.err)
			assert.Equal(t, http.StatusForbidden, r.status, "a stranger that wants a token")
		}
		require.Len(t, stranger.Requests(agstest.API), 2)
		for _, rq := range stranger.Requests(agstest.API) {
			assert.Empty(t, rq.Reveal("Authorization"))
			assert.Equal(t, "body", string(rq.Body()))
		}
		s.wantCount(agstest.Refresh, 0)
	})
}
