package clock_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/clock"
)

// never is the longest duration of a timer. Added to a later time, it overflows.
const never = time.Duration(math.MaxInt64)

// An op is one step of a script.
type op struct {
	verb  string
	timer int // index in order of creation
	d     time.Duration
}

func set(d time.Duration) op   { return op{verb: "set", d: d} }
func sleep(d time.Duration) op { return op{verb: "sleep", d: d} }
func stop(timer int) op        { return op{verb: "stop", timer: timer} }
func receive(timer int) op     { return op{verb: "receive", timer: timer} }
func listen(timer int) op      { return op{verb: "listen", timer: timer} }

// A recorder runs scripts on a clock and records their visible effects. It runs in a
// synctest bubble, so that after each step it can wait until the listeners have received
// what they can.
type recorder struct {
	clock clock.Clock
	sleep func(time.Duration) // moves the clock

	start  time.Time
	timers []clock.Timer
	heard  []chan time.Time // by timer: the times that its listeners received
	trace  []string
	quit   chan struct{} // closed by run after the last step
}

// run runs a script and returns a line for each effect and each step, and then a line
// for each time that a listener received.
func (r *recorder) run(script []op) []string {
	r.start, r.quit = r.clock.Now(), make(chan struct{})
	for _, o := range script {
		r.step(o)
		synctest.Wait()
		r.note("at %v: %v", r.clock.Now().Sub(r.start), o)
	}
	close(r.quit)
	for i, heard := range r.heard {
		close(heard)
		for at := range heard {
			r.note("listener of %d received %v", i, at.Sub(r.start))
		}
	}
	for _, t := range r.timers {
		t.Stop()
	}
	return r.trace
}

func (r *recorder) step(o op) {
	switch o.verb {
	case "set":
		r.timers = append(r.timers, r.clock.NewTimer(o.d))
		r.heard = append(r.heard, make(chan time.Time, 10))
	case "sleep":
		r.sleep(o.d)
	case "stop":
		r.note("stopped: %v", r.timers[o.timer].Stop())
	case "receive":
		select {
		case at := <-r.timers[o.timer].C():
			r.note("received %v", at.Sub(r.start))
		default:
			r.note("received nothing")
		}
	case "listen":
		c, heard, quit := r.timers[o.timer].C(), r.heard[o.timer], r.quit
		go func() {
			select {
			case at := <-c:
				heard <- at
			case <-quit:
			}
		}()
	}
}

func (r *recorder) note(format string, args ...any) {
	r.trace = append(r.trace, fmt.Sprintf(format, args...))
}

// onReal runs a script on the real clock, whose time is that of the bubble.
func onReal(t *testing.T, script []op) (trace []string) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		trace = (&recorder{clock: clock.Real{}, sleep: time.Sleep}).run(script)
	})
	return trace
}

// onFake runs a script on a fake clock.
func onFake(t *testing.T, script []op) (trace []string) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		f := clock.NewFake(time.Now())
		trace = (&recorder{clock: f, sleep: f.Advance}).run(script)
	})
	return trace
}

func TestConformance(t *testing.T) {
	tests := []struct {
		name   string
		script []op
		want   []string // the effects of both clocks
	}{
		{
			"delivers the time at which it fired",
			[]op{set(2 * time.Second), sleep(5 * time.Second), receive(0)},
			[]string{"received 2s"},
		},
		{"fires once", []op{set(1), sleep(1), receive(0), sleep(time.Hour), receive(0)}, []string{"received 1ns", "received nothing"}},
		{"does not fire a nanosecond early", []op{set(5), sleep(4), receive(0), sleep(1), receive(0)}, []string{"received nothing", "received 5ns"}},
		{"zero fires immediately", []op{sleep(3), set(0), receive(0)}, []string{"received 3ns"}},
		{"negative fires immediately", []op{sleep(3), set(-time.Hour), receive(0)}, []string{"received 3ns"}},
		{"sleep of zero fires nothing", []op{set(1), sleep(0), receive(0)}, []string{"received nothing"}},
		{"stopped before it fires", []op{set(2), sleep(1), stop(0), sleep(5), receive(0)}, []string{"stopped: true", "received nothing"}},
		{"stopped twice", []op{set(2), stop(0), stop(0)}, []string{"stopped: true", "stopped: false"}},
		{"stopped after it fired", []op{set(1), sleep(2), stop(0), receive(0)}, []string{"stopped: true", "received nothing"}},
		{"stopped after it fired immediately", []op{set(0), stop(0), receive(0), stop(0)}, []string{"stopped: true", "received nothing", "stopped: false"}},
		{"stopped after it was received", []op{set(1), sleep(1), receive(0), stop(0)}, []string{"received 1ns", "stopped: false"}},
		{
			"stopped after a listener received it",
			[]op{set(1), listen(0), sleep(1), stop(0)},
			[]string{"stopped: false", "listener of 0 received 1ns"},
		},
		{
			"timers of the same time all fire",
			[]op{set(3), set(3), sleep(1), set(2), sleep(2), receive(2), receive(0), receive(1)},
			[]string{"received 3ns", "received 3ns", "received 3ns"},
		},
		{
			"one of two timers of the same time is stopped",
			[]op{set(3), set(3), stop(0), sleep(3), receive(0), receive(1)},
			[]string{"stopped: true", "received nothing", "received 3ns"},
		},
		{
			"timers fire in order of time",
			[]op{set(3), set(1), set(2), sleep(2), receive(0), receive(1), receive(2), sleep(1), receive(0)},
			[]string{"received nothing", "received 1ns", "received 2ns", "received 3ns"},
		},
		{
			"listeners receive from their own timers",
			[]op{set(2), set(1), listen(0), listen(1), sleep(9)},
			[]string{"listener of 0 received 2ns", "listener of 1 received 1ns"},
		},
		{"two listeners share one event", []op{set(1), listen(0), listen(0), sleep(9)}, []string{"listener of 0 received 1ns"}},
		{"the longest duration does not overflow", []op{sleep(1), set(never), sleep(time.Hour), receive(0), stop(0)}, []string{"received nothing", "stopped: true"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			system, fake := onReal(t, tt.script), onFake(t, tt.script)
			assert.Equal(t, system, fake)
			assert.Equal(t, tt.want, effects(fake))
		})
	}
}

