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
	// signingOut is how the process that signs out calls itself.
	signingOut = "signing out"
	// answerAfter is when the gateway answers a sign-out at the latest. The neighbour
	// may have to wait for it.
	answerAfter = 3 * time.Second
)

// newPair returns a scene with two processes on one session, either of which can sign
// on. The API rejects the tokens of a session that has ended.
func newPair(t *testing.T) (s *scene, one, two *multiproc.Process) {
	t.Helper()
	s = &scene{path: recordPath(t), srv: multiproc.NewServer(t, agstest.Config{AccessEndsWithSession: true})}
	one = s.start(t, multiproc.Spec{Name: signingOut, Login: true})
	two = s.start(t, multiproc.Spec{Name: "neighbour", Login: true})
	for _, p := range []*multiproc.Process{one, two} {
		a := p.Ask(t)
		require.True(t, a.OK(), "%+v", a)
	}
	require.Equal(t, 1, s.srv.Count(agstest.SignOn))
	return s, one, two
}

// wantSignedOut asserts that no session lives at the gateway, and that none was begun
// after the first: neither by these processes nor by one that starts now.
func (s *scene) wantSignedOut(t *testing.T, all ...*multiproc.Process) {
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

// A process signs out, and its neighbour is rejected by the API before the first has
// the gateway's answer. The neighbour's Login does not undo the sign-out.
func TestFile_SignOutIsNotUndoneByANeighboursLogin(t *testing.T) {
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

// A process is killed while the gateway has not answered its sign-out. The intention
// is stored: whoever comes next takes the session for ended, and tells the gateway.
func TestFile_KilledWhileItSignsOut(t *testing.T) {
	t.Parallel()
	s, one, two := newPair(t)
	s.srv.AlwaysFunc(agstest.SignOut, func(rq agstest.Request) agstest.Fault {
		if rq.Header.Get(multiproc.NameHeader) == signingOut {
			return agstest.Fault{Delay: time.Hour} // it is not even heard
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

// awaitCalls waits until the gateway has been called so often.
func (s *scene) awaitCalls(t *testing.T, op agstest.Op, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, s.srv.Wait(ctx, op, n))
}
