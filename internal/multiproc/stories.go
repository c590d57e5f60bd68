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

// The stories are what a store has to make true, whichever it is. They are told
// of each by the tests of its package.

// lifetime is that of an access token in the stories: short, but not so short that
// a machine with more to do than run them brings home tokens that have died.
const lifetime = 3 * time.Second

// leastLife is when a token of that lifetime is refreshed at the earliest: half of
// it, and a fifth of that for the spreading, before its expiry.
const leastLife = lifetime - lifetime/2 - lifetime/10

// begin starts so many processes on one store, the first of which has signed on.
func begin(tb testing.TB, srv *agstest.Server, where string, n int) []*Process {
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

// NewServer returns a gateway whose access tokens live for three seconds. Its claims
// tell milliseconds: of tokens as short as these, whole seconds would cut off half.
func NewServer(tb testing.TB, cfg agstest.Config) *agstest.Server {
	tb.Helper()
	cfg.AccessLifetime, cfg.Quirks.MillisecondClaims = lifetime, true
	srv := agstest.NewServer(cfg)
	tb.Cleanup(srv.Close)
	return srv
}

// Share has so many processes share a session for so many lifetimes, with refresh
// tokens that are good once, and a gateway that ends a session whose refresh token
// is presented again. It returns their tallies.
func Share(t *testing.T, where string, processes, lifetimes int) []Tally {
	t.Helper()
	srv := NewServer(t, agstest.Config{})
	all := begin(t, srv, where, processes)
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
		y := p.Tally(t)
		assert.Empty(t, y.Failures)
		assert.Zero(t, y.Failed)
		assert.GreaterOrEqual(t, len(y.Generations), lifetimes/2, "it took part to the end")
		tallies = append(tallies, y)
	}
	for _, p := range all {
		p.Close(t)
	}
	stats := srv.Stats()
	assert.Equal(t, agstest.Stats{Sessions: 1, LiveSessions: 1, Devices: 1, Refreshes: stats.Refreshes}, stats)
	assert.Equal(t, srv.Count(agstest.Refresh), stats.Refreshes, "none was refused")
	assert.Equal(t, 1, srv.MaxInFlight(agstest.Refresh))
	assert.Equal(t, 1, srv.Count(agstest.SignOn))
	assert.LessOrEqual(t, lifetimes, int(took/leastLife)+1, "one a lifetime")
	return tallies
}

// SignOutEndsAll has a session end in all processes when one signs out: within a
// lifetime, or at once where the API rejects the tokens of a session that has
// ended; and has it revived in all by a login in one.
func SignOutEndsAll(t *testing.T, where string, apiRejects bool) {
	t.Helper()
	srv := NewServer(t, agstest.Config{AccessEndsWithSession: apiRejects})
	all := begin(t, srv, where, 3)
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
		revived(t, p)
		assert.Less(t, time.Since(in), 2*time.Second)
	}
	stats := srv.Stats()
	assert.Equal(t, 1, stats.Devices, "it is the same device")
	assert.Zero(t, stats.Reuses)
	for _, p := range all {
		p.Close(t)
	}
}

// revived asks until the process has a session again. It looks for one when it is
// asked, and not more often than once a second.
func revived(t *testing.T, p *Process) {
	t.Helper()
	p.Traffic(t, 1)
	p.Await(t, tokensource.EventAdopted)
	p.Tally(t)
	a := p.Ask(t)
	require.True(t, a.OK(), "%+v", a)
}
