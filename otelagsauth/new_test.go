package otelagsauth_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/agsauth/agsauth/otelagsauth"
)

// meters is a provider of a meter that fails.
type meters struct {
	noop.MeterProvider
	meter metric.Meter
}

func (m meters) Meter(string, ...metric.MeterOption) metric.Meter { return m.meter }

// withoutCounters is a meter that makes no counters.
type withoutCounters struct{ noop.Meter }

func (withoutCounters) Int64Counter(string, ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return nil, errMeter
}

// withoutCallbacks is a meter that takes no callbacks.
type withoutCallbacks struct{ noop.Meter }

func (withoutCallbacks) RegisterCallback(metric.Callback, ...metric.Observable) (metric.Registration, error) {
	return nil, errMeter
}

var errMeter = errors.New("the meter fails")

func TestNew_ReturnsTheErrorOfTheMeter(t *testing.T) {
	for _, meter := range []metric.Meter{withoutCounters{}, withoutCallbacks{}} {
		telemetry, err := otelagsauth.New(otelagsauth.WithMeterProvider(meters{meter: meter}))
		require.ErrorIs(t, err, errMeter)
		assert.Nil(t, telemetry)
	}
}

func TestNew_UsesTheGlobalProviders(t *testing.T) {
	inSerialBubble(t, func(t *testing.T, r *rig) {
		meter, tracer := otel.GetMeterProvider(), otel.GetTracerProvider()
		t.Cleanup(func() {
			otel.SetMeterProvider(meter)
			otel.SetTracerProvider(tracer)
		})
		r.reader = sdkmetric.NewManualReader()
		otel.SetMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(r.reader)))
		otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r.spans)))
		var err error
		r.telemetry, err = otelagsauth.New()
		require.NoError(t, err)
		require.NoError(t, ask(t.Context(), r.source(nil)))
		r.want("agsauth.login.duration", "outcome=success", 1, 0)
		assert.Equal(t, []string{"outcome=success"}, r.ended("agsauth.login"))
	})
}
