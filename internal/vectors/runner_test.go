package vectors_test

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

const (
	// maxFirings is more than any vector of ours needs.
	maxFirings = 5000
	// maxClosing is how many timers may have to fire until a Source is closed.
	maxClosing = 100
	// maxCalls is how often the gateway may be asked for one thing while no time
	// passes: once, again for a lost answer or as a device that is new, and the
	// same for what was handed in or adopted meanwhile.
	maxCalls = 4
)

// runner plays one vector, in a synctest bubble: that it is at rest after each
// step is what the bubble tells.
type runner struct {
	ctx     context.Context //nolint:containedctx // of the test, which the runner is no longer than
	clock   *clock.Fake
	gw      *gateway
	cell    *cell // nil without a store
	given   *given
	src     *tokensource.Source
	callers map[string]*caller
	firings int      // instants at which timers fired
	limit   int      // of firings: a vector that needs more is broken off
	broken  []string // why the vector itself does not work

	mu      sync.Mutex // guards all below
	drawn   float64
	events  []event
	unsound []string // what must never be, whatever the vector expects
}

// caller is a call of the Source that is under way, or was answered.
type caller struct {
	leave   func()
	done    chan struct{}
	told    outcome
	endless bool // nobody need say what becomes of it
}

// play runs a vector, and returns what went otherwise than it says. What must
// hold in any vector, and did not, is in unsound. A vector at which timers fire at
// more than limit instants is broken off.
func play(t *testing.T, v *vector, limit int) (otherwise, unsound []string) {
	t.Helper()
	r := newRunner(t.Context(), v, limit)
	for i := range v.Steps {
		if r.firings > limit {
			r.broken = append(r.broken, "too many timers fire")
			break
		}
		if said := r.step(&v.Steps[i]); said != "" {
			otherwise = append(otherwise, fmt.Sprintf("step %d: %s", i+1, said))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.callers)) {
		if !r.callers[name].endless {
			otherwise = append(otherwise, "at the end: nobody says what became of "+name)
		}
	}
	if n := r.gw.unused(); n > 0 {
		otherwise = append(otherwise, fmt.Sprintf("at the end: %d answers that nobody has got", n))
	}
	r.end()
	return append(otherwise, r.broken...), r.unsound
}

func newRunner(ctx context.Context, v *vector, limit int) *runner {
	c := clock.NewFake(beginning)
	r := &runner{
		ctx: ctx, clock: c, gw: newGateway(c, v.Given.Lifetimes), given: &v.Given, limit: limit,
		callers: map[string]*caller{}, drawn: v.Given.Draw,
	}
	if s := v.Given.Store; s != nil {
		r.cell = &cell{g: r.gw, memory: &store.Memory{}, noLock: s.NoLock, noAside: s.NoSetAside}
		if s.Record != nil {
			t := r.gw.mint(s.Record, r.now(), true)
			r.note(r.cell.save(ctx, recordOf(t, 1, at(or(s.StartedAt, inSeconds(t.IssuedAt.Sub(beginning)))))))
		}
	}
	r.src = r.source(v.Given.Token)
	return r
}

// source makes a Source, as a process does that starts.
func (r *runner) source(token *pair) *tokensource.Source {
	cfg := tokensource.Config{Refresher: r.gw, Clock: r.clock, Rand: r.draw, OnEvent: r.hear}
	if token != nil {
		cfg.Token = r.gw.mint(token, r.now(), true)
	}
	if r.given.Login {
		cfg.Login = r.gw.login
	}
	if r.cell != nil {
		cfg.Store = r.cell.open()
	}
	if s := r.given.Settings; s != nil {
		cfg.RefreshBefore, cfg.WarnBefore = s.RefreshBefore.span(), s.WarnBefore.span()
		cfg.RefreshTimeout, cfg.LockTimeout, cfg.StoreTimeout = s.RefreshTimeout.span(), s.LockTimeout.span(), s.StoreTimeout.span()
	}
	src, err := tokensource.New(cfg)
	r.note(err)
	return src
}

