package endtoend_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
)

// An API that rejects every token causes refreshes at growing intervals, and its
// responses go to the callers.
func TestRejectionOfEveryTokenBacksOff(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		s.srv.RejectAll(true)
		stats := s.poll(30, 5*time.Second, 3*time.Minute)
		assert.Len(t, stats.errs, stats.calls)
		for _, err := range stats.errs {
			require.EqualError(t, err, "status 403")
		}
		// After 0, 10, 30, 70 and 150 seconds.
		n := s.srv.Count(agstest.Refresh)
		assert.LessOrEqual(t, n, 5)
		assert.Greater(t, n, 1)
		assert.LessOrEqual(t, s.srv.Count(agstest.API), stats.calls+30*n, "a request is repeated only with another token")

		s.srv.RejectAll(false)
		stats = s.poll(30, 5*time.Second, 30*time.Second)
		assert.Empty(t, stats.errs)
		s.wantCount(agstest.Refresh, n)
		s.wantNoOverlap()
	})
}

// A burst of requests with one rejected token causes one refresh, and every request
// succeeds.
func TestBurstWithARejectedToken(t *testing.T) {
	for name, quirks := range map[string]agstest.Quirks{
		"403 99999:403": {}, "401": {RejectionStatus: 401}, "403 1024": {RejectionCode: "1024"}, "403 1025": {RejectionCode: "1025"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, options{platform: agstest.Config{Quirks: quirks}}, func(t *testing.T, s *stack) {
				s.srv.RejectToken(s.token.AccessToken.Reveal())
				s.srv.Always(agstest.Refresh, agstest.Fault{Delay: 2 * time.Second})
				for _, r := range s.burst(100) {
					require.NoError(t, r.asError())
					require.Equal(t, 2, r.echo.Generation)
				}
				s.wantCount(agstest.Refresh, 1)
				assert.LessOrEqual(t, s.srv.Count(agstest.API), 200, "each request is repeated once at most")
				s.wantNoOverlap()
			})
		})
	}
}

// The same over real connections.
func TestBurstWithARejectedTokenOverLoopback(t *testing.T) {
	overLoopback(t, options{}, func(t *testing.T, s *stack) {
		s.srv.RejectToken(s.token.AccessToken.Reveal())
		for _, r := range s.burst(100) {
			require.NoError(t, r.asError())
			require.Equal(t, 2, r.echo.Generation)
		}
		s.wantCount(agstest.Refresh, 1)
		assert.LessOrEqual(t, s.srv.Count(agstest.API), 200)
		s.wantNoOverlap()
	})
}

// A 403 that is about the request, not about the token, goes to the caller and
// causes no refresh.
func TestForbiddenRequestIsNoTokenRejection(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		for name, fault := range map[string]agstest.Fault{
			"a blocked location": {Code: 20019},
			"an entitlement":     {Status: 403, Body: `{"resultCode":"30001:403","result":"Not entitled"}`},
			"a firewall":         {Kind: agstest.HTML},
			"no body":            {Status: 403, Kind: agstest.Empty},
			"a legacy rejection": {Status: 200, Body: `{"resultCode":"99999:403","result":"Bearer Token Expired"}`},
			"a server's error":   {Status: 500},
		} {
			s.srv.Script(agstest.API, fault)
			want := fault.Status
			if want == 0 {
				want = http.StatusForbidden
			}
			r := s.get(t.Context())
			require.NoError(t, r.err, name)
			assert.Equal(t, want, r.status, name)
		}
		s.wantCount(agstest.API, 6)
		s.wantCount(agstest.Refresh, 0)
		s.wantServed(1)
	})
}

// While the gateway is down, a token that the API rejected once is served again,
// since the API may have been wrong.
func TestRejectedDuringAnOutage(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		s.srv.Always(agstest.Refresh, agstest.Fault{Status: http.StatusServiceUnavailable})
		s.srv.RejectNext(1)
		r := s.get(t.Context())
		require.NoError(t, r.err)
		assert.Equal(t, http.StatusForbidden, r.status, "the API's own answer")
		s.wantCount(agstest.API, 1)
		s.wantCount(agstest.Refresh, 1)
		stats := s.poll(20, time.Second, 30*time.Second)
		assert.Empty(t, stats.errs)
		assert.Zero(t, stats.slowest)
		assert.InDelta(t, 8, s.srv.Count(agstest.Refresh), 1, "in the background, with back-off")
		s.srv.Clear()
		sleep(time.Minute)
		s.wantServed(1) // starts the refresh
		sleep(time.Second)
		s.wantServed(2)
	})
}

