package redisstore

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPart(t *testing.T) {
	for _, tt := range []struct {
		total share
		parts []share // of all ranks
	}{
		{share{200, 64}, []share{{200, 64}}},
		{share{200, 64}, []share{{100, 32}, {100, 32}}},
		{share{200, 64}, []share{{67, 22}, {67, 21}, {66, 21}}},
		{share{100.5, 3}, []share{{50.5, 2}, {50, 1}}},
		{share{3, 2}, []share{{1, 1}, {1, 1}, {1, 1}}},
		{share{2, 1}, []share{{0.5, 1}, {0.5, 1}, {0.5, 1}, {0.5, 1}}},
		{share{0, 5}, []share{{0, 3}, {0, 2}}},
		{share{9, 0}, []share{{5, 0}, {4, 0}}},
	} {
		var parts []share
		for rank := range tt.parts {
			parts = append(parts, tt.total.part(rank, len(tt.parts)))
		}
		assert.Equal(t, tt.parts, parts, "%+v", tt.total)
	}
}

const second = 1000

func TestDivision_Beat(t *testing.T) {
	total, all := share{100, 10}, share{100, 10}
	half, none := share{50, 5}, share{}
	now := int64(1e12)
	at := func(beats float64) int64 { return now - int64(beats*second) }
	long := at(1000)
	alone := map[string]member{"a": {at(-2), all}}
	for _, tt := range []struct {
		name     string
		before   division
		using    share
		want     share
		complete bool
		held     map[string]share
	}{
		{"nothing is stored", division{}, none, none, false, map[string]share{"me": none}},
		{"what is stored was lost", division{}, all, all, true, map[string]share{"me": all}},
		{"others may not have come back", division{at(0.5), at(1.9), map[string]member{}}, none, none, false, map[string]share{"me": none}},
		{"others would have come", division{at(0.5), at(2), map[string]member{}}, none, all, true, map[string]share{"me": all}},
		{"all have left long ago", division{long, long, map[string]member{}}, none, all, true, map[string]share{"me": all}},
		{"another one holds everything", division{at(0.5), long, alone}, none, none, false, map[string]share{"a": all, "me": none}},
		{
			"another one has given half",
			division{at(0.5), long, map[string]member{"a": {at(-2), half}}},
			none,
			half, true,
			map[string]share{"a": half, "me": half},
		},
		{
			"another one has come",
			division{at(0.5), long, map[string]member{"a": {at(-2), none}, "me": {at(-2), all}}},
			all,
			half, true,
			map[string]share{"a": none, "me": all},
		},
		{
			"another one gets the rest of what this one has given",
			division{at(0.5), long, map[string]member{"a": {at(-2), share{60, 8}}, "me": {at(-2), all}}},
			half,
			share{40, 2},
			false,
			map[string]share{"a": {60, 8}, "me": half},
		},
		{"another one has died", division{at(0.5), long, map[string]member{"a": {at(0.001), all}}}, none, all, true, map[string]share{"me": all}},
		{
			"another one could not beat",
			division{at(4), long, map[string]member{"a": {at(1), half}, "me": {at(1), half}}},
			half,
			half, true,
			map[string]share{"a": half, "me": half},
		},
		{
			"the server's clock was set back",
			division{at(-600), long, map[string]member{"a": {at(-603), half}}},
			none,
			none, false,
			map[string]share{"a": half, "me": none},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			untouched, _ := json.Marshal(tt.before)
			next, g := tt.before.beat(now, beat{"me", tt.using, total, time.Second})
			assert.Equal(t, tt.want, g.share)
			assert.Equal(t, tt.complete, g.complete)
			assert.Equal(t, len(tt.held), g.members)
			held := map[string]share{}
			for name, m := range next.Members {
				held[name] = m.Held
				assert.LessOrEqual(t, m.Until, now+3*second)
				assert.Greater(t, m.Until, now)
			}
			assert.Equal(t, tt.held, held)
			after, _ := json.Marshal(tt.before)
			assert.Equal(t, string(untouched), string(after), "the division before does not change")
			text, err := json.Marshal(next)
			require.NoError(t, err)
			parsed, err := parseDivision(string(text))
			require.NoError(t, err)
			assert.Equal(t, next, parsed)
		})
	}
}

func TestParseDivision_Invalid(t *testing.T) {
	for _, text := range []string{"a secret", "{", "{}", "null", `{"members":null}`, `{"members":{"a":3}}`} {
		_, err := parseDivision(text)
		assert.Equal(t, errInvalid, err, text)
	}
}

// A divisionStory is a server and processes of a random story. Time is in milliseconds.
type divisionStory struct {
	t         *testing.T
	rng       *rand.Rand
	total     share
	now       int64
	stored    division
	version   int  // of stored
	down      bool // the server answers nobody
	processes map[string]*storyProcess
	started   int
	log       []string
}

// A storyProcess is a process. It calls the server to read, and then to replace.
type storyProcess struct {
	name     string
	using    share
	call     *storyCall // nil between beats
	due      int64      // of the next beat
	lastLost bool
}

type storyCall struct {
	sent, due int64 // due is when the server receives the next command, or its result arrives
	read      bool
	version   int
	next      division
	grant     grant
	replaced  bool
	lost      bool // the result of the replacement
	dropped   bool // the server never receives the next command
}

const (
	storyInterval = 1000
	storyPeriod   = storyInterval * 3 / 4
)

