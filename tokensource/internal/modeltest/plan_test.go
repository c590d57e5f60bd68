package modeltest_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"
)

// plan is a story: where it plays, and what happens.
type plan struct {
	house house
	steps []step
}

// house is what does not change in a story.
type house struct {
	access, sliding, fixed time.Duration // what the gateway grants; 0 is not told
	constant               bool          // the fixed span is repeated in each answer, as the constant it is
	claims                 bool          // tokens claim the fixed horizon
	grace                  bool          // a refresh token that was spent gets its answer again, until that is spent
	sparse                 bool          // refreshes answer no client and account
	keeps                  bool          // refreshes answer no refresh token: the old one stays good

	given         bool // the first process begins with a token
	login         bool
	store, locks  bool
	neighbour     bool // a second process on the same store
	behind        time.Duration
	refreshBefore time.Duration
	logged        bool
	seed          uint64
}

// GoString keeps a story from being printed twice.
func (p *plan) GoString() string { return "the following" }

func drawHouse(rt *rapid.T) house {
	coin := func(name string) bool { return rapid.Bool().Draw(rt, name) }
	rarely := func(name string) bool { return rapid.IntRange(0, 7).Draw(rt, name) == 7 }
	span := func(name string, of ...time.Duration) time.Duration { return rapid.SampledFrom(of).Draw(rt, name) }
	h := house{
		access:  span("access", time.Hour, 5*time.Minute, 30*time.Second, 2*time.Second, 0),
		sliding: span("sliding", 48*time.Hour, 0, 3*time.Hour, 20*time.Minute, time.Minute),
		fixed:   span("fixed", 0, 720*time.Hour, 5*time.Hour, 50*time.Minute, 5*time.Minute),
		given:   !rarely("nothing given"), login: coin("login"),
		store: coin("store"), locks: !rarely("no lock"), neighbour: coin("neighbour"),
		grace: coin("grace"), constant: coin("constant"), claims: rarely("claims"), sparse: rarely("sparse"), keeps: rarely("keeps"),
		behind:        span("behind", 0, 0, 0, time.Second, 3*time.Minute, -3*time.Minute),
		refreshBefore: span("refresh before", 0, 0, time.Second, 10*time.Minute),
		logged:        rarely("logged"),
		seed:          rapid.Uint64Range(0, 999).Draw(rt, "seed"),
	}
	h.constant = h.constant && !h.claims // a claim is what the gateway checks
	h.locks, h.neighbour = h.locks && h.store, h.neighbour && h.store
	if !h.neighbour {
		h.behind = 0
	}
	return h
}

// drawPlan draws a story. Only some kinds of things happen in any one story, or
// all would have a bit of everything, and none much of one thing.
func drawPlan(rt *rapid.T) *plan {
	p := &plan{house: drawHouse(rt)}
	var kinds []move
	enabled := rapid.Uint32().Draw(rt, "kinds")
	for i, m := range moves() {
		if m.always || enabled&(1<<i) != 0 {
			for range max(m.weight, 1) {
				kinds = append(kinds, m)
			}
		}
	}
	// In chapters: what matters not is taken out in whole ones, and one by one.
	chapter := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
		m := rapid.SampledFrom(kinds).Draw(rt, "kind")
		text, do := m.draw(args{rt, &p.house})
		return step{strings.TrimSpace(m.name + " " + text), do}
	}), 0, 15)
	p.steps = slices.Concat(rapid.SliceOfN(chapter, 0, 15).Draw(rt, "story")...)
	return p
}

// move is a kind of step.
type move struct {
	name   string
	always bool
	weight int
	draw   func(args) (string, func(*world))
}

// args draws what a step needs.
type args struct {
	rt    *rapid.T
	house *house
}

func (a args) span(of ...time.Duration) time.Duration {
	return rapid.SampledFrom(of).Draw(a.rt, "span")
}

func (a args) n(limit int) int { return rapid.IntRange(0, limit-1).Draw(a.rt, "n") }

// who draws a process.
func (a args) who() int {
	if !a.house.neighbour {
		return 0
	}
	return rapid.IntRange(0, 1).Draw(a.rt, "who")
}

// by makes a kind of step that one process takes, where it is running.
func by(name string, weight int, do func(*world, *proc)) move {
	return move{name: name, weight: weight, draw: func(a args) (string, func(*world)) {
		who := a.who()
		return string(rune('A' + who)), func(w *world) {
			if p := w.procs[who]; p != nil {
				do(w, p)
			}
		}
	}}
}

func (m move) ever() move {
	m.always = true
	return m
}

