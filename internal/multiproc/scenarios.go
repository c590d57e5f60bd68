package multiproc

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
)

// The scenarios here must hold for every store. The tests of each store run them.

// lifetime is the lifetime of access tokens: short, but long enough for a busy
// machine.
const lifetime = 3 * time.Second

// earliestRefresh is the age at which a token is refreshed at the earliest: at half of
// its lifetime, less the random part of the margin.
const earliestRefresh = lifetime - lifetime/2 - lifetime/10

// startAll starts n processes that share a store. The first one signs on.
func startAll(tb testing.TB, srv *agstest.Server, where string, n int) []*Process {
	tb.Helper()
	var all []*Process
	for i := range n {
		p := Start(tb, Spec{Name: fmt.Sprint("process ", i), Gateway: srv.URL, Store: where})
		if i == 0 {
			p.SignOn(tb)
		}
		all = append(all, p)
	}
	return all
}

// NewServer returns a gateway with an access token lifetime of three seconds, and
// claims in milliseconds, since whole seconds are too coarse for it.
func NewServer(tb testing.TB, cfg agstest.Config) *agstest.Server {
	tb.Helper()
	cfg.AccessLifetime, cfg.Quirks.MillisecondClaims = lifetime, true
	srv := agstest.NewServer(cfg)
	tb.Cleanup(srv.Close)
	return srv
}

// Share lets processes share a session for a number of token lifetimes, with
// single-use refresh tokens and a gateway that ends a session when a refresh token is
// presented twice. It returns the summary of each process.
func Share(t *testing.T, where string, processes, lifetimes int) []Tally {
	t.Helper()
	srv := NewServer(t, agstest.Config{})
	all := startAll(t, srv, where, processes)
	started := time.Now()
	for _, p := range all {
		p.Traffic(t, 2)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(lifetimes)*lifetime*3/2)
	defer cancel()
	require.NoError(t, srv.Wait(ctx, agstest.Refresh, lifetimes))
	took := time.Since(started)
	var tallies []Tally
	for _, p := range all {
		tally := p.Tally(t)
		assert.Empty(t, tally.Failures)
		assert.Zero(t, tally.Failed)
		assert.GreaterOrEqual(t, len(tally.Generations), lifetimes/2, "it took part to the end")
		tallies = append(tallies, tally)
	}
	for _, p := range all {
		p.Close(t)
	}
	stats := srv.Stats()
	assert.Equal(t, agstest.Stats{Sessions: 1, LiveSessions: 1, Devices: 1, Refreshes: stats.Refreshes}, stats)
	assert.Equal(t, srv.Count(agstest.Refresh), stats.Refreshes, "none was refused")
	assert.Equal(t, 1, srv.MaxInFlight(agstest.Refresh))
	assert.Equal(t, 1, srv.Count(agstest.SignOn))
	assert.LessOrEqual(t, lifetimes, int(took/earliestRefresh)+1, "one a lifetime")
	return tallies
}

// SignOutEndsAll shows that a sign-out in one process ends the session in all: within
// a token lifetime, or at once if the API rejects the tokens. A sign-on in one process
// then revives the session in all.
func SignOutEndsAll(t *testing.T, where string, apiRejects bool) {
	t.Helper()
	srv := NewServer(t, agstest.Config{AccessEndsWithSession: apiRejects})
	all := startAll(t, srv, where, 3)
	for _, p := range all {
		require.True(t, p.Ask(t).OK())
	}
	out := time.Now()
	all[0].SignOut(t)
	for _, p := range all[1:] {
		if apiRejects {
			p.Ask(t)
		} else {
			p.Traffic(t, 1)
		}
		ended := p.Await(t, tokensource.EventEnded)
		assert.Equal(t, tokensource.SignedOut, ended.Reason)
		assert.Less(t, time.Since(out), lifetime)
		if !apiRejects {
			p.Tally(t)
		}
	}
	for _, p := range all {
		assert.Equal(t, tokensource.SignedOut, p.Ask(t).Reason)
	}
	assert.Zero(t, srv.Stats().LiveSessions)
	assert.Equal(t, 1, srv.Count(agstest.SignOn))

	all[1].SignOn(t)
	in := time.Now()
	for _, p := range []*Process{all[0], all[2]} {
		awaitRevival(t, p)
		assert.Less(t, time.Since(in), 2*time.Second)
	}
	stats := srv.Stats()
	assert.Equal(t, 1, stats.Devices, "it is the same device")
	assert.Zero(t, stats.Reuses)
	for _, p := range all {
		p.Close(t)
	}
}

// awaitRevival calls the API until the process has a session again. The source looks
// into the store once a second at most.
func awaitRevival(t *testing.T, p *Process) {
	t.Helper()
	p.Traffic(t, 1)
	p.Await(t, tokensource.EventAdopted)
	p.Tally(t)
	a := p.Ask(t)
	require.True(t, a.OK(), "%+v", a)
}
