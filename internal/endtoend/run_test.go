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

// Run keeps an unused session alive for a month. It warns once, in time, and the
// session ends at the fixed expiry without another call.
func TestRunForAMonth(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		signedOnAt := s.token.IssuedAt
		stopped := make(chan error, 1)
		go func() { stopped <- s.src.Run(t.Context()) }()
		required := s.src.LoginRequired()

		sleep(29*24*time.Hour - time.Second)
		assert.Empty(t, s.events.ofKind(tokensource.EventEnding))
		sleep(2 * time.Second)
		warned := s.events.ofKind(tokensource.EventEnding)
		require.Len(t, warned, 1)
		assert.Equal(t, tokensource.FixedExpired, warned[0].Reason)
		assert.WithinDuration(t, signedOnAt.Add(30*24*time.Hour), warned[0].NextAt, time.Second)

		sleep(24*time.Hour - 3*time.Second)
		assert.False(t, isClosed(required))
		s.wantServed(786)
		sleep(2 * time.Second)
		assert.True(t, isClosed(required))
		e := s.wantLoginRequired(tokensource.FixedExpired)
		assert.WithinDuration(t, signedOnAt.Add(30*24*time.Hour), e.At, time.Second)
		assert.Equal(t, "PUB_1", e.ClientID)
		assert.Equal(t, agstest.DefaultAccountID, e.AccountID)

		sleep(24 * time.Hour)
		// One every 55 minutes, until the token expires with the session.
		s.wantCount(agstest.Refresh, 785)
		s.wantCount(agstest.API, 1)
		assert.Len(t, s.events.ofKind(tokensource.EventEnding), 1)
		assert.Len(t, s.events.ofKind(tokensource.EventEnded), 1)
		s.wantNoOverlap()
		require.NoError(t, s.src.Close())
		assert.ErrorIs(t, <-stopped, tokensource.ErrClosed)
	})
}

// With Run, an outage of hours is over soon after the gateway is back, and the
// gateway gets few requests meanwhile.
func TestRunThroughAnOutage(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		stopped := s.run(s.src)
		s.srv.Always(agstest.Refresh, agstest.Fault{Status: 503})
		sleep(time.Hour)
		margin := s.srv.Count(agstest.Refresh)
		assert.InDelta(t, 45, margin, 15, "in the five minutes before the expiry")
		sleep(time.Hour)
		n := s.srv.Count(agstest.Refresh)
		assert.InDelta(t, 3600/7.5, n-margin, 5, "every 7.5 s after it")
		s.srv.Clear(agstest.Refresh)
		sleep(10 * time.Second)
		s.wantCount(agstest.Refresh, n+1)
		begin := time.Now()
		s.wantServed(2)
		assert.Zero(t, time.Since(begin))
		s.wantNoOverlap()
		require.NoError(t, s.src.Close())
		assert.ErrorIs(t, <-stopped, tokensource.ErrClosed)
	})
}

// With Run, an idle service signs on ahead of every fixed expiry and always has a
// token.
func TestRunThroughFixedExpiries(t *testing.T) {
	opts := options{platform: agstest.Config{FixedLifetime: 12 * time.Hour}, source: withLogin}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		stopped := s.run(s.src)
		for range 3 * 24 {
			sleep(time.Hour)
			begin := time.Now()
			require.NoError(t, s.get(t.Context()).asError())
			require.Zero(t, time.Since(begin))
		}
		s.wantCount(agstest.SignOn, 7)
		assert.Equal(t, 1, s.srv.Stats().Devices)
		assert.Empty(t, s.events.ofKind(tokensource.EventEnded))
		assert.Zero(t, s.rejectedCalls())
		s.wantNoOverlap()
		require.NoError(t, s.src.Close())
		assert.ErrorIs(t, <-stopped, tokensource.ErrClosed)
	})
}

// After the session has ended, Run waits for a new session, set here or by a peer,
// and does not call the gateway meanwhile.
func TestRunIsRevivedByAPeer(t *testing.T) {
	var memory store.Memory
	opts := options{source: func(_ *stack, cfg *tokensource.Config) { cfg.Store = &memory }}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		stopped := s.run(s.src)
		sleep(time.Minute)
		s.srv.RevokeSessions()
		required := s.src.LoginRequired()
		sleep(10 * time.Hour)
		assert.True(t, isClosed(required))
		assert.Equal(t, tokensource.RefreshRejected, s.src.Status().Reason)
		s.wantCount(agstest.Refresh, 1)

		next := s.source(func(_ *stack, cfg *tokensource.Config) { cfg.Store, cfg.Token = memory.Peer(), nil })
		token, err := s.gw.SignOn(t.Context(), ags.SignOnRequest{Parameters: newDevice().Parameters, ClientID: "PUB_1"})
		require.NoError(t, err)
		require.NoError(t, next.SetToken(t.Context(), token))
		require.NoError(t, next.Close())
		sleep(time.Minute)
		assert.False(t, isClosed(s.src.LoginRequired()))
		assert.Equal(t, tokensource.Fresh, s.src.Status().Phase)
		sleep(5 * time.Hour)
		require.NoError(t, s.get(t.Context()).asError())
		s.wantCount(agstest.Refresh, 6)
		require.NoError(t, s.src.Close())
		assert.ErrorIs(t, <-stopped, tokensource.ErrClosed)
	})
}