// the makes a kind of step that happens to the world.
func the(name string, do func(*world)) move {
	return move{name: name, draw: func(args) (string, func(*world)) { return "", do }}
}

// moves are the kinds of steps. The order matters to shrinking alone: the
// simplest come first.
func moves() []move {
	return []move{
		by("ask", 4, func(w *world, p *proc) { w.ask(p, 1, 0) }).ever(),
		{name: "advance", always: true, weight: 3, draw: drawAdvance},
		{name: "advance to", always: true, weight: 3, draw: drawAim},
		{name: "callers", weight: 2, draw: func(a args) (string, func(*world)) {
			who, n, limit := a.who(), 1+a.n(4), a.span(0, 0, 100*time.Millisecond, 5*time.Second)
			return fmt.Sprintf("%c: %d, for %s", 'A'+who, n, limit), func(w *world) { w.ask(w.procs[who], n, limit) }
		}},
		by("leave", 1, (*world).leave),
		{name: "gateway", weight: 4, draw: drawReplies},
		{name: "login", draw: drawLogins},
		the("answer what hangs", (*world).release),
		{name: "sleep", draw: func(a args) (string, func(*world)) {
			d := a.span(time.Second, time.Minute, 40*time.Minute, 5*time.Hour, 72*time.Hour)
			return d.String(), func(w *world) { w.sleep(d) }
		}},
		{name: "set the clock", draw: func(a args) (string, func(*world)) {
			who, d := a.who(), a.span(2*time.Second, -2*time.Second, time.Hour, -time.Hour, 100*time.Hour, -100*time.Hour)
			return fmt.Sprintf("%c by %s", 'A'+who, d), func(w *world) { w.setClock(who, d) }
		}},
		by("invalidate", 1, func(w *world, p *proc) { w.invalidate(p, true) }),
		by("invalidate an old one", 1, func(w *world, p *proc) { w.invalidate(p, false) }),
		by("set token", 1, (*world).setToken),
		by("sign out", 1, (*world).signOut),
		by("sync", 1, (*world).sync),
		by("break off a call of", 1, (*world).breakOff),
		by("run", 1, (*world).run),
		by("status", 1, (*world).status),
		by("close", 1, func(w *world, p *proc) { w.close(p, false) }),
		by("crash", 1, func(w *world, p *proc) { w.close(p, true) }),
		{name: "start", weight: 2, draw: func(a args) (string, func(*world)) {
			who := a.who()
			return string(rune('A' + who)), func(w *world) { w.start(who) }
		}},
		{name: "store", weight: 3, draw: drawFaults},
		the("the store goes away", func(w *world) { w.setAway(true) }),
		the("the store is back", func(w *world) { w.setAway(false) }),
		the("somebody takes the lock", (*world).outsideLock),
		the("somebody gives the lock back", (*world).outsideUnlock),
		the("somebody rotates", (*world).rotate),
		the("somebody signs on", (*world).signOnOutside),
		the("somebody signs out", (*world).signOutOutside),
		the("the record is lost", func(w *world) { w.tamper("") }),
		the("the record is damaged", func(w *world) { w.tamper(`{"version":1,"gener`) }),
		the("the record is of a newer version", func(w *world) { w.tamper(`{"version":99}`) }),
	}
}

func drawAdvance(a args) (string, func(*world)) {
	d := a.span(time.Millisecond, 100*time.Millisecond, time.Second, 6*time.Second, 16*time.Second, 31*time.Second, time.Minute, 10*time.Minute, time.Hour, 5*time.Hour)
	return d.String(), func(w *world) { w.advance(d) }
}

// drawAim draws a deadline of a process to go to, or just before or after it.
func drawAim(a args) (string, func(*world)) {
	who := a.who()
	aim := rapid.SampledFrom(aims).Draw(a.rt, "aim")
	off := a.span(0, -1, 1, -time.Second, time.Second)
	return fmt.Sprintf("%c's %s %+d", 'A'+who, aim.name, off), func(w *world) {
		if p := w.procs[who]; p != nil {
			if left, ok := w.left(p, aim.of); ok && left+off > 0 {
				w.advance(min(left+off, 6*time.Hour))
			}
		}
	}
}

var aims = []struct {
	name string
	of   func(*belief) deadline
}{
	{"access expiry", func(b *belief) deadline { return b.served }},
	{"refresh", func(b *belief) deadline { return b.due(1) }},
	{"refresh expiry", func(b *belief) deadline { return b.refresh }},
	{"fixed end", func(b *belief) deadline { return b.fixed }},
	{"next attempt", nil},
}
