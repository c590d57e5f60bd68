//go:build unix

package multiproc_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/internal/multiproc"
	"github.com/agsauth/agsauth/tokensource"
)

const (
	// signingOut is the name of the process that signs out.
	signingOut = "signing out"
	// answerAfter is the time after which the gateway answers a sign-out at the
	// latest, since the peer may have to wait for it.
	answerAfter = 3 * time.Second
)

// newPair returns a fixture with two processes that share a session and can sign on.
// The API rejects the tokens of an ended session.
func newPair(t *testing.T) (s *fixture, one, two *multiproc.Process) {
	t.Helper()
	s = &fixture{path: recordPath(t), srv: multiproc.NewServer(t, agstest.Config{AccessEndsWithSession: true})}
	one = s.start(t, multiproc.Spec{Name: signingOut, Login: true})
	two = s.start(t, multiproc.Spec{Name: "peer", Login: true})
	for _, p := range []*multiproc.Process{one, two} {
		a := p.Ask(t)
		require.True(t, a.OK(), "%+v", a)
	}
	require.Equal(t, 1, s.srv.Count(agstest.SignOn))
	return s, one, two
}

// wantSignedOut asserts that the gateway has no live session, and that neither these
// processes nor a new one have signed on again.
func (s *fixture) wantSignedOut(t *testing.T, all ...*multiproc.Process) {
	t.Helper()
	all = append(all, s.start(t, multiproc.Spec{Name: "next", Login: true}))
	for _, p := range all {
		a := p.Ask(t)
		assert.Equal(t, tokensource.SignedOut, a.Reason, "%+v", a)
	}
	for _, p := range all {
		p.Close(t)
	}
	stats := s.srv.Stats()
	assert.Zero(t, stats.LiveSessions)
	assert.Equal(t, 1, stats.Sessions)
	assert.Equal(t, 1, s.srv.Count(agstest.SignOn))
}

// The API rejects a peer's request while a sign-out is in progress. The peer's Login
// must not undo the sign-out.
func TestFile_SignOutIsNotUndoneByAPeersLogin(t *testing.T) {
	for n := range 10 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			s, one, two := newPair(t)
			done, release := make(chan struct{}), make(chan struct{})
			s.srv.Script(agstest.SignOut, agstest.Fault{Edit: func(map[string]any) {
				close(done)
				select {
				case <-release:
				case <-time.After(answerAfter):
				}
			}})
			signedOut := one.SigningOut(t)
			<-done
			a := two.Ask(t)
			close(release)
			assert.False(t, a.OK(), "the API's rejection, or the end of the session: %+v", a)
			require.NoError(t, signedOut())
			s.wantSignedOut(t, one, two)
		})
	}
}

// A process is killed while its sign-out is in progress. The intention is stored: the
// next process reports the end of the session and signs out at the gateway.
func TestFile_KilledWhileItSignsOut(t *testing.T) {
	t.Parallel()
	s, one, two := newPair(t)
	s.srv.AlwaysFunc(agstest.SignOut, func(rq agstest.Request) agstest.Fault {
		if rq.Header.Get(multiproc.NameHeader) == signingOut {
			return agstest.Fault{Delay: time.Hour} // the gateway does not act on it
		}
		return agstest.Fault{}
	})
	one.SigningOut(t)
	s.awaitCalls(t, agstest.SignOut, 1)
	one.Kill(t)

	two.Traffic(t, 1)
	ended := two.Await(t, tokensource.EventEnded)
	assert.Equal(t, tokensource.SignedOut, ended.Reason)
	two.Tally(t)
	s.awaitCalls(t, agstest.SignOut, 2)
	s.wantSignedOut(t, two)
}

// awaitCalls waits until the gateway has received n requests.
func (s *fixture) awaitCalls(t *testing.T, op agstest.Op, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, s.srv.Wait(ctx, op, n))
}
