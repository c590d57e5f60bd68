package endtoend_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/transport"
)

// body counts how often it is closed.
type body struct {
	io.Reader
	closed atomic.Int32
}

func (b *body) Close() error {
	b.closed.Add(1)
	return nil
}

// What x/oauth2 promises of its own transport, ours does too: this one, and those
// up to TestEndToEnd_TransportReportsTheSourcesError.
func TestEndToEnd_TransportWithoutASource(t *testing.T) {
	loopback(t, plan{}, func(t *testing.T, h *house) {
		b := &body{Reader: strings.NewReader("never read")}
		c := &http.Client{Transport: &transport.Transport{Base: h.srv.Client().Transport}}
		resp, err := c.Post(h.srv.URL+"/api/profile", "application/json", b)
		require.Error(t, err)
		assert.Nil(t, resp)
		assert.EqualValues(t, 1, b.closed.Load())
		h.wantCount(agstest.API, 0)
	})
}

func TestEndToEnd_TransportClosesTheBodyOnce(t *testing.T) {
	for _, c := range []struct {
		name     string
		set      func(*house)
		requests int
		status   int // zero for an error
	}{
		{"when all is well", func(*house) {}, 1, 200},
		{"when the session has ended", func(h *house) { _ = h.src.SignOut(h.t.Context()) }, 0, 0},
		{"when the source is closed", func(h *house) { _ = h.src.Close() }, 0, 0},
		{"when the token is rejected, and the body gone", func(h *house) { h.srv.RejectNext(1) }, 1, 403},
		{"when the API is away", func(h *house) { h.srv.Script(agstest.API, agstest.Fault{Kind: agstest.Lost}) }, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			loopback(t, plan{}, func(t *testing.T, h *house) {
				c.set(h)
				b := &body{Reader: strings.NewReader(`{"once":true}`)}
				resp, err := h.client.Post(h.srv.URL+"/api/profile", "application/json", b)
				if c.status == 0 {
					require.Error(t, err)
					assert.Nil(t, resp)
				} else {
					require.NoError(t, err)
					assert.Equal(t, c.status, resp.StatusCode)
					require.NoError(t, resp.Body.Close())
				}
				// Of net/http's own goroutines one may be the last to close it.
				h.srv.Close()
				assert.EqualValues(t, 1, b.closed.Load())
				h.wantCount(agstest.API, c.requests)
			})
		})
	}
}

func TestEndToEnd_TransportTokenTypes(t *testing.T) {
	loopback(t, plan{}, func(t *testing.T, h *house) {
		for i, c := range []struct{ kind, want string }{
			{"", "Bearer abc"}, {"bearer", "Bearer abc"}, {"BEARER", "Bearer abc"}, {"mac", "MAC abc"}, {"basic", "Basic abc"},
		} {
			source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "abc", TokenType: c.kind})
			client := &http.Client{Transport: &transport.Transport{Source: source, Base: h.srv.Client().Transport}}
			r := send(t.Context(), client, http.MethodGet, h.srv.URL+"/api/profile", "")
			require.NoError(t, r.err)
			assert.Equal(t, http.StatusForbidden, r.status, "the same token again is no other one")
			h.wantCount(agstest.API, i+1)
			assert.Equal(t, c.want, h.srv.Requests(agstest.API)[i].Reveal("Authorization"))
		}
	})
}

func TestEndToEnd_TransportReportsTheSourcesError(t *testing.T) {
	errSource := errors.New("no token today")
	loopback(t, plan{}, func(t *testing.T, h *house) {
		client := &http.Client{Transport: &transport.Transport{Source: failing{errSource}, Base: h.srv.Client().Transport}}
		r := send(t.Context(), client, http.MethodPost, h.srv.URL+"/api/profile", "x")
		require.ErrorIs(t, r.err, errSource)
		h.wantCount(agstest.API, 0)
	})
}

type failing struct{ err error }

func (f failing) Token() (*oauth2.Token, error) { return nil, f.err }

// The caller's request stays as it was, and so does what the response says of it.
func TestEndToEnd_TransportLeavesTheRequestAlone(t *testing.T) {
	loopback(t, plan{}, func(t *testing.T, h *house) {
		h.srv.RejectNext(1)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, h.srv.URL+"/api/x?y=z", strings.NewReader("abc"))
		require.NoError(t, err)
		req.Header.Set("X-Mine", "1")
		before := req.Clone(t.Context())
		resp, err := h.client.Transport.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusOK, resp.StatusCode)
		assert.Equal(t, before.Header, req.Header)
		assert.Equal(t, before.URL, req.URL)
		assert.Same(t, req, resp.Request)
		h.wantCount(agstest.API, 2)
		h.wantCount(agstest.Refresh, 1)
	})
}

// A caller who brings an Authorization of its own is left alone, also when that
// is rejected.
func TestEndToEnd_CallersOwnAuthorization(t *testing.T) {
	loopback(t, plan{}, func(t *testing.T, h *house) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.srv.URL+"/api/profile", http.NoBody)
		require.NoError(t, err)
		req.SetBasicAuth("me", "myself")
		own := req.Header.Get("Authorization")
		resp, err := h.client.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusForbidden, resp.StatusCode)
		h.wantCount(agstest.API, 1)
		assert.Equal(t, own, h.srv.Requests(agstest.API)[0].Reveal("Authorization"))
		h.wantCount(agstest.Refresh, 0)
		h.served(1)
	})
}

