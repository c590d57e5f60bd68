package demo

import (
	"fmt"
	"strings"
	"time"
)

// Measured is a pool at one moment.
type Measured struct {
	Calls     int           // of the gateway so far
	PerSecond float64       // since the last time
	Wait      time.Duration // of a call that comes now, for its turn
	Refreshed int           // refreshes that were answered in time
	Expired   int           // sessions whose token has expired
}

// ManyLine is both pools at one moment.
type ManyLine struct {
	Plan          ManyPlan
	At            time.Duration // since the start
	Without, With Measured
}

// unused is how long before its expiry a token is not used any more.
const unused = time.Second

// String returns what is printed above the lines.
func (p ManyPlan) String() string {
	return fmt.Sprintf(`Two pools of %[1]d sessions refresh each access token %[2]g s before it expires. A
token lasts %[3]g s: %[4]d refreshes a second are enough on average. But here all
signed on together, and their tokens expire in %[5]g s. Each pool has a simulated
gateway, which queues calls and answers %[6]d a second; after %[7]g s a session gives
up a call and tries again. One pool has a gate: it starts at most %[8]d a second.
█ session with a new token   ░ with the old one   x with an expired one

      without a gate                       with a gate
 time calls/s   wait  sessions   expired   calls/s   wait  sessions   expired
`, p.Sessions, p.RefreshBefore.Seconds(), p.Access.Seconds(), p.Sessions/int(p.Access.Seconds()),
		(p.Left - unused).Seconds(), p.Capacity, p.RefreshTimeout.Seconds(), p.Rate)
}

// String returns the line. It has at most 80 columns.
func (l ManyLine) String() string {
	return fmt.Sprintf("%4.1f s%s   %s", l.At.Seconds(), l.Without.columns(l.Plan.Sessions), l.With.columns(l.Plan.Sessions))
}

// columns returns the part of a line about a pool of so many sessions.
func (m Measured) columns(sessions int) string {
	return fmt.Sprintf("%7.0f %4.1f s  %s %7d", m.PerSecond, m.Wait.Seconds(), m.bar(sessions, 10), m.Expired)
}

// bar shows how many of the sessions have a new token, an old one, and an expired one. One
// that has expired is always visible. After a pause of the process, sessions may have been
// refreshed twice, or expired with a new token.
func (m Measured) bar(sessions, width int) string {
	live := sessions - m.Expired
	filled, valid := width*min(m.Refreshed, live)/sessions, width*live/sessions
	return strings.Repeat("█", filled) + strings.Repeat("░", valid-filled) + strings.Repeat("x", width-valid)
}

// ManyReport is the result of a run.
type ManyReport struct {
	Last        ManyLine
	MostExpired int // of the sessions behind the gate, in one line
	Interrupted bool
}

// add adds a line.
func (r *ManyReport) add(l ManyLine) {
	r.Last = l
	r.MostExpired = max(r.MostExpired, l.With.Expired)
}

// OK reports whether all lines were printed and there is no problem.
func (r ManyReport) OK() bool { return !r.Interrupted && r.problem() == "" }

// problem returns what is not as the verdict says, if anything.
func (r ManyReport) problem() string {
	sessions, without, with := r.Last.Plan.Sessions, r.Last.Without, r.Last.With
	switch {
	case r.MostExpired > 0:
		return fmt.Sprintf("behind the gate, %d sessions expired", r.MostExpired)
	case with.Refreshed < sessions:
		return fmt.Sprintf("behind the gate, only %d sessions have a new token", with.Refreshed)
	case 2*without.Expired < sessions:
		return fmt.Sprintf("without a gate, only %d sessions have expired", without.Expired)
	}
	return ""
}

// delay says that the lines took much longer than planned, if they did.
func (r ManyReport) delay() string {
	planned := time.Duration(r.Last.Plan.Lines) * r.Last.Plan.Interval
	if r.Last.At < planned+planned/20 {
		return ""
	}
	return fmt.Sprintf("It took %.1f s instead of %g s: perhaps the machine was busy, or suspended.\n", r.Last.At.Seconds(), planned.Seconds())
}

// String returns the verdict.
func (r ManyReport) String() string {
	without, with := r.Last.Without, r.Last.With
	if r.Interrupted {
		return "\nInterrupted.\n"
	}
	if problem := r.problem(); problem != "" {
		return "\nFAILED: " + problem + ".\n" + r.delay()
	}
	return fmt.Sprintf(`
Without a gate, all refreshes start almost at once, and the wait exceeds %[1]g s:
the gateway is busy with calls that were given up already, and each is tried
again. Of %[2]d calls, %[3]d were answered in time. With a gate, refreshes start
early, and no faster than the gateway answers. Of %[4]d calls, %[5]d were.
`, r.Last.Plan.RefreshTimeout.Seconds(), without.Calls, without.Refreshed, with.Calls, with.Refreshed)
}
