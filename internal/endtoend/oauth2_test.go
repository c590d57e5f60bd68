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

// A program that knows of x/oauth2 only keeps its client over several lifetimes,
// though that has a cache of its own in front of the source.
func TestEndToEnd_OAuth2ClientOverThreeLifetimes(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		ctx := context.WithValue(t.Context(), oauth2.HTTPClient, h.srv.Client())
		h.client = oauth2.NewClient(ctx, h.src)
		h.srv.Always(agstest.Refresh, agstest.Fault{Delay: 3 * time.Second})
		for range 3 {
			// It asks for another ten seconds before the end, and gets the same one
			// until the refresh behind it is done.
			sleep(time.Until(h.src.Status().ExpiresAt) - 30*time.Second)
			y := h.crowd(10, 2*time.Second, time.Minute)
			assert.Empty(t, y.errs)
			assert.Zero(t, y.slowest)
		}
		h.wantCount(agstest.Refresh, 3)
		assert.Zero(t, h.rejections())
		h.wantSound()
	})
}

// After a pause it waits for the refresh, as it would for one of its own.
func TestEndToEnd_OAuth2ClientAfterAPause(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		ctx := context.WithValue(t.Context(), oauth2.HTTPClient, h.srv.Client())
		h.client = oauth2.NewClient(ctx, h.src)
		for generation := 1; generation <= 3; generation++ {
			for _, r := range h.rush(20) {
				require.NoError(t, r.failed())
				require.Equal(t, generation, r.echo.Generation)
			}
			sleep(5 * time.Hour)
		}
		h.wantCount(agstest.Refresh, 2)
		h.wantSound()
	})
}

// x/oauth2's wrappers write into the tokens that they are given. Several around
// one source are no race, and change nothing for it.
func TestEndToEnd_OAuth2Wrappers(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		shared, err := h.src.TokenContext(t.Context())
		require.NoError(t, err)
		expiry := shared.Expiry
		sources := []oauth2.TokenSource{
			oauth2.ReuseTokenSource(nil, h.src),
			oauth2.ReuseTokenSourceWithExpiry(nil, h.src, time.Minute),
			oauth2.ReuseTokenSourceWithExpiry(nil, h.src, 10*time.Minute),
			h.src,
		}
		var wg sync.WaitGroup
		for _, source := range sources {
			for range 8 {
				wg.Go(func() {
					for range 40 {
						token, err := source.Token()
						if assert.NoError(t, err) {
							assert.True(t, token.Expiry.After(time.Now()), "a live one")
							assert.Empty(t, token.RefreshToken)
						}
						time.Sleep(5 * time.Minute)
					}
				})
			}
		}
		wg.Wait()
		assert.Equal(t, expiry, shared.Expiry)
		// Due every 55 minutes, and asked for every 5, for 200.
		h.wantCount(agstest.Refresh, 3)
		h.wantSound()
	})
}

// What is handed out is a token for the API and no more: no refresh token, and a
// copy for who may write into it.
func TestEndToEnd_TokenHandedOut(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		a, err := h.src.Token()
		require.NoError(t, err)
		assert.Equal(t, h.token.AccessToken.Reveal(), a.AccessToken)
		assert.Empty(t, a.RefreshToken)
		assert.True(t, a.Valid())
		assert.Equal(t, "Bearer", a.Type())
		assert.WithinDuration(t, h.token.ExpiresAt, a.Expiry, 0)
		assert.Nil(t, a.Extra("refresh_token"))
		a.AccessToken = "mine"
		b, err := h.src.Token()
		require.NoError(t, err)
		assert.Equal(t, h.token.AccessToken.Reveal(), b.AccessToken)
		h.wantCount(agstest.Refresh, 0)
	})
	t.Run("its expiry is never past the fixed horizon", func(t *testing.T) {
		bubble(t, plan{platform: agstest.Config{FixedLifetime: 20 * time.Minute}}, func(t *testing.T, h *house) {
			a, err := h.src.Token()
			require.NoError(t, err)
			assert.WithinDuration(t, h.token.FixedExpiresAt, a.Expiry, 0)
			h.wantCount(agstest.Refresh, 0)
		})
	})
}
