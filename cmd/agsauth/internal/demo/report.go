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
	GatewayFailures                     int           // refreshes that were refused or lost their response
	Workers, MaxRefreshes               int           // at the same time
	// Missing are the steps of the script that did not happen as they should, with
	// the reason. Excused are those after a fault by key.
	Missing, Excused []string
	Interrupted      bool
}

func (d *Demo) report(interrupted bool) Report {
	s := d.read()
	r := Report{
		Totals: s.Totals, Took: d.clock.Elapsed(), Workers: d.plan.Workers, MaxRefreshes: d.server.MaxInFlight(agstest.Refresh),
		Missing: s.missing, Excused: s.excused, Interrupted: interrupted,
	}
	if n := len(s.latencies); n > 0 {
		sorted := slices.Sorted(slices.Values(s.latencies))
		r.Median, r.Percentile99, r.Slowest = sorted[(n-1)/2], sorted[(99*n-1)/100], sorted[n-1]
	}
	for _, rq := range d.server.Requests(agstest.Refresh) {
		if rq.Fault != "" && rq.Fault != "delay" {
			r.GatewayFailures++
		}
	}
	return r
}

// OK reports whether every step happened or is excused, and no request failed.
func (r Report) OK() bool {
	return !r.Interrupted && r.Failed == 0 && r.Requests > 0 && len(r.Missing) == 0
}

// String returns a table of the totals and the verdict.
func (r Report) String() string {
	b := &strings.Builder{}
	row := func(name string, value any, note string, args ...any) {
		line := fmt.Sprintf("  %-22s %9v   %s", name, value, fmt.Sprintf(note, args...))
		fmt.Fprintln(b, strings.TrimRight(line, " "))
	}
	fmt.Fprintln(b)
	row("requests", r.Requests, "by %d workers in %s", r.Workers, span(r.Took))
	row("  failed", r.Failed, "")
	row("  latency", span(r.Median), "median; 99%% within %s, slowest %s", span(r.Percentile99), span(r.Slowest))
	row("refreshes", r.Refreshes, "at most %d at a time", r.MaxRefreshes)
	row("gateway failures", r.GatewayFailures, "on purpose")
	if k := r.Keys; k != (Keys{}) {
		row("faults by key", k.Outages+k.Rejections+k.Suspends, "outages %d, rejections %d, suspends %d", k.Outages, k.Rejections, k.Suspends)
	}
	row("rejected and repeated", r.Repeated, "of %d rejected", r.Rejected)
	row("logins", r.Logins, "including the first sign-on")
	row("gateway calls", r.GatewayCalls, "in total")
	fmt.Fprintln(b)
	switch {
	case r.Interrupted:
		fmt.Fprintln(b, "Interrupted.")
	case r.OK() && len(r.Excused) == 0:
		fmt.Fprintln(b, "Every step happened, and no request failed.")
	case r.Failed == 0:
		fmt.Fprintln(b, "No request failed.")
	case r.FailedByKeys == 0:
		fmt.Fprintf(b, "FAILED: %s.\n", requests(r.Failed))
	default:
		fmt.Fprintf(b, "FAILED: %s, %d of them because of your keys.\n", requests(r.Failed), r.FailedByKeys)
	}
	for _, step := range r.Excused {
		fmt.Fprintf(b, "EXCUSED because of your keys: %s.\n", step)
	}
	for _, step := range r.Missing {
		fmt.Fprintf(b, "MISSING: %s.\n", step)
	}
	return b.String()
}
