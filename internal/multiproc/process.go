package multiproc

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/tokensource"
)

// specVariable is the environment variable that makes this binary a process of a
// multiproc.
const specVariable = "AGSAUTH_FLEET_SPEC"

// patience bounds each wait for a process: what takes longer will not come.
const patience = time.Minute

// Process is a process of a fleet, as its test sees it. A method that cannot do
// what it is for fails the test at once.
type Process struct {
	spec Spec
	cmd  *exec.Cmd
	in   io.WriteCloser
	gone chan struct{} // closed when the process has said all that it ever will

	mu      sync.Mutex // guards all below
	serial  int
	calls   map[int]chan line
	notices []Notice
	locked  int
	ended   *Answer
	changed chan struct{} // closed, and replaced, when there is something new in the three above
}

// OptInVariable names the environment variable that enables the tests that need
// real processes and wall time. Where it is "1" [OptIn] skips no test.
const OptInVariable = "AGSAUTH_PROCESSES"

// OptIn skips the test unless [OptInVariable] is "1". Call it in a test whose outcome
// depends on how much time a real clock gives it, and that a slow machine may fail.
func OptIn(tb testing.TB) {
	tb.Helper()
	if os.Getenv(OptInVariable) != "1" {
		tb.Skip("needs real processes or wall time: run .ci/run processes, or set " + OptInVariable + "=1")
	}
}

