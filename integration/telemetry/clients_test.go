package telemetry_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/net/http/httptrace/otelhttptrace"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/internal/leak"
	"github.com/agsauth/agsauth/transport"
)

func TestMain(m *testing.M) { leak.Main(m) }

var clients = []harness.Client{
	{Name: "otelhttp, around ours", Open: open(around)},
	{Name: "otelhttp, inside of ours", Open: open(inside)},
}

func TestClients(t *testing.T) {
	for _, c := range clients {
		t.Run(c.Name, func(t *testing.T) { harness.Run(t, c) })
	}
}

func TestPage(t *testing.T) { harness.CheckPage(t, "../../docs/clients.md", "Telemetry", clients) }

// A plug combines a Transport of ours with the instrumentation.
type plug func(e *harness.Env, base http.RoundTripper, instrument func(http.RoundTripper) http.RoundTripper) http.RoundTripper

func around(e *harness.Env, base http.RoundTripper, instrument func(http.RoundTripper) http.RoundTripper) http.RoundTripper {
	return instrument(&transport.Transport{Source: e.Source, Base: base})
}

func inside(e *harness.Env, base http.RoundTripper, instrument func(http.RoundTripper) http.RoundTripper) http.RoundTripper {
	return &transport.Transport{Source: e.Source, Base: instrument(base)}
}

func open(plugIn plug) func(*testing.T, *harness.Env) harness.Calls {
	return func(t *testing.T, e *harness.Env) harness.Calls {
		t.Helper()
		client, url := newClient(t, e, plugIn, noop.NewTracerProvider(), func(*http.Request) {})
		return harness.Calls{
			Get: func(ctx context.Context) error { return harness.Exchange(ctx, client, http.MethodPost, url, nil) },
			Post: func(ctx context.Context, body []byte) error {
				return harness.Exchange(ctx, client, http.MethodPost, url, body)
			},
		}
	}
}

// newClient returns a client with all instrumentation, and the URL of a server that
// echoes. The server calls observe with each request, also with those that it rejects.
func newClient(t *testing.T, e *harness.Env, plugIn plug, provider trace.TracerProvider, observe func(*http.Request)) (client *http.Client, url string) {
	t.Helper()
	protected := e.Protect(http.HandlerFunc(harness.Echo))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		observe(r)
		protected.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	instrument := func(rt http.RoundTripper) http.RoundTripper {
		return otelhttp.NewTransport(rt,
			otelhttp.WithTracerProvider(provider),
			otelhttp.WithPropagators(propagation.TraceContext{}),
			otelhttp.WithClientTrace(func(ctx context.Context) *httptrace.ClientTrace {
				return otelhttptrace.NewClientTrace(ctx, otelhttptrace.WithTracerProvider(provider))
			}),
		)
	}
	return &http.Client{Transport: plugIn(e, srv.Client().Transport, instrument)}, srv.URL
}
