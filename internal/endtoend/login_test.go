package endtoend_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
)

// Callers do not notice a login that fails ahead of the fixed expiry. After the
// expiry its error is the reason that there is no token.
func TestLoginFailsBeforeTheFixedExpiry(t *testing.T) {
	opts := options{
		platform: agstest.Config{AccessLifetime: 10 * time.Minute, FixedLifetime: 25 * time.Minute},
		gateway:  func(cfg *ags.Config) { cfg.Retry.Max = -1 },
		source:   withLogin,
	}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		sleep(18 * time.Minute)
		s.srv.Always(agstest.SignOn, agstest.Fault{Status: 503})
		stats := s.poll(10, 10*time.Second, 7*time.Minute-2*time.Second)
		assert.Empty(t, stats.errs)
		tried := s.srv.Count(agstest.SignOn)
		assert.Greater(t, tried, 2)
		assert.Less(t, tried, 20)
		sleep(3 * time.Second)
		require.ErrorIs(t, s.wantLoginRequired(tokensource.FixedExpired).Err, ags.ErrUnavailable)
		s.srv.Clear(agstest.SignOn)
		sleep(time.Minute)
		r := s.get(t.Context())
		require.NoError(t, r.asError())
		assert.Equal(t, 2, r.echo.Session)
		s.wantNoOverlap()
	})
}

// A custom LoginFunc signs on with session tokens.
func TestLoginWithSessionTokens(t *testing.T) {
	opts := options{noSignOn: true, source: func(s *stack, cfg *tokensource.Config) {
		cfg.Login = func(ctx context.Context, ended *tokensource.LoginRequiredError) (*ags.Token, error) {
			user := []ags.Parameter{{Name: "username", Value: agstest.DefaultUsername}}
			ticket, err := s.gw.SessionToken(ctx, user)
			if err != nil {
				return nil, err
			}
			return s.gw.SignOnWithSessionToken(ctx, ags.SignOnRequest{
				Parameters:        []ags.Parameter{{Name: "sessionToken", Value: ticket.Reveal()}},
				ClientID:          ended.ClientID,
				DeviceInformation: newDevice().DeviceInformation,
			})
		}
	}}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		s.wantServed(1)
		sleep(49 * time.Hour)
		r := s.get(t.Context())
		require.NoError(t, r.asError())
		assert.Equal(t, 2, r.echo.Session)
		assert.Equal(t, "PUB_1", r.echo.ClientID)
		s.wantCount(agstest.SessionToken, 2)
		s.wantCount(agstest.SignOnWithSessionToken, 2)
		s.wantCount(agstest.Refresh, 0)
	})
}

// A login whose HTTP client uses the source that waits for it fails at once instead
// of deadlocking.
func TestLoginMustNotUseItsOwnSource(t *testing.T) {
	opts := options{noSignOn: true, source: func(s *stack, cfg *tokensource.Config) {
		cfg.Login = func(ctx context.Context, _ *tokensource.LoginRequiredError) (*ags.Token, error) {
			return nil, s.get(ctx).err
		}
	}}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		begin := time.Now()
		e := s.wantLoginRequired(tokensource.NoSession)
		require.Error(t, e.Err)
		assert.NotErrorIs(t, e.Err, tokensource.ErrLoginRequired, "the error of the login is not the one of the source")
		assert.Zero(t, time.Since(begin))
		s.wantCount(agstest.API, 0)
	})
}

// A login that fails because the gateway is down is repeated with back-off.
func TestLoginThroughAnOutage(t *testing.T) {
	opts := options{
		noSignOn: true, source: withLogin,
		gateway: func(cfg *ags.Config) { cfg.Retry.Max = -1 },
	}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		s.srv.Script(agstest.SignOn, agstest.Fault{Status: http.StatusServiceUnavailable, Times: 3})
		for _, r := range s.burst(20) {
			require.ErrorIs(t, r.err, tokensource.ErrLoginRequired)
			require.ErrorIs(t, r.err, ags.ErrUnavailable)
		}
		s.wantCount(agstest.SignOn, 1)
		stats := s.poll(20, 100*time.Millisecond, 5*time.Second)
		assert.NotEmpty(t, stats.errs)
		assert.Less(t, len(stats.errs), stats.calls/2)
		s.wantCount(agstest.SignOn, 4)
		s.wantServed(1)
		s.wantNoOverlap()
	})
}

// Close cancels a login in progress instead of waiting for it.
func TestCloseCancelsALogin(t *testing.T) {
	inBubble(t, options{noSignOn: true, source: withLogin}, func(t *testing.T, s *stack) {
		release := s.srv.Hold(agstest.SignOn)
		defer release()
		result := make(chan reply, 1)
		go func() { result <- s.get(t.Context()) }()
		sleep(20 * time.Second)
		begin := time.Now()
		require.NoError(t, s.src.Close())
		require.ErrorIs(t, (<-result).err, tokensource.ErrClosed)
		assert.Zero(t, time.Since(begin))
		s.wantCount(agstest.SignOn, 1)
		s.wantCount(agstest.API, 0)
	})
}

// A failed login fails all waiting callers. It is repeated after a minute, then after
// two, and so on.
func TestFailingLoginBacksOff(t *testing.T) {
	opts := options{noSignOn: true, source: func(s *stack, cfg *tokensource.Config) {
		rq := newDevice()
		rq.Parameters[1].Value = "wrong"
		cfg.Login = tokensource.SignOnWith(s.gw, rq)
	}}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		stats := s.poll(50, 15*time.Second, 20*time.Minute)
		assert.Len(t, stats.errs, stats.calls)
		assert.Zero(t, stats.slowest)
		for _, err := range stats.errs {
			require.ErrorIs(t, err, tokensource.ErrLoginRequired)
			require.ErrorIs(t, err, ags.ErrUnauthorized)
		}
		s.wantCount(agstest.SignOn, 5) // after 0, 1, 3, 7 and 15 minutes
		s.wantCount(agstest.Refresh, 0)
		s.wantNoOverlap()
	})
}
