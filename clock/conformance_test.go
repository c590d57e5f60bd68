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

// never is a timer's duration that no test outlives, and that must not be taken
// for a negative one when it is added to an instant.
const never = time.Duration(math.MaxInt64)

// An op is one step of a script that is played to a clock.
type op struct {
	verb  string
	timer int // counted from 0, in the order they are set
	d     time.Duration
}

func set(d time.Duration) op   { return op{verb: "set", d: d} }
func sleep(d time.Duration) op { return op{verb: "sleep", d: d} }
func stop(timer int) op        { return op{verb: "stop", timer: timer} }
func receive(timer int) op     { return op{verb: "receive", timer: timer} }
func listen(timer int) op      { return op{verb: "listen", timer: timer} }

// A recorder plays scripts to a clock and writes down all that can be seen of
// it. It lives in a synctest bubble: after each step it waits until every
// listener has heard what it is to hear.
type recorder struct {
	clock clock.Clock
	sleep func(time.Duration) // lets time pass on the clock

	start  time.Time
	timers []clock.Timer
	heard  []chan time.Time // by timer: what its listeners received
	trace  []string
	quit   chan struct{} // closed by play, when the script is over
}

// play returns what the script's steps show, a line each, and at the end what
// was heard by listeners.
func (r *recorder) play(script []op) []string {
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
			r.note("listener of %d heard %v", i, at.Sub(r.start))
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

// onReal plays the script to the real clock, in a bubble's time.
func onReal(t *testing.T, script []op) (trace []string) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		trace = (&recorder{clock: clock.Real{}, sleep: time.Sleep}).play(script)
	})
	return trace
}

// onFake plays the script to a fake clock.
func onFake(t *testing.T, script []op) (trace []string) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		f := clock.NewFake(time.Now())
		trace = (&recorder{clock: f, sleep: f.Advance}).play(script)
	})
	return trace
}

func TestConformance(t *testing.T) {
	tests := []struct {
		name   string
		script []op
		want   []string // what the trace must hold, in this order
	}{
		{
			"fires at its own instant, though looked at later",
			[]op{set(2 * time.Second), sleep(5 * time.Second), receive(0)},
			[]string{"received 2s"},
		},
		{"fires once", []op{set(1), sleep(1), receive(0), sleep(time.Hour), receive(0)}, []string{"received 1ns", "received nothing"}},
		{"not a nanosecond too early", []op{set(5), sleep(4), receive(0), sleep(1), receive(0)}, []string{"received nothing", "received 5ns"}},
		{"zero fires at once", []op{sleep(3), set(0), receive(0)}, []string{"received 3ns"}},
		{"negative fires at once", []op{sleep(3), set(-time.Hour), receive(0)}, []string{"received 3ns"}},
		{"sleep of zero fires nothing", []op{set(1), sleep(0), receive(0)}, []string{"received nothing"}},
		{"stopped before it fires", []op{set(2), sleep(1), stop(0), sleep(5), receive(0)}, []string{"stopped: true", "received nothing"}},
		{"stopped twice", []op{set(2), stop(0), stop(0)}, []string{"stopped: true", "stopped: false"}},
		{"stopped after it fired", []op{set(1), sleep(2), stop(0), receive(0)}, []string{"stopped: true", "received nothing"}},
		{"stopped after it fired at once", []op{set(0), stop(0), receive(0), stop(0)}, []string{"stopped: true", "received nothing", "stopped: false"}},
		{"stopped after it was received", []op{set(1), sleep(1), receive(0), stop(0)}, []string{"received 1ns", "stopped: false"}},
		{
			"stopped after a listener heard it",
			[]op{set(1), listen(0), sleep(1), stop(0)},
			[]string{"stopped: false", "listener of 0 heard 1ns"},
		},
		{
			"equal instants all fire",
			[]op{set(3), set(3), sleep(1), set(2), sleep(2), receive(2), receive(0), receive(1)},
			[]string{"received 3ns", "received 3ns", "received 3ns"},
		},
		{
			"one of two equal instants is stopped",
			[]op{set(3), set(3), stop(0), sleep(3), receive(0), receive(1)},
			[]string{"stopped: true", "received nothing", "received 3ns"},
		},
		{
			"order of instants, not of setting",
			[]op{set(3), set(1), set(2), sleep(2), receive(0), receive(1), receive(2), sleep(1), receive(0)},
			[]string{"received nothing", "received 1ns", "received 2ns", "received 3ns"},
		},
		{
			"listeners hear their own timers",
			[]op{set(2), set(1), listen(0), listen(1), sleep(9)},
			[]string{"listener of 0 heard 2ns", "listener of 1 heard 1ns"},
		},
		{"two listeners, one event", []op{set(1), listen(0), listen(0), sleep(9)}, []string{"listener of 0 heard 1ns"}},
		{"never is not a negative duration", []op{sleep(1), set(never), sleep(time.Hour), receive(0), stop(0)}, []string{"received nothing", "stopped: true"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			system, fake := onReal(t, tt.script), onFake(t, tt.script)
			assert.Equal(t, system, fake)
			assert.Equal(t, tt.want, seen(fake))
		})
	}
}

// seen returns the trace without the lines that only say what was done.
func seen(trace []string) []string {
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
		events += len(seen(fake))
	}
	assert.Greater(t, events, 10*scripts, "the scripts show something")
}

func randomScript(r *rand.Rand) []op {
	// Few different spans, so that many events share an instant.
	spans := []time.Duration{-1, 0, 1, 1, 2, 3, 5, 8, never}
	sleeps := []time.Duration{0, 1, 1, 2, 3, 5}
	script := []op{set(spans[r.IntN(len(spans))])}
	timers := 1
	for range 10 + r.IntN(40) {
		switch r.IntN(6) {
		case 0, 1:
			script = append(script, set(spans[r.IntN(len(spans))]))
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

// steps is code as the library has it: it makes a timer, waits for it, and makes
// the next.
func steps(c clock.Clock, n int, d time.Duration, at func(time.Time)) {
	for range n {
		at(<-c.NewTimer(d).C())
	}
}

// A goroutine that sets one timer after the other cannot run while Advance
// does: AdvanceToNext shows it time as it really passes, Advance a machine that
// was too busy to run it.
func TestConformance_TimerAfterTimer(t *testing.T) {
	record := func(c clock.Clock, pass func()) (trace []time.Duration) {
		start := c.Now()
		go steps(c, 3, time.Second, func(at time.Time) { trace = append(trace, at.Sub(start)) })
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
		assert.Equal(t, want, got, "each is set when the Advance before is over")
	})
}

// BlockUntil and Advance alone, without a bubble, step a goroutine through its
// waits: nothing is missed and nothing depends on the scheduler.
func TestFake_BlockUntilStepsAGoroutine(t *testing.T) {
	f := clock.NewFake(time.Unix(0, 0))
	heard := make(chan time.Time)
	go steps(f, 100, time.Second, func(at time.Time) { heard <- at })
	for i := range int64(100) {
		require.NoError(t, f.BlockUntil(t.Context(), 1))
		f.Advance(time.Second)
		require.Equal(t, time.Unix(i+1, 0), <-heard)
	}
}

func TestReal_NowCarriesAMonotonicReading(t *testing.T) {
	assert.Contains(t, clock.Real{}.Now().String(), " m=")
}
