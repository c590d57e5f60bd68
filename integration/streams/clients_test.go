package streams_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

var clients = slices.Concat(webSockets, eventStreams, http2Clients, http3Clients)

func TestClients(t *testing.T) {
	for _, c := range clients {
		t.Run(c.Name, func(t *testing.T) { harness.Run(t, c) })
	}
}

func TestPage(t *testing.T) { harness.CheckPage(t, "../../docs/clients.md", "Streams", clients) }

// certificate returns a certificate for 127.0.0.1 and example.com, and a pool that trusts
// it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	defer srv.Close()
	base, ok := srv.Client().Transport.(*http.Transport)
	require.True(t, ok)
	return srv.TLS.Certificates[0], base.TLSClientConfig.RootCAs
}
