package apiclients_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/integration/internal/harness"
)

var promhttpOutside = harness.Client{Name: "promhttp, around ours", Open: openInstrumented(instruments.around)}

var promhttpInside = harness.Client{Name: "promhttp, inside of ours", Open: openInstrumented(instruments.inside)}

// instruments are metrics of an HTTP client.
type instruments struct {
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
}

func newInstruments() instruments {
	return instruments{
		prometheus.NewCounterVec(prometheus.CounterOpts{Name: "requests"}, []string{"code"}),
		prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "durations"}, []string{"code"}),
	}
}

func (i instruments) instrument(rt http.RoundTripper) http.RoundTripper {
	return promhttp.InstrumentRoundTripperCounter(i.requests, promhttp.InstrumentRoundTripperDuration(i.durations, rt))
}

func (i instruments) around(t *testing.T, e *harness.Env) (*http.Client, string) {
	t.Helper()
	srv := serve(t, e, http.HandlerFunc(harness.Echo))
	return &http.Client{Transport: i.instrument(over(e, srv))}, srv.URL
}

func (i instruments) inside(t *testing.T, e *harness.Env) (*http.Client, string) {
	t.Helper()
	srv := serve(t, e, http.HandlerFunc(harness.Echo))
	ours := over(e, srv)
	ours.Base = i.instrument(ours.Base)
	return &http.Client{Transport: ours}, srv.URL
}

type newHTTPClient func(instruments, *testing.T, *harness.Env) (client *http.Client, url string)

func openInstrumented(newClient newHTTPClient) func(*testing.T, *harness.Env) harness.Calls {
	return func(t *testing.T, e *harness.Env) harness.Calls {
		t.Helper()
		client, url := newClient(newInstruments(), t, e)
		return harness.Calls{
			Get: func(ctx context.Context) error { return harness.Exchange(ctx, client, http.MethodPost, url, nil) },
			Post: func(ctx context.Context, body []byte) error {
				return harness.Exchange(ctx, client, http.MethodPost, url, body)
			},
		}
	}
}

func TestPromhttp_AroundItCountsCallsAndInsideAttempts(t *testing.T) {
	for name, of := range map[string]struct {
		client newHTTPClient
		want   map[string]float64
	}{
		"around": {instruments.around, map[string]float64{"200": 1, "401": 0}},
		"inside": {instruments.inside, map[string]float64{"200": 1, "401": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			e, metrics := harness.NewEnv(t), newInstruments()
			client, url := of.client(metrics, t, e)
			require.NoError(t, e.RejectCurrent(t.Context()))
			require.NoError(t, harness.Exchange(t.Context(), client, http.MethodPost, url, []byte("body")))
			series := 0
			for code, want := range of.want {
				assert.InDelta(t, want, testutil.ToFloat64(metrics.requests.WithLabelValues(code)), 0, code)
				series += int(want)
			}
			assert.Equal(t, series, testutil.CollectAndCount(metrics.durations), "one of each code")

			e.EndSession()
			require.Error(t, harness.Exchange(t.Context(), client, http.MethodPost, url, nil))
			assert.InDelta(t, 1, testutil.ToFloat64(metrics.requests.WithLabelValues("200")), 0, "an error of the source has no code")
		})
	}
}