// No token goes along to a stranger, nor, over plain HTTP, to anybody who is not
// this machine.
func TestEndToEnd_NoTokenToAStranger(t *testing.T) {
	loopback(t, plan{}, func(t *testing.T, h *house) {
		h.srv.Script(agstest.API, agstest.Fault{Kind: agstest.Redirect})
		r := h.get(t.Context())
		require.NoError(t, r.err)
		assert.Equal(t, http.StatusForbidden, r.status)
		sent := h.srv.Requests(agstest.API)
		require.Len(t, sent, 2)
		assert.NotEmpty(t, sent[0].Reveal("Authorization"))
		assert.NotEqual(t, sent[0].Host, sent[1].Host)
		assert.Empty(t, sent[1].Reveal("Authorization"))

		r = send(t.Context(), h.client, http.MethodGet, "http://stranger.example/api/profile", "")
		require.Error(t, r.err)
		h.wantCount(agstest.API, 2)

		h.srv.Script(agstest.API, agstest.Fault{Kind: agstest.Redirect, Location: "/api/elsewhere"})
		r = h.get(t.Context())
		require.NoError(t, r.failed(), "the same origin is no stranger")
		assert.Equal(t, "/api/elsewhere", r.echo.Path)
		h.wantCount(agstest.API, 4)
		h.wantCount(agstest.Refresh, 0)
	})
}

// With AllowHosts the token goes to those alone, and there over plain HTTP only
// where that is allowed.
func TestEndToEnd_AllowHosts(t *testing.T) {
	loopback(t, plan{}, func(t *testing.T, h *house) {
		h.client.Transport = &transport.Transport{
			Source: h.src, Base: h.srv.Client().Transport,
			AllowHosts: []string{"API.example", ".tv.example"}, AllowInsecure: true,
		}
		for host, want := range map[string]int{
			"api.example": 200, "api.example.:80": 200, "eu.tv.example": 200,
			"tv.example": 403, "notapi.example": 403, "api.example.evil.example": 403,
		} {
			r := send(t.Context(), h.client, http.MethodGet, "http://"+host+"/api/profile", "")
			require.NoError(t, r.err, host)
			assert.Equal(t, want, r.status, host)
		}
		h.wantCount(agstest.API, 6)
		h.wantCount(agstest.Refresh, 0)
	})
}

// A rejected request whose body cannot be had again is not repeated; the token is
// replaced all the same, for the next one.
func TestEndToEnd_OneShotBody(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		h.srv.RejectToken(h.token.AccessToken.Reveal())
		resp, err := h.client.Post(h.srv.URL+"/api/profile", "text/plain", io.MultiReader(strings.NewReader("once")))
		require.NoError(t, err)
		data, err := io.ReadAll(resp.Body)
		require.NoError(t, errors.Join(err, resp.Body.Close()))
		assert.Equal(t, http.StatusForbidden, resp.StatusCode)
		assert.Contains(t, string(data), "99999:403", "the answer is the caller's, whole")
		h.wantCount(agstest.API, 1)
		h.served(2)
		h.wantCount(agstest.API, 2)
		h.wantCount(agstest.Refresh, 1)
	})
}

// Operators who keep to the old way reject with a 200.
func TestEndToEnd_LegacyRejections(t *testing.T) {
	bubble(t, plan{platform: agstest.Config{LegacyRejections: true}}, func(t *testing.T, h *house) {
		h.client.Transport.(*transport.Transport).LegacyRejections = true
		h.srv.RejectToken(h.token.AccessToken.Reveal())
		for _, r := range h.rush(20) {
			require.NoError(t, r.failed())
			require.Equal(t, 2, r.echo.Generation)
		}
		h.wantCount(agstest.Refresh, 1)
		h.wantSound()
	})
}

// When the gateway cannot help for now, a token that was rejected once is served
// again: the API may have been wrong.
func TestEndToEnd_RejectedWhileTheGatewayIsDown(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		h.srv.Always(agstest.Refresh, agstest.Fault{Status: http.StatusServiceUnavailable})
		h.srv.RejectNext(1)
		r := h.get(t.Context())
		require.NoError(t, r.err)
		assert.Equal(t, http.StatusForbidden, r.status, "the API's own answer")
		h.wantCount(agstest.API, 1)
		h.wantCount(agstest.Refresh, 1)
		y := h.crowd(20, time.Second, 30*time.Second)
		assert.Empty(t, y.errs)
		assert.Zero(t, y.slowest)
		assert.InDelta(t, 8, h.srv.Count(agstest.Refresh), 1, "behind the callers, on the back-off")
		h.srv.Clear()
		sleep(time.Minute)
		h.served(1) // which finds the refresh due
		sleep(time.Second)
		h.served(2)
	})
}

// What was sent is sent again in full when its token was rejected: once, with
// another token.
func TestEndToEnd_RejectedPostIsReplayed(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		h.srv.RejectNext(1)
		const body = `{"title":"a programme","record":true}`
		r := send(t.Context(), h.client, http.MethodPost, h.srv.URL+"/api/recordings", body)
		require.NoError(t, r.failed())
		assert.Equal(t, http.MethodPost, r.echo.Method)
		assert.Equal(t, body, string(r.echo.Body))
		assert.Equal(t, 2, r.echo.Generation)
		sent := h.srv.Requests(agstest.API)
		require.Len(t, sent, 2)
		assert.Equal(t, http.StatusForbidden, sent[0].Status)
		assert.True(t, sent[0].SameBody(sent[1]))
		assert.False(t, sent[0].SameAuthorization(sent[1]))
		h.wantCount(agstest.Refresh, 1)
		h.wantSound()
	})
}
