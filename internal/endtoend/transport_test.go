package endtoend_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/transport"
)

// body counts the calls of Close.
type body struct {
	io.Reader
	closed atomic.Int32
}

func (b *body) Close() error {
	b.closed.Add(1)
	return nil
}

// This test and the next three cover what x/oauth2 promises of its own transport.
func TestTransportWithoutASource(t *testing.T) {
	overLoopback(t, options{}, func(t *testing.T, s *stack) {
		b := &body{Reader: strings.NewReader("never read")}
		c := &http.Client{Transport: &transport.Transport{Base: s.srv.Client().Transport}}
		resp, err := c.Post(s.srv.URL+"/api/profile", "application/json", b)
		require.Error(t, err)
		assert.Nil(t, resp)
		assert.EqualValues(t, 1, b.closed.Load())
		s.wantCount(agstest.API, 0)
	})
}

func TestTransportClosesTheBodyOnce(t *testing.T) {
	for _, c := range []struct {
		name     string
		set      func(*stack)
		requests int
		status   int // zero for an error
	}{
		{"when the API accepts the request", func(*stack) {}, 1, 200},
		{"when the session has ended", func(s *stack) { _ = s.src.SignOut(s.t.Context()) }, 0, 0},
		{"when the source is closed", func(s *stack) { _ = s.src.Close() }, 0, 0},
		{"when the token is rejected and the body cannot be read again", func(s *stack) { s.srv.RejectNext(1) }, 1, 403},
		{"when the API does not respond", func(s *stack) { s.srv.Script(agstest.API, agstest.Fault{Kind: agstest.Lost}) }, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			overLoopback(t, options{}, func(t *testing.T, s *stack) {
				c.set(s)
				b := &body{Reader: strings.NewReader(`{"once":true}`)}
				resp, err := s.client.Post(s.srv.URL+"/api/profile", "application/json", b)
				if c.status == 0 {
					require.Error(t, err)
					assert.Nil(t, resp)
				} else {
					require.NoError(t, err)
					assert.Equal(t, c.status, resp.StatusCode)
					require.NoError(t, resp.Body.Close())
				}
				// The last Close may come from a goroutine of net/http.
				s.srv.Close()
				assert.EqualValues(t, 1, b.closed.Load())
				s.wantCount(agstest.API, c.requests)
			})
		})
	}
}

func TestTransportTokenTypes(t *testing.T) {
	overLoopback(t, options{}, func(t *testing.T, s *stack) {
		for i, c := range []struct{ kind, want string }{
			{"", "Bearer abc"}, {"bearer", "Bearer abc"}, {"BEARER", "Bearer abc"}, {"mac", "MAC abc"}, {"basic", "Basic abc"},
		} {
			source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "abc", TokenType: c.kind})
			client := &http.Client{Transport: &transport.Transport{Source: source, Base: s.srv.Client().Transport}}
			r := send(t.Context(), client, http.MethodGet, s.srv.URL+"/api/profile", "")
			require.NoError(t, r.err)
			assert.Equal(t, http.StatusForbidden, r.status, "no repeat with the same token")
			s.wantCount(agstest.API, i+1)
			assert.Equal(t, c.want, s.srv.Requests(agstest.API)[i].Reveal("Authorization"))
		}
	})
}

func TestTransportReportsTheSourcesError(t *testing.T) {
	errSource := errors.New("no token today")
	overLoopback(t, options{}, func(t *testing.T, s *stack) {
		client := &http.Client{Transport: &transport.Transport{Source: failing{errSource}, Base: s.srv.Client().Transport}}
		r := send(t.Context(), client, http.MethodPost, s.srv.URL+"/api/profile", "x")
		require.ErrorIs(t, r.err, errSource)
		s.wantCount(agstest.API, 0)
	})
}

type failing struct{ err error }

func (f failing) Token() (*oauth2.Token, error) { return nil, f.err }

// The transport modifies neither the caller's request nor the request in the
// response.
func TestTransportDoesNotModifyTheRequest(t *testing.T) {
	overLoopback(t, options{}, func(t *testing.T, s *stack) {
		s.srv.RejectNext(1)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.srv.URL+"/api/x?y=z", strings.NewReader("abc"))
		require.NoError(t, err)
		req.Header.Set("X-Mine", "1")
		before := req.Clone(t.Context())
		resp, err := s.client.Transport.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusOK, resp.StatusCode)
		assert.Equal(t, before.Header, req.Header)
		assert.Equal(t, before.URL, req.URL)
		assert.Same(t, req, resp.Request)
		s.wantCount(agstest.API, 2)
		s.wantCount(agstest.Refresh, 1)
	})
}

