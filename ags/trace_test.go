package ags_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

// testServer counts its requests.
type testServer struct {
	*httptest.Server
	requests atomic.Int32
}

func newServer(t *testing.T, start func(*httptest.Server), handle http.HandlerFunc) *testServer {
	t.Helper()
	g := &testServer{}
	g.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		g.requests.Add(1)
		handle(w, r)
	}))
	g.Config.ErrorLog = log.New(io.Discard, "", 0)
	start(g.Server)
	t.Cleanup(g.Close)
	return g
}

// newClient returns a client without retries. A nil transport means the server's own.
func (g *testServer) newClient(t *testing.T, rt http.RoundTripper) *ags.Client {
	t.Helper()
	if rt == nil {
		rt = g.Client().Transport
	}
	c, err := ags.New(ags.Config{
		BaseURL: g.URL, AuthServiceID: "s", TenantID: "t", HTTPClient: &http.Client{Transport: rt}, Retry: ags.Retry{Max: -1},
	})
	require.NoError(t, err)
	return c
}

// dropConnection closes the connection without a response.
func dropConnection(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func respondTokens(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(tokenJSON())) }

func startHTTP2(s *httptest.Server) {
	s.EnableHTTP2 = true
	s.StartTLS()
}

func TestNotSent_ConnectionRefused(t *testing.T) {
	g := newServer(t, (*httptest.Server).Start, dropConnection)
	g.Close()
	_, err := g.newClient(t, nil).Refresh(t.Context(), testToken())
	require.ErrorIs(t, err, ags.ErrUnavailable)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	assert.True(t, asError(t, err).NotSent)
	assert.NotContains(t, err.Error(), "/ags/refresh", "without net/http's wrapping")
}

func TestNotSent_CertificateNotTrusted(t *testing.T) {
	g := newServer(t, (*httptest.Server).StartTLS, dropConnection)
	rt := &http.Transport{}
	t.Cleanup(rt.CloseIdleConnections)
	_, err := g.newClient(t, rt).Refresh(t.Context(), testToken())
	require.ErrorIs(t, err, ags.ErrUnavailable)
	assert.Contains(t, err.Error(), "certificate")
	assert.True(t, asError(t, err).NotSent)
	// Without trace hooks the error decides.
	_, err = g.newClient(t, untraced{rt}).Refresh(t.Context(), testToken())
	assert.True(t, asError(t, err).NotSent)
	assert.Zero(t, g.requests.Load())
}

// untraced is a transport that does not call trace hooks.
type untraced struct{ base http.RoundTripper }

func (u untraced) RoundTrip(r *http.Request) (*http.Response, error) {
	return u.base.RoundTrip(r.WithContext(emptyContext{r.Context()}))
}

// emptyContext is a context without values.
type emptyContext struct{ lifetime }

type lifetime interface {
	Deadline() (time.Time, bool)
	Done() <-chan struct{}
	Err() error
}

func (emptyContext) Value(any) any { return nil }

func TestNotSent_CancelledWhileConnecting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	rt := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		cancel()
		<-release // net/http does not cancel the dial
		return nil, net.ErrClosed
	}}
	t.Cleanup(func() { close(release) })
	g := newServer(t, (*httptest.Server).Start, dropConnection)
	_, err := g.newClient(t, rt).Refresh(ctx, testToken())
	require.ErrorIs(t, err, context.Canceled)
	assert.True(t, asError(t, err).NotSent)
	assert.Zero(t, g.requests.Load())
}

func TestNotSent_ConnectionDropped(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){
		"HTTP/1": (*httptest.Server).Start, "TLS": (*httptest.Server).StartTLS,
	} {
		g := newServer(t, start, dropConnection)
		_, err := g.newClient(t, nil).Refresh(t.Context(), testToken())
		require.ErrorIs(t, err, ags.ErrUnavailable, name)
		assert.False(t, asError(t, err).NotSent, name)
		assert.EqualValues(t, 1, g.requests.Load(), name)
	}
}

