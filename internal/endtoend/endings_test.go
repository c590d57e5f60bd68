package endtoend_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// over asserts that a session is over for good: all who ask are told the same, at
// once, and neither the gateway nor the API hears of it; it was announced once,
// and LoginRequired's channel is closed.
func (h *house) over(reason tokensource.Reason, required <-chan struct{}) tokensource.LoginRequiredError {
	h.t.Helper()
	first := h.ended(reason)
	refreshes, calls := h.srv.Count(agstest.Refresh), h.srv.Count(agstest.API)
	begin := time.Now()
	for range 3 {
		for _, r := range h.rush(20) {
			var e *tokensource.LoginRequiredError
			require.ErrorAs(h.t, r.err, &e)
			require.Equal(h.t, first, *e)
		}
	}
	assert.Zero(h.t, time.Since(begin))
	sleep(time.Hour)
	assert.Equal(h.t, first, h.ended(reason))
	h.wantCount(agstest.Refresh, refreshes)
	h.wantCount(agstest.API, calls)
	assert.True(h.t, isClosed(required))
	announced := h.events.of(tokensource.EventEnded)
	require.Len(h.t, announced, 1)
	assert.Equal(h.t, reason, announced[0].Reason)
	assert.Equal(h.t, tokensource.Ended, h.src.Status().Phase)
	assert.Equal(h.t, reason, h.src.Status().Reason)
	return first
}

func TestEndToEnd_EndedForWantOfASession(t *testing.T) {
	p := plan{unsigned: true, source: func(_ *house, cfg *tokensource.Config) { cfg.Store = &store.Memory{} }}
	bubble(t, p, func(t *testing.T, h *house) {
		e := h.over(tokensource.NoSession, h.src.LoginRequired())
		assert.NoError(t, e.Err)
		assert.Empty(t, e.ClientID)
		h.wantCount(agstest.Refresh, 0)
	})
}

// A session that nobody uses for the life of its refresh token has ended, without
// a call.
func TestEndToEnd_EndedByIdleness(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		required := h.src.LoginRequired()
		sleep(48*time.Hour + time.Second)
		e := h.over(tokensource.RefreshExpired, required)
		assert.NoError(t, e.Err)
		assert.Equal(t, h.token.RefreshExpiresAt, e.At)
		assert.Equal(t, "PUB_1", e.ClientID)
		assert.Equal(t, agstest.DefaultAccountID, e.AccountID)
		h.wantCount(agstest.Refresh, 0)
	})
}

// At the fixed horizon even a live access token is no longer served.
func TestEndToEnd_EndedByTheFixedHorizon(t *testing.T) {
	bubble(t, plan{platform: agstest.Config{FixedLifetime: 90 * time.Minute}}, func(t *testing.T, h *house) {
		required := h.src.LoginRequired()
		sleep(56 * time.Minute)
		h.served(1)
		sleep(0)
		h.served(2)
		sleep(34*time.Minute - 2*time.Second)
		h.served(2)
		assert.False(t, isClosed(required))
		sleep(2 * time.Second)
		assert.True(t, h.src.Status().ExpiresAt.After(time.Now()), "the access token says that it lives")
		e := h.over(tokensource.FixedExpired, required)
		assert.WithinDuration(t, h.token.FixedExpiresAt, e.At, 0)
		assert.NoError(t, e.Err)
		h.wantCount(agstest.Refresh, 1)
	})
}

// A refresh token that the gateway rejects ends the refreshing at once, and the
// session with the access token.
func TestEndToEnd_EndedByRejection(t *testing.T) {
	for _, c := range []struct {
		name         string
		harm         func(*agstest.Server)
		fault        agstest.Fault
		status, code int
		clientID     string
	}{
		{name: "session revoked", harm: func(s *agstest.Server) { s.RevokeSessions("PUB_1") }, status: 401, clientID: "PUB_1"},
		{name: "keys rotated", harm: (*agstest.Server).RotateKeys, status: 403, code: 20020, clientID: "PUB_1"},
		{name: "device deleted", harm: func(s *agstest.Server) { s.DeleteDevice("PUB_1") }, status: 403, code: 20003},
		{name: "an empty 401", fault: agstest.Fault{Kind: agstest.Empty, Status: 401}, status: 401, clientID: "PUB_1"},
		{name: "20020 as a string", fault: agstest.Fault{Status: 403, Body: `{"resultCode":"20020"}`}, status: 403, code: 20020, clientID: "PUB_1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, plan{}, func(t *testing.T, h *house) {
				required := h.src.LoginRequired()
				if c.harm != nil {
					c.harm(h.srv)
				} else {
					h.srv.Script(agstest.Refresh, c.fault)
				}
				sleep(56 * time.Minute)
				_, err := h.src.TokenContext(t.Context()) // served while it lives
				require.NoError(t, err)
				sleep(0)
				assert.True(t, isClosed(required))
				assert.Equal(t, tokensource.RefreshRejected, h.src.Status().Reason)
				_, err = h.src.TokenContext(t.Context())
				require.NoError(t, err)

				sleep(4 * time.Minute)
				e := h.over(tokensource.RefreshRejected, required)
				var refusal *ags.Error
				require.ErrorAs(t, e.Err, &refusal)
				require.ErrorIs(t, e.Err, ags.ErrUnauthorized)
				assert.Equal(t, c.status, refusal.Status)
				assert.Equal(t, c.code, refusal.Code)
				assert.Equal(t, c.clientID, e.ClientID)
				assert.False(t, e.OutcomeUnknown)
				h.wantCount(agstest.Refresh, 1)
			})
		})
	}
}