// A request with an Authorization header of its own is sent as it is, and is not
// repeated when it is rejected.
func TestCallerSetsAuthorization(t *testing.T) {
	overLoopback(t, options{}, func(t *testing.T, s *stack) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.srv.URL+"/api/profile", http.NoBody)
		require.NoError(t, err)
		req.SetBasicAuth("me", "myself")
		own := req.Header.Get("Authorization")
		resp, err := s.client.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusForbidden, resp.StatusCode)
		s.wantCount(agstest.API, 1)
		assert.Equal(t, own, s.srv.Requests(agstest.API)[0].Reveal("Authorization"))
		s.wantCount(agstest.Refresh, 0)
		s.wantServed(1)
	})
}

// The token is not sent to another origin, nor over plain HTTP to any host but
// loopback.
func TestNoTokenToAnotherHost(t *testing.T) {
	overLoopback(t, options{}, func(t *testing.T, s *stack) {
		s.srv.Script(agstest.API, agstest.Fault{Kind: agstest.Redirect})
		r := s.get(t.Context())
		require.NoError(t, r.err)
		assert.Equal(t, http.StatusForbidden, r.status)
		sent := s.srv.Requests(agstest.API)
		require.Len(t, sent, 2)
		assert.NotEmpty(t, sent[0].Reveal("Authorization"))
		assert.NotEqual(t, sent[0].Host, sent[1].Host)
		assert.Empty(t, sent[1].Reveal("Authorization"))

		r = send(t.Context(), s.client, http.MethodGet, "http://stranger.example/api/profile", "")
		require.Error(t, r.err)
		s.wantCount(agstest.API, 2)

		s.srv.Script(agstest.API, agstest.Fault{Kind: agstest.Redirect, Location: "/api/elsewhere"})
		r = s.get(t.Context())
		require.NoError(t, r.asError(), "the token is sent to the same origin")
		assert.Equal(t, "/api/elsewhere", r.echo.Path)
		s.wantCount(agstest.API, 4)
		s.wantCount(agstest.Refresh, 0)
	})
}

// With AllowHosts the token is sent to the listed hosts only, and over plain HTTP
// only with AllowInsecure.
func TestAllowHosts(t *testing.T) {
	overLoopback(t, options{}, func(t *testing.T, s *stack) {
		s.client.Transport = &transport.Transport{
			Source: s.src, Base: s.srv.Client().Transport,
			AllowHosts: []string{"API.example", ".tv.example"}, AllowInsecure: true,
		}
		for host, want := range map[string]int{
			"api.example": 200, "api.example.:80": 200, "eu.tv.example": 200,
			"tv.example": 403, "notapi.example": 403, "api.example.evil.example": 403,
		} {
			r := send(t.Context(), s.client, http.MethodGet, "http://"+host+"/api/profile", "")
			require.NoError(t, r.err, host)
			assert.Equal(t, want, r.status, host)
		}
		s.wantCount(agstest.API, 6)
		s.wantCount(agstest.Refresh, 0)
	})
}

// A rejected request whose body cannot be read again is not repeated. The token is
// replaced for the next request.
func TestOneShotBody(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		s.srv.RejectToken(s.token.AccessToken.Reveal())
		resp, err := s.client.Post(s.srv.URL+"/api/profile", "text/plain", io.MultiReader(strings.NewReader("once")))
		require.NoError(t, err)
		data, err := io.ReadAll(resp.Body)
		require.NoError(t, errors.Join(err, resp.Body.Close()))
		assert.Equal(t, http.StatusForbidden, resp.StatusCode)
		assert.Contains(t, string(data), "99999:403", "the caller gets the whole response")
		s.wantCount(agstest.API, 1)
		s.wantServed(2)
		s.wantCount(agstest.API, 2)
		s.wantCount(agstest.Refresh, 1)
	})
}

// With LegacyRejections a rejection with status 200 is recognised.
func TestLegacyRejections(t *testing.T) {
	inBubble(t, options{platform: agstest.Config{LegacyRejections: true}}, func(t *testing.T, s *stack) {
		s.client.Transport.(*transport.Transport).LegacyRejections = true
		s.srv.RejectToken(s.token.AccessToken.Reveal())
		for _, r := range s.burst(20) {
			require.NoError(t, r.asError())
			require.Equal(t, 2, r.echo.Generation)
		}
		s.wantCount(agstest.Refresh, 1)
		s.wantNoOverlap()
	})
}

// A rejected request is repeated once, with its body, and with another token.
func TestRejectedPostIsRepeated(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		s.srv.RejectNext(1)
		const body = `{"title":"a programme","record":true}`
		r := send(t.Context(), s.client, http.MethodPost, s.srv.URL+"/api/recordings", body)
		require.NoError(t, r.asError())
		assert.Equal(t, http.MethodPost, r.echo.Method)
		assert.Equal(t, body, string(r.echo.Body))
		assert.Equal(t, 2, r.echo.Generation)
		sent := s.srv.Requests(agstest.API)
		require.Len(t, sent, 2)
		assert.Equal(t, http.StatusForbidden, sent[0].Status)
		assert.True(t, sent[0].SameBody(sent[1]))
		assert.False(t, sent[0].SameAuthorization(sent[1]))
		s.wantCount(agstest.Refresh, 1)
		s.wantNoOverlap()
	})
}