func (s *divisionStory) latency() int64 { return s.rng.Int64N(60) }

func (s *divisionStory) start() {
	s.started++
	name := fmt.Sprintf("%02d-%d", s.rng.IntN(100), s.started)
	s.processes[name] = &storyProcess{name: name, due: s.now}
	s.note("start %s", name)
}

func (s *divisionStory) note(format string, args ...any) {
	s.log = append(s.log, fmt.Sprintf("%6d ", s.now)+fmt.Sprintf(format, args...))
}

func (s *divisionStory) any() *storyProcess {
	names := make([]string, 0, len(s.processes))
	for name := range s.processes {
		names = append(names, name)
	}
	return s.processes[names[s.rng.IntN(len(names))]]
}

// step is what a process does in this millisecond.
func (s *divisionStory) step(p *storyProcess) {
	c := p.call
	switch {
	case c == nil && s.now >= p.due:
		lost := !p.lastLost && s.rng.IntN(10) == 0
		p.call = &storyCall{sent: s.now, due: s.now + s.latency(), lost: lost, dropped: lost && s.rng.IntN(2) == 0}
		p.lastLost = lost
	case c == nil:
	case s.now >= c.sent+storyPeriod: // no answer in time
		p.call, p.due = nil, s.now
	case s.now < c.due:
	case c.replaced:
		s.answered(p)
	case s.down || c.dropped:
	case !c.read || c.version != s.version:
		c.read, c.version = true, s.version
		c.next, c.grant = s.stored.beat(s.now, beat{p.name, p.using, s.total, storyInterval * time.Millisecond})
		c.due = s.now + 2*s.latency()
	default:
		s.stored, c.replaced = c.next, true
		s.version++
		c.due = s.now + s.latency()
		if c.lost {
			c.due = s.now + 10*storyInterval
		}
	}
}

func (s *divisionStory) answered(p *storyProcess) {
	g, before := p.call.grant, p.using
	p.call, p.using = nil, g.share
	switch {
	case before.atMost(g.share) != before:
		p.due = s.now
	case !g.complete:
		p.due = s.now + storyPeriod/4 - s.rng.Int64N(storyPeriod/16)
	default:
		p.due = s.now + storyPeriod - s.rng.Int64N(storyPeriod/4)
	}
}

// happen is a random event.
func (s *divisionStory) happen() {
	switch n := s.rng.IntN(10); {
	case n < 4 && len(s.processes) < 6 || len(s.processes) == 0:
		s.start()
	case n < 6:
		p := s.any()
		delete(s.processes, p.name)
		s.note("kill %s", p.name)
	case n < 8:
		p := s.any()
		delete(s.processes, p.name)
		if next, changed := s.stored.leave(p.name); changed && !s.down {
			s.stored = next
			s.version++
		}
		s.note("leave %s", p.name)
	case n == 8 && !s.down:
		s.down = true
		s.note("down")
	case s.down:
		s.down = false
		if s.rng.IntN(2) == 0 {
			s.stored = division{}
			s.version++
			s.note("all is lost")
		}
		s.note("up")
	}
}

func (s *divisionStory) run(ms int64) {
	for end := s.now + ms; s.now < end; s.now += 7 {
		var sum share
		for _, name := range s.names() {
			p := s.processes[name]
			s.step(p)
			sum.PerSecond += p.using.PerSecond
			sum.Concurrent += p.using.Concurrent
		}
		if sum.PerSecond > s.total.PerSecond*(1+negligible) || sum.Concurrent > s.total.Concurrent {
			require.Fail(s.t, "too much", "%d: %+v of %+v down %v\n%v\n%+v", s.now, sum, s.total, s.down, s.log, s.stored)
		}
	}
}

func (s *divisionStory) names() []string {
	names := make([]string, 0, len(s.processes))
	for name := range maps.Keys(s.processes) {
		names = append(names, name)
	}
	s.rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return names
}

// Whatever happens, the sum of the shares never exceeds the total; and once nothing happens
// any more, nothing of it is left unused.
func TestDivision_RandomStories(t *testing.T) {
	stories := 300
	if testing.Short() {
		stories = 30
	}
	for seed := range stories {
		rng := rand.New(rand.NewPCG(uint64(seed), 1))
		totals := []share{{100, 64}, {7, 8}, {333, 9}, {2.5, 6}, {0.5, 0}, {0, 20}, {1000.25, 100}}
		s := &divisionStory{t: t, rng: rng, total: totals[rng.IntN(len(totals))], now: 1e12, processes: map[string]*storyProcess{}}
		for range 30 {
			s.happen()
			s.run(rng.Int64N(5 * storyInterval))
		}
		if s.down {
			s.down = false
		}
		if len(s.processes) == 0 {
			s.start()
		}
		s.run(10 * storyInterval)
		var sum share
		for _, p := range s.processes {
			require.False(t, s.total.isNothing(p.using), "seed %d: %s has nothing", seed, p.name)
			sum.PerSecond += p.using.PerSecond
			sum.Concurrent += p.using.Concurrent
		}
		require.InDelta(t, s.total.PerSecond, sum.PerSecond, s.total.PerSecond*negligible, "seed %d: %v", seed, s.log)
		require.Equal(t, s.total.Concurrent, sum.Concurrent, "seed %d: %v", seed, s.log)
	}
}
