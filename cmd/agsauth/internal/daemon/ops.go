package daemon

import (
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// opsServer returns the server for probes and metrics.
func (d *Daemon) opsServer() *http.Server {
	return &http.Server{
		Handler:           d.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
	}
}

// Handler returns the probes and metrics. It answers whatever the Host, because probes of
// Kubernetes come to the address of the pod; it shows no secret and changes nothing.
//
//   - /livez: 200 as long as it serves, whatever the session: a restart does not sign on.
//   - /readyz: 200 if there is a live token, otherwise 503 and the reason.
//   - /startupz: 200 once the store was read, otherwise 503.
//   - /metrics: in the format of Prometheus.
func (d *Daemon) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /livez", probe(func() string { return "" }))
	mux.Handle("GET /readyz", probe(d.whyNotReady))
	mux.Handle("GET /startupz", probe(func() string {
		if !d.started.Load() {
			return "the session has not been read yet"
		}
		return ""
	}))
	mux.Handle("GET /metrics", promhttp.HandlerFor(d.metrics.registry, promhttp.HandlerOpts{}))
	return mux
}

// whyNotReady says in a few words why nobody should rely on the Daemon. It is empty if
// there is no reason.
func (d *Daemon) whyNotReady() string {
	if d.stopping.Load() {
		return "stopping"
	}
	return notReady(d.status(), d.cfg.LoginCommand)
}

// opsField is a header field of each answer to a probe. It tells the answer from that of
// another server, such as an API behind a proxy.
const opsField = "Agsauth-Probe"

// probe answers 200, or 503 with the reason that why returns.
func probe(why func() string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set(opsField, "1")
		reason := why()
		if reason == "" {
			_, _ = io.WriteString(w, "ok\n")
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, reason+"\n")
	})
}
