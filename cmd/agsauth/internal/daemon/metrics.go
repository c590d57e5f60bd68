package daemon

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/agsauth/agsauth/tokensource"
)

// metrics are those of one session. What is state is read when the metrics are; what is
// history comes from events. No label names an account, a device or a path.
type metrics struct {
	registry *prometheus.Registry
	attempts *prometheus.CounterVec
	duration prometheus.Histogram
	success  prometheus.Gauge
}

// succeeded is the outcome of a refresh that was granted. The others are the classes of
// errors.
const succeeded = "success"

func newMetrics(version string, status func() tokensource.Status) *metrics {
	m := &metrics{
		registry: prometheus.NewPedanticRegistry(),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "agsauth_refresh_attempts_total",
			Help: "Refreshes by this process, by outcome: success, or the class of the error.",
		}, []string{"outcome"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "agsauth_refresh_duration_seconds",
			Help: "How long refreshes by this process took at the gateway.",
			// A refresh has 15 seconds by default.
			Buckets: []float64{.025, .05, .1, .25, .5, 1, 2.5, 5, 7.5, 10, 15, 30},
		}),
		success: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "agsauth_last_refresh_success_timestamp_seconds",
			Help: "When this process last refreshed the session, or when the tokens that it took from the store were issued. 0 if neither has happened.",
		}),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "agsauth_build_info",
		Help: "1, with the version of the program and of Go.",
	}, []string{"version", "goversion"})
	build.WithLabelValues(version, runtime.Version()).Set(1)
	// All outcomes begin at zero, so that a rate shows the first failure.
	m.attempts.WithLabelValues(succeeded)
	for class := tokensource.ClassOther; class <= tokensource.ClassStore; class++ {
		m.attempts.WithLabelValues(class.String())
	}
	m.registry.MustRegister(m.attempts, m.duration, m.success, build, newStateCollector(status))
	return m
}

// event records what an event tells.
func (m *metrics) event(e tokensource.Event) {
	outcome := e.Class.String()
	switch e.Kind {
	case tokensource.EventRefreshed:
		outcome = succeeded
		m.success.Set(seconds(e.At))
	case tokensource.EventRefreshFailed:
	case tokensource.EventEnded:
		if e.Reason != tokensource.RefreshRejected {
			return
		}
	case tokensource.EventAdopted:
		if !e.Status.IssuedAt.IsZero() {
			m.success.Set(seconds(e.Status.IssuedAt))
		}
		return
	case tokensource.EventTokenSet, tokensource.EventLoggedIn, tokensource.EventLoginFailed, tokensource.EventEnding,
		tokensource.EventStoreFailed, tokensource.EventSaved, tokensource.EventUnlocked, tokensource.EventStoreRepaired:
		return
	}
	m.attempts.WithLabelValues(outcome).Inc()
	if e.Duration > 0 { // zero means that the gateway was not asked
		m.duration.Observe(e.Duration.Seconds())
	}
}

func seconds(t time.Time) float64 {
	return float64(t.UnixMilli()) / 1000
}

// stateCollector reads the state of the session when the metrics are read.
type stateCollector struct {
	status func() tokensource.Status

	phase, access, refresh, session, unsaved *prometheus.Desc
}

func newStateCollector(status func() tokensource.Status) *stateCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &stateCollector{
		status:  status,
		phase:   desc("agsauth_session_phase", "1 for the phase that the session is in, 0 for the others.", "phase"),
		access:  desc("agsauth_access_token_expiry_timestamp_seconds", "When the access token expires. Absent if unknown."),
		refresh: desc("agsauth_refresh_token_expiry_timestamp_seconds", "When the refresh token expires. Absent if unknown."),
		session: desc("agsauth_session_expiry_timestamp_seconds", "When the session ends, which no refresh moves. Absent if unknown."),
		unsaved: desc("agsauth_session_unsaved", "1 if the store does not have what is in memory, otherwise 0."),
	}
}

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.phase, c.access, c.refresh, c.session, c.unsaved} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *stateCollector) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	s := c.status()
	for phase := tokensource.Unknown; phase <= tokensource.Ended; phase++ {
		gauge(c.phase, oneIf(phase == s.Phase), phase.String())
	}
	for d, at := range map[*prometheus.Desc]time.Time{c.access: s.ExpiresAt, c.refresh: s.RefreshExpiresAt, c.session: s.FixedExpiresAt} {
		if !at.IsZero() {
			gauge(d, seconds(at))
		}
	}
	gauge(c.unsaved, oneIf(s.Unsaved))
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
