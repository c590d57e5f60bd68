package demo

import (
	"context"
	"slices"
	"time"

	"github.com/agsauth/agsauth/tokensource"
)

// Totals counts what has happened so far.
type Totals struct {
	Requests     int // that have ended
	Failed       int // requests without the correct response
	FailedByKeys int // of these: failed for lack of a usable token, after a fault by key
	Rejected     int // responses of the API that reject a token
	Repeated     int // rejected requests that then succeeded with another token
	Refreshes    int // granted
	Logins       int // granted, including the first sign-on
	GatewayCalls int
	Keys         Keys
}

// Keys counts the faults that were made by key.
type Keys struct{ Outages, Rejections, Suspends int }

// state is everything that the demo knows of the run so far.
type state struct {
	Totals

	source           *tokensource.Source // nil before the sign-on
	status           func() tokensource.Status
	running          bool // faults by key are possible
	firstSessionEnd  time.Time
	warned           bool            // the Source has announced the session's end
	calls            int             // of the gateway since the last token pair
	firstCallAt      time.Time       // of these
	beforeCalls      Totals          // before the first of these
	latencies        []time.Duration // of the requests, in the order in which they ended
	pending          []time.Time     // start of each worker's request, zero if it has none
	condition        Condition       // as set by the script
	scriptedFaults   int             // calls of the gateway that met a fault of the script
	missing, excused []string        // steps of the script

	rejectedAt     time.Time     // when the API began to reject the current token, or zero
	rejectedBefore int           // Totals.Rejected at rejectedAt
	rejectFrom     time.Duration // since the start of the demo; the Source ignores a rejection before
	rejectEvery    time.Duration // from one rejection to rejectFrom; it doubles each time
	outageEnds     time.Duration // since the start of the demo
	keyEffect      bool          // there was a fault by key since the last usable token was granted
}

// pairs returns the number of token pairs granted.
func (s state) pairs() int { return s.Refreshes + s.Logins }

// activity summarizes the workers' requests in a period.
type activity struct {
	requests, failed int
	slowest          time.Duration // including requests that still wait for a token
}

// since returns the activity since the totals were as before.
func (s state) since(before Totals) activity {
	a := activity{requests: s.Requests - before.Requests, failed: s.Failed - before.Failed}
	for _, latency := range s.latencies[before.Requests:] {
		a.slowest = max(a.slowest, latency)
	}
	for _, start := range s.pending {
		if !start.IsZero() {
			a.slowest = max(a.slowest, time.Since(start))
		}
	}
	return a
}

// update changes the state and wakes waitFor. To keep causes before effects in the
// output, log an event before its update.
func (d *Demo) update(change func(*state)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(&d.state)
	close(d.changed)
	d.changed = make(chan struct{})
}

// read returns a copy of the state.
func (d *Demo) read() state {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.state
	s.pending = slices.Clone(s.pending)
	return s
}

// waitFor waits until the state meets a condition. The error is the cause of ctx's end.
func (d *Demo) waitFor(ctx context.Context, condition func(state) bool) error {
	for {
		d.mu.Lock()
		met, changed := condition(d.state), d.changed
		d.mu.Unlock()
		if met {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Condition is the condition of the gateway and the API.
type Condition string

// The conditions.
const (
	Healthy   Condition = "● healthy"
	Slow      Condition = "◐ slow: a refresh takes longer than usual"
	Failing   Condition = "✗ failing: refuses calls or loses responses"
	Rejecting Condition = "✗ rejecting: the API does not accept this token"
	Out       Condition = "✗ stopped by your key: refuses every call"
)

// Snapshot is the demo at one moment. It carries no secret.
type Snapshot struct {
	Totals
	At        time.Duration      // since the start of the demo
	Now       time.Time          // by the demo's clock
	Status    tokensource.Status // of the Source
	Condition Condition
}

// Snapshot returns the current state, or the zero value before the first session.
func (d *Demo) Snapshot() Snapshot {
	s := d.read()
	if s.source == nil {
		return Snapshot{}
	}
	shot := Snapshot{s.Totals, d.clock.Elapsed(), d.clock.Now(), s.status(), s.condition}
	switch {
	case d.outage():
		shot.Condition = Out
	case !s.rejectedAt.IsZero():
		shot.Condition = Rejecting
	}
	return shot
}
