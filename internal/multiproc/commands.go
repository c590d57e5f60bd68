package multiproc

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Ask makes the process send a request to the API, and returns its result.
func (p *Process) Ask(tb testing.TB) Answer {
	tb.Helper()
	return p.Asking(tb)()
}

// Asking begins what Ask does, and returns a function that waits for the result.
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

// Traffic starts callers that send requests to the API until [Process.Tally].
func (p *Process) Traffic(tb testing.TB, callers int) {
	tb.Helper()
	p.call(tb, command{Do: doTraffic, N: callers}, nil)
}

// Tally stops the callers of [Process.Traffic] and returns a summary.
func (p *Process) Tally(tb testing.TB) Tally {
	tb.Helper()
	var t Tally
	p.call(tb, command{Do: doTally}, &t)
	return t
}

// SignOn makes the process sign on with its stored device identity, and pass the token
// to SetToken.
func (p *Process) SignOn(tb testing.TB) {
	tb.Helper()
	p.call(tb, command{Do: doSignOn}, nil)
}

// SignOut makes the process sign out.
func (p *Process) SignOut(tb testing.TB) {
	tb.Helper()
	p.call(tb, command{Do: doSignOut}, nil)
}

// SigningOut begins what SignOut does, and returns a function that waits for the end
// and returns the error.
func (p *Process) SigningOut(tb testing.TB) func() error {
	tb.Helper()
	w := p.send(tb, command{Do: doSignOut}, nil)
	return func() error {
		tb.Helper()
		return w.wait(tb)
	}
}

// LimitFiles limits the size of files that the process may write, in bytes, as a full
// disk does. A negative size removes the limit.
func (p *Process) LimitFiles(tb testing.TB, size int) {
	tb.Helper()
	p.call(tb, command{Do: doLimit, N: size}, nil)
}

// GoOn lets a process with [Spec].Linger return from Lock.
func (p *Process) GoOn(tb testing.TB) {
	tb.Helper()
	p.call(tb, command{Do: doGoOn}, nil)
}

// Close closes the source, and waits until the process has ended.
func (p *Process) Close(tb testing.TB) {
	tb.Helper()
	p.call(tb, command{Do: doClose}, nil)
	require.NoError(tb, p.in.Close())
	<-p.gone
	require.NoError(tb, p.cmd.Wait(), p.spec.Name)
}
