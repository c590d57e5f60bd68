package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
)

// thresholds are what a run must reach. In addition, no request may wait for a refresh.
type thresholds struct {
	p95    time.Duration
	failed float64 // share of the requests
}

// counts collects what happens. Its methods are safe for concurrent use.
type counts struct {
	mu        sync.Mutex // guards all below
	latencies []time.Duration
	failed    int
	firstErr  error
	waited    int
	signOns   int
	refreshes int
	refused   int
}

// request counts a request, and whether its user had a live token when it began.
func (c *counts) request(took time.Duration, err error, hadToken bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.latencies = append(c.latencies, took)
	if !hadToken {
		c.waited++
	}
	if err != nil {
		if c.failed++; c.firstErr == nil {
			c.firstErr = err
		}
	}
}

// event counts what the pool reports.
func (c *counts) event(_ string, e tokensource.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.Kind == tokensource.EventLoggedIn {
		c.signOns++
	}
	if e.Kind == tokensource.EventRefreshed {
		c.refreshes++
	}
	if e.Kind == tokensource.EventRefreshFailed || e.Kind == tokensource.EventLoginFailed {
		c.refused++
	}
}

// result is what was measured.
type result struct {
	took               time.Duration
	requests, failed   int
	firstErr           error
	p50, p95, p99, max time.Duration // of requests
	signOns, refreshes int
	refused            int // sign-ons and refreshes
	waited             int // requests whose user had no live token when they began
	peak               int // calls of the gateway in a second
}

func (c *counts) result(took time.Duration, peak int) result {
	c.mu.Lock()
	defer c.mu.Unlock()
	sorted := slices.Sorted(slices.Values(c.latencies))
	r := result{
		took: took, requests: len(sorted), failed: c.failed, firstErr: c.firstErr, peak: peak,
		signOns: c.signOns, refreshes: c.refreshes, refused: c.refused, waited: c.waited,
	}
	if n := len(sorted); n > 0 {
		at := func(percent int) time.Duration { return sorted[(percent*n+99)/100-1] }
		r.p50, r.p95, r.p99, r.max = at(50), at(95), at(99), sorted[n-1]
	}
	return r
}

// peak returns how many sign-ons and refreshes a gateway has received within one second, at
// most. A call may be received a little later than it began, so that it can be a few more
// than were started.
func peak(platform *agstest.Server) (most int) {
	var at []time.Time
	for _, op := range []agstest.Op{agstest.SignOn, agstest.Refresh} {
		for _, rq := range platform.Requests(op) {
			at = append(at, rq.At)
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	first := 0
	for i, t := range at {
		for t.Sub(at[first]) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// check is a threshold, and whether it was reached.
type check struct {
	name string
	ok   bool
}

func (r result) checks(t thresholds) []check {
	return []check{
		{"there are requests", r.requests > 0},
		{fmt.Sprintf("95 of 100 requests take less than %v", t.p95), r.p95 < t.p95},
		{fmt.Sprintf("less than %g %% of the requests fail", 100*t.failed), float64(r.failed) < t.failed*float64(r.requests)},
		{"no request waits for a refresh once its user has signed on", r.waited == 0},
	}
}

// passed reports whether all thresholds were reached.
func (r result) passed(t thresholds) bool {
	return !slices.ContainsFunc(r.checks(t), func(c check) bool { return !c.ok })
}

// text returns the summary.
func (r result) text(o options) string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %s%s: %s\n", name, strings.Repeat(".", 22-len(name)), fmt.Sprintf(format, args...))
	}
	row("users", "%d in %v", o.users, r.took.Round(100*time.Millisecond))
	row("requests", "%d  %.0f/s", r.requests, float64(r.requests)/r.took.Seconds())
	row("request_duration", "p50=%v p95=%v p99=%v max=%v", round(r.p50), round(r.p95), round(r.p99), round(r.max))
	row("requests_failed", "%d", r.failed)
	row("waited_for_refresh", "%d", r.waited)
	row("sign_ons", "%d", r.signOns)
	row("refreshes", "%d", r.refreshes)
	row("gateway_failures", "%d", r.refused)
	row("gateway_calls_peak", "%d/s, limit %g/s", r.peak, o.perSecond)
	if r.firstErr != nil {
		row("first_error", "%v", r.firstErr)
	}
	fmt.Fprintln(&b)
	for _, c := range r.checks(o.thresholds) {
		mark := "✓"
		if !c.ok {
			mark = "✗"
		}
		fmt.Fprintf(&b, "  %s %s\n", mark, c.name)
	}
	return b.String()
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
