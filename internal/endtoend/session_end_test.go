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

func TestEndedWithoutASession(t *testing.T) {
	opts := options{noSignOn: true, source: func(_ *stack, cfg *tokensource.Config) { cfg.Store = &store.Memory{} }}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		e := s.wantEnded(tokensource.NoSession, s.src.LoginRequired())
		assert.NoError(t, e.Err)
		assert.Empty(t, e.ClientID)
		s.wantCount(agstest.Refresh, 0)
	})
}

// A session that is not used for the lifetime of its refresh token ends without a
// call to the gateway.
func TestEndedByIdleness(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		required := s.src.LoginRequired()
		sleep(48*time.Hour + time.Second)
		e := s.wantEnded(tokensource.RefreshExpired, required)
		assert.NoError(t, e.Err)
		assert.Equal(t, s.token.RefreshExpiresAt, e.At)
		assert.Equal(t, "PUB_1", e.ClientID)
		assert.Equal(t, agstest.DefaultAccountID, e.AccountID)
		s.wantCount(agstest.Refresh, 0)
	})
}

// At the fixed expiry not even a valid access token is served.
func TestEndedByTheFixedExpiry(t *testing.T) {
	inBubble(t, options{platform: agstest.Config{FixedLifetime: 90 * time.Minute}}, func(t *testing.T, s *stack) {
		required := s.src.LoginRequired()
		sleep(56 * time.Minute)
		s.wantServed(1)
		sleep(0)
		s.wantServed(2)
		sleep(34*time.Minute - 2*time.Second)
		s.wantServed(2)
		assert.False(t, isClosed(required))
		sleep(2 * time.Second)
		assert.True(t, s.src.Status().ExpiresAt.After(time.Now()), "the access token is still valid")
		e := s.wantEnded(tokensource.FixedExpired, required)
		assert.WithinDuration(t, s.token.FixedExpiresAt, e.At, 0)
		assert.NoError(t, e.Err)
		s.wantCount(agstest.Refresh, 1)
	})
}

// When the gateway rejects the refresh token, refreshing ends at once. The session
// ends with the access token.
func TestEndedByRejection(t *testing.T) {
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
			inBubble(t, options{}, func(t *testing.T, s *stack) {
				required := s.src.LoginRequired()
				if c.harm != nil {
					c.harm(s.srv)
				} else {
					s.srv.Script(agstest.Refresh, c.fault)
				}
				sleep(56 * time.Minute)
				_, err := s.src.TokenContext(t.Context()) // the access token is still valid
				require.NoError(t, err)
				sleep(0)
				assert.True(t, isClosed(required))
				assert.Equal(t, tokensource.RefreshRejected, s.src.Status().Reason)
				_, err = s.src.TokenContext(t.Context())
				require.NoError(t, err)

				sleep(4 * time.Minute)
				e := s.wantEnded(tokensource.RefreshRejected, required)
				var refusal *ags.Error
				require.ErrorAs(t, e.Err, &refusal)
				require.ErrorIs(t, e.Err, ags.ErrUnauthorized)
				assert.Equal(t, c.status, refusal.Status)
				assert.Equal(t, c.code, refusal.Code)
				assert.Equal(t, c.clientID, e.ClientID)
				assert.False(t, e.OutcomeUnknown)
				s.wantCount(agstest.Refresh, 1)
			})
		})
	}
}

func TestEndedBySignOut(t *testing.T) {
	inBubble(t, options{source: withLogin}, func(t *testing.T, s *stack) {
		required := s.src.LoginRequired()
		s.wantServed(1)
		require.NoError(t, s.src.SignOut(t.Context()))
		s.wantCount(agstest.SignOut, 1)
		assert.Zero(t, s.srv.Stats().LiveSessions)
		e := s.wantEnded(tokensource.SignedOut, required)
		assert.NoError(t, e.Err)
		assert.Equal(t, "PUB_1", e.ClientID)
		s.wantCount(agstest.SignOn, 1) // a login must not undo an explicit sign-out
		s.wantCount(agstest.API, 1)
		s.wantCount(agstest.Refresh, 0)
	})
}

