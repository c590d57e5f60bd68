package endtoend_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptrace"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// After a pause all callers wait for the same refresh.
func TestCallersShareOneRefreshAfterAPause(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		sleep(5 * time.Hour)
		s.wantCount(agstest.Refresh, 0)
		s.srv.Always(agstest.Refresh, agstest.Fault{Delay: 3 * time.Second})
		begin := time.Now()
		for _, r := range s.burst(200) {
			require.NoError(t, r.asError())
			require.Equal(t, 2, r.echo.Generation)
		}
		assert.Equal(t, 3*time.Second, time.Since(begin))
		s.wantCount(agstest.Refresh, 1)
		s.wantCount(agstest.API, 200)
		s.wantNoOverlap()
	})
}

// Two hundred callers of a source without a session cause one sign-on.
func TestColdStartWithoutASession(t *testing.T) {
	opts := options{noSignOn: true, source: func(s *stack, cfg *tokensource.Config) {
		withLogin(s, cfg)
		cfg.Store = &store.Memory{}
	}}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		s.srv.Always(agstest.SignOn, agstest.Fault{Delay: 25 * time.Second})
		begin := time.Now()
		for _, r := range s.burst(200) {
			require.NoError(t, r.asError())
		}
		assert.Equal(t, 25*time.Second, time.Since(begin))
		s.wantCount(agstest.SignOn, 1)
		s.wantCount(agstest.Refresh, 0)
		s.wantNoOverlap()
	})
}

// Two hundred callers of a source whose stored token has expired cause one refresh.
func TestColdStartWithAnExpiredToken(t *testing.T) {
	var memory store.Memory
	opts := options{source: func(_ *stack, cfg *tokensource.Config) { cfg.Store = &memory }}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		s.wantServed(1)
		require.NoError(t, s.src.Close())
		sleep(5 * time.Hour)
		s.src = s.source(func(_ *stack, cfg *tokensource.Config) { cfg.Store, cfg.Token = memory.Peer(), nil })
		s.client = s.clientOf(s.src)
		s.srv.Always(agstest.Refresh, agstest.Fault{Delay: 3 * time.Second})
		for _, r := range s.burst(200) {
			require.NoError(t, r.asError())
		}
		s.wantCount(agstest.Refresh, 1)
		s.wantNoOverlap()
	})
}

// A caller whose context is cancelled returns at once, and does not cancel the
// refresh for the others.
func TestCancelledCaller(t *testing.T) {
	errBored := errors.New("bored")
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		sleep(90 * time.Minute)
		release := s.srv.Hold(agstest.Refresh)
		ctx, leave := context.WithCancelCause(t.Context())
		first, second := make(chan reply, 1), make(chan reply, 1)
		go func() { first <- s.get(ctx) }()
		sleep(time.Second)
		go func() { second <- s.get(t.Context()) }()
		sleep(time.Second)
		begin := time.Now()
		leave(errBored)
		r := <-first
		require.ErrorIs(t, r.err, errBored)
		assert.Zero(t, time.Since(begin))

		limited, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		require.ErrorIs(t, s.get(limited).err, context.DeadlineExceeded)
		assert.Equal(t, 2*time.Second, time.Since(begin))

		s.wantCount(agstest.API, 0)
		release()
		r = <-second
		require.NoError(t, r.asError())
		assert.Equal(t, 2, r.echo.Generation)
		s.wantCount(agstest.Refresh, 1)
		s.wantCount(agstest.API, 1)
		s.wantNoOverlap()
	})
}

// A refresh in the background continues after the context of the caller that started
// it is cancelled.
func TestCancelledCallerDoesNotStopTheRefresh(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		sleep(56 * time.Minute)
		s.srv.Always(agstest.Refresh, agstest.Fault{Delay: 5 * time.Second})
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, s.get(ctx).asError())
		cancel()
		sleep(6 * time.Second)
		s.wantServed(2)
		s.wantCount(agstest.Refresh, 1)
	})
}

// The HTTP client's Timeout also limits the wait for a token.
func TestClientTimeout(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		sleep(90 * time.Minute)
		release := s.srv.Hold(agstest.Refresh)
		s.client.Timeout = 2 * time.Second
		begin := time.Now()
		err := s.get(t.Context()).err
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		assert.True(t, timeout.Timeout())
		assert.Equal(t, 2*time.Second, time.Since(begin))
		release()
		sleep(0)
		s.wantServed(2)
		s.wantCount(agstest.Refresh, 1)
		s.wantCount(agstest.API, 1)
	})
}

// A refresh carries the correlation ID of the caller's context, but does not show
// the refresh token to the context's trace hooks.
func TestRefreshUsesTheCallersContext(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		sleep(90 * time.Minute)
		var seen []string
		ctx := ags.WithCorrelationID(t.Context(), "flow-1")
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			WroteHeaderField: func(name string, value []string) { seen = append(seen, name+fmt.Sprint(value)) },
		})
		require.NoError(t, s.get(ctx).asError())
		s.wantCount(agstest.Refresh, 1)
		rq := s.srv.Requests(agstest.Refresh)[0]
		assert.Equal(t, "flow-1", rq.Header.Get("X-Correlation-Id"))
		assert.True(t, rq.Carries(s.token.RefreshToken.Reveal()))
		assert.NotEmpty(t, seen, "the caller's own request")
		assert.False(t, slices.ContainsFunc(seen, func(field string) bool {
			return field == "Authorization[Bearer "+s.token.RefreshToken.Reveal()+"]"
		}))
	})
}
