package endtoend_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// One process signs out and another signs on again. The stored sign-out does not
// block the new session.
func TestSignOnByAPeerAfterASignOut(t *testing.T) {
	inBubblePerStore(t, options{}, func(t *testing.T, s *stack, open func() tokensource.Store) {
		s.storeToken(open)
		sources, clients := s.peers(2, open, nil)
		require.Empty(t, s.callAll(clients, 1).errs)
		require.NoError(t, sources[0].SignOut(t.Context()))
		token, err := s.gw.SignOn(t.Context(), ags.SignOnRequest{Parameters: newDevice().Parameters, ClientID: "PUB_1"})
		require.NoError(t, err)
		require.NoError(t, sources[1].SetToken(t.Context(), token))
		sleep(time.Second)
		require.Empty(t, s.callAll(clients, 2).errs)
		s.wantCount(agstest.SignOut, 1)
		s.wantCount(agstest.Refresh, 0)
		closeAll(t, sources)
	})
}

// Sync loads the stored session, and never calls the gateway.
func TestSyncDoesNotCallTheGateway(t *testing.T) {
	var memory store.Memory
	opts := options{source: func(_ *stack, cfg *tokensource.Config) { cfg.Store = &memory }}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		s.wantServed(1)
		next := s.source(func(_ *stack, cfg *tokensource.Config) { cfg.Store, cfg.Token = memory.Peer(), nil })
		require.NoError(t, next.Sync(t.Context()))
		sleep(90 * time.Minute)
		require.NoError(t, next.Sync(t.Context()))
		s.wantCount(agstest.Refresh, 0)
		s.wantServed(2)
		require.NoError(t, next.Sync(t.Context()))
		token, err := next.TokenContext(t.Context())
		require.NoError(t, err)
		info, known := s.srv.Inspect(token.AccessToken)
		require.True(t, known)
		assert.Equal(t, 2, info.Generation)
		require.NoError(t, next.Close())
		s.wantCount(agstest.Refresh, 1)
		s.wantNoOverlap()
	})
}

// A restart costs no call to the gateway: the stored session continues to its fixed
// expiry.
func TestRestarts(t *testing.T) {
	inBubblePerStore(t, options{platform: agstest.Config{FixedLifetime: 5 * time.Hour}}, func(t *testing.T, s *stack, open func() tokensource.Store) {
		// The program passes the first token at every start.
		given := func(_ *stack, cfg *tokensource.Config) { cfg.Store = open() }
		for life := 1; life <= 5; life++ {
			src := s.source(given)
			c := s.clientOf(src)
			for range 11 {
				r := send(t.Context(), c, http.MethodGet, s.srv.URL+"/api/profile", "")
				require.NoError(t, r.asError())
				sleep(5 * time.Minute)
			}
			r := send(t.Context(), c, http.MethodGet, s.srv.URL+"/api/profile", "")
			require.NoError(t, r.asError())
			require.Equal(t, life, r.echo.Generation)
			sleep(0)
			require.NoError(t, src.Close())
		}
		s.wantCount(agstest.Refresh, 5) // the sixth token lasts until the fixed expiry
		src := s.source(given)
		sleep(time.Until(s.token.FixedExpiresAt))
		_, err := src.TokenContext(t.Context())
		var e *tokensource.LoginRequiredError
		require.ErrorAs(t, err, &e)
		assert.Equal(t, tokensource.FixedExpired, e.Reason)
		assert.WithinDuration(t, s.token.FixedExpiresAt, e.At, 0)
		require.NoError(t, src.Close())
		s.wantCount(agstest.SignOn, 1)
		s.wantNoOverlap()
	})
}

// A sign-out in one process ends the session in the others, at their next Sync or
// refresh.
func TestSignOutEndsTheSessionInAllProcesses(t *testing.T) {
	inBubblePerStore(t, options{}, func(t *testing.T, s *stack, open func() tokensource.Store) {
		s.storeToken(open)
		sources, clients := s.peers(3, open, withLogin)
		require.Empty(t, s.callAll(clients, 1).errs)
		require.NoError(t, sources[0].SignOut(t.Context()))

		require.NoError(t, sources[1].Sync(t.Context()))
		_, err := sources[1].TokenContext(t.Context())
		var e *tokensource.LoginRequiredError
		require.ErrorAs(t, err, &e)
		assert.Equal(t, tokensource.SignedOut, e.Reason)
		assert.Equal(t, "PUB_1", e.ClientID)

		sleep(56 * time.Minute)
		_, _ = sources[2].TokenContext(t.Context())
		sleep(time.Second)
		_, err = sources[2].TokenContext(t.Context())
		require.ErrorAs(t, err, &e)
		assert.Equal(t, tokensource.SignedOut, e.Reason)
		s.wantCount(agstest.SignOut, 1)
		s.wantCount(agstest.Refresh, 0)
		s.wantCount(agstest.SignOn, 1)
		closeAll(t, sources)

		// The sign-out lasts across a restart, for the same device.
		sources, _ = s.peers(1, open, withLogin)
		_, err = sources[0].TokenContext(t.Context())
		require.ErrorAs(t, err, &e)
		assert.Equal(t, tokensource.SignedOut, e.Reason)
		assert.Equal(t, "PUB_1", e.ClientID)
		s.wantCount(agstest.SignOn, 1)
		closeAll(t, sources)
	})
}

