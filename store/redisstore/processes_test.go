package redisstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/internal/multiproc"
	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
	"github.com/agsauth/agsauth/tokensource"
)

// persistent are the options of a server that loses no acknowledged writes.
var persistent = []string{"--appendonly", "yes", "--appendfsync", "always"}

func TestProcesses_SixShareASession(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	for i, y := range multiproc.Share(t, addressOf(server).String(), 6, 20) {
		t.Logf("process %d: %d calls, the slowest took %v", i, y.Calls, y.Slowest)
	}
}

func TestProcesses_SignOutEndsTheSessionInAll(t *testing.T) {
	t.Run("when the access token expires", func(t *testing.T) {
		t.Parallel()
		multiproc.SignOutEndsAll(t, addressOf(redistest.Start(t)).String(), false)
	})
	t.Run("at once if the API rejects it", func(t *testing.T) {
		t.Parallel()
		multiproc.SignOutEndsAll(t, addressOf(redistest.Start(t)).String(), true)
	})
}

// testEnv is a gateway and a Redis server.
type testEnv struct {
	server       *redistest.Server
	srv          *agstest.Server
	storeAddress storeAddress
}

func newTestEnv(t *testing.T, cfg agstest.Config, options ...string) *testEnv {
	t.Helper()
	server := redistest.Start(t, options...)
	return &testEnv{server: server, srv: multiproc.NewServer(t, cfg), storeAddress: addressOf(server)}
}

func (s *testEnv) start(t *testing.T, spec multiproc.Spec) *multiproc.Process {
	t.Helper()
	spec.Gateway, spec.Store = s.srv.URL, s.storeAddress.String()
	return multiproc.Start(t, spec)
}

// generation returns the generation of the stored record, 0 for nothing.
func (s *testEnv) generation(t *testing.T) int64 {
	t.Helper()
	store, err := openStore(s.storeAddress.String())
	require.NoError(t, err)
	data, err := store.Load(t.Context())
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	require.NoError(t, err)
	var record struct{ Generation int64 }
	require.NoError(t, json.Unmarshal(data, &record))
	return record.Generation
}

// awaitRefresh waits until the gateway has received n refreshes.
func (s *testEnv) awaitRefresh(t *testing.T, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, s.srv.Wait(ctx, agstest.Refresh, n))
}

// assertOneSession asserts that there was one login and that its session is active.
func (s *testEnv) assertOneSession(t *testing.T) {
	t.Helper()
	stats := s.srv.Stats()
	assert.Equal(t, agstest.Stats{Sessions: 1, LiveSessions: 1, Devices: 1, Refreshes: stats.Refreshes}, stats)
}

func assertNoFailure(t *testing.T, p *multiproc.Process) {
	t.Helper()
	y := p.Tally(t)
	assert.Empty(t, y.Failures)
	assert.Zero(t, y.Failed)
	assert.Positive(t, y.Calls)
}

// Restarts of a persistent server during use cause no failures.
func TestProcesses_RedisKilledAndRestarted(t *testing.T) {
	t.Parallel()
	s := newTestEnv(t, agstest.Config{}, persistent...)
	var all []*multiproc.Process
	for _, name := range []string{"one", "two", "three"} {
		p := s.start(t, multiproc.Spec{Name: name, Login: true})
		p.Traffic(t, 2)
		all = append(all, p)
	}
	for range 5 {
		all[0].Ask(t)
		s.server.Kill()
		s.server.Restart()
		s.awaitRefresh(t, s.srv.Count(agstest.Refresh)+1)
	}
	for _, p := range all {
		assertNoFailure(t, p)
		p.Close(t)
	}
	s.assertOneSession(t)
	assert.Positive(t, s.generation(t))
}

// After the server loses all data while all processes have the current tokens, one of
// them saves the session again, and no process logs in. With reusable refresh tokens
// the server may also lose its data while some have older tokens; otherwise one of these
// may be first and use an old refresh token.
func TestProcesses_RedisFlushed(t *testing.T) {
	for name, reusable := range map[string]bool{"single-use tokens": false, "reusable tokens": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTestEnv(t, agstest.Config{ReusableRefreshTokens: reusable})
			var all []*multiproc.Process
			for _, name := range []string{"one", "two", "three"} {
				all = append(all, s.start(t, multiproc.Spec{Name: name, Login: true}))
			}
			for _, p := range all {
				require.True(t, p.Ask(t).OK())
			}
			require.Zero(t, s.srv.Count(agstest.Refresh), "all have the first tokens")
			s.server.Flush()
			for _, p := range all {
				p.Traffic(t, 2)
			}
			for n := range 3 {
				s.awaitRefresh(t, n+1)
				if reusable {
					s.server.Flush()
				}
			}
			for _, p := range all {
				assertNoFailure(t, p)
				p.Close(t)
			}
			assert.Equal(t, 1, s.srv.Count(agstest.SignOn))
			s.assertOneSession(t)
			assert.Positive(t, s.generation(t), "the session is saved again")
		})
	}
}

// The server is down when the processes start. A process with a token works. A process
// that could log in does not, since the session may be stored. Once the server is up,
// both use one session.
func TestProcesses_RedisDownAtStart(t *testing.T) {
	t.Parallel()
	s := newTestEnv(t, agstest.Config{})
	s.server.Kill()
	without := s.start(t, multiproc.Spec{Name: "without a token", Login: true, StoreTimeout: 500 * time.Millisecond})
	carrier := s.start(t, multiproc.Spec{Name: "with a token", Carry: true, StoreTimeout: 500 * time.Millisecond})
	a := carrier.Ask(t)
	require.True(t, a.OK(), "%+v", a)
	a = without.Ask(t)
	require.NotEmpty(t, a.Failure)
	require.Zero(t, a.Reason)
	require.Equal(t, 1, s.srv.Count(agstest.SignOn), "the login of the process with a token")

	carrier.Traffic(t, 1)
	s.server.Restart()
	carrier.Await(t, tokensource.EventRefreshed)
	without.Traffic(t, 1)
	without.Await(t, tokensource.EventAdopted)
	without.Tally(t) // the first calls may have failed
	a = without.Ask(t)
	assert.True(t, a.OK(), "%+v", a)
	assertNoFailure(t, carrier)
	s.assertOneSession(t)
}

// shortLease is a lease that expires during a test.
const shortLease = 600 * time.Millisecond