func TestNotSent_CancelledAfterWriting(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){"HTTP/1": (*httptest.Server).Start, "HTTP/2": startHTTP2} {
		for _, silently := range []bool{false, true} {
			ctx, cancel := context.WithCancel(t.Context())
			g := newServer(t, start, func(_ http.ResponseWriter, r *http.Request) {
				cancel()
				<-r.Context().Done()
			})
			rt := g.Client().Transport
			if silently {
				rt = untraced{rt}
			}
			_, err := g.newClient(t, rt).Refresh(ctx, testToken())
			require.ErrorIs(t, err, context.Canceled, name)
			assert.False(t, asError(t, err).NotSent, name)
			assert.EqualValues(t, 1, g.requests.Load(), name)
			g.CloseClientConnections()
		}
	}
}

func TestNotSent_RetryingTransport(t *testing.T) {
	g := newServer(t, (*httptest.Server).Start, dropConnection)
	// The first request is written, the retry fails to connect.
	rt := retryingTransport{first: g.Client().Transport, second: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, errDial
	}}}
	_, err := g.newClient(t, rt).Refresh(t.Context(), testToken())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	assert.False(t, asError(t, err).NotSent)
	assert.EqualValues(t, 1, g.requests.Load())
}

type retryingTransport struct{ first, second http.RoundTripper }

func (rt retryingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if resp, err := rt.first.RoundTrip(r); err == nil {
		return resp, nil
	}
	again := r.Clone(r.Context())
	again.Body, _ = r.GetBody()
	return rt.second.RoundTrip(again)
}

func TestRetry_LostResponseOverASocket(t *testing.T) {
	var n atomic.Int32
	g := newServer(t, (*httptest.Server).Start, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			w.Header().Set("Content-Length", "1000") // more than is sent
		}
		respondTokens(w, r)
	})
	c, err := ags.New(ags.Config{BaseURL: g.URL, AuthServiceID: "s", TenantID: "t", HTTPClient: g.Client()})
	require.NoError(t, err)
	_, err = c.Refresh(t.Context(), testToken())
	require.NoError(t, err)
	assert.EqualValues(t, 2, g.requests.Load())
}

// Keeps G7.
func TestNotSent_ByError(t *testing.T) {
	for _, tc := range []struct {
		name       string
		responders []responder
		want       bool
	}{
		{"never connected", []responder{failWith(errDial)}, true},
		{"host not found", []responder{failWith(fmt.Errorf("wrapped: %w", &net.DNSError{Err: "x"}))}, true},
		{"proxy not reached", []responder{failWith(&net.OpError{Op: "proxyconnect", Err: io.EOF})}, true},
		{"unknown error", []responder{failWith(errors.New("something"))}, false},
		{"read", []responder{failWith(&net.OpError{Op: "read", Err: syscall.ECONNRESET})}, false},
		{"cancelled", []responder{failWith(context.Canceled)}, false},
		{"timed out", []responder{failWith(context.DeadlineExceeded)}, false},
		{"never connected, twice", []responder{failWith(errDial), failWith(errDial)}, true},
		{"lost, then never connected", []responder{failWith(errLost), failWith(errDial)}, false},
		{"refused, then never connected", []responder{respond(500, ""), failWith(errDial)}, false},
		{"neither response nor error", []responder{func(*http.Request) (*http.Response, error) { return nil, nil }}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			requests, _, err := callInBubble(t, func(c *ags.Config) {
				if c.Retry.Max = len(tc.responders) - 1; c.Retry.Max == 0 {
					c.Retry.Max = -1
				}
			}, "refresh", tc.responders...)
			require.ErrorIs(t, err, ags.ErrUnavailable)
			assert.Equal(t, tc.want, asError(t, err).NotSent)
			assert.Zero(t, asError(t, err).Status)
			assert.Len(t, requests, len(tc.responders))
		})
	}
}
