package oauth2clients_test

import (
	"context"
	"net/http"
	"testing"

	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/internal/leak"
	"github.com/agsauth/agsauth/transport"
)

func TestMain(m *testing.M) { leak.Main(m) }

// The Env's clock is in the past, so that ReuseTokenSource takes each token for expired
// and asks the Source again. The tests of caching_test.go show what its cache does.
var clients = []harness.Client{
	{
		Name: "net/http",
		Open: over(func(e *harness.Env, base http.RoundTripper) *http.Client {
			return &http.Client{Transport: &transport.Transport{Source: e.Source, Base: base}}
		}),
	},
	{
		Name: "oauth2.Transport",
		Open: over(func(e *harness.Env, base http.RoundTripper) *http.Client {
			return &http.Client{Transport: &oauth2.Transport{Source: e.Source, Base: base}}
		}),
		Limits: map[harness.Check]string{
			harness.Replaced: "it does not look at responses",
			harness.Post:     "it does not look at responses",
			harness.Deadline: "it calls Token without a context",
		},
	},
	{
		Name: "oauth2.NewClient",
		Open: over(func(e *harness.Env, base http.RoundTripper) *http.Client {
			return oauth2.NewClient(withClient(&http.Client{Transport: base}), e.Source)
		}),
		Limits: map[harness.Check]string{
			harness.Replaced: "it does not look at responses",
			harness.Post:     "it does not look at responses",
			harness.Deadline: "it calls Token without a context",
		},
	},
	{
		Name: "oauth2.ReuseTokenSource in ours",
		Open: over(func(e *harness.Env, base http.RoundTripper) *http.Client {
			return &http.Client{Transport: &transport.Transport{Source: oauth2.ReuseTokenSource(nil, e.Source), Base: base}}
		}),
		Limits: map[harness.Check]string{
			harness.Replaced: "it hides Invalidate",
			harness.Post:     "it hides Invalidate",
			harness.Deadline: "it hides TokenContext",
		},
	},
	{
		Name: "oauth2.HTTPClient in a context",
		Open: over(func(e *harness.Env, base http.RoundTripper) *http.Client {
			ours := &http.Client{Transport: &transport.Transport{Source: e.Source, Base: base}}
			return oauth2.NewClient(withClient(ours), nil)
		}),
	},
}

func TestClients(t *testing.T) {
	for _, c := range clients {
		t.Run(c.Name, func(t *testing.T) { harness.Run(t, c) })
	}
}

func TestPage(t *testing.T) { harness.CheckPage(t, "../../docs/clients.md", "oauth2", clients) }

// over opens a client for an HTTP server that echoes.
func over(newClient func(e *harness.Env, base http.RoundTripper) *http.Client) func(*testing.T, *harness.Env) harness.Calls {
	return harness.OverHTTP(func(_ *testing.T, e *harness.Env, base http.RoundTripper) harness.HTTPClient {
		return newClient(e, base)
	})
}

// withClient returns a context with a client for packages that use x/oauth2.
func withClient(client *http.Client) context.Context {
	return context.WithValue(context.Background(), oauth2.HTTPClient, client)
}
