package endtoend_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/agstest"
)

// An oauth2.Client works over several lifetimes, although it caches tokens in front
// of the source.
func TestOAuth2ClientOverThreeLifetimes(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		ctx := context.WithValue(t.Context(), oauth2.HTTPClient, s.srv.Client())
		s.client = oauth2.NewClient(ctx, s.src)
		s.srv.Always(agstest.Refresh, agstest.Fault{Delay: 3 * time.Second})
		for range 3 {
			// The oauth2 client asks for a new token ten seconds before the expiry,
			// and gets the same one until the refresh is done.
			sleep(time.Until(s.src.Status().ExpiresAt) - 30*time.Second)
			stats := s.poll(10, 2*time.Second, time.Minute)
			assert.Empty(t, stats.errs)
			assert.Zero(t, stats.slowest)
		}
		s.wantCount(agstest.Refresh, 3)
		assert.Zero(t, s.rejectedCalls())
		s.wantNoOverlap()
	})
}

// After a pause the oauth2 client waits for the refresh.
func TestOAuth2ClientAfterAPause(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		ctx := context.WithValue(t.Context(), oauth2.HTTPClient, s.srv.Client())
		s.client = oauth2.NewClient(ctx, s.src)
		for generation := 1; generation <= 3; generation++ {
			for _, r := range s.burst(20) {
				require.NoError(t, r.asError())
				require.Equal(t, generation, r.echo.Generation)
			}
			sleep(5 * time.Hour)
		}
		s.wantCount(agstest.Refresh, 2)
		s.wantNoOverlap()
	})
}

// The wrappers of x/oauth2 write into the tokens that they get. Several of them
// around one source cause no race and do not change the source's token.
func TestOAuth2Wrappers(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		shared, err := s.src.TokenContext(t.Context())
		require.NoError(t, err)
		expiry := shared.Expiry
		sources := []oauth2.TokenSource{
			oauth2.ReuseTokenSource(nil, s.src),
			oauth2.ReuseTokenSourceWithExpiry(nil, s.src, time.Minute),
			oauth2.ReuseTokenSourceWithExpiry(nil, s.src, 10*time.Minute),
			s.src,
		}
		var wg sync.WaitGroup
		for _, source := range sources {
			for range 8 {
				wg.Go(func() {
					for range 40 {
						token, err := source.Token()
						if assert.NoError(t, err) {
							assert.True(t, token.Expiry.After(time.Now()), "the token is valid")
							assert.Empty(t, token.RefreshToken)
						}
						time.Sleep(5 * time.Minute)
					}
				})
			}
		}
		wg.Wait()
		assert.Equal(t, expiry, shared.Expiry)
		// A refresh every 55 minutes, and calls every 5 minutes for 200 minutes.
		s.wantCount(agstest.Refresh, 3)
		s.wantNoOverlap()
	})
}

// The returned token has no refresh token, and is a copy that the caller may modify.
func TestTokenHasNoRefreshToken(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		a, err := s.src.Token()
		require.NoError(t, err)
		assert.Equal(t, s.token.AccessToken.Reveal(), a.AccessToken)
		assert.Empty(t, a.RefreshToken)
		assert.True(t, a.Valid())
		assert.Equal(t, "Bearer", a.Type())
		assert.WithinDuration(t, s.token.ExpiresAt, a.Expiry, 0)
		assert.Nil(t, a.Extra("refresh_token"))
		a.AccessToken = "mine"
		b, err := s.src.Token()
		require.NoError(t, err)
		assert.Equal(t, s.token.AccessToken.Reveal(), b.AccessToken)
		s.wantCount(agstest.Refresh, 0)
	})
	t.Run("its expiry is not after the fixed expiry", func(t *testing.T) {
		inBubble(t, options{platform: agstest.Config{FixedLifetime: 20 * time.Minute}}, func(t *testing.T, s *stack) {
			a, err := s.src.Token()
			require.NoError(t, err)
			assert.WithinDuration(t, s.token.FixedExpiresAt, a.Expiry, 0)
			s.wantCount(agstest.Refresh, 0)
		})
	})
}
