package streams_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/transport"
)

var http2Clients = []harness.Client{
	{
		Name: "net/http, HTTP/2",
		Open: func(t *testing.T, e *harness.Env) harness.Calls {
			t.Helper()
			srv := newHTTP2Server(t, e.Protect(http.HandlerFunc(harness.Echo)))
			client := &http.Client{Transport: &transport.Transport{Source: e.Source, Base: srv.Client().Transport}}
			return harness.CallsOf(client, func() string { return srv.URL })
		},
	},
}

// newHTTP2Server starts a server that refuses requests over another protocol.
func newHTTP2Server(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			http.Error(w, fmt.Sprintf("the protocol is %s", r.Proto), http.StatusHTTPVersionNotSupported)
			return
		}
		h.ServeHTTP(w, r)
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

// A server that shuts down tells its clients by GOAWAY. Requests that it has not begun
// to handle are then sent again, on a new connection, by net/http.
func TestHTTP2_GracefulShutdownLosesNoRequest(t *testing.T) {
	e := harness.NewEnv(t)
	inFlight, release := make(chan struct{}), make(chan struct{})
	old := newHTTP2Server(t, e.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(inFlight)
			<-release
		}
		harness.Echo(w, r)
	})))
	var byNew atomic.Int64
	next := newHTTP2Server(t, e.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		byNew.Add(1)
		harness.Echo(w, r)
	})))
	addr := &atomic.Value{}
	addr.Store(old.Listener.Addr().String())
	client := &http.Client{Transport: &transport.Transport{Source: e.Source, Base: dialing(t, old, addr)}}
	post := func(path string) error {
		return harness.Exchange(t.Context(), client, http.MethodPost, "https://example.com"+path, bytes.Repeat([]byte("body"), 64<<10))
	}
	require.NoError(t, post("/"))

	slow, shutDown := make(chan error, 1), make(chan error, 1)
	go func() { slow <- post("/slow") }()
	<-inFlight
	addr.Store(next.Listener.Addr().String())
	go func() { shutDown <- old.Config.Shutdown(t.Context()) }()
	const during = 20
	for range during {
		require.NoError(t, post("/"))
	}
	close(release)
	require.NoError(t, <-slow)
	require.NoError(t, <-shutDown)
	require.NoError(t, post("/"))

	assert.Positive(t, byNew.Load())
	assert.Equal(t, during+3, e.Received())
	assert.Zero(t, e.Gateway.Count(agstest.Refresh))
}

// dialing returns a transport that trusts srv, and connects to the current address.
func dialing(t *testing.T, srv *httptest.Server, addr *atomic.Value) *http.Transport {
	t.Helper()
	trusting, ok := srv.Client().Transport.(*http.Transport)
	require.True(t, ok)
	base := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: trusting.TLSClientConfig.RootCAs, MinVersion: tls.VersionTLS13},
		ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", addr.Load().(string))
		},
	}
	t.Cleanup(base.CloseIdleConnections)
	return base
}
