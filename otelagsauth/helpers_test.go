package otelagsauth_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/internal/leak"
	"github.com/agsauth/agsauth/otelagsauth"
	"github.com/agsauth/agsauth/tokensource"
)

func TestMain(m *testing.M) { leak.Main(m) }

// account is the account of every session here. Its name is not part of anything else.
const account = "account-of-dave"

// rig is a gateway, its client, and an Instrumentation whose exports can be read.
type rig struct {
	t         *testing.T
	srv       *agstest.Server
	gateway   *ags.Client
	telemetry *otelagsauth.Instrumentation
	reader    *sdkmetric.ManualReader
	registry  *prometheus.Registry
	traces    *sdktrace.TracerProvider
	spans     *tracetest.SpanRecorder
}

// inBubble runs a test with a rig in a synctest bubble, which fails it if a goroutine is
// left behind.
func inBubble(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	t.Parallel()
	inSerialBubble(t, test)
}

// inSerialBubble is inBubble for a test that no other test may run beside.
func inSerialBubble(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		test(t, r)
		r.srv.Close()
	})
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, reader: sdkmetric.NewManualReader(), registry: prometheus.NewRegistry(), spans: tracetest.NewSpanRecorder()}
	scraped, err := exporter.New(exporter.WithRegisterer(r.registry))
	require.NoError(t, err)
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(r.reader), sdkmetric.WithReader(scraped))
	r.traces = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r.spans))
	r.telemetry, err = otelagsauth.New(otelagsauth.WithMeterProvider(meters), otelagsauth.WithTracerProvider(r.traces))
	require.NoError(t, err)
	r.srv = agstest.NewServer(agstest.Config{InMemory: true, DeviceLimit: -1, Accounts: []agstest.Account{{
		ID: account, Username: agstest.DefaultUsername, Password: agstest.DefaultPassword,
	}}})
	t.Cleanup(r.srv.Close)
	r.gateway, err = ags.New(ags.Config{
		BaseURL: r.srv.URL, AuthServiceID: "Customer Auth Service", TenantID: "nagra", HTTPClient: r.srv.Client(),
	})
	require.NoError(t, err)
	return r
}

func signOn() ags.SignOnRequest {
	return ags.SignOnRequest{
		Parameters:        []ags.Parameter{{Name: "username", Value: agstest.DefaultUsername}, {Name: "password", Value: agstest.DefaultPassword}},
		DeviceInformation: json.RawMessage(`{"deviceType":"STB"}`),
	}
}

// source returns an instrumented Source with a Login, which is observed and closed at the
// end of the test. Set may change its Config.
func (r *rig) source(set func(*tokensource.Config)) *tokensource.Source {
	r.t.Helper()
	cfg := tokensource.Config{
		Refresher: r.gateway, Login: tokensource.SignOnWith(r.gateway, signOn()), Rand: func() float64 { return 0 },
	}
	if set != nil {
		set(&cfg)
	}
	cfg = r.telemetry.Instrument(cfg)
	src, err := tokensource.New(cfg)
	require.NoError(r.t, err)
	stop := r.telemetry.Observe(src, cfg)
	r.t.Cleanup(func() {
		stop()
		_ = src.Close()
	})
	return src
}

// point is one value of a metric.
type point struct {
	attributes string // as name=value, sorted and separated by commas
	value      float64
	count      uint64 // of a histogram, whose sum is the value
}

// collect returns the points of all metrics by name.
func (r *rig) collect() map[string][]point {
	r.t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(r.t, r.reader.Collect(r.t.Context(), &all))
	points := map[string][]point{}
	for _, s := range all.ScopeMetrics {
		for _, m := range s.Metrics {
			points[m.Name] = slices.SortedFunc(slices.Values(pointsOf(m.Data)), func(a, b point) int {
				return strings.Compare(a.attributes, b.attributes)
			})
		}
	}
	return points
}

func pointsOf(data metricdata.Aggregation) (all []point) {
	switch d := data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range d.DataPoints {
			all = append(all, point{encode(p.Attributes), float64(p.Value), 0})
		}
	case metricdata.Gauge[float64]:
		for _, p := range d.DataPoints {
			all = append(all, point{encode(p.Attributes), p.Value, 0})
		}
	case metricdata.Histogram[float64]:
		for _, p := range d.DataPoints {
			all = append(all, point{encode(p.Attributes), p.Sum, p.Count})
		}
	}
	return all
}

func encode(set attribute.Set) string { return set.Encoded(attribute.DefaultEncoder()) }

// value returns the value of the point with these attributes, and reports whether there
// is one.
func (r *rig) value(name, attributes string) (point, bool) {
	r.t.Helper()
	for _, p := range r.collect()[name] {
		if p.attributes == attributes {
			return p, true
		}
	}
	return point{}, false
}

// want asserts that a histogram has a point with this count and sum.
func (r *rig) want(name, attributes string, count uint64, sum float64) {
	r.t.Helper()
	p, ok := r.value(name, attributes)
	require.True(r.t, ok, "%s{%s}: %v", name, attributes, r.collect()[name])
	require.Equal(r.t, count, p.count)
	require.InDelta(r.t, sum, p.value, 1e-9)
}

// wantValue asserts that a counter or gauge has this value.
func (r *rig) wantValue(name, attributes string, want float64) {
	r.t.Helper()
	p, ok := r.value(name, attributes)
	require.True(r.t, ok, "%s{%s}: %v", name, attributes, r.collect()[name])
	require.InDelta(r.t, want, p.value, 1e-3, "%s{%s}", name, attributes)
}

// ended returns the attributes of the ended spans of this name.
func (r *rig) ended(name string) (all []string) {
	for _, s := range r.spans.Ended() {
		if s.Name() == name {
			all = append(all, encode(attribute.NewSet(s.Attributes()...)))
		}
	}
	return all
}

// ask asks for a token, in a span of a request if there is one in ctx, and waits until
// what that has started has ended.
func ask(ctx context.Context, src *tokensource.Source) error {
	_, err := src.TokenContext(ctx)
	synctest.Wait()
	return err
}

// printed returns everything that a rig exports as text.
func (r *rig) printed() string {
	r.t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(r.t, r.reader.Collect(r.t.Context(), &all))
	text, err := json.Marshal(all)
	require.NoError(r.t, err)
	var b strings.Builder
	b.Write(text)
	for _, s := range tracetest.SpanStubsFromReadOnlySpans(r.spans.Ended()) {
		s.Resource = nil
		text, err := json.Marshal(s)
		require.NoError(r.t, err)
		b.Write(text)
	}
	families, err := r.registry.Gather()
	require.NoError(r.t, err)
	for _, f := range families {
		b.WriteString(f.String())
	}
	return b.String()
}
