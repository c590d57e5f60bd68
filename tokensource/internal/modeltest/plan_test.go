package modeltest_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"
)

// plan is a scenario before it is run.
type plan struct {
	settings settings
	steps    []step
}

// settings are the constants of a scenario.
type settings struct {
	access, sliding, fixed time.Duration // what the gateway grants; 0 is omitted
	repeatsFixed           bool          // every answer repeats the fixed lifetime
	claims                 bool          // tokens claim the fixed expiry
	grace                  bool          // a spent refresh token gets its answer again, until that is redeemed
	omitsIdentity          bool          // refreshes omit client and account
	keepsRefreshToken      bool          // refreshes omit the refresh token; the old one stays valid

	given            bool // the first process has a Config token
	withLogin        bool
	withStore, locks bool
	secondProcess    bool // a second process on the same store
	clockOffset      time.Duration
	refreshBefore    time.Duration
	logged           bool
	seed             uint64
}

// GoString keeps rapid from printing the plan, which is in the trace.
func (p *plan) GoString() string { return "the following" }

func drawSettings(rt *rapid.T) settings {
	coin := func(name string) bool { return rapid.Bool().Draw(rt, name) }
	rarely := func(name string) bool { return rapid.IntRange(0, 7).Draw(rt, name) == 7 }
	span := func(name string, of ...time.Duration) time.Duration { return rapid.SampledFrom(of).Draw(rt, name) }
	s := settings{
		access:  span("access", time.Hour, 5*time.Minute, 30*time.Second, 2*time.Second, 0),
		sliding: span("sliding", 48*time.Hour, 0, 3*time.Hour, 20*time.Minute, time.Minute),
		fixed:   span("fixed", 0, 720*time.Hour, 5*time.Hour, 50*time.Minute, 5*time.Minute),
		given:   !rarely("nothing given"), withLogin: coin("login"),
		withStore: coin("store"), locks: !rarely("no lock"), secondProcess: coin("second process"),
		grace: coin("grace"), repeatsFixed: coin("constant"), claims: rarely("claims"), omitsIdentity: rarely("sparse"), keepsRefreshToken: rarely("keeps"),
		clockOffset:   span("behind", 0, 0, 0, time.Second, 3*time.Minute, -3*time.Minute),
		refreshBefore: span("refresh before", 0, 0, time.Second, 10*time.Minute),
		logged:        rarely("logged"),
		seed:          rapid.Uint64Range(0, 999).Draw(rt, "seed"),
	}
	s.repeatsFixed = s.repeatsFixed && !s.claims // the gateway checks the claim
	s.locks, s.secondProcess = s.locks && s.withStore, s.secondProcess && s.withStore
	if !s.secondProcess {
		s.clockOffset = 0
	}
	return s
}

// drawPlan draws a scenario from some kinds of steps, so that some scenarios have many
// steps of one kind.
func drawPlan(rt *rapid.T) *plan {
	p := &plan{settings: drawSettings(rt)}
	var kinds []stepKind
	enabled := uint64(rapid.Uint32().Draw(rt, "kinds"))
	if rapid.Bool().Draw(rt, "validity") {
		enabled |= 1 << 32 // the last kind
	}
	for i, m := range stepKinds() {
		if m.always || enabled&(1<<i) != 0 {
			for range max(m.weight, 1) {
				kinds = append(kinds, m)
			}
		}
	}
	// Drawn in chunks, so that rapid can remove whole chunks.
	chapter := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
		m := rapid.SampledFrom(kinds).Draw(rt, "kind")
		text, do := m.draw(drawArgs{rt, &p.settings})
		return step{strings.TrimSpace(m.name + " " + text), do}
	}), 0, 15)
	p.steps = slices.Concat(rapid.SliceOfN(chapter, 0, 15).Draw(rt, "scenario")...)
	return p
}

// stepKind is a kind of step.
type stepKind struct {
	name   string
	always bool
	weight int
	draw   func(drawArgs) (string, func(*model))
}

// drawArgs draws the arguments of a step.
type drawArgs struct {
	rt       *rapid.T
	settings *settings
}

func (a drawArgs) span(of ...time.Duration) time.Duration {
	return rapid.SampledFrom(of).Draw(a.rt, "span")
}

func (a drawArgs) n(limit int) int { return rapid.IntRange(0, limit-1).Draw(a.rt, "n") }

// process draws a process.
func (a drawArgs) process() int {
	if !a.settings.secondProcess {
		return 0
	}
	return rapid.IntRange(0, 1).Draw(a.rt, "process")
}

// byProcess makes a kind of step of one process, which is skipped unless it is running.
func byProcess(name string, weight int, do func(*model, *process)) stepKind {
	return stepKind{name: name, weight: weight, draw: func(a drawArgs) (string, func(*model)) {
		index := a.process()
		return string(rune('A' + index)), func(m *model) {
			if p := m.procs[index]; p != nil {
				do(m, p)
			}
		}
	}}
}

func (m stepKind) alwaysEnabled() stepKind {
	m.always = true
	return m
}

