// Region prints what docs/ten-million-sessions.md says about one region of five: two million
// sessions behind a gate of a thousand starts a second. It takes three minutes.
//
//	go run ./tokensource/internal/simulation/region
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/admission"
	"github.com/agsauth/agsauth/tokensource/internal/simulation"
)

// down is when the outages begin.
const down = time.Hour

func main() {
	for _, c := range []struct {
		what      string
		sessions  int
		perSecond float64
		outage    time.Duration
	}{
		{"a process", 250_000, 125, 5 * time.Minute},
		{"a process", 250_000, 125, 15 * time.Minute},
		{"a region", 2_000_000, 1000, 5 * time.Minute},
		{"a region", 2_000_000, 1000, 15 * time.Minute},
		{"a region", 2_000_000, 1000, time.Hour},
		{"a region, all signed on together", 2_000_000, 1000, 0},
		{"one of four regions", 2_500_000, 1000, 5 * time.Minute},
	} {
		up := down + c.outage
		s := simulation.Scenario{
			Sessions: c.sessions, For: up + 150*time.Minute, Planned: true, Cohort: c.outage == 0,
			Gateway: simulation.Gateway{PerSecond: 1.2 * c.perSecond, From: down, To: up},
			Limits:  admission.Limits{PerSecond: c.perSecond, Concurrent: 64},
		}
		r := simulation.Play(s)
		fmt.Fprintf(os.Stdout, "%s, %d sessions, %v a second, away for %v:\n", c.what, c.sessions, c.perSecond, c.outage)
		fmt.Fprintf(os.Stdout, "  calls while away %d, busiest second %d, expired for a while %d, lost %d, caught up after %v, none expired after %v\n",
			r.Between(down, up), r.Busiest(0), r.Died, r.Lost, r.CaughtUp.Round(time.Second), noneExpired(s, &r)-up)
	}
}

// noneExpired returns from when on no session has an expired token.
func noneExpired(s simulation.Scenario, r *simulation.Result) time.Duration {
	at := s.For - 2*time.Second
	for at > 0 && r.ExpiredAt(at) == 0 {
		at -= time.Second
	}
	return at + time.Second
}
