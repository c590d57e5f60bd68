//go:build unix

package redisstore_test

import (
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/internal/multiproc"
	"github.com/agsauth/agsauth/tokensource"
)

// takeOver suspends a process, waits until another one has refreshed the session, and
// returns the stored generation.
func (s *testEnv) takeOver(t *testing.T, suspended, other *multiproc.Process) int64 {
	t.Helper()
	suspended.Signal(t, syscall.SIGSTOP)
	other.Traffic(t, 2)
	other.Await(t, tokensource.EventRefreshed)
	assertNoFailure(t, other)
	return s.generation(t)
}

// resume resumes the process, and asserts that it adopts the stored session.
func (s *testEnv) resume(t *testing.T, suspended *multiproc.Process, stored int64) {
	t.Helper()
	suspended.Signal(t, syscall.SIGCONT)
	suspended.Await(t, tokensource.EventAdopted)
	assert.GreaterOrEqual(t, s.generation(t), stored)
}

// The holder of the lock is suspended before it calls the gateway, for longer than the
// lease.
func TestProcesses_SuspendedHolderAdopts(t *testing.T) {
	t.Parallel()
	s := newTestEnv(t, agstest.Config{})
	s.storeAddress.Lease = shortLease
	other := s.start(t, multiproc.Spec{Name: "other"})
	other.SignOn(t)
	suspended := s.start(t, multiproc.Spec{Name: "suspended", Linger: true})
	suspended.Traffic(t, 1)
	suspended.AwaitLock(t)

	stored := s.takeOver(t, suspended, other)
	suspended.Signal(t, syscall.SIGCONT)
	suspended.GoOn(t)
	s.resume(t, suspended, stored)
	assert.Contains(t, suspended.Await(t, tokensource.EventStoreFailed).Failure, "lease was lost")
	s.assertOneSession(t)
}

// The holder of the lock is suspended during a refresh. With reusable refresh tokens its
// result is not saved over the newer session. With refresh tokens that can be used once,
// a lease cannot prevent the double use.
func TestProcesses_SuspendedHolderOverwritesNothing(t *testing.T) {
	t.Parallel()
	s := newTestEnv(t, agstest.Config{ReusableRefreshTokens: true})
	s.storeAddress.Lease = shortLease
	release := make(chan struct{})
	releaseOnce := sync.OnceFunc(func() { close(release) })
	t.Cleanup(releaseOnce)
	s.srv.AlwaysFunc(agstest.Refresh, func(rq agstest.Request) agstest.Fault {
		if rq.Header.Get(multiproc.NameHeader) == "suspended" {
			<-release
		}
		return agstest.Fault{}
	})
	other := s.start(t, multiproc.Spec{Name: "other"})
	other.SignOn(t)
	suspended := s.start(t, multiproc.Spec{Name: "suspended"})
	suspended.Traffic(t, 1)
	s.awaitRefresh(t, 1)

	stored := s.takeOver(t, suspended, other)
	releaseOnce()
	s.resume(t, suspended, stored)
	a := other.Ask(t)
	assert.True(t, a.OK(), "%+v", a)
	s.assertOneSession(t)
}