// Start starts a process, which is killed at the end of the test if it has not
// ended by itself. It returns when the process has its source. The test is skipped
// as by [OptIn].
func Start(tb testing.TB, spec Spec) *Process {
	tb.Helper()
	OptIn(tb)
	self, err := os.Executable()
	require.NoError(tb, err)
	told, err := json.Marshal(spec)
	require.NoError(tb, err)
	p := &Process{spec: spec, gone: make(chan struct{}), calls: map[int]chan line{}, changed: make(chan struct{})}
	p.cmd = exec.CommandContext(tb.Context(), self, "-test.run=^$")
	// The race detector lets a process linger for a second when it ends.
	p.cmd.Env = append(os.Environ(), specVariable+"="+string(told), "GORACE=atexit_sleep_ms=0")
	var stderr bytes.Buffer
	p.cmd.Stderr = &stderr
	p.in, err = p.cmd.StdinPipe()
	require.NoError(tb, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(tb, err)
	require.NoError(tb, p.cmd.Start())
	go p.hear(out)
	tb.Cleanup(func() {
		p.Kill(tb)
		if tb.Failed() && stderr.Len() > 0 {
			tb.Logf("%s: %s", spec.Name, &stderr)
		}
	})
	p.call(tb, command{}, nil) // answered once the source is made
	return p
}

// hear takes what the process says, until it says no more.
func (p *Process) hear(out io.Reader) {
	defer close(p.gone)
	for in := json.NewDecoder(out); ; {
		var l line
		if in.Decode(&l) != nil {
			return
		}
		p.take(l)
	}
}

func (p *Process) take(l line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if answer := p.calls[l.Serial]; answer != nil {
		delete(p.calls, l.Serial)
		answer <- l
		return
	}
	switch {
	case l.Notice != nil:
		p.notices = append(p.notices, *l.Notice)
	case l.Locked:
		p.locked++
	case l.Ended != nil:
		p.ended = l.Ended
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// A promise is what a process will answer to a command.
type promise struct {
	p      *Process
	answer <-chan line
	result any
}

// send gives a command, whose result will be in result.
func (p *Process) send(tb testing.TB, c command, result any) promise {
	tb.Helper()
	answer := make(chan line, 1)
	p.mu.Lock()
	p.serial++
	c.Serial = p.serial
	p.calls[c.Serial] = answer
	p.mu.Unlock()
	require.NoError(tb, json.NewEncoder(p.in).Encode(c))
	return promise{p, answer, result}
}

// wait waits for the answer. The error is what the process says of how it went.
func (w promise) wait(tb testing.TB) error {
	tb.Helper()
	select {
	case l := <-w.answer:
		if l.Failure != "" {
			return errors.New(l.Failure)
		}
		if w.result != nil {
			require.NoError(tb, json.Unmarshal(l.Result, w.result))
		}
		return nil
	case <-w.p.gone:
		require.FailNow(tb, "the process has ended", w.p.spec.Name)
	case <-time.After(patience):
		require.FailNow(tb, "no answer from the process", w.p.spec.Name)
	}
	return nil
}

func (p *Process) call(tb testing.TB, c command, result any) {
	tb.Helper()
	require.NoError(tb, p.send(tb, c, result).wait(tb), "%s: %s", p.spec.Name, c.Do)
}

// Ask has the process send a request to the API.
func (p *Process) Ask(tb testing.TB) Answer {
	tb.Helper()
	return p.Asking(tb)()
}

// Asking begins what Ask does. The function that it returns waits for the answer.
func (p *Process) Asking(tb testing.TB) func() Answer {
	tb.Helper()
	var a Answer
	w := p.send(tb, command{Do: doAsk}, &a)
	return func() Answer {
		tb.Helper()
		require.NoError(tb, w.wait(tb))
		return a
	}
}

// Traffic has so many callers ask the API without a pause to speak of, until
// Tally.
func (p *Process) Traffic(tb testing.TB, callers int) {
	tb.Helper()
	p.call(tb, command{Do: doTraffic, N: callers}, nil)
}

// Tally ends the traffic and returns what has come of it.
func (p *Process) Tally(tb testing.TB) Tally {
	tb.Helper()
	var t Tally
	p.call(tb, command{Do: doTally}, &t)
	return t
}

// SignOn has the process sign on, as the device that it is, and hand the token to
// its source.
func (p *Process) SignOn(tb testing.TB) {
	tb.Helper()
	p.call(tb, command{Do: doSignOn}, nil)
}

// SignOut has the process sign out.
func (p *Process) SignOut(tb testing.TB) {
	tb.Helper()
	p.call(tb, command{Do: doSignOut}, nil)
}

// Sync has the process's source look into the store, and returns its error.
func (p *Process) Sync(tb testing.TB) error {
	tb.Helper()
	return p.send(tb, command{Do: doSync}, nil).wait(tb)
}

// SigningOut begins what SignOut does. The function that it returns waits for its end,
// and returns its error.
func (p *Process) SigningOut(tb testing.TB) func() error {
	tb.Helper()
	w := p.send(tb, command{Do: doSignOut}, nil)
	return func() error {
		tb.Helper()
		return w.wait(tb)
	}
}

// LimitFiles lets the process write files of no more than so many bytes, as on a
// disk that is full; with a negative number it lifts that.
func (p *Process) LimitFiles(tb testing.TB, size int) {
	tb.Helper()
	p.call(tb, command{Do: doLimit, N: size}, nil)
}

// GoOn has a process that lingers in its Lock go on.
func (p *Process) GoOn(tb testing.TB) {
	tb.Helper()
	p.call(tb, command{Do: doGoOn}, nil)
}

// Close has the process close its source and end, and waits until it has.
func (p *Process) Close(tb testing.TB) {
	tb.Helper()
	p.call(tb, command{Do: doClose}, nil)
	require.NoError(tb, p.in.Close())
	<-p.gone
	require.NoError(tb, p.cmd.Wait(), p.spec.Name)
}

// Signal sends a signal to the process.
func (p *Process) Signal(tb testing.TB, signal os.Signal) {
	tb.Helper()
	require.NoError(tb, p.cmd.Process.Signal(signal))
}

// Kill kills the process, if it has not ended yet, and waits until it has.
func (p *Process) Kill(tb testing.TB) {
	tb.Helper()
	if err := p.cmd.Process.Kill(); errors.Is(err, os.ErrProcessDone) {
		return
	} else if !assert.NoError(tb, err) {
		return
	}
	<-p.gone
	_ = p.cmd.Wait() // it says that it was killed
}

// Await waits until the source has announced something of this kind that no Await
// has returned before, and returns it.
func (p *Process) Await(tb testing.TB, kind tokensource.Kind) Notice {
	tb.Helper()
	var found Notice
	p.until(tb, kind.String(), func() bool {
		for i, n := range p.notices {
			if n.Kind == kind {
				found = n
				p.notices = p.notices[i+1:]
				return true
			}
		}
		return false
	})
	return found
}

// Notices returns what the source has announced and no Await has returned.
func (p *Process) Notices() []Notice {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Notice(nil), p.notices...)
}

// AwaitLock waits until the process lingers in its Lock.
func (p *Process) AwaitLock(tb testing.TB) {
	tb.Helper()
	p.until(tb, "the lock", func() bool {
		if p.locked == 0 {
			return false
		}
		p.locked--
		return true
	})
}

// Ended waits for the end of a spender: a process that spends one refresh token
// after the other, as fast as it can, on a clock of its own that jumps from one
// expiry to the next. It ends when it is killed, or when its source gives it no
// token, and then Ended returns what it was told instead.
func (p *Process) Ended(tb testing.TB) Answer {
	tb.Helper()
	p.until(tb, "the end", func() bool { return p.ended != nil })
	return *p.ended
}

// EndsWithin is Ended that waits no longer than for d, and then returns false.
func (p *Process) EndsWithin(d time.Duration) (Answer, bool) {
	for limit := time.After(d); ; {
		p.mu.Lock()
		ended, changed := p.ended, p.changed
		p.mu.Unlock()
		if ended != nil {
			return *ended, true
		}
		select {
		case <-changed:
		case <-limit:
			return Answer{}, false
		}
	}
}

// until waits until done, which is called with mu held, returns true.
func (p *Process) until(tb testing.TB, what string, done func() bool) {
	tb.Helper()
	deadline := time.After(patience)
	for {
		p.mu.Lock()
		ok, changed := done(), p.changed
		p.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-p.gone:
			require.FailNow(tb, "the process has ended before "+what, p.spec.Name)
		case <-deadline:
			notices := p.Notices()
			require.FailNow(tb, "the process waits in vain for "+what, "%s: %+v", p.spec.Name, notices[max(0, len(notices)-5):])
		}
	}
}
