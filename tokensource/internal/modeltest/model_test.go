package modeltest_test

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

// TestModel runs random scenarios with whole Sources: callers that cancel, clocks that
// jump, a gateway, a store and an API that fail in every way, other processes, logins and
// sign-outs, and processes that close, crash and restart. All promises must hold after
// every step.
//
// A scenario is drawn as a list of steps, and then run in a bubble, one event at a time:
// so every run takes the same course, and rapid can shrink one that fails. For more:
//
//	go test ./tokensource/internal/modeltest -run TestModel -rapid.checks=100000
func TestModel(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // for the same order of goroutines in every run
	for _, set := range []struct{ name, value string }{{"rapid.checks", "500"}, {"rapid.nofailfile", "true"}} {
		defer byDefault(set.name, set.value)()
	}
	rapid.Check(t, func(rt *rapid.T) {
		p := rapid.Custom(drawPlan).Draw(rt, "scenario")
		m := runTwice(t, p)
		if m.broken != "" {
			rt.Logf("\n%s", strings.Join(m.trace, "\n"))
			rt.Fatalf("%s", m.broken)
		}
	})
}

// runTwice runs a scenario, and again if it has failed. On a busy machine the runtime may
// preempt a goroutine between an answer and its check, so that the run takes another
// course.
func runTwice(t *testing.T, p *plan) *model {
	t.Helper()
	m := runPlan(t, p)
	if m.broken == "" {
		return m
	}
	again := runPlan(t, p)
	if again.broken == "" {
		t.Logf("failed once, but not again: %s\n%s", m.broken, strings.Join(m.trace, "\n"))
	}
	return again
}

// byDefault sets a flag unless the command line sets it. It returns how to undo that.
func byDefault(name, value string) (undo func()) {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if given {
		return func() {}
	}
	// Setting the value directly does not mark the flag as set.
	v := flag.Lookup(name).Value
	former := v.String()
	_ = v.Set(value)
	return func() { _ = v.Set(former) }
}

// runPlan runs a scenario in a bubble, which panics if a goroutine or a wait does not end.
func runPlan(t *testing.T, p *plan) (m *model) {
	t.Helper()
	defer func() {
		if v := recover(); v != nil {
			m.fail("12: %v", v)
		}
	}()
	m = newModel(p)
	synctest.Test(t, func(*testing.T) {
		m.begin()
		m.logf("%+v", p.settings)
		for _, s := range p.steps {
			if m.failed() {
				break
			}
			m.logf("%s", s)
			s.do(m)
			m.settle()
		}
		if !m.failed() {
			m.restoreService()
		}
		m.end()
	})
	return m
}

// step is one step of a scenario.
type step struct {
	text string
	do   func(*model)
}

func (s step) String() string { return s.text }

// fail records that a promise is broken. The first one counts.
func (m *model) fail(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failLocked(format, args...)
}

func (m *model) failLocked(format string, args ...any) {
	if m.broken == "" {
		m.broken = "promise " + fmt.Sprintf(format, args...)
		m.logLocked("BROKEN: %s", m.broken)
	}
}

func (m *model) failed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.broken != ""
}

// logf adds a line to the trace, which is printed if the scenario fails.
func (m *model) logf(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.logLocked(format, args...)
}

func (m *model) logLocked(format string, args ...any) {
	m.trace = append(m.trace, fmt.Sprintf("%10s ", m.fake.Elapsed())+fmt.Sprintf(format, args...))
}
