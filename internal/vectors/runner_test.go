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
	// maxFirings is more than any vector needs.
	maxFirings = 5000
	// maxClosing is the number of timers that may fire before Close returns.
	maxClosing = 100
	// maxCalls is how often one operation of the gateway may be called at one
	// instant: once, again for a lost answer or as a new device, and the same for a
	// pair that was set or adopted meanwhile.
	maxCalls = 4
)

// runner runs one vector in a synctest bubble, which tells when a step has come to
// rest.
type runner struct {
	ctx            context.Context //nolint:containedctx // of the test, which outlives the runner
	clock          *clock.Fake
	gw             *gateway
	record         *sharedRecord // nil without a store
	given          *given
	src            *tokensource.Source
	callers        map[string]*caller
	firings        int      // instants at which timers fired
	limit          int      // of firings; a vector that needs more is aborted
	invalidBecause []string // mistakes of the vector itself

	mu         sync.Mutex // guards all below
	drawValue  float64
	events     []event
	violations []string // of what must hold in any vector
}

// caller is a call of the Source, in flight or answered.
type caller struct {
	leave   func()
	done    chan struct{}
	outcome outcome
	endless bool // its result need not be expected
}

// runVector runs a vector. It returns the differences from what the vector expects,
// and the violations of what must hold in any vector. It aborts a vector whose timers
// fire at more than limit instants.
func runVector(t *testing.T, v *vector, limit int) (differences, violations []string) {
	t.Helper()
	r := newRunner(t.Context(), v, limit)
	for i := range v.Steps {
		if r.firings > limit {
			r.invalidBecause = append(r.invalidBecause, "too many timers fire")
			break
		}
		if diff := r.step(&v.Steps[i]); diff != "" {
			differences = append(differences, fmt.Sprintf("step %d: %s", i+1, diff))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.callers)) {
		if !r.callers[name].endless {
			differences = append(differences, "at the end: no expected result of "+name)
		}
	}
	if n := r.gw.unused(); n > 0 {
		differences = append(differences, fmt.Sprintf("at the end: %d unused answers", n))
	}
	r.end()
	return append(differences, r.invalidBecause...), r.violations
}

func newRunner(ctx context.Context, v *vector, limit int) *runner {
	c := clock.NewFake(beginning)
	r := &runner{
		ctx: ctx, clock: c, gw: newGateway(c, v.Given.Lifetimes), given: &v.Given, limit: limit,
		callers: map[string]*caller{}, drawValue: v.Given.Draw,
	}
	if s := v.Given.Store; s != nil {
		r.record = &sharedRecord{g: r.gw, memory: &store.Memory{}, noLock: s.NoLock, noSetAside: s.NoSetAside}
		if s.Record != nil {
			t := r.gw.issue(s.Record, r.now(), true)
			r.invalid(r.record.save(ctx, recordOf(t, 1, atSeconds(valueOr(s.StartedAt, inSeconds(t.IssuedAt.Sub(beginning)))))))
		}
	}
	r.src = r.source(v.Given.Token)
	return r
}

// source makes a Source, as a new process does.
func (r *runner) source(token *pair) *tokensource.Source {
	cfg := tokensource.Config{Refresher: r.gw, Clock: r.clock, Rand: r.draw, OnEvent: r.onEvent}
	if token != nil {
		cfg.Token = r.gw.issue(token, r.now(), true)
	}
	if r.given.Login {
		cfg.Login = r.gw.login
	}
	if r.record != nil {
		cfg.Store = r.record.open()
	}
	if s := r.given.Settings; s != nil {
		cfg.RefreshBefore, cfg.WarnBefore = s.RefreshBefore.span(), s.WarnBefore.span()
		cfg.RefreshTimeout, cfg.LockTimeout, cfg.StoreTimeout = s.RefreshTimeout.span(), s.LockTimeout.span(), s.StoreTimeout.span()
	}
	src, err := tokensource.New(cfg)
	r.invalid(err)
	return src
}

func (r *runner) now() instant {
	r.gw.mu.Lock()
	defer r.gw.mu.Unlock()
	return r.gw.nowLocked()
}

func (r *runner) draw() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.drawValue
}

// step runs one step, and returns the difference from what it expects, "" for none.
func (r *runner) step(s *step) string {
	r.resetObserved()
	if s.Answers != nil {
		if n := r.gw.script(*s.Answers); n > 0 {
			r.invalid(fmt.Errorf("%d unused answers are replaced", n))
		}
	}
	if s.Draw != nil {
		r.mu.Lock()
		r.drawValue = *s.Draw
		r.mu.Unlock()
	}
	r.advance(s.After)
	name := r.act(s)
	synctest.Wait()
	want := s.Expect
	if want == nil {
		want = &expectation{}
	}
	got := r.observe(want, name)
	if s.After == 0 && max(len(got.Refreshes), len(got.Logins)) > maxCalls {
		r.violate("the gateway is called in a loop")
	}
	mask(reflect.ValueOf(want).Elem(), reflect.ValueOf(got).Elem())
	if w, g := toJSON(want), toJSON(got); w != g {
		return fmt.Sprintf("expected %s\n\tgot      %s", w, g)
	}
	return ""
}

// advance advances both clocks. Each timer fires at its own instant, and the
// goroutines that it wakes come to rest before the next fires.
func (r *runner) advance(span seconds) {
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

// act carries out a step's action. It returns the name of the call, "" for none.
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
		r.record.change(*s.Store)
	case s.Neighbour != nil:
		r.invalid(r.record.act(r.ctx, s.Neighbour))
	default:
		return r.actByCall(s)
	}
	return ""
}

// close closes the Source, and advances the clock as far as that takes.
func (r *runner) close() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := r.src.Close()
		if err != nil && !strings.Contains(err.Error(), "the session is not saved") { // the store may be unavailable
			r.violate(err.Error())
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
	r.violate("Close does not return")
}

// end closes the Source and checks that every call has returned.
func (r *runner) end() {
	if r.record != nil && r.record.unlock != nil {
		r.invalid(r.record.unlock())
	}
	r.close()
	synctest.Wait()
	for name, c := range r.callers {
		select {
		case <-c.done:
		default:
			r.violate(name + " waits beyond Close")
			c.leave()
		}
	}
	if r.gw.Refreshes.MaxInFlight() > 1 {
		r.violate("two refreshes were in flight at once")
	}
	if r.record != nil && r.record.deleted {
		r.violate("the record was deleted")
	}
}

// invalid records a mistake of the vector itself.
func (r *runner) invalid(err error) {
	if err != nil {
		r.invalidBecause = append(r.invalidBecause, "invalid vector: "+err.Error())
	}
}

func (r *runner) violate(of string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations = append(r.violations, of)
}
