package otelagsauth

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/agsauth/agsauth/tokensource"
)

// The attributes besides error.type.
const (
	phaseKey   = attribute.Key("phase")
	reasonKey  = attribute.Key("reason")
	loginKey   = attribute.Key("login")
	opKey      = attribute.Key("op")
	outcomeKey = attribute.Key("outcome")
)

// The values of outcome. A refresh or login has the first two only.
const (
	success  = "success"
	failure  = "failure"
	conflict = "conflict"
	timeout  = "timeout"
	canceled = "canceled"
)

// The values of login.
const (
	loginAutomatic = "automatic"
	loginManual    = "manual"
)

// metrics are the instruments.
type metrics struct {
	count   metric.Int64ObservableUpDownCounter
	expiry  metric.Float64ObservableGauge
	ended   metric.Int64Counter
	refresh metric.Float64Histogram
	login   metric.Float64Histogram
	store   metric.Float64Histogram
}

func newMetrics(meter metric.Meter) (*metrics, error) {
	var m metrics
	var errs [6]error
	m.count, errs[0] = meter.Int64ObservableUpDownCounter("agsauth.session.count",
		metric.WithDescription("Sessions that are observed, by phase."), metric.WithUnit("{session}"))
	m.expiry, errs[1] = meter.Float64ObservableGauge("agsauth.session.expiry",
		metric.WithDescription("Unix time at which the first of the sessions ends unless it is refreshed or signed on again."), metric.WithUnit("s"))
	m.ended, errs[2] = meter.Int64Counter("agsauth.session.ended",
		metric.WithDescription("Sessions that have ended."), metric.WithUnit("{session}"))
	// A refresh has 15 seconds by default. A human may take part in a login.
	m.refresh, errs[3] = meter.Float64Histogram("agsauth.refresh.duration",
		metric.WithDescription("Duration of refreshes at the gateway."), metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(.025, .05, .1, .25, .5, 1, 2.5, 5, 7.5, 10, 15, 30))
	m.login, errs[4] = meter.Float64Histogram("agsauth.login.duration",
		metric.WithDescription("Duration of logins."), metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900))
	m.store, errs[5] = meter.Float64Histogram("agsauth.store.operation.duration",
		metric.WithDescription("Duration of calls of the session store."), metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30))
	return &m, errors.Join(errs[:]...)
}

// initialize makes the counter of ends begin at zero, so that a rate shows the first end.
func (m *metrics) initialize(ctx context.Context) {
	for reason := tokensource.NoSession; reason <= tokensource.SignedOut; reason++ {
		m.ended.Add(ctx, 0, metric.WithAttributes(reasonKey.String(reasonName(reason))))
	}
}

// event records what an event tells. Refreshes and logins are recorded here and not
// where they are called, because one refresh may take two calls.
func (m *metrics) event(ctx context.Context, e tokensource.Event) {
	if e.Kind == tokensource.EventEnded {
		m.ended.Add(ctx, 1, metric.WithAttributes(reasonKey.String(reasonName(e.Reason))))
	}
	var h metric.Float64Histogram
	switch e.Kind {
	case tokensource.EventRefreshed, tokensource.EventRefreshFailed:
		h = m.refresh
	case tokensource.EventEnded:
		if e.Reason != tokensource.RefreshRejected {
			return
		}
		h = m.refresh
	case tokensource.EventLoggedIn, tokensource.EventLoginFailed:
		h = m.login
	case tokensource.EventAdopted, tokensource.EventTokenSet, tokensource.EventEnding, tokensource.EventStoreFailed,
		tokensource.EventSaved, tokensource.EventUnlocked, tokensource.EventStoreRepaired:
		return
	}
	h.Record(ctx, e.Duration.Seconds(), metric.WithAttributes(outcomeOf(e.Class)...))
}

// outcomeOf returns the attributes of a refresh or login that ended with an error of
// this class, or with none.
func outcomeOf(class tokensource.ErrorClass) []attribute.KeyValue {
	if class == 0 {
		return []attribute.KeyValue{outcomeKey.String(success)}
	}
	return []attribute.KeyValue{outcomeKey.String(failure), semconv.ErrorTypeKey.String(class.String())}
}

// reasonName returns a reason in snake case.
func reasonName(r tokensource.Reason) string {
	switch r {
	case tokensource.NoSession:
		return "no_session"
	case tokensource.RefreshExpired:
		return "refresh_expired"
	case tokensource.FixedExpired:
		return "fixed_expired"
	case tokensource.RefreshRejected:
		return "refresh_rejected"
	case tokensource.SignedOut:
		return "signed_out"
	}
	return "other"
}

// report tells the observable metrics of the Sources that are observed now.
func (i *Instrumentation) report(_ context.Context, to metric.Observer) error {
	i.mu.Lock()
	sessions := make([]*observed, 0, len(i.observed))
	for o := range i.observed {
		sessions = append(sessions, o)
	}
	i.mu.Unlock()
	for _, login := range []string{loginAutomatic, loginManual} {
		var phases [tokensource.Ended + 1]int64
		var first time.Time
		for _, o := range sessions {
			if o.login != login {
				continue
			}
			status := o.src.Status()
			phases[status.Phase]++
			if end := endOf(&status); !end.IsZero() && (first.IsZero() || end.Before(first)) {
				first = end
			}
		}
		for phase, n := range phases {
			name := tokensource.Phase(phase).String()
			to.ObserveInt64(i.metrics.count, n, metric.WithAttributes(phaseKey.String(name), loginKey.String(login)))
		}
		if !first.IsZero() {
			to.ObserveFloat64(i.metrics.expiry, float64(first.UnixMilli())/1000, metric.WithAttributes(loginKey.String(login)))
		}
	}
	return nil
}

// endOf returns the earliest known end of a session that has not ended.
func endOf(s *tokensource.Status) time.Time {
	end := s.FixedExpiresAt
	switch {
	case s.Phase == tokensource.Ended:
		return time.Time{}
	case end.IsZero(), !s.RefreshExpiresAt.IsZero() && s.RefreshExpiresAt.Before(end):
		return s.RefreshExpiresAt
	}
	return end
}
