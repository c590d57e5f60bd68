// Package refreshplan decides how many of very many sessions must be refreshed ahead of time,
// so that each can be refreshed before its token expires though no more than so many can
// start in a second.
package refreshplan

import "math"

// horizon is how many seconds ahead the plan looks: three days. It is a power of two.
const horizon = 1 << 18

// Plan counts, for each second to come, the sessions that must be refreshed before it. It
// tells how many must be refreshed already now so that all those to come can be. It is pure
// but for its own state, and not safe for concurrent use.
//
// Seconds are counted from 1. The zero Plan is at second 0.
type Plan struct {
	counts  []int32 // of second s at s % horizon, from now on; nil until it is needed
	now     int64
	latest  int64 // no session is planned for a later second
	overdue int   // those of past seconds
}

// Add plans a session, and returns the second for which it is planned: zero if that is
// zero, or too far away to matter.
func (p *Plan) Add(second int64) int64 {
	if second == 0 || second >= p.now+horizon {
		return 0
	}
	second = max(second, p.now, 1)
	if p.counts == nil {
		p.counts = make([]int32, horizon)
	}
	p.counts[second%horizon]++
	p.latest = max(p.latest, second)
	return second
}

// Remove takes a session out of the second for which it is planned.
func (p *Plan) Remove(second int64) {
	switch {
	case second == 0:
	case second < p.now:
		p.overdue--
	default:
		p.counts[second%horizon]--
	}
}

// Advance moves the plan on to a second.
func (p *Plan) Advance(now int64) {
	for ; p.now < now && p.now <= p.latest; p.now++ {
		if p.counts != nil {
			p.overdue += int(p.counts[p.now%horizon])
			p.counts[p.now%horizon] = 0
		}
	}
	p.now = max(p.now, now)
}

// Owed returns how many sessions must be refreshed in this second so that, at a rate of
// perSecond, each one to come can be refreshed before its second. It goes back from the
// last second: what does not fit into one is done in an earlier one.
func (p *Plan) Owed(perSecond float64) int {
	if p.counts == nil {
		return 0
	}
	carry := 0.0
	for s := p.latest; s > p.now+1; s-- {
		carry = max(0, carry+float64(p.counts[s%horizon])-perSecond)
	}
	carry += float64(p.counts[p.now%horizon]) + float64(p.overdue)
	if p.latest > p.now {
		carry += float64(p.counts[(p.now+1)%horizon])
	}
	return int(math.Ceil(carry))
}
