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

// New returns an Instrumentation. The error is that of the meter, which has not taken an
// instrument. Set the global providers before, if you use them: what is measured earlier
// is lost.
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

// Instrument returns cfg with a Refresher, a Login, a Store and an OnEvent that export
// what they do and call those of cfg. The Refresher has a method SignOut if that of cfg
// has one, and the Store has the optional methods of the Store of cfg and no others. What
// is nil in cfg stays nil, except OnEvent. Instrument a Config once: two Sources may be
// made from the result only if they may be made from cfg.
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
// called. Call stop when src is closed, or signed out and no longer used: an ended
// session counts as ended. cfg is the Config that src was made from; it says whether the
// session has a Login.
//
// Each collection of the metrics calls [tokensource.Source.Status], which notices an end
// without a look at the store. So run [tokensource.Source.Run] for an idle session that
// other processes keep alive.
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
