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

// gateway is a server on loopback, and a client of it. The server counts its
// requests, reads each, and then does as handle says.
type gateway struct {
	*httptest.Server
	requests atomic.Int32
}

func serve(t *testing.T, start func(*httptest.Server), handle http.HandlerFunc) *gateway {
	t.Helper()
	g := &gateway{}
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

// client returns a client that tries once, of a transport or the server's own.
func (g *gateway) client(t *testing.T, rt http.RoundTripper) *ags.Client {
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

// drop ends the connection without an answer.
func drop(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func answerPair(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(pair())) }

func startHTTP2(s *httptest.Server) {
	s.EnableHTTP2 = true
	s.StartTLS()
}

func TestNotSent_ConnectionRefused(t *testing.T) {
	g := serve(t, (*httptest.Server).Start, drop)
	g.Close()
	_, err := g.client(t, nil).Refresh(t.Context(), held())
	require.ErrorIs(t, err, ags.ErrUnavailable)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	assert.True(t, asError(t, err).NotSent)
	assert.NotContains(t, err.Error(), "/ags/refresh", "net/http's wrapping is taken off")
}

func TestNotSent_CertificateNotTrusted(t *testing.T) {
	g := serve(t, (*httptest.Server).StartTLS, drop)
	rt := &http.Transport{}
	t.Cleanup(rt.CloseIdleConnections)
	_, err := g.client(t, rt).Refresh(t.Context(), held())
	require.ErrorIs(t, err, ags.ErrUnavailable)
	assert.Contains(t, err.Error(), "certificate")
	assert.True(t, asError(t, err).NotSent)
	// A transport that keeps to itself what it did must be believed its error.
	_, err = g.client(t, silent{rt}).Refresh(t.Context(), held())
	assert.True(t, asError(t, err).NotSent)
	assert.Zero(t, g.requests.Load())
}

// silent is a transport that reports nothing to trace hooks.
type silent struct{ base http.RoundTripper }

func (s silent) RoundTrip(r *http.Request) (*http.Response, error) {
	return s.base.RoundTrip(r.WithContext(withoutValues(r.Context())))
}

// valueless is a context without values.
type valueless struct {
	lifetime interface {
		Deadline() (time.Time, bool)
		Done() <-chan struct{}
		Err() error
	}
}

func withoutValues(ctx context.Context) context.Context { return valueless{ctx} }

func (v valueless) Deadline() (time.Time, bool) { return v.lifetime.Deadline() }
func (v valueless) Done() <-chan struct{}       { return v.lifetime.Done() }
func (v valueless) Err() error                  { return v.lifetime.Err() }
func (valueless) Value(any) any                 { return nil }

func TestNotSent_CancelledWhileConnecting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	rt := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		cancel()
		<-release // net/http goes on dialling, for whoever comes next
		return nil, net.ErrClosed
	}}
	t.Cleanup(func() { close(release) })
	g := serve(t, (*httptest.Server).Start, drop)
	_, err := g.client(t, rt).Refresh(ctx, held())
	require.ErrorIs(t, err, context.Canceled)
	assert.True(t, asError(t, err).NotSent)
	assert.Zero(t, g.requests.Load())
}

func TestNotSent_NotOfWhatWasWritten(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){
		"HTTP/1": (*httptest.Server).Start, "TLS": (*httptest.Server).StartTLS,
	} {
		g := serve(t, start, drop)
		_, err := g.client(t, nil).Refresh(t.Context(), held())
		require.ErrorIs(t, err, ags.ErrUnavailable, name)
		assert.False(t, asError(t, err).NotSent, name)
		assert.EqualValues(t, 1, g.requests.Load(), name)
	}
}

func TestNotSent_NotOfWhatWasCancelledAfterwards(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){"HTTP/1": (*httptest.Server).Start, "HTTP/2": startHTTP2} {
		for _, silently := range []bool{false, true} {
			ctx, cancel := context.WithCancel(t.Context())
			g := serve(t, start, func(_ http.ResponseWriter, r *http.Request) {
				cancel()
				<-r.Context().Done()
			})
			rt := g.Client().Transport
			if silently {
				rt = silent{rt}
			}
			_, err := g.client(t, rt).Refresh(ctx, held())
			require.ErrorIs(t, err, context.Canceled, name)
			assert.False(t, asError(t, err).NotSent, name)
			assert.EqualValues(t, 1, g.requests.Load(), name)
			g.CloseClientConnections()
		}
	}
}

func TestNotSent_NotWhenTheTransportTriedBefore(t *testing.T) {
	g := serve(t, (*httptest.Server).Start, drop)
	// As a transport that repeats requests by itself would: the first is written,
	// the second finds nobody.
	rt := twice{first: g.Client().Transport, second: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, errDial
	}}}
	_, err := g.client(t, rt).Refresh(t.Context(), held())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	assert.False(t, asError(t, err).NotSent)
	assert.EqualValues(t, 1, g.requests.Load())
}

type twice struct{ first, second http.RoundTripper }

func (w twice) RoundTrip(r *http.Request) (*http.Response, error) {
	if resp, err := w.first.RoundTrip(r); err == nil {
		return resp, nil
	}
	again := r.Clone(r.Context())
	again.Body, _ = r.GetBody()
	return w.second.RoundTrip(again)
}

func TestRefresh_LostAnswerOverASocketIsAskedForAgain(t *testing.T) {
	var n atomic.Int32
	g := serve(t, (*httptest.Server).Start, func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) {
		case 1:
			w.Header().Set("Content-Length", "1000") // more than comes
			answerPair(w, r)
		default:
			answerPair(w, r)
		}
	})
	c, err := ags.New(ags.Config{BaseURL: g.URL, AuthServiceID: "s", TenantID: "t", HTTPClient: g.Client()})
	require.NoError(t, err)
	_, err = c.Refresh(t.Context(), held())
	require.NoError(t, err)
	assert.EqualValues(t, 2, g.requests.Load())
}

// Keeps G7.
func TestNotSent(t *testing.T) {
	for _, tc := range []struct {
		name  string
		steps []step
		want  bool
	}{
		{"never connected", []step{fails(errDial)}, true},
		{"host not found", []step{fails(fmt.Errorf("wrapped: %w", &net.DNSError{Err: "x"}))}, true},
		{"proxy not reached", []step{fails(&net.OpError{Op: "proxyconnect", Err: io.EOF})}, true},
		{"not known", []step{fails(errors.New("something"))}, false},
		{"read", []step{fails(&net.OpError{Op: "read", Err: syscall.ECONNRESET})}, false},
		{"cancelled on the way", []step{fails(context.Canceled)}, false},
		{"timed out on the way", []step{fails(context.DeadlineExceeded)}, false},
		{"never connected, twice", []step{fails(errDial), fails(errDial)}, true},
		{"lost, then never connected", []step{fails(errLost), fails(errDial)}, false},
		{"refused, then never connected", []step{reply(500, ""), fails(errDial)}, false},
		{"neither answer nor error", []step{func(*http.Request) (*http.Response, error) { return nil, nil }}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			requests, _, err := bubble(t, func(c *ags.Config) {
				if c.Retry.Max = len(tc.steps) - 1; c.Retry.Max == 0 {
					c.Retry.Max = -1
				}
			}, "refresh", tc.steps...)
			require.ErrorIs(t, err, ags.ErrUnavailable)
			assert.Equal(t, tc.want, asError(t, err).NotSent)
			assert.Zero(t, asError(t, err).Status)
			assert.Len(t, requests, len(tc.steps))
		})
	}
}