// An operator revokes the session, and the API rejects its tokens at once. A source
// with a login continues without a failed call.
func TestRevokedWithALogin(t *testing.T) {
	for name, revoke := range map[string]func(*agstest.Server){
		"sessions revoked": func(s *agstest.Server) { s.RevokeSessions() },
		"keys rotated":     (*agstest.Server).RotateKeys,
		"device deleted":   func(s *agstest.Server) { s.DeleteDevice("PUB_1") },
	} {
		t.Run(name, func(t *testing.T) {
			opts := options{platform: agstest.Config{AccessEndsWithSession: true}, source: withLogin}
			inBubble(t, opts, func(t *testing.T, s *stack) {
				s.srv.Always(agstest.SignOn, agstest.Fault{Delay: 3 * time.Second})
				sleep(10 * time.Minute)
				revoke(s.srv)
				for _, r := range s.burst(100) {
					require.NoError(t, r.asError())
					require.Equal(t, 2, r.echo.Session)
				}
				s.wantCount(agstest.Refresh, 1)
				s.wantCount(agstest.SignOn, 2)
				assert.LessOrEqual(t, s.srv.Count(agstest.API), 200)
				s.wantNoOverlap()
			})
		})
	}
}

// Without a login the first caller gets the API's response, and the next one the
// reason.
func TestRevokedWithoutALogin(t *testing.T) {
	inBubble(t, options{platform: agstest.Config{AccessEndsWithSession: true}}, func(t *testing.T, s *stack) {
		required := s.src.LoginRequired()
		s.srv.RevokeSessions()
		r := s.get(t.Context())
		require.NoError(t, r.err)
		assert.Equal(t, http.StatusForbidden, r.status)
		assert.True(t, isClosed(required))
		require.ErrorIs(t, s.wantEnded(tokensource.RefreshRejected, required).Err, ags.ErrUnauthorized)
		s.wantCount(agstest.API, 1)
		s.wantCount(agstest.Refresh, 1)
	})
}

// Requests that are in progress when their token is replaced, and are rejected for
// it, are repeated with the new token. They cause no refresh.
func TestLateRejectionsOfTheReplacedToken(t *testing.T) {
	inBubble(t, options{platform: agstest.Config{NewestAccessOnly: true}}, func(t *testing.T, s *stack) {
		sleep(56 * time.Minute)
		s.srv.Always(agstest.API, agstest.Fault{Delay: 2 * time.Second})
		s.srv.Always(agstest.Refresh, agstest.Fault{Delay: time.Second})
		stats := s.poll(50, 500*time.Millisecond, 20*time.Second)
		assert.Empty(t, stats.errs)
		assert.LessOrEqual(t, stats.slowest, 4*time.Second, "twice the API's own time")
		assert.Positive(t, s.rejectedCalls())
		s.wantCount(agstest.Refresh, 1)
		assert.Equal(t, 2, s.get(t.Context()).echo.Generation)
		s.wantNoOverlap()
	})
}

// A blocked location does not affect the session.
func TestGeoBlocked(t *testing.T) {
	inBubble(t, options{source: withLogin}, func(t *testing.T, s *stack) {
		s.srv.GeoBlock(true)
		for range 12 {
			r := s.get(t.Context())
			require.NoError(t, r.err)
			assert.Equal(t, http.StatusForbidden, r.status)
			sleep(5 * time.Minute)
		}
		s.wantCount(agstest.API, 12)
		s.wantCount(agstest.Refresh, 1)
		s.srv.GeoBlock(false)
		sleep(5 * time.Minute)
		s.wantServed(2)
		s.wantCount(agstest.SignOn, 1)
		s.wantNoOverlap()
	})
}
