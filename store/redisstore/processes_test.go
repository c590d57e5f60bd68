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
	"github.com/agsauth/agsauth/internal/fleet"
	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
	"github.com/agsauth/agsauth/tokensource"
)

// durable has a server keep what it has answered for, whatever happens to it.
var durable = []string{"--appendonly", "yes", "--appendfsync", "always"}

func TestProcesses_SixShareASession(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	for i, y := range fleet.Share(t, placeAt(server).String(), 6, 20) {
		t.Logf("process %d: %d calls, the slowest took %v", i, y.Calls, y.Slowest)
	}
}

func TestProcesses_SignOutEndsTheSessionInAll(t *testing.T) {
	t.Run("when the access token dies", func(t *testing.T) {
		t.Parallel()
		fleet.SignOutEndsAll(t, placeAt(redistest.Start(t)).String(), false)
	})
	t.Run("at once where the API rejects", func(t *testing.T) {
		t.Parallel()
		fleet.SignOutEndsAll(t, placeAt(redistest.Start(t)).String(), true)
	})
}

// scene is a gateway, a Redis, and what is to be said of the two.
type scene struct {
	server *redistest.Server
	srv    *agstest.Server
	place  place
}

func newScene(t *testing.T, cfg agstest.Config, options ...string) *scene {
	t.Helper()
	server := redistest.Start(t, options...)
	return &scene{server: server, srv: fleet.NewServer(t, cfg), place: placeAt(server)}
}

func (s *scene) start(t *testing.T, spec fleet.Spec) *fleet.Process {
	t.Helper()
	spec.Gateway, spec.Store = s.srv.URL, s.place.String()
	return fleet.Start(t, spec)
}

// generation returns that of what is stored, 0 if nothing is.
func (s *scene) generation(t *testing.T) int64 {
	t.Helper()
	store, err := openPlace(s.place.String())
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

// awaitRefresh waits until the gateway has been asked for so many refreshes.
func (s *scene) awaitRefresh(t *testing.T, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, s.srv.Wait(ctx, agstest.Refresh, n))
}

// wantOneSession asserts that there was one sign-on and that its session lives.
func (s *scene) wantOneSession(t *testing.T) {
	t.Helper()
	stats := s.srv.Stats()
	assert.Equal(t, agstest.Stats{Sessions: 1, LiveSessions: 1, Devices: 1, Refreshes: stats.Refreshes}, stats)
}

func wantNoFailure(t *testing.T, p *fleet.Process) {
	t.Helper()
	y := p.Tally(t)
	assert.Empty(t, y.Failures)
	assert.Zero(t, y.Failed)
	assert.Positive(t, y.Calls)
}

// The server is killed and comes back while the session is in use: nobody notices,
// and everything is as it was.
func TestProcesses_RedisKilledAndRestarted(t *testing.T) {
	t.Parallel()
	s := newScene(t, agstest.Config{}, durable...)
	var all []*fleet.Process
	for _, name := range []string{"one", "two", "three"} {
		p := s.start(t, fleet.Spec{Name: name, Login: true})
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
		wantNoFailure(t, p)
		p.Close(t)
	}
	s.wantOneSession(t)
	assert.Positive(t, s.generation(t))
}

// The server forgets everything once all have the current pair: they go on, one
// of them stores the session again, and nobody signs on. Where refresh tokens are
// good more than once it may even forget while some have an older pair; where they
// are not, one of those may come first and present a spent token.
func TestProcesses_RedisFlushed(t *testing.T) {
	for name, reusable := range map[string]bool{"tokens good once": false, "reusable tokens": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, agstest.Config{ReusableRefreshTokens: reusable})
			var all []*fleet.Process
			for _, name := range []string{"one", "two", "three"} {
				all = append(all, s.start(t, fleet.Spec{Name: name, Login: true}))
			}
			for _, p := range all {
				require.True(t, p.Ask(t).OK())
			}
			require.Zero(t, s.srv.Count(agstest.Refresh), "all have the first pair")
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
				wantNoFailure(t, p)
				p.Close(t)
			}
			assert.Equal(t, 1, s.srv.Count(agstest.SignOn))
			s.wantOneSession(t)
			assert.Positive(t, s.generation(t), "it is stored again")
		})
	}
}

// The server is away when the processes start. One that has a token of its own
// works with it, and one that could sign on does not: the session may be in the
// store. Once that is there both have the one session.
func TestProcesses_RedisAwayAtTheStart(t *testing.T) {
	t.Parallel()
	s := newScene(t, agstest.Config{})
	s.server.Kill()
	without := s.start(t, fleet.Spec{Name: "without a token", Login: true, StoreTimeout: 500 * time.Millisecond})
	carrier := s.start(t, fleet.Spec{Name: "with a token", Carry: true, StoreTimeout: 500 * time.Millisecond})
	a := carrier.Ask(t)
	require.True(t, a.OK(), "%+v", a)
	a = without.Ask(t)
	require.NotEmpty(t, a.Failure)
	require.Zero(t, a.Reason)
	require.Equal(t, 1, s.srv.Count(agstest.SignOn), "the carrier's own")

	carrier.Traffic(t, 1)
	s.server.Restart()
	carrier.Await(t, tokensource.EventRefreshed)
	without.Traffic(t, 1)
	without.Await(t, tokensource.EventAdopted)
	without.Tally(t) // the first calls may have failed
	a = without.Ask(t)
	assert.True(t, a.OK(), "%+v", a)
	wantNoFailure(t, carrier)
	s.wantOneSession(t)
}

// slowLease is one that can be waited for.
const slowLease = 600 * time.Millisecond
