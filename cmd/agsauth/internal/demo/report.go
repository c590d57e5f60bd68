package demo

import (
	"time"

	"github.com/agsauth/agsauth/agstest"
)

// Report is the sums of a run.
type Report struct {
	Took    time.Duration
	Workers int

	// Requests is how many requests the workers made, and Failed how many of them
	// had another outcome than the right one.
	Requests, Failed int
	// Median, Percentile99 and Slowest are how long requests took.
	Median, Percentile99, Slowest time.Duration

	// Refreshes is how many were granted. GatewayFailures is how many calls for
	// one were refused, or left without an answer, on purpose.
	Refreshes, GatewayFailures int
	// Rejected is how often the API rejected the token of a request, and Replaced
	// how often it did so without the worker learning of it.
	Rejected, Replaced int
	// Logins is how many sessions were begun, and GatewayCalls how many calls
	// there were in all. AtATime is the most calls for a refresh at one time.
	Logins, GatewayCalls, AtATime int

	// Missing are the acts that did not take place, and why.
	Missing []string
	// Interrupted says that it was not played to its end.
	Interrupted bool
}

// OK reports whether all of the story has happened, and no request has failed.
func (r Report) OK() bool {
	return !r.Interrupted && r.Failed == 0 && r.Requests > 0 && len(r.Missing) == 0
}

func (s *stage) report(missing []string, interrupted bool) Report {
	facts := s.chronicle.known()
	took := s.ledger.sorted()
	failed, forbidden := s.ledger.failures()
	rejected := int(s.api.rejected.Load())
	return Report{
		Took:            time.Since(s.chronicle.began),
		Workers:         s.plan.Workers,
		Requests:        len(took),
		Failed:          failed,
		Median:          percentile(took, 50),
		Percentile99:    percentile(took, 99),
		Slowest:         percentile(took, 100),
		Refreshes:       facts.refreshes,
		GatewayFailures: s.failuresServed(),
		Rejected:        rejected,
		Replaced:        rejected - forbidden,
		Logins:          facts.logins,
		GatewayCalls:    facts.calls,
		AtATime:         s.server.MaxInFlight(agstest.Refresh),
		Missing:         missing,
		Interrupted:     interrupted,
	}
}

// failuresServed counts the refreshes that the server did not grant.
func (s *stage) failuresServed() int {
	n := 0
	for _, rq := range s.server.Requests(agstest.Refresh) {
		if rq.Fault != "" && rq.Fault != "delay" {
			n++
		}
	}
	return n
}

// percentile returns the smallest duration that p hundredths of sorted do not
// exceed, zero if there are none.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}
