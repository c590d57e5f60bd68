package main

import (
	"math/rand/v2"
	"slices"
	"time"
)

// kind is something that goes wrong.
type kind string

const (
	outage    kind = "gateway down"
	slow      kind = "slow answers"
	lostWork  kind = "request lost"
	lostReply kind = "answer lost"
	tooMany   kind = "429 with Retry-After"
	storm     kind = "API rejects all"
	rejected  kind = "API rejects a token"
	revoked   kind = "session revoked"
	signedOut kind = "sign-out and login"
	restart   kind = "source restarted"
	emptied   kind = "file emptied"
	damaged   kind = "file damaged"
	jumped    kind = "clock jumped"
)

// kinds are all there are, in the order of a deck.
func kinds() []kind {
	return []kind{
		outage, slow, lostWork, lostReply, tooMany, storm, rejected, revoked, signedOut, restart, emptied, damaged, jumped,
	}
}

// endsSessions reports whether a session is over then, before its time.
func (k kind) endsSessions() bool { return k == revoked || k == signedOut }

// rejects reports whether an API rejects tokens then.
func (k kind) rejects() bool { return k == storm || k == rejected || k == revoked || k == signedOut }

// needsAgreement reports whether it is to come when all use one token, and none is
// on its way.
func (k kind) needsAgreement() bool { return k == rejected || k == revoked || k == jumped }

// act is one thing that goes wrong, and how.
type act struct {
	kind   kind
	gap    time.Duration // what lies before it, once all is well
	span   time.Duration // how long it lasts
	jump   time.Duration // by how much the clock is set
	status int           // what an outage is answered with; 0 for no answer
	member int           // whom it befalls
	token  string        // which token is rejected; not the schedule's to say
}

// schedule is what goes wrong, one after the other. Equal seeds give equal ones.
type schedule struct {
	random *rand.Rand
	kinds  []kind
	deck   []kind
}

func newSchedule(seed uint64, kinds []kind) *schedule {
	return &schedule{random: rand.New(rand.NewPCG(seed, 0)), kinds: kinds}
}

// next returns the next act. Every kind comes once before any comes again.
func (s *schedule) next() act {
	if len(s.deck) == 0 {
		s.deck = slices.Clone(s.kinds)
		s.random.Shuffle(len(s.deck), func(i, j int) { s.deck[i], s.deck[j] = s.deck[j], s.deck[i] })
	}
	a := act{kind: s.deck[0]}
	s.deck = s.deck[1:]
	a.gap = s.between(200*time.Millisecond, 2*time.Second)
	a.span = s.spanOf(a.kind)
	a.jump = s.between(2*time.Second, 100*time.Second)
	if s.random.IntN(2) == 0 {
		a.jump = -a.jump
	}
	a.status = []int{0, 500, 502, 503}[s.random.IntN(4)]
	a.member = s.random.IntN(members)
	return a
}

// spanOf returns how long a kind of thing lasts. Those that do not last are zero.
func (s *schedule) spanOf(k kind) time.Duration {
	switch k {
	case outage:
		return s.between(500*time.Millisecond, 8*time.Second) // the longer half outlives a token
	case slow:
		return s.between(2*time.Second, 6*time.Second)
	case tooMany:
		return time.Duration(1+s.random.IntN(3)) * time.Second // whole seconds, as the wire has
	case storm:
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
