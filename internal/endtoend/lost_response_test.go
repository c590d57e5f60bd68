package endtoend_test

import (
	"errors"
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

// lostResponses are faults that lose the response after the gateway has acted.
func lostResponses() map[string]agstest.Fault {
	return map[string]agstest.Fault{
		"lost":               {Kind: agstest.Lost, AfterWork: true},
		"cut off":            {Kind: agstest.Cut},
		"cut off, in chunks": {Kind: agstest.CutChunked},
	}
}

// A connection that breaks before the gateway acts costs one more request, at once.
func TestLostRequestIsRepeatedAtOnce(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		sleep(90 * time.Minute)
		s.srv.Script(agstest.Refresh, agstest.Fault{Kind: agstest.Lost})
		begin := time.Now()
		s.wantServed(2)
		assert.Zero(t, time.Since(begin))
		s.wantCount(agstest.Refresh, 2)
		asked := s.srv.Requests(agstest.Refresh)
		assert.True(t, asked[0].SameAuthorization(asked[1]))
		assert.Equal(t, asked[0].Header.Get("X-Correlation-Id"), asked[1].Header.Get("X-Correlation-Id"),
			"both requests have the same correlation ID")
		assert.NotEmpty(t, asked[0].Header.Get("X-Correlation-Id"))
		s.wantNoOverlap()
	})
}

// Where the gateway repeats its response for a while, callers do not notice that one
// was lost.
func TestLostResponseWithinTheReuseGrace(t *testing.T) {
	for name, fault := range lostResponses() {
		t.Run(name, func(t *testing.T) {
			inBubble(t, options{platform: agstest.Config{ReuseGrace: time.Minute}}, func(t *testing.T, s *stack) {
				sleep(90 * time.Minute)
				s.srv.Script(agstest.Refresh, fault)
				begin := time.Now()
				s.wantServed(3) // the second token pair was lost
				assert.Zero(t, time.Since(begin))
				s.wantCount(agstest.Refresh, 2)
				sleep(0)
				assert.Empty(t, s.events.ofKind(tokensource.EventRefreshFailed))
				assert.NoError(t, s.src.Status().Err)
				s.wantNoOverlap()
			})
		})
	}
}

// With single-use refresh tokens the gateway takes the repeat for a replay. The
// error says that the first attempt may have been granted.
func TestLostResponseToASingleUseToken(t *testing.T) {
	for name, fault := range lostResponses() {
		t.Run(name, func(t *testing.T) {
			inBubble(t, options{}, func(t *testing.T, s *stack) {
				sleep(56 * time.Minute)
				s.srv.Script(agstest.Refresh, fault)
				required := s.src.LoginRequired()
				s.wantServed(1)
				sleep(0)
				s.wantCount(agstest.Refresh, 2)
				assert.Equal(t, 1, s.srv.Stats().Reuses)
				assert.True(t, isClosed(required), "LoginRequired is closed at once")

				s.wantServed(1) // the access token is still valid
				sleep(4*time.Minute - 3*time.Second)
				s.wantServed(1)
				sleep(3 * time.Second)
				e := s.wantLoginRequired(tokensource.RefreshRejected)
				assert.True(t, e.OutcomeUnknown)
				require.ErrorIs(t, e.Err, ags.ErrUnauthorized)
				assert.Equal(t, "PUB_1", e.ClientID)
				s.wantCount(agstest.Refresh, 2)
				s.wantCount(agstest.API, 3)
			})
		})
	}
}

// With a login, the same causes one sign-on of the same device that callers do not
// notice.
func TestLostResponseWithALogin(t *testing.T) {
	inBubble(t, options{source: withLogin}, func(t *testing.T, s *stack) {
		sleep(56 * time.Minute)
		s.srv.Script(agstest.Refresh, agstest.Fault{Kind: agstest.Lost, AfterWork: true})
		stats := s.poll(20, time.Second, 10*time.Second)
		assert.Empty(t, stats.errs)
		assert.Zero(t, stats.slowest)
		s.wantCount(agstest.Refresh, 2)
		s.wantCount(agstest.SignOn, 2)
		assert.Equal(t, 1, s.srv.Stats().Devices)
		assert.Equal(t, 2, s.get(t.Context()).echo.Session)
	})
}

// A complete but unusable response is not repeated at once. If the refresh token is
// rejected later, the error says that the outcome is unknown.
func TestUnusableResponseToASingleUseToken(t *testing.T) {
	for name, fault := range map[string]agstest.Fault{
		"garbage":           {Kind: agstest.Garbage, AfterWork: true},
		"oversized":         {Kind: agstest.Oversized},
		"a proxy's timeout": {Status: http.StatusGatewayTimeout, AfterWork: true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, options{}, func(t *testing.T, s *stack) {
				sleep(90 * time.Minute)
				s.srv.Script(agstest.Refresh, fault)
				wait := time.Until(s.wantUnavailable().NextAt)
				s.wantCount(agstest.Refresh, 1)
				sleep(wait)
				e := s.wantLoginRequired(tokensource.RefreshRejected)
				assert.True(t, e.OutcomeUnknown)
				s.wantCount(agstest.Refresh, 2)
				s.wantLoginRequired(tokensource.RefreshRejected)
				s.wantCount(agstest.Refresh, 2)
			})
		})
	}
}