func (r *runner) now() moment {
	r.gw.mu.Lock()
	defer r.gw.mu.Unlock()
	return r.gw.nowLocked()
}

func (r *runner) draw() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.drawn
}

// step plays one step, and returns what of it was otherwise, "" when nothing.
func (r *runner) step(s *step) string {
	r.forget()
	if s.Answers != nil {
		if n := r.gw.script(*s.Answers); n > 0 {
			r.note(fmt.Errorf("%d answers are replaced that nobody has got", n))
		}
	}
	if s.Draw != nil {
		r.mu.Lock()
		r.drawn = *s.Draw
		r.mu.Unlock()
	}
	r.pass(s.After)
	name := r.act(s)
	synctest.Wait()
	want := s.Expect
	if want == nil {
		want = &expectation{}
	}
	got := r.see(want, name)
	if s.After == 0 && max(len(got.Refreshes), len(got.Logins)) > maxCalls {
		r.complain("the gateway is asked again and again")
	}
	mask(reflect.ValueOf(want).Elem(), reflect.ValueOf(got).Elem())
	if w, g := pretty(want), pretty(got); w != g {
		return fmt.Sprintf("expected %s\n\tgot      %s", w, g)
	}
	return ""
}

// pass lets time pass on both clocks. Each timer fires at its own instant, and
// what it wakes comes to rest before the next.
func (r *runner) pass(span seconds) {
	synctest.Wait()
	if span <= 0 {
		return
	}
	over := r.clock.NewTimer(span.span())
	defer over.Stop()
	for r.firings <= r.limit {
		r.fire()
		select {
		case <-over.C():
			return
		default:
		}
	}
}

func (r *runner) fire() {
	r.firings++
	r.clock.AdvanceToNext()
	synctest.Wait()
}

// act carries a step's action out, and returns the name of the call that it is.
func (r *runner) act(s *step) (name string) {
	switch {
	case s.Sleep != nil:
		r.gw.sleep(s.Sleep.span())
	case s.SetWallBy != nil:
		r.clock.Suspend(s.SetWallBy.span())
	case s.Leave != nil:
		if c, ok := r.callers[*s.Leave]; ok {
			c.leave()
		}
	case s.Invalidate != nil:
		r.src.Invalidate(r.valueOf(*s.Invalidate))
	case s.Restart != nil:
		r.close()
		r.src = r.source(s.Restart.Token)
	case s.Store != nil:
		r.cell.change(*s.Store)
	case s.Neighbour != nil:
		r.note(r.cell.act(r.ctx, s.Neighbour))
	default:
		return r.actByCall(s)
	}
	return ""
}

// close closes the Source, and lets the time pass that this takes.
func (r *runner) close() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := r.src.Close()
		if err != nil && !strings.Contains(err.Error(), "the session is not saved") { // the store may be away
			r.complain(err.Error())
		}
	}()
	for range maxClosing {
		synctest.Wait()
		select {
		case <-done:
			return
		default:
			r.fire()
		}
	}
	r.complain("Close does not return")
}

// end leaves nothing behind, and checks that nobody waits for ever.
func (r *runner) end() {
	if r.cell != nil && r.cell.unlock != nil {
		r.note(r.cell.unlock())
	}
	r.close()
	synctest.Wait()
	for name, c := range r.callers {
		select {
		case <-c.done:
		default:
			r.complain(name + " waits beyond Close")
			c.leave()
		}
	}
	if r.gw.Refreshes.MaxInFlight() > 1 {
		r.complain("two refreshes were in the air at once")
	}
	if r.cell != nil && r.cell.forgotten {
		r.complain("the record was deleted")
	}
}

// note keeps an error that says that the vector is wrong.
func (r *runner) note(err error) {
	if err != nil {
		r.broken = append(r.broken, "the vector does not work: "+err.Error())
	}
}

func (r *runner) complain(of string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unsound = append(r.unsound, of)
}
