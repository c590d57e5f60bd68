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
		w := playAgain(t, p)
		if w.wrong != "" {
			rt.Logf("\n%s", strings.Join(w.trace, "\n"))
			rt.Fatalf("%s", w.wrong)
		}
	})
}

// playAgain plays a story, and once more if it has failed: on a busy machine the
// runtime may stop a goroutine between an answer and the look at it, and let another
// run. The story has then taken another course than the one that was to be looked at.
func playAgain(t *testing.T, p *plan) *world {
	t.Helper()
	w := play(t, p)
	if w.wrong == "" {
		return w
	}
	again := play(t, p)
	if again.wrong == "" {
		t.Logf("once, and not again: %s\n%s", w.wrong, strings.Join(w.trace, "\n"))
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
func play(t *testing.T, p *plan) (w *world) {
	t.Helper()
	defer func() {
		if v := recover(); v != nil {
			w.fail("12: %v", v)
		}
	}()
	w = newWorld(p)
	synctest.Test(t, func(*testing.T) {
		w.open()
		w.say("%+v", p.house)
		for _, s := range p.steps {
			if w.failed() {
				break
			}
			w.say("%s", s)
			s.do(w)
			w.settle()
		}
		if !w.failed() {
			w.heal()
		}
		w.end()
	})
	return w
}

// step is one thing that happens in a story.
type step struct {
	text string
	do   func(*world)
}

func (s step) String() string { return s.text }

// fail notes that a promise was broken. The first one counts.
func (w *world) fail(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failLocked(format, args...)
}

func (w *world) failLocked(format string, args ...any) {
	if w.wrong == "" {
		w.wrong = "promise " + fmt.Sprintf(format, args...)
		w.sayLocked("BROKEN: %s", w.wrong)
	}
}

func (w *world) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wrong != ""
}

// say adds a line to what is printed when the story fails.
func (w *world) say(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sayLocked(format, args...)
}

func (w *world) sayLocked(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf("%10s ", w.fake.Elapsed())+fmt.Sprintf(format, args...))
}
