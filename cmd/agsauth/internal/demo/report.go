package demo

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/agsauth/agsauth/agstest"
)

// Report is the result of a run.
type Report struct {
	Totals

	Took, Median, Percentile99, Slowest time.Duration // the last three of requests

	Workers         int
	GatewayFailures int // refreshes that the gateway refused or left without a response
	MaxRefreshes    int // at the same time

	// Missing are the steps of the script that did not happen as they should, with
	// the reason. Excused are those after a fault by key.
	Missing, Excused []string
	Interrupted      bool
}

func (d *Demo) report(missing, excused []string, interrupted bool) Report {
	s := d.read()
	latencies := slices.Sorted(slices.Values(s.latencies))
	r := Report{
		Totals:       s.Totals,
		Took:         d.clock.Elapsed(),
		Median:       percentile(latencies, 50),
		Percentile99: percentile(latencies, 99),
		Slowest:      percentile(latencies, 100),
		Workers:      d.plan.Workers,
		MaxRefreshes: d.server.MaxInFlight(agstest.Refresh),
		Missing:      missing,
		Excused:      excused,
		Interrupted:  interrupted,
	}
	for _, rq := range d.server.Requests(agstest.Refresh) {
		if rq.Fault != "" && rq.Fault != "delay" {
			r.GatewayFailures++
		}
	}
	return r
}

// percentile returns the smallest duration that p percent of sorted do not exceed.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

// OK reports whether every step happened or is excused, and no request failed.
func (r Report) OK() bool {
	return !r.Interrupted && r.Failed == 0 && r.Requests > 0 && len(r.Missing) == 0
}

// String returns a table of the totals and the verdict.
func (r Report) String() string {
	var b strings.Builder
	row := func(name string, value any, format string, args ...any) {
		line := fmt.Sprintf("  %-22s %9v   %s", name, value, fmt.Sprintf(format, args...))
		fmt.Fprintln(&b, strings.TrimRight(line, " "))
	}
	fmt.Fprintln(&b)
	row("requests", r.Requests, "by %d workers in %s", r.Workers, span(r.Took))
	byKeys := ""
	if r.FailedByKeys > 0 {
		byKeys = fmt.Sprintf("%d of them because of your keys", r.FailedByKeys)
	}
	row("  failed", r.Failed, "%s", byKeys)
	row("  median", span(r.Median), "")
	row("  99th percentile", span(r.Percentile99), "")
	row("  slowest", span(r.Slowest), "")
	row("refreshes", r.Refreshes, "at most %d at a time", r.MaxRefreshes)
	row("gateway failures", r.GatewayFailures, "on purpose")
	if k := r.Keys; k != (Keys{}) {
		row("faults by key", k.Outages+k.Rejections+k.Suspends, "outages %d, rejections %d, suspends %d", k.Outages, k.Rejections, k.Suspends)
	}
	row("rejected and repeated", r.Repeated, "of %d rejected", r.Rejected)
	row("logins", r.Logins, "including the first sign-on")
	row("gateway calls", r.GatewayCalls, "in total")
	return b.String() + "\n" + r.verdict()
}

func (r Report) verdict() string {
	switch {
	case r.Interrupted:
		return "Interrupted.\n"
	case r.OK() && len(r.Excused) == 0:
		return "Every step happened, and no request failed.\n"
	}
	var b strings.Builder
	if other := r.Failed - r.FailedByKeys; other > 0 {
		fmt.Fprintf(&b, "FAILED: %s.\n", requests(other))
	}
	if r.FailedByKeys > 0 {
		fmt.Fprintf(&b, "FAILED because of your keys: %s without a usable token.\n", requests(r.FailedByKeys))
	}
	if r.Failed == 0 && len(r.Excused) > 0 {
		b.WriteString("No request failed.\n")
	}
	for _, step := range r.Excused {
		fmt.Fprintf(&b, "EXCUSED because of your keys: %s.\n", step)
	}
	for _, step := range r.Missing {
		fmt.Fprintf(&b, "MISSING: %s.\n", step)
	}
	return b.String()
}