// OutcomeUnknown is false for a rejection that follows no lost response.
func TestRejectionWithoutALostResponse(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		sleep(90 * time.Minute)
		s.srv.Script(agstest.Refresh, agstest.Fault{Status: http.StatusServiceUnavailable})
		wait := time.Until(s.wantUnavailable().NextAt)
		s.srv.RevokeSessions()
		sleep(wait)
		assert.False(t, s.wantLoginRequired(tokensource.RefreshRejected).OutcomeUnknown)
		s.wantCount(agstest.Refresh, 2)
	})
}

// An attempt has a timeout. After it the outcome of the attempt is unknown.
func TestGatewayNeverAnswers(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		sleep(90 * time.Minute)
		s.srv.Script(agstest.Refresh, agstest.Fault{Delay: time.Hour, AfterWork: true})
		begin := time.Now()
		for _, r := range s.burst(20) {
			var ended *tokensource.LoginRequiredError
			require.ErrorAs(t, r.err, &ended)
			assert.True(t, ended.OutcomeUnknown)
		}
		assert.Equal(t, 10*time.Second, time.Since(begin), "the rest of the timeout is left for the repeat")
		assert.True(t, s.wantLoginRequired(tokensource.RefreshRejected).OutcomeUnknown)
		s.wantCount(agstest.Refresh, 2)
	})
}

// A process that dies between the gateway's response and the save leaves an attempt
// mark. When the token is rejected, the next process reports that the outcome of
// that attempt is unknown.
func TestCrashDuringARefresh(t *testing.T) {
	var memory store.Memory
	opts := options{source: func(_ *stack, cfg *tokensource.Config) { cfg.Store = &memory }}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		s.wantServed(1)
		sleep(56 * time.Minute)
		s.srv.Script(agstest.Refresh, agstest.Fault{Delay: 9 * time.Second, AfterWork: true})
		s.wantServed(1)
		sleep(5 * time.Second)
		s.wantCount(agstest.Refresh, 1)
		left, err := memory.Peer().Load(t.Context()) // the record that a crash now leaves behind
		require.NoError(t, err)

		var disk store.Memory
		require.NoError(t, disk.Save(t.Context(), left))
		next := s.source(func(_ *stack, cfg *tokensource.Config) { cfg.Store, cfg.Token = disk.Peer(), nil })
		_, err = next.TokenContext(t.Context())
		require.NoError(t, err)
		sleep(0)
		s.wantCount(agstest.Refresh, 2)
		sleep(5 * time.Minute)
		_, err = next.TokenContext(t.Context())
		var e *tokensource.LoginRequiredError
		require.ErrorAs(t, err, &e)
		assert.Equal(t, tokensource.RefreshRejected, e.Reason)
		assert.True(t, e.OutcomeUnknown)
		require.NoError(t, next.Close())
	})
}

// Close waits for the response to a refresh in progress, since it may hold the only
// valid token pair. The next process finds the pair in the store.
func TestCloseSavesAPendingRefresh(t *testing.T) {
	var memory store.Memory
	opts := options{source: func(_ *stack, cfg *tokensource.Config) { cfg.Store = &memory }}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		sleep(90 * time.Minute)
		s.srv.Script(agstest.Refresh, agstest.Fault{Delay: 9 * time.Second, AfterWork: true})
		result := make(chan reply, 1)
		go func() { result <- s.get(t.Context()) }()
		sleep(time.Second)
		begin := time.Now()
		closed := make(chan error, 1)
		go func() { closed <- s.src.Close() }()
		require.ErrorIs(t, (<-result).err, tokensource.ErrClosed)
		assert.Zero(t, time.Since(begin), "waiting callers return at once")
		require.NoError(t, <-closed)
		assert.Equal(t, 8*time.Second, time.Since(begin))
		require.ErrorIs(t, s.get(t.Context()).err, tokensource.ErrClosed)

		next := s.source(func(_ *stack, cfg *tokensource.Config) { cfg.Store, cfg.Token = memory.Peer(), nil })
		r := send(t.Context(), s.clientOf(next), http.MethodGet, s.srv.URL+"/api/profile", "")
		require.NoError(t, errors.Join(r.asError(), next.Close()))
		assert.Equal(t, 2, r.echo.Generation)
		s.wantCount(agstest.Refresh, 1)
		s.wantNoOverlap()
	})
}
