package streams_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"testing"

	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/transport"
)

var http3Clients = []harness.Client{
	{
		Name: "quic-go, HTTP/3",
		Open: func(t *testing.T, e *harness.Env) harness.Calls {
			t.Helper()
			cert, roots := certificate(t)
			base := &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}
			url := serveHTTP3(t, cert, e.Protect(http.HandlerFunc(harness.Echo)))
			t.Cleanup(func() { assert.NoError(t, base.Close()) }) // before the server
			client := &http.Client{Transport: &transport.Transport{Source: e.Source, Base: base}}
			return harness.CallsOf(client, func() string { return url })
		},
	},
}

// serveHTTP3 starts a server on this machine and returns its URL.
func serveHTTP3(t *testing.T, cert tls.Certificate, h http.Handler) string {
	t.Helper()
	conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := &http3.Server{Handler: h, TLSConfig: http3.ConfigureTLSConfig(&tls.Config{
		Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13,
	})}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(conn) }()
	t.Cleanup(func() {
		assert.NoError(t, srv.Close())
		assert.ErrorIs(t, <-served, http.ErrServerClosed)
		assert.NoError(t, conn.Close())
	})
	return "https://" + conn.LocalAddr().String()
}