// SignOut ends the local session, whatever the gateway answers.
func TestSignOutDuringAnOutage(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		s.srv.Always(agstest.SignOut, agstest.Fault{Status: 503})
		err := s.src.SignOut(t.Context())
		require.ErrorIs(t, err, ags.ErrUnavailable)
		s.wantEnded(tokensource.SignedOut, s.src.LoginRequired())
		s.wantCount(agstest.Refresh, 0)
	})
}

// A token pair that arrives after the sign-out is signed out as well.
func TestSignOutDuringARefresh(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		sleep(56 * time.Minute)
		s.srv.Script(agstest.Refresh, agstest.Fault{Delay: 5 * time.Second})
		s.srv.Script(agstest.SignOut, agstest.Fault{Status: 400}) // the first sign-out fails
		s.wantServed(1)
		sleep(time.Second)
		require.Error(t, s.src.SignOut(t.Context()))
		s.wantLoginRequired(tokensource.SignedOut)
		sleep(10 * time.Second)
		s.wantEnded(tokensource.SignedOut, s.src.LoginRequired())
		s.wantCount(agstest.Refresh, 1)
		s.wantCount(agstest.SignOut, 2)
		assert.Zero(t, s.srv.Stats().LiveSessions)
		assert.Empty(t, s.events.ofKind(tokensource.EventRefreshed))
	})
}

// SetToken begins another session, with a new LoginRequired channel.
func TestSetTokenBeginsAnotherSession(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		required := s.src.LoginRequired()
		sleep(49 * time.Hour)
		e := s.wantLoginRequired(tokensource.RefreshExpired)
		token, err := s.gw.SignOn(t.Context(), ags.SignOnRequest{Parameters: newDevice().Parameters, ClientID: e.ClientID})
		require.NoError(t, err)
		require.NoError(t, s.src.SetToken(t.Context(), token))
		assert.True(t, isClosed(required))
		assert.False(t, isClosed(s.src.LoginRequired()))
		stats := s.poll(5, 5*time.Minute, 3*time.Hour)
		assert.Empty(t, stats.errs)
		assert.Zero(t, stats.slowest)
		assert.Equal(t, 2, s.get(t.Context()).echo.Session)
		assert.Equal(t, 1, s.srv.Stats().Devices)
		s.wantCount(agstest.Refresh, 3)
		s.wantNoOverlap()
	})
}

// SetToken supersedes a refresh in progress: the result of that is neither used nor
// saved.
func TestSetTokenDuringARefresh(t *testing.T) {
	var memory store.Memory
	opts := options{source: func(_ *stack, cfg *tokensource.Config) { cfg.Store = &memory }}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		s.wantServed(1)
		sleep(90 * time.Minute)
		s.srv.Script(agstest.Refresh, agstest.Fault{Delay: 5 * time.Second})
		waiting := make(chan reply, 1)
		go func() { waiting <- s.get(t.Context()) }()
		sleep(time.Second)
		token, err := s.gw.SignOn(t.Context(), ags.SignOnRequest{Parameters: newDevice().Parameters, ClientID: "PUB_1"})
		require.NoError(t, err)
		require.NoError(t, s.src.SetToken(t.Context(), token))
		r := <-waiting
		require.NoError(t, r.asError(), "a caller that waited for the refresh gets the new session")
		assert.Equal(t, 2, r.echo.Session)
		sleep(10 * time.Second)
		r = s.get(t.Context())
		assert.Equal(t, 2, r.echo.Session)

		next := s.source(func(_ *stack, cfg *tokensource.Config) { cfg.Store, cfg.Token = memory.Peer(), nil })
		got, err := next.TokenContext(t.Context())
		require.NoError(t, err)
		assert.Equal(t, token.AccessToken.Reveal(), got.AccessToken)
		require.NoError(t, next.Close())
		s.wantCount(agstest.Refresh, 1)
	})
}
