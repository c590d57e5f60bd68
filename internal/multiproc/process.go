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

// specVariable is the environment variable that makes this binary a child process.
const specVariable = "AGSAUTH_MULTIPROC_SPEC"

// waitTimeout limits each wait for a process.
const waitTimeout = time.Minute

// Process is a child process. A method that fails ends the test at once.
type Process struct {
	spec Spec
	cmd  *exec.Cmd
	in   io.WriteCloser
	gone chan struct{} // closed when the process has closed its standard output

	mu      sync.Mutex // guards all below
	serial  int
	calls   map[int]chan line
	notices []Notice
	locked  int
	ended   *Answer
	changed chan struct{} // closed and replaced when notices, locked or ended change
}

// OptInVariable is the environment variable that enables the tests that need real
// processes and wall time, with the value "1".
const OptInVariable = "AGSAUTH_PROCESSES"

// OptIn skips the test unless [OptInVariable] is "1". A test whose result depends on a
// real clock must call it, since a slow machine may fail the test.
func OptIn(tb testing.TB) {
	tb.Helper()
	if os.Getenv(OptInVariable) != "1" {
		tb.Skip("needs real processes or wall time: run .ci/run processes, or set " + OptInVariable + "=1")
	}
}

// Start starts a process and returns when its source exists. It kills the process at
// the end of the test. It skips the test as [OptIn] does.
func Start(tb testing.TB, spec Spec) *Process {
	tb.Helper()
	OptIn(tb)
	self, err := os.Executable()
	require.NoError(tb, err)
	encoded, err := json.Marshal(spec)
	require.NoError(tb, err)
	p := &Process{spec: spec, gone: make(chan struct{}), calls: map[int]chan line{}, changed: make(chan struct{})}
	p.cmd = exec.CommandContext(tb.Context(), self, "-test.run=^$")
	// Otherwise the race detector delays the exit by a second.
	p.cmd.Env = append(os.Environ(), specVariable+"="+string(encoded), "GORACE=atexit_sleep_ms=0")
	var stderr bytes.Buffer
	p.cmd.Stderr = &stderr
	p.in, err = p.cmd.StdinPipe()
	require.NoError(tb, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(tb, err)
	require.NoError(tb, p.cmd.Start())
	go p.readLines(out)
	tb.Cleanup(func() {
		p.Kill(tb)
		if tb.Failed() && stderr.Len() > 0 {
			tb.Logf("%s: %s", spec.Name, &stderr)
		}
	})
	p.call(tb, command{}, nil) // returns once the source exists
	return p
}

// readLines handles the output of the process until its end.
func (p *Process) readLines(out io.Reader) {
	defer close(p.gone)
	for in := json.NewDecoder(out); ; {
		var l line
		if in.Decode(&l) != nil {
			return
		}
		p.handle(l)
	}
}

func (p *Process) handle(l line) {
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

// pendingCall is a command without its result.
type pendingCall struct {
	p      *Process
	answer <-chan line
	result any
}

// send sends a command. Its result will be stored in result.
func (p *Process) send(tb testing.TB, c command, result any) pendingCall {
	tb.Helper()
	answer := make(chan line, 1)
	p.mu.Lock()
	p.serial++
	c.Serial = p.serial
	p.calls[c.Serial] = answer
	p.mu.Unlock()
	require.NoError(tb, json.NewEncoder(p.in).Encode(c))
	return pendingCall{p, answer, result}
}

// wait waits for the result of the command, and returns the error that the process
// reports.
func (w pendingCall) wait(tb testing.TB) error {
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
	case <-time.After(waitTimeout):
		require.FailNow(tb, "no answer from the process", w.p.spec.Name)
	}
	return nil
}

func (p *Process) call(tb testing.TB, c command, result any) {
	tb.Helper()
	require.NoError(tb, p.send(tb, c, result).wait(tb), "%s: %s", p.spec.Name, c.Do)
}

// Signal sends a signal to the process.
func (p *Process) Signal(tb testing.TB, signal os.Signal) {
	tb.Helper()
	require.NoError(tb, p.cmd.Process.Signal(signal))
}

// Kill kills the process, if it has not ended yet, and waits for its end.
func (p *Process) Kill(tb testing.TB) {
	tb.Helper()
	if err := p.cmd.Process.Kill(); errors.Is(err, os.ErrProcessDone) {
		return
	} else if !assert.NoError(tb, err) {
		return
	}
	<-p.gone
	_ = p.cmd.Wait() // the error says that it was killed
}

// Await waits for the next event of this kind that no earlier Await has returned.
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

// Notices returns the events that no Await has returned.
func (p *Process) Notices() []Notice {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Notice(nil), p.notices...)
}

// AwaitLock waits until a process with [Spec].Linger holds the lock.
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

// Ended waits for the end of a process with [Spec].Spend, which refreshes as fast as
// it can on a clock of its own. Such a process ends when its source returns an error,
// which Ended returns.
func (p *Process) Ended(tb testing.TB) Answer {
	tb.Helper()
	p.until(tb, "the end", func() bool { return p.ended != nil })
	return *p.ended
}

// EndsWithin waits like Ended, but for d at most, and then returns false.
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

// until waits until done returns true. It calls done with mu held.
func (p *Process) until(tb testing.TB, what string, done func() bool) {
	tb.Helper()
	deadline := time.After(waitTimeout)
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
			require.FailNow(tb, "timeout while waiting for "+what, "%s: %+v", p.spec.Name, notices[max(0, len(notices)-5):])
		}
	}
}
