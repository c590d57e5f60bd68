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

// TestModel plays random stories with whole Sources in them: callers who come and
// go, two clocks that jump, a gateway, a store and an API that fail in every way,
// neighbours in other processes, humans who sign on and off, and programs that
// close, crash and start again. What is promised must hold after every step.
//
// A story is drawn first, as a list of steps, and then played: in a bubble, one
// event at a time, so that it takes the same course each time it is played, and the
// shortest one that fails can be looked for. To look longer:
//
//	go test ./tokensource/internal/modeltest -run TestModel -rapid.checks=100000
func TestModel(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // the same order of goroutines each time
	for _, set := range []struct{ name, value string }{{"rapid.checks", "500"}, {"rapid.nofailfile", "true"}} {
		defer byDefault(set.name, set.value)()
	}
	rapid.Check(t, func(rt *rapid.T) {
		p := rapid.Custom(drawPlan).Draw(rt, "story")
		m := runTwice(t, p)
		if m.broken != "" {
			rt.Logf("\n%s", strings.Join(m.trace, "\n"))
			rt.Fatalf("%s", m.broken)
		}
	})
}

// playAgain plays a story, and once more if it has failed: on a busy machine the
// runtime may stop a goroutine between an answer and the look at it, and let another
// run. The story has then taken another course than the one that was to be looked at.
func runTwice(t *testing.T, p *plan) *model {
	t.Helper()
	m := runPlan(t, p)
	if m.broken == "" {
		return m
	}
	again := runPlan(t, p)
	if again.broken == "" {
		t.Logf("once, and not again: %s\n%s", m.broken, strings.Join(m.trace, "\n"))
	}
	return again
}

// byDefault gives a flag a value unless the command line has, and returns how that
// is undone.
func byDefault(name, value string) (undo func()) {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if given {
		return func() {}
	}
	// Set on the value, so that the flag does not count as given.
	v := flag.Lookup(name).Value
	former := v.String()
	_ = v.Set(value)
	return func() { _ = v.Set(former) }
}

// play plays a story in a bubble. A goroutine that does not end, or a wait that
// nothing ends, is a panic of the bubble.
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

// step is one thing that happens in a story.
type step struct {
	text string
	do   func(*model)
}

func (s step) String() string { return s.text }

// fail notes that a promise was broken. The first one counts.
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

// say adds a line to what is printed when the story fails.
func (m *model) logf(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.logLocked(format, args...)
}

func (m *model) logLocked(format string, args ...any) {
	m.trace = append(m.trace, fmt.Sprintf("%10s ", m.fake.Elapsed())+fmt.Sprintf(format, args...))
}
