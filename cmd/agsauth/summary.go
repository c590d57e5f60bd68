package main

import (
	"fmt"
	"strings"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
)

// prologue says what is about to be seen.
func prologue(p demo.Plan) string {
	return fmt.Sprintf(`Here are a gateway, an API that takes its tokens, and %d workers who call it.
An access token lasts %g s, and a session %g s, however often it is refreshed.
What is done to them on purpose is told as "demo"; all else is what comes of it.

`, p.Workers, p.Access.Seconds(), p.Session.Seconds())
}

// summary returns the table of a run's sums, and the verdict.
func summary(r demo.Report) string {
	var b strings.Builder
	row := func(name, value, note string) {
		fmt.Fprintln(&b, strings.TrimRight(fmt.Sprintf("  %-22s %9s   %s", name, value, note), " "))
	}
	count := func(name string, n int, note string) { row(name, fmt.Sprint(n), note) }

	fmt.Fprintln(&b)
	count("requests", r.Requests, fmt.Sprintf("by %d workers in %s", r.Workers, span(r.Took)))
	count("  failed", r.Failed, ofThem(r))
	row("  half of them within", span(r.Median), "")
	row("  99 of 100 within", span(r.Percentile99), "")
	row("  slowest", span(r.Slowest), "")
	count("refreshes", r.Refreshes, fmt.Sprintf("at most %d at a time", r.AtATime))
	count("gateway failures", r.GatewayFailures, "on purpose")
	if h := r.Hand; h.Any() {
		count("faults by hand", h.Outages+h.Rejections+h.Sleeps, fmt.Sprintf("outages %d, rejections %d, sleeps %d", h.Outages, h.Rejections, h.Sleeps))
	}
	count("rejected and repeated", r.Replaced, fmt.Sprintf("of %d rejected", r.Rejected))
	count("logins", r.Logins, "the first sign-on included")
	count("gateway calls", r.GatewayCalls, "in all")
	fmt.Fprintln(&b)
	b.WriteString(verdict(r))
	return b.String()
}

// ofThem says how many of the failed requests are the user's own doing.
func ofThem(r demo.Report) string {
	if r.ByHand == 0 {
		return ""
	}
	return fmt.Sprintf("%d of them after faults by hand", r.ByHand)
}

func verdict(r demo.Report) string {
	switch {
	case r.Interrupted:
		return "Interrupted.\n"
	case r.OK() && len(r.Waived) == 0:
		return "All of it happened, and no request failed.\n"
	}
	var b strings.Builder
	if other := r.Failed - r.ByHand; other > 0 {
		fmt.Fprintf(&b, "FAILED: %s.\n", requests(other))
	}
	if r.ByHand > 0 {
		fmt.Fprintf(&b, "FAILED by hand: %s, for want of a token.\n", requests(r.ByHand))
	}
	if r.Failed == 0 && len(r.Waived) > 0 {
		b.WriteString("No request failed.\n")
	}
	for _, act := range r.Waived {
		fmt.Fprintf(&b, "WAIVED, for faults by hand: %s.\n", act)
	}
	for _, act := range r.Missing {
		fmt.Fprintf(&b, "MISSING: %s.\n", act)
	}
	return b.String()
}