// environment makes a kind of step outside the processes.
func environment(name string, do func(*model)) stepKind {
	return stepKind{name: name, draw: func(drawArgs) (string, func(*model)) { return "", do }}
}

// stepKinds are the kinds of steps. Their order matters only for shrinking: the simplest
// come first.
func stepKinds() []stepKind {
	return []stepKind{
		byProcess("ask", 4, func(m *model, p *process) { m.ask(p, 1, 0) }).alwaysEnabled(),
		{name: "advance", always: true, weight: 3, draw: drawAdvance},
		{name: "advance to", always: true, weight: 3, draw: drawDeadline},
		{name: "callers", weight: 2, draw: func(a drawArgs) (string, func(*model)) {
			index, n, limit := a.process(), 1+a.n(4), a.span(0, 0, 100*time.Millisecond, 5*time.Second)
			return fmt.Sprintf("%c: %d, for %s", 'A'+index, n, limit), func(m *model) { m.ask(m.procs[index], n, limit) }
		}},
		byProcess("leave", 1, (*model).leave),
		{name: "gateway", weight: 4, draw: drawScript(func(g *gateway) *[]reply { return &g.refresh })},
		{name: "login", draw: drawScript(func(g *gateway) *[]reply { return &g.login })},
		environment("release what hangs", (*model).release),
		{name: "suspend", draw: func(a drawArgs) (string, func(*model)) {
			d := a.span(time.Second, time.Minute, 40*time.Minute, 5*time.Hour, 72*time.Hour)
			return d.String(), func(m *model) { m.suspend(d) }
		}},
		{name: "set the clock", draw: func(a drawArgs) (string, func(*model)) {
			index, d := a.process(), a.span(2*time.Second, -2*time.Second, time.Hour, -time.Hour, 100*time.Hour, -100*time.Hour)
			return fmt.Sprintf("%c by %s", 'A'+index, d), func(m *model) { m.setClock(index, d) }
		}},
		byProcess("invalidate", 1, func(m *model, p *process) { m.invalidate(p, true) }),
		byProcess("invalidate an old one", 1, func(m *model, p *process) { m.invalidate(p, false) }),
		byProcess("set token", 1, (*model).setToken),
		byProcess("sign out", 1, (*model).signOut),
		byProcess("sync", 1, (*model).sync),
		byProcess("cancel a call of", 1, (*model).cancelCall),
		byProcess("run", 1, (*model).run),
		byProcess("status", 1, (*model).status),
		byProcess("close", 1, func(m *model, p *process) { m.close(p, false) }),
		byProcess("crash", 1, func(m *model, p *process) { m.close(p, true) }),
		{name: "start", weight: 2, draw: func(a drawArgs) (string, func(*model)) {
			index := a.process()
			return string(rune('A' + index)), func(m *model) { m.start(index) }
		}},
		{name: "store", weight: 3, draw: drawFaults},
		environment("the store is unavailable", func(m *model) { m.setUnavailable(true) }),
		environment("the store is back", func(m *model) { m.setUnavailable(false) }),
		environment("another process takes the lock", (*model).outsideLock),
		environment("another process releases the lock", (*model).outsideUnlock),
		environment("another process refreshes", (*model).rotate),
		environment("another process signs on", (*model).signOnOutside),
		environment("another process signs out", (*model).signOutOutside),
		environment("the record is lost", func(m *model) { m.tamper("") }),
		environment("the record is damaged", func(m *model) { m.tamper(`{"version":1,"gener`) }),
		environment("the record is of a newer version", func(m *model) { m.tamper(`{"version":99}`) }),
		{name: "callers", weight: 4, draw: drawValidity},
	}
}

func drawAdvance(a drawArgs) (string, func(*model)) {
	d := a.span(time.Millisecond, 100*time.Millisecond, time.Second, 6*time.Second, 16*time.Second, 31*time.Second, time.Minute, 10*time.Minute, time.Hour, 5*time.Hour)
	return d.String(), func(m *model) { m.advance(d) }
}

// drawDeadline draws an advance to a deadline of a process, or to just before or after.
func drawDeadline(a drawArgs) (string, func(*model)) {
	index := a.process()
	aim := rapid.SampledFrom(deadlines).Draw(a.rt, "aim")
	off := a.span(0, -1, 1, -time.Second, time.Second)
	return fmt.Sprintf("%c's %s %+d", 'A'+index, aim.name, off), func(m *model) {
		if p := m.procs[index]; p != nil {
			if left, ok := m.untilDeadline(p, aim.of); ok && left+off > 0 {
				m.advance(min(left+off, 6*time.Hour))
			}
		}
	}
}

var deadlines = []struct {
	name string
	of   func(*belief) deadline
}{
	{"access expiry", func(b *belief) deadline { return b.serveUntil }},
	{"refresh", func(b *belief) deadline { return b.due(1) }},
	{"refresh expiry", func(b *belief) deadline { return b.refresh }},
	{"fixed end", func(b *belief) deadline { return b.fixed }},
	{"next attempt", nil},
}
