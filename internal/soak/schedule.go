package main

import (
	"math/rand/v2"
	"slices"
	"time"
)

// kind is a kind of fault.
type kind string

const (
	outage    kind = "gateway down"
	slow      kind = "slow answers"
	lostWork  kind = "request lost"
	lostReply kind = "answer lost"
	tooMany   kind = "429 with Retry-After"
	rejectAll kind = "API rejects all"
	rejected  kind = "API rejects a token"
	revoked   kind = "session revoked"
	signedOut kind = "sign-out and login"
	restart   kind = "source restarted"
	emptied   kind = "file emptied"
	damaged   kind = "file damaged"
	jumped    kind = "clock jumped"
)

// kinds returns all kinds of faults.
func kinds() []kind {
	return []kind{
		outage, slow, lostWork, lostReply, tooMany, rejectAll, rejected, revoked, signedOut, restart, emptied, damaged, jumped,
	}
}

// endsSessions reports whether the fault ends a session early.
func (k kind) endsSessions() bool { return k == revoked || k == signedOut }

// rejects reports whether an API rejects tokens during the fault.
func (k kind) rejects() bool {
	return k == rejectAll || k == rejected || k == revoked || k == signedOut
}

// needsAgreement reports whether the fault requires that all replicas use one token and
// no new one is on its way.
func (k kind) needsAgreement() bool { return k == rejected || k == revoked || k == jumped }

// fault is one fault of the schedule.
type fault struct {
	kind    kind
	gap     time.Duration // the pause before it, once every call succeeds
	span    time.Duration // how long it lasts
	jump    time.Duration // by how much the clock is set
	status  int           // the status of the answers in an outage; 0 for no answer
	replica int           // the replica concerned
	token   string        // the token that is rejected; not part of the schedule
}

// schedule draws one fault after the other. Equal seeds give equal schedules.
type schedule struct {
	random  *rand.Rand
	kinds   []kind
	pending []kind
}

func newSchedule(seed uint64, kinds []kind) *schedule {
	return &schedule{random: rand.New(rand.NewPCG(seed, 0)), kinds: kinds}
}

// next returns the next fault. Every kind comes once before any comes again.
func (s *schedule) next() fault {
	if len(s.pending) == 0 {
		s.pending = slices.Clone(s.kinds)
		s.random.Shuffle(len(s.pending), func(i, j int) { s.pending[i], s.pending[j] = s.pending[j], s.pending[i] })
	}
	a := fault{kind: s.pending[0]}
	s.pending = s.pending[1:]
	a.gap = s.between(200*time.Millisecond, 2*time.Second)
	a.span = s.spanOf(a.kind)
	a.jump = s.between(2*time.Second, 100*time.Second)
	if s.random.IntN(2) == 0 {
		a.jump = -a.jump
	}
	a.status = []int{0, 500, 502, 503}[s.random.IntN(4)]
	a.replica = s.random.IntN(replicas)
	return a
}

// spanOf returns how long a kind of fault lasts; zero if it is over at once.
func (s *schedule) spanOf(k kind) time.Duration {
	switch k {
	case outage:
		return s.between(500*time.Millisecond, 8*time.Second) // the longer half outlives a token
	case slow:
		return s.between(2*time.Second, 6*time.Second)
	case tooMany:
		return time.Duration(1+s.random.IntN(3)) * time.Second // whole seconds, as on the wire
	case rejectAll:
		return s.between(200*time.Millisecond, 3*time.Second)
	case signedOut:
		return s.between(500*time.Millisecond, 3*time.Second)
	case jumped:
		return s.between(time.Second, 6*time.Second)
	case lostWork, lostReply, rejected, revoked, restart, emptied, damaged:
	}
	return 0
}

func (s *schedule) between(least, most time.Duration) time.Duration {
	return least + time.Duration(s.random.Int64N(int64(most-least)))
}
