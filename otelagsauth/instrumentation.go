package otelagsauth

import (
	"context"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/tokensource"
)

// scope names the instrumentation in everything that is exported.
const scope = "github.com/agsauth/agsauth/otelagsauth"

// Instrumentation exports metrics and spans of Sources. Make one with [New] and use it
// for all Sources of a program. Its methods are safe for concurrent use.
type Instrumentation struct {
	tracer  trace.Tracer
	metrics *metrics

	mu       sync.Mutex             // guards observed
	observed map[*observed]struct{} // what the observable metrics tell of
}

// observed is a Source that the observable metrics tell of.
type observed struct {
	src   *tokensource.Source
	login string
}

// Option configures an [Instrumentation].
type Option func(*providers)

type providers struct {
	meter  metric.MeterProvider
	tracer trace.TracerProvider
}

// WithMeterProvider sets where the metrics go. The default is the global provider.
func WithMeterProvider(p metric.MeterProvider) Option {
	return func(c *providers) { c.meter = p }
}

// WithTracerProvider sets where the spans go. The default is the global provider.
func WithTracerProvider(p trace.TracerProvider) Option {
	return func(c *providers) { c.tracer = p }
}

// New returns an Instrumentation. It returns an error if the meter cannot make one of the
// instruments. If you use the global providers, set them before you call Instrument:
// earlier measurements are lost.
func New(options ...Option) (*Instrumentation, error) {
	p := providers{meter: otel.GetMeterProvider(), tracer: otel.GetTracerProvider()}
	for _, set := range options {
		set(&p)
	}
	i := &Instrumentation{
		tracer:   p.tracer.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL)),
		observed: map[*observed]struct{}{},
	}
	meter := p.meter.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL))
	var err error
	if i.metrics, err = newMetrics(meter); err != nil {
		return nil, err
	}
	if _, err = meter.RegisterCallback(i.report, i.metrics.count, i.metrics.expiry); err != nil {
		return nil, err
	}
	return i, nil
}

// Instrument returns a copy of cfg whose Refresher, Login, Store and OnEvent measure the
// calls and pass them on to those of cfg. The Refresher and the Store have the same
// optional methods as those of cfg. A Refresher, Login or Store that is nil stays nil. Do
// not instrument a Config that is already instrumented: everything would be counted twice.
func (i *Instrumentation) Instrument(cfg tokensource.Config) tokensource.Config {
	i.metrics.initialize(background())
	if cfg.Refresher != nil {
		cfg.Refresher = i.refresher(cfg.Refresher)
	}
	if cfg.Login != nil {
		cfg.Login = i.login(cfg.Login)
	}
	if cfg.Store != nil {
		cfg.Store = instrumentStore(cfg.Store, i.metrics, stopwatchOf(cfg.Clock))
	}
	onEvent := cfg.OnEvent
	cfg.OnEvent = func(e tokensource.Event) {
		i.metrics.event(background(), e)
		if onEvent != nil {
			onEvent(e)
		}
	}
	return cfg
}

// Observe includes src in agsauth.session.count and agsauth.session.expiry until stop is
// called. cfg must be the Config that src was made from: it tells whether the session has
// a Login. Call stop when src is closed, or when its session was signed out and will not
// be replaced; otherwise it is counted as ended. stop may be called more than once.
//
// Each collection of the metrics calls [tokensource.Source.Status]. That may end a session
// whose time has passed, without reading the store again. Call [tokensource.Source.Run] if
// other processes may keep a session alive that is idle in this one; otherwise it may be
// counted as ended until the next call for a token.
func (i *Instrumentation) Observe(src *tokensource.Source, cfg tokensource.Config) (stop func()) {
	o := &observed{src: src, login: loginManual}
	if cfg.Login != nil {
		o.login = loginAutomatic
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.observed[o] = struct{}{}
	return func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		delete(i.observed, o)
	}
}

// background is the context of measurements for which there is none.
func background() context.Context {
	return context.Background() //nolint:forbidigo // OnEvent has no context to take
}

// stopwatchOf returns a function that starts to measure time by a clock, nil being the
// system's. The function that it returns tells the seconds since.
func stopwatchOf(c clock.Clock) stopwatch {
	if c == nil {
		c = clock.Real{}
	}
	if m, ok := c.(clock.Monotonic); ok {
		return func() func() float64 {
			began := m.Elapsed()
			return func() float64 { return (m.Elapsed() - began).Seconds() }
		}
	}
	return func() func() float64 {
		began := c.Now()
		return func() float64 { return c.Now().Sub(began).Seconds() }
	}
}

// stopwatch starts to measure time.
type stopwatch func() (seconds func() float64)
