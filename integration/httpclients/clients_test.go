package httpclients_test

import (
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/internal/leak"
	"github.com/agsauth/agsauth/transport"
)

func TestMain(m *testing.M) { leak.Main(m) }

var clients = slices.Concat(restyClients, retryableClients, failsafeClients, generatedClients, proxies, caches)

func TestClients(t *testing.T) {
	for _, c := range clients {
		t.Run(c.Name, func(t *testing.T) { harness.Run(t, c) })
	}
}

func TestPage(t *testing.T) { harness.CheckPage(t, "../../docs/clients.md", "HTTP clients", clients) }

// attempts is a RoundTripper that counts what a client hands to the transport.
type attempts struct {
	ours *transport.Transport
	n    atomic.Int64
}

// RoundTrip implements [http.RoundTripper].
func (a *attempts) RoundTrip(req *http.Request) (*http.Response, error) {
	a.n.Add(1)
	return a.ours.RoundTrip(req)
}

func (a *attempts) count() int { return int(a.n.Load()) }

// echoAPI starts an echoing server, and returns its URL and a transport for it.
func echoAPI(t *testing.T, e *harness.Env) (string, *attempts) {
	t.Helper()
	srv := harness.NewServer(t, e.Protect(http.HandlerFunc(harness.Echo)))
	return srv.URL, &attempts{ours: &transport.Transport{Source: e.Source, Base: srv.Client().Transport}}
}
