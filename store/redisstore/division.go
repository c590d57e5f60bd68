package redisstore

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"time"
)

const (
	// lifeBeats is how many intervals a member stays one without a beat.
	lifeBeats = 3
	// settleBeats is after how many intervals all members that can reach the server have
	// beaten once, even if one call of each got no answer.
	settleBeats = 2
	// A member beats every period at the latest, and waits as long for an answer. Both are
	// this part of an interval.
	period = 0.75
	// Without a beat for pause intervals, members may have been unable to beat. A member
	// that lost a call before or after a pause that is just shorter still beats in time.
	pause = 1.25
	// negligible is the part of a total that is an error of rounding.
	negligible = 1e-9
)

// A share is a part of the limits of a gateway, or all of them. A limit of the total that
// is zero is none, and zero in all parts.
type share struct {
	PerSecond  float64 `json:"per_second,omitempty"`
	Concurrent int     `json:"concurrent,omitempty"`
}

// part returns the part of a total for one of n members. The parts of all ranks, from 0
// to n-1, add up to the total, except that a part has at least one concurrent call.
func (s share) part(rank, n int) share {
	return share{partOfRate(s.PerSecond, rank, n), partOfCalls(s.Concurrent, rank, n)}
}

// partOfRate divides into whole numbers, if there is one for each member. With 100/3 for
// each of three members, 102 calls could start in one second.
func partOfRate(total float64, rank, n int) float64 {
	whole, fraction := math.Modf(total)
	if whole < float64(n) {
		return total / float64(n)
	}
	part := math.Floor(whole / float64(n))
	if float64(rank) < whole-part*float64(n) {
		part++
	}
	if rank == 0 {
		part += fraction
	}
	return part
}

func partOfCalls(total, rank, n int) int {
	if total == 0 {
		return 0
	}
	part := total / n
	if rank < total%n {
		part++
	}
	return max(part, 1)
}

// isNothing reports whether a part of a total allows no call.
func (s share) isNothing(part share) bool {
	return s.PerSecond > 0 && part.PerSecond <= s.PerSecond*negligible || s.Concurrent > 0 && part.Concurrent == 0
}

// without returns what of a total n members leave if they hold this.
func (s share) without(held share, n int) share {
	left := share{PerSecond: max(s.PerSecond-held.PerSecond, 0)}
	if s.Concurrent > 0 {
		left.Concurrent = max(max(s.Concurrent, n)-held.Concurrent, 0)
	}
	return left
}

// atMost returns the smaller of both in each limit.
func (s share) atMost(other share) share {
	return share{min(s.PerSecond, other.PerSecond), min(s.Concurrent, other.Concurrent)}
}

// atLeast returns the larger of both in each limit.
func (s share) atLeast(other share) share {
	return share{max(s.PerSecond, other.PerSecond), max(s.Concurrent, other.Concurrent)}
}

// A division is what the server stores: the members of a gateway, and what each may be
// using. Its zero value is that of a server that stores nothing. Times are those of the
// server's clock, in milliseconds.
type division struct {
	// Beat is the time of the last beat of any member.
	Beat int64 `json:"beat"`
	// Since is when the present series of beats began. Before it there was a pause, in
	// which members may have been unable to beat.
	Since   int64             `json:"since"`
	Members map[string]member `json:"members"`
}

// A member is a process.
type member struct {
	// Until is when the member is dropped if it does not beat before.
	Until int64 `json:"until"`
	// Held is the most that the member may be using.
	Held share `json:"held"`
}

func parseDivision(text string) (division, error) {
	var d division
	if text == "" {
		return d, nil
	}
	if json.Unmarshal([]byte(text), &d) != nil || d.Members == nil { // the error would quote the text
		return d, errInvalid
	}
	return d, nil
}

// A beat is a member's message that it is alive.
type beat struct {
	name     string
	using    share // what the member uses now
	total    share
	interval time.Duration
}

// A grant is the answer to a beat.
type grant struct {
	share    share // what the member uses from now on
	members  int
	complete bool // the share is the whole part of the member
}

// beat returns the division after a beat.
//
// The sum of what the members hold never exceeds the total, whatever is lost or late: a
// member gets only what no other one holds, and holds what it has used before until it
// says, in its next beat, that it uses less. Only a member that does not beat in time loses
// what it holds, and only if others could beat in that time.
func (d division) beat(now int64, b beat) (division, grant) {
	interval := b.interval.Milliseconds()
	life := lifeBeats * interval
	next := division{Beat: now, Since: d.Since, Members: map[string]member{}}
	paused := float64(now-d.Beat) > pause*float64(interval) || now < d.Beat
	if d.Members == nil || paused && len(d.Members) > 0 {
		next.Since = now // if all have left, nobody is waited for
	}
	var held share
	for name, m := range d.Members {
		if next.Since == now {
			m.Until = now + life
		}
		if name != b.name && m.Until >= now {
			next.Members[name] = m
			held.PerSecond += m.Held.PerSecond
			held.Concurrent += m.Held.Concurrent
		}
	}
	next.Members[b.name] = member{}
	g := grant{members: len(next.Members)}
	rank, _ := slices.BinarySearch(slices.Sorted(maps.Keys(next.Members)), b.name)
	part := b.total.part(rank, g.members)
	g.share = part.atMost(b.total.without(held, g.members))
	if now-next.Since < settleBeats*interval {
		g.share = g.share.atMost(b.using)
	}
	if b.total.isNothing(g.share) {
		g.share = share{}
	}
	g.complete = g.share.PerSecond >= part.PerSecond*(1-negligible) && g.share.Concurrent >= part.Concurrent
	next.Members[b.name] = member{Until: now + life, Held: b.using.atLeast(g.share)}
	return next, g
}

// leave returns the division without a member. If it is none, the division does not change.
func (d division) leave(name string) (left division, changed bool) {
	if _, found := d.Members[name]; !found {
		return d, false
	}
	d.Members = maps.Clone(d.Members)
	delete(d.Members, name)
	return d, true
}
