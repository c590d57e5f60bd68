package admission

import (
	"math"
	"time"
)

const (
	// lateness is how late a start may be without loss for those that follow: timers are a
	// millisecond late, and a busy machine's are later. It costs as much of the rate.
	lateness = 10 * time.Millisecond
	// steady is the rate below which a late timer costs little without that.
	steady = 10.0
)

// pace spaces the starts so that no second contains more than a given number of them. It
// is the generic cell rate algorithm. Its zero value has started nothing.
type pace struct {
	// due is when the next start would be if all starts were evenly spaced.
	due time.Duration
}

// spacing returns the time between two starts, and how far a start may be ahead of its
// time. Any n+1 starts take at least n·spacing − ahead, which is a second if n is
// perSecond.
func spacing(perSecond float64) (spacing, ahead time.Duration) {
	if perSecond >= steady {
		ahead = lateness
	}
	nanos := math.Ceil(float64(time.Second+ahead) / perSecond)
	if nanos >= float64(maxWait) {
		return maxWait, ahead
	}
	return time.Duration(nanos), ahead
}

// startAt returns when the next start may be. A perSecond of zero is no limit.
func (p *pace) startAt(perSecond float64) time.Duration {
	if perSecond == 0 {
		return 0
	}
	_, ahead := spacing(perSecond)
	return p.due - ahead
}

// start notes a start.
func (p *pace) start(perSecond float64, now time.Duration) {
	if perSecond == 0 {
		return
	}
	gap, _ := spacing(perSecond)
	p.due = min(max(p.due, now), now+maxWait) + gap
}

// setRate takes account of a new rate: starts are not put off for longer than that asks for.
func (p *pace) setRate(perSecond float64, now time.Duration) {
	if perSecond == 0 {
		p.due = min(p.due, now)
		return
	}
	gap, ahead := spacing(perSecond)
	p.due = min(p.due, now+ahead+gap)
}

// refund takes back a start that was not used.
func (p *pace) refund(perSecond float64) {
	if perSecond == 0 {
		return
	}
	gap, _ := spacing(perSecond)
	p.due -= gap
}
