// Package refreshplan decides how many of very many sessions must be refreshed ahead of time,
// so that each can be refreshed before its token expires though no more than so many can
// start in a second.
package refreshplan

import "math"

const (
	// horizon is how many seconds ahead the plan looks: three days.
	horizon = blocks * block
	// Seconds are summed up in blocks, so that those in which nothing is planned are passed
	// over together.
	block, blocks = 1 << 9, 1 << 9
)

// Plan counts, for each second to come, the sessions that must be refreshed before it. It
// tells how many must be refreshed already now so that all those to come can be. It is pure
// but for its own state, and not safe for concurrent use.
//
// Seconds are counted from 1. The zero Plan is at second 0.
type Plan struct {
	counts  []int32 // of second s at s % horizon, from now on; nil until it is needed
	sums    []int32 // of the counts of each block
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
		p.counts, p.sums = make([]int32, horizon), make([]int32, blocks)
	}
	p.change(second, 1)
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
		p.change(second, -1)
	}
}

func (p *Plan) change(second int64, by int32) {
	at := second % horizon
	p.counts[at] += by
	p.sums[at/block] += by
}

// Advance moves the plan on to a second.
func (p *Plan) Advance(now int64) {
	for ; p.now < now && p.now <= p.latest; p.now++ {
		if p.counts != nil {
			n := p.counts[p.now%horizon]
			p.overdue += int(n)
			p.change(p.now, -n)
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
		if s%block == block-1 && s-block > p.now && p.sums[s%horizon/block] == 0 {
			carry = max(0, carry-block*perSecond)
			s -= block - 1
			continue
		}
		carry = max(0, carry+float64(p.counts[s%horizon])-perSecond)
	}
	carry += float64(p.counts[p.now%horizon]) + float64(p.overdue)
	if p.latest > p.now {
		carry += float64(p.counts[(p.now+1)%horizon])
	}
	return int(math.Ceil(carry))
}