// A user signs on in one process, and the other processes continue within a second.
func TestLoginInOneProcessRevivesTheOthers(t *testing.T) {
	inBubblePerStore(t, options{}, func(t *testing.T, s *stack, open func() tokensource.Store) {
		s.storeToken(open)
		sources, clients := s.peers(3, open, nil)
		require.Empty(t, s.callAll(clients, 1).errs)
		sleep(49 * time.Hour)
		for range 2 {
			assert.Len(t, s.callAll(clients, 2).errs, 6)
		}
		token, err := s.gw.SignOn(t.Context(), ags.SignOnRequest{Parameters: newDevice().Parameters, ClientID: "PUB_1"})
		require.NoError(t, err)
		require.NoError(t, sources[0].SetToken(t.Context(), token))
		sleep(time.Second)
		require.Empty(t, s.callAll(clients, 2).errs)
		s.wantCount(agstest.Refresh, 0)
		s.wantNoOverlap()
		closeAll(t, sources)
	})
}

// Config.Token is used if it is newer than the stored token or belongs to another
// device. Otherwise the stored token is used.
func TestConfiguredAndStoredToken(t *testing.T) {
	var memory store.Memory
	inBubble(t, options{source: func(_ *stack, cfg *tokensource.Config) { cfg.Store = &memory }}, func(t *testing.T, s *stack) {
		s.wantServed(1)
		sleep(10 * time.Minute)
		again, err := s.gw.SignOn(t.Context(), ags.SignOnRequest{Parameters: newDevice().Parameters, ClientID: "PUB_1"})
		require.NoError(t, err)
		sleep(10 * time.Minute)
		other, err := s.gw.SignOn(t.Context(), newDevice())
		require.NoError(t, err)
		for _, c := range []struct {
			given   *ags.Token
			session int
		}{{again, 2}, {s.token, 2}, {nil, 2}, {other, 3}, {nil, 3}, {again, 2}} {
			src := s.source(func(_ *stack, cfg *tokensource.Config) { cfg.Store, cfg.Token = memory.Peer(), c.given })
			r := send(t.Context(), s.clientOf(src), http.MethodGet, s.srv.URL+"/api/profile", "")
			require.NoError(t, r.asError())
			assert.Equal(t, c.session, r.echo.Session)
			require.NoError(t, src.Close())
		}
		s.wantCount(agstest.Refresh, 0)
	})
}

// When the record is deleted, the session continues in memory and is saved again.
func TestEmptiedStore(t *testing.T) {
	var memory store.Memory
	opts := options{source: func(s *stack, cfg *tokensource.Config) {
		withLogin(s, cfg)
		cfg.Store = &memory
	}}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		s.wantServed(1)
		require.NoError(t, memory.Peer().Delete(t.Context()))
		require.NoError(t, s.src.Sync(t.Context()))
		s.wantServed(1)
		sleep(0)
		_, err := memory.Peer().Load(t.Context())
		require.NoError(t, err)

		require.NoError(t, memory.Peer().Delete(t.Context()))
		stats := s.poll(5, 5*time.Minute, 2*time.Hour)
		assert.Empty(t, stats.errs)
		assert.Zero(t, stats.slowest)
		s.wantCount(agstest.Refresh, 2)
		s.wantCount(agstest.SignOn, 1)
		next := s.source(func(_ *stack, cfg *tokensource.Config) { cfg.Store, cfg.Token = memory.Peer(), nil })
		r := send(t.Context(), s.clientOf(next), http.MethodGet, s.srv.URL+"/api/profile", "")
		require.NoError(t, r.asError())
		assert.Equal(t, 3, r.echo.Generation)
		require.NoError(t, next.Close())
		s.wantNoOverlap()
	})
}