func TestEndToEnd_EndedBySignOut(t *testing.T) {
	bubble(t, plan{source: withLogin}, func(t *testing.T, h *house) {
		required := h.src.LoginRequired()
		h.served(1)
		require.NoError(t, h.src.SignOut(t.Context()))
		h.wantCount(agstest.SignOut, 1)
		assert.Zero(t, h.srv.Stats().LiveSessions)
		e := h.over(tokensource.SignedOut, required)
		assert.NoError(t, e.Err)
		assert.Equal(t, "PUB_1", e.ClientID)
		h.wantCount(agstest.SignOn, 1) // it was somebody's wish: no login undoes it
		h.wantCount(agstest.API, 1)
		h.wantCount(agstest.Refresh, 0)
	})
}

// The local end comes first, whatever the gateway says of it.
func TestEndToEnd_SignOutWhileTheGatewayIsDown(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		h.srv.Always(agstest.SignOut, agstest.Fault{Status: 503})
		err := h.src.SignOut(t.Context())
		require.ErrorIs(t, err, ags.ErrUnavailable)
		h.over(tokensource.SignedOut, h.src.LoginRequired())
		h.wantCount(agstest.Refresh, 0)
	})
}

// A pair that arrives after the sign-out is signed out as well.
func TestEndToEnd_SignOutOvertakesARefresh(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		sleep(56 * time.Minute)
		h.srv.Script(agstest.Refresh, agstest.Fault{Delay: 5 * time.Second})
		h.srv.Script(agstest.SignOut, agstest.Fault{Status: 400}) // the first one misses
		h.served(1)
		sleep(time.Second)
		require.Error(t, h.src.SignOut(t.Context()))
		h.ended(tokensource.SignedOut)
		sleep(10 * time.Second)
		h.over(tokensource.SignedOut, h.src.LoginRequired())
		h.wantCount(agstest.Refresh, 1)
		h.wantCount(agstest.SignOut, 2)
		assert.Zero(t, h.srv.Stats().LiveSessions)
		assert.Empty(t, h.events.of(tokensource.EventRefreshed))
	})
}

// A human signs on again, and all goes on; there is another channel to wait on.
func TestEndToEnd_SetTokenBeginsAnotherSession(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		required := h.src.LoginRequired()
		sleep(49 * time.Hour)
		e := h.ended(tokensource.RefreshExpired)
		token, err := h.gw.SignOn(t.Context(), ags.SignOnRequest{Parameters: newDevice().Parameters, ClientID: e.ClientID})
		require.NoError(t, err)
		require.NoError(t, h.src.SetToken(t.Context(), token))
		assert.True(t, isClosed(required))
		assert.False(t, isClosed(h.src.LoginRequired()))
		y := h.crowd(5, 5*time.Minute, 3*time.Hour)
		assert.Empty(t, y.errs)
		assert.Zero(t, y.slowest)
		assert.Equal(t, 2, h.get(t.Context()).echo.Session)
		assert.Equal(t, 1, h.srv.Stats().Devices)
		h.wantCount(agstest.Refresh, 3)
		h.wantSound()
	})
}

// What a refresh brings home for the session before is neither used nor saved.
func TestEndToEnd_SetTokenOvertakesARefresh(t *testing.T) {
	var memory store.Memory
	p := plan{source: func(_ *house, cfg *tokensource.Config) { cfg.Store = &memory }}
	bubble(t, p, func(t *testing.T, h *house) {
		h.served(1)
		sleep(90 * time.Minute)
		h.srv.Script(agstest.Refresh, agstest.Fault{Delay: 5 * time.Second})
		waiting := make(chan reply, 1)
		go func() { waiting <- h.get(t.Context()) }()
		sleep(time.Second)
		token, err := h.gw.SignOn(t.Context(), ags.SignOnRequest{Parameters: newDevice().Parameters, ClientID: "PUB_1"})
		require.NoError(t, err)
		require.NoError(t, h.src.SetToken(t.Context(), token))
		r := <-waiting
		require.NoError(t, r.failed(), "who waited for the refresh is served the new session")
		assert.Equal(t, 2, r.echo.Session)
		sleep(10 * time.Second)
		r = h.get(t.Context())
		assert.Equal(t, 2, r.echo.Session)

		next := h.source(func(_ *house, cfg *tokensource.Config) { cfg.Store, cfg.Token = memory.Peer(), nil })
		got, err := next.TokenContext(t.Context())
		require.NoError(t, err)
		assert.Equal(t, token.AccessToken.Reveal(), got.AccessToken)
		require.NoError(t, next.Close())
		h.wantCount(agstest.Refresh, 1)
	})
}
