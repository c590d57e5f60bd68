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
	// how often it then took the request with another one, without the worker
	// learning of it.
	Rejected, Replaced int
	// Logins is how many sessions were begun, and GatewayCalls how many calls
	// there were in all. AtATime is the most calls for a refresh at one time.
	Logins, GatewayCalls, AtATime int

	// ByHand is how many of those that failed did so for want of a token, while what
	// was done by hand had its effect: it began since the last pair was granted.
	ByHand int
	// Hand is what was done by hand.
	Hand Faults

	// Missing are the acts that did not take place, and why. Waived are those that
	// are not held against the run: a fault by hand came before they were over.
	Missing, Waived []string
	// Interrupted says that it was not played to its end.
	Interrupted bool
}

// Faults counts what was done by hand.
type Faults struct{ Outages, Rejections, Sleeps int }

// Any reports whether anything was done by hand.
func (f Faults) Any() bool { return f != Faults{} }

// OK reports whether all of the story has happened, but for what is waived, and no
// request has failed, by hand or otherwise.
func (r Report) OK() bool {
	return !r.Interrupted && r.Failed == 0 && r.Requests > 0 && len(r.Missing) == 0
}

func (s *stage) report(missing, waived []string, interrupted bool) Report {
	facts := s.chronicle.known()
	took := s.ledger.sorted()
	sums := s.ledger.sums()
	return Report{
		Took:            s.clock.Elapsed(),
		Workers:         s.plan.Workers,
		Requests:        len(took),
		Failed:          sums.failed,
		Median:          percentile(took, 50),
		Percentile99:    percentile(took, 99),
		Slowest:         percentile(took, 100),
		Refreshes:       facts.refreshes,
		GatewayFailures: s.failuresServed(),
		Rejected:        int(s.api.rejected.Load()),
		Replaced:        int(s.api.replaced.Load()),
		Logins:          facts.logins,
		GatewayCalls:    facts.calls,
		AtATime:         s.server.MaxInFlight(agstest.Refresh),
		ByHand:          sums.byHand,
		Hand:            s.hand.done(),
		Missing:         missing,
		Waived:          waived,
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
