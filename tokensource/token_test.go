package tokensource_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/tokensource"
)

func TestToken_ReturnsACopyWithoutTheRefreshToken(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		one, err := f.src.Token()
		require.NoError(t, err)
		shared, err := f.src.TokenContext(t.Context())
		require.NoError(t, err)
		again, err := f.src.TokenContext(t.Context())
		require.NoError(t, err)
		assert.NotSame(t, one, shared)
		assert.Same(t, shared, again)
		assert.Empty(t, one.RefreshToken)
		assert.Equal(t, "Bearer", one.Type())
		assert.Equal(t, start.Add(access), one.Expiry)
		one.AccessToken = "spoiled"
		f.want("a1")
	})
}

func TestTokenContext_AllocatesNothingWhenCached(t *testing.T) {
	c := clock.NewFake(start)
	gw := newGateway(c)
	src, err := tokensource.New(tokensource.Config{Refresher: gw, Token: &ags.Token{
		AccessToken: ags.NewSecret("a"), RefreshToken: ags.NewSecret("r"),
		IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
	}})
	require.NoError(t, err)
	_, err = src.Token()
	require.NoError(t, err)
	assert.Zero(t, testing.AllocsPerRun(100, func() { _, _ = src.TokenContext(t.Context()) }))
	assert.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = src.Token() }), 1.0)
	require.NoError(t, src.Close())
}

func TestTokenContext_WithoutASession(t *testing.T) {
	scenario(t, func(_ *fixture, c *tokensource.Config) { c.Token = nil }, func(t *testing.T, f *fixture) {
		ended := f.src.LoginRequired()
		assert.Empty(t, f.wantEnded(tokensource.NoSession).ClientID)
		assert.True(t, closed(ended))
		require.NoError(t, f.src.SetToken(t.Context(), f.gw.grant()))
		assert.False(t, closed(f.src.LoginRequired()), "a new session, a new channel")
		f.want("a2")
	})
}

func TestTokenContext_ServesALiveTokenWhenTheClockIsSetBack(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.gw.Refreshes.Hold()
		f.clock.Suspend(access)
		_, err := f.ask() // and cancels
		require.ErrorIs(t, err, context.Canceled)
		f.clock.Suspend(-2 * time.Second)
		f.want("a1")
		f.clock.Suspend(2 * time.Second)
		_, err = f.ask()
		require.ErrorIs(t, err, context.Canceled, "a1 has expired again")
		f.gw.Refreshes.Release()
		f.want("a2")
		assert.Equal(t, 1, f.gw.Refreshes.Count())
	})
}

func TestTokenContext_ServesNothingPastTheFixedExpiry(t *testing.T) {
	scenario(t, func(f *fixture, c *tokensource.Config) {
		f.gw.fixed = 30 * time.Minute
		c.Token = f.gw.signOn()
	}, func(t *testing.T, f *fixture) {
		f.clock.Advance(30*time.Minute - 1)
		tok, err := f.src.Token()
		require.NoError(t, err)
		assert.Equal(t, start.Add(30*time.Minute), tok.Expiry, "the earlier of the two")
		f.clock.Advance(1)
		f.wantEnded(tokensource.FixedExpired)
		assert.Zero(t, f.gw.Refreshes.Count())
	})
}

func TestTokenContext_ServesATokenWithoutExpiryUntilItIsInvalidated(t *testing.T) {
	scenario(t, func(f *fixture, c *tokensource.Config) {
		f.gw.access, f.gw.sliding, f.gw.fixed = 0, 0, 0
		c.Token = f.gw.signOn()
	}, func(t *testing.T, f *fixture) {
		f.clock.Advance(10 * 365 * 24 * time.Hour)
		f.want("a2")
		assert.Zero(t, f.gw.Refreshes.Count())
		f.src.Invalidate("a2")
		f.want("a3")
	})
}

func TestTokenContext_WithoutARefreshTokenEndsWithTheAccessToken(t *testing.T) {
	scenario(t, func(f *fixture, c *tokensource.Config) {
		f.gw.edit = func(t *ags.Token) { t.RefreshToken = ags.Secret{} }
		c.Token = f.gw.signOn()
	}, func(t *testing.T, f *fixture) {
		f.clock.Advance(access - 2*time.Second)
		f.want("a2")
		assert.Equal(t, 1, f.events.count(tokensource.EventEnding), "the warning")
		f.clock.Advance(time.Second)
		ended := f.wantEnded(tokensource.RefreshExpired)
		assert.Equal(t, start.Add(access), ended.At, "the expiry of the missing refresh token does not count")
		assert.Zero(t, f.gw.Refreshes.Count())
	})
}

func TestTokenContext_EndsAnExpiredSessionWithoutACall(t *testing.T) {
	scenario(t, func(f *fixture, c *tokensource.Config) {
		c.Token = f.gw.signOn()
		f.clock.Suspend(sliding) // between the sign-on and New
	}, func(t *testing.T, f *fixture) {
		f.wantEnded(tokensource.RefreshExpired)
		assert.Zero(t, f.gw.Refreshes.Count())
	})
}