// effects returns a trace without the lines of the steps.
func effects(trace []string) []string {
	var s []string
	for _, line := range trace {
		if line[:2] != "at" {
			s = append(s, line)
		}
	}
	return s
}

func TestConformance_RandomScripts(t *testing.T) {
	const scripts = 3000
	events := 0
	for seed := range uint64(scripts) {
		script := randomScript(rand.New(rand.NewPCG(seed, 1)))
		system, fake := onReal(t, script), onFake(t, script)
		require.Equal(t, system, fake, "seed %d: %v", seed, script)
		events += len(effects(fake))
	}
	assert.Greater(t, events, 10*scripts, "the scripts must have effects")
}

func randomScript(r *rand.Rand) []op {
	// With few different durations, many timers have the same time.
	durations := []time.Duration{-1, 0, 1, 1, 2, 3, 5, 8, never}
	sleeps := []time.Duration{0, 1, 1, 2, 3, 5}
	script := []op{set(durations[r.IntN(len(durations))])}
	timers := 1
	for range 10 + r.IntN(40) {
		switch r.IntN(6) {
		case 0, 1:
			script = append(script, set(durations[r.IntN(len(durations))]))
			timers++
		case 2:
			script = append(script, sleep(sleeps[r.IntN(len(sleeps))]))
		case 3:
			script = append(script, stop(r.IntN(timers)))
		case 4:
			script = append(script, receive(r.IntN(timers)))
		case 5:
			script = append(script, listen(r.IntN(timers)))
		}
	}
	return script
}

// repeat makes n timers, one after the other, and calls fired with the time of each.
func repeat(c clock.Clock, n int, d time.Duration, fired func(time.Time)) {
	for range n {
		fired(<-c.NewTimer(d).C())
	}
}

// AdvanceToNext lets a goroutine make its next timer at the time of the previous one, as
// the real clock does. Advance does not.
func TestConformance_ConsecutiveTimers(t *testing.T) {
	record := func(c clock.Clock, pass func()) (trace []time.Duration) {
		start := c.Now()
		go repeat(c, 3, time.Second, func(at time.Time) { trace = append(trace, at.Sub(start)) })
		synctest.Wait()
		pass()
		synctest.Wait()
		return trace
	}
	everySecond := []time.Duration{1 * time.Second, 2 * time.Second, 3 * time.Second}

	synctest.Test(t, func(t *testing.T) {
		got := record(clock.Real{}, func() { time.Sleep(3 * time.Second) })
		assert.Equal(t, everySecond, got)
	})
	synctest.Test(t, func(t *testing.T) {
		f := clock.NewFake(time.Now())
		got := record(f, func() {
			for range 3 {
				assert.Equal(t, time.Second, f.AdvanceToNext())
				synctest.Wait()
			}
		})
		assert.Equal(t, everySecond, got)
		assert.Equal(t, 3*time.Second, f.Elapsed())
	})
	synctest.Test(t, func(t *testing.T) {
		f := clock.NewFake(time.Now())
		got := record(f, func() {
			for range 3 {
				f.Advance(10 * time.Second)
				synctest.Wait()
			}
		})
		want := []time.Duration{1 * time.Second, 11 * time.Second, 21 * time.Second}
		assert.Equal(t, want, got, "each timer counts from the end of the previous Advance")
	})
}

func TestReal_NowHasAMonotonicReading(t *testing.T) {
	assert.Contains(t, clock.Real{}.Now().String(), " m=")
}
