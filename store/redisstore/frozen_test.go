//go:build unix

package redisstore_test

import (
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/internal/fleet"
	"github.com/agsauth/agsauth/tokensource"
)

// takenOver has another process take over from one that is frozen, and returns the
// generation that this has stored.
func (s *scene) takenOver(t *testing.T, frozen, other *fleet.Process) int64 {
	t.Helper()
	frozen.Signal(t, syscall.SIGSTOP)
	other.Traffic(t, 2)
	other.Await(t, tokensource.EventRefreshed)
	wantNoFailure(t, other)
	return s.generation(t)
}

// thawed has the frozen process go on, and asserts that it takes what it finds.
func (s *scene) thawed(t *testing.T, frozen *fleet.Process, stored int64) {
	t.Helper()
	frozen.Signal(t, syscall.SIGCONT)
	frozen.Await(t, tokensource.EventAdopted)
	assert.GreaterOrEqual(t, s.generation(t), stored)
}

// A process is frozen with the lease in its hands, before it has asked the
// gateway for anything, for longer than the lease lasts.
func TestProcesses_FrozenHolderAdopts(t *testing.T) {
	t.Parallel()
	s := newScene(t, agstest.Config{})
	s.place.Lease = slowLease
	other := s.start(t, fleet.Spec{Name: "other"})
	other.SignOn(t)
	frozen := s.start(t, fleet.Spec{Name: "frozen", Linger: true})
	frozen.Traffic(t, 1)
	frozen.AwaitLock(t)

	stored := s.takenOver(t, frozen, other)
	frozen.Signal(t, syscall.SIGCONT)
	frozen.GoOn(t)
	s.thawed(t, frozen, stored)
	assert.Contains(t, frozen.Await(t, tokensource.EventStoreFailed).Failure, "lease was lost")
	s.wantOneSession(t)
}

// A process is frozen while the gateway is at its refresh. Where a refresh token
// is good more than once that costs nothing: what it brings home in the end is not
// saved over what others have stored. Where it is good once, this is what a lease
// cannot do.
func TestProcesses_FrozenHolderOverwritesNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t, agstest.Config{ReusableRefreshTokens: true})
	s.place.Lease = slowLease
	release := make(chan struct{})
	let := sync.OnceFunc(func() { close(release) })
	t.Cleanup(let)
	s.srv.AlwaysFunc(agstest.Refresh, func(rq agstest.Request) agstest.Fault {
		if rq.Header.Get(fleet.NameHeader) == "frozen" {
			<-release
		}
		return agstest.Fault{}
	})
	other := s.start(t, fleet.Spec{Name: "other"})
	other.SignOn(t)
	frozen := s.start(t, fleet.Spec{Name: "frozen"})
	frozen.Traffic(t, 1)
	s.awaitRefresh(t, 1)

	stored := s.takenOver(t, frozen, other)
	let()
	s.thawed(t, frozen, stored)
	a := other.Ask(t)
	assert.True(t, a.OK(), "%+v", a)
	s.wantOneSession(t)
}
