package demo

import (
	"time"

	"github.com/agsauth/agsauth/tokensource"
)

// Condition is the state of the gateway and the API.
type Condition uint8

// The conditions.
const (
	Healthy   Condition = iota
	Slow                // a refresh takes longer than usual
	Failing             // refreshes are refused, or their responses lost
	Rejecting           // the API rejects the current token
	Out                 // the gateway refuses every call, by key
)

// Snapshot is the demo at one moment. It carries no secret.
type Snapshot struct {
	Totals

	At         time.Duration      // since the start of the demo
	Now        time.Time          // by the demo's clock
	Status     tokensource.Status // of the Source
	Condition  Condition
	OutageLeft time.Duration
}

// Snapshot returns the current state: the zero value before the first session.
func (d *Demo) Snapshot() Snapshot {
	s := d.read()
	if s.status == nil {
		return Snapshot{}
	}
	shot := Snapshot{s.Totals, d.clock.Elapsed(), d.clock.Now(), s.status(), s.condition, d.outage()}
	switch {
	case shot.OutageLeft > 0:
		shot.Condition = Out
	case !s.rejectedAt.IsZero():
		shot.Condition = Rejecting
	}
	return shot
}
