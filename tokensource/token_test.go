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
	story(t, nil, func(t *testing.T, r *rig) {
		one, err := r.src.Token()
		require.NoError(t, err)
		shared, err := r.src.TokenContext(t.Context())
		require.NoError(t, err)
		again, err := r.src.TokenContext(t.Context())
		require.NoError(t, err)
		assert.NotSame(t, one, shared)
		assert.Same(t, shared, again)
		assert.Empty(t, one.RefreshToken)
		assert.Equal(t, "Bearer", one.Type())
		assert.Equal(t, start.Add(access), one.Expiry)
		one.AccessToken = "spoiled"
		r.want("a1")
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
	story(t, func(_ *rig, c *tokensource.Config) { c.Token = nil }, func(t *testing.T, r *rig) {
		ended := r.src.LoginRequired()
		assert.Empty(t, r.wantEnded(tokensource.NoSession).ClientID)
		assert.True(t, closed(ended))
		require.NoError(t, r.src.SetToken(t.Context(), r.gw.grant()))
		assert.False(t, closed(r.src.LoginRequired()), "a new session, a new channel")
		r.want("a2")
	})
}

func TestTokenContext_ServesALiveTokenWhenTheClockIsSetBack(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.Refreshes.Hold()
		r.clock.Suspend(access)
		_, err := r.ask() // and leaves
		require.ErrorIs(t, err, context.Canceled)
		r.clock.Suspend(-2 * time.Second)
		r.want("a1")
		r.clock.Suspend(2 * time.Second)
		_, err = r.ask()
		require.ErrorIs(t, err, context.Canceled, "no longer")
		r.gw.Refreshes.Release()
		r.want("a2")
		assert.Equal(t, 1, r.gw.Refreshes.Count())
	})
}

func TestTokenContext_ServesNothingPastTheFixedExpiry(t *testing.T) {
	story(t, func(r *rig, c *tokensource.Config) {
		r.gw.fixed = 30 * time.Minute
		c.Token = r.gw.signOn()
	}, func(t *testing.T, r *rig) {
		r.clock.Advance(30*time.Minute - 1)
		tok, err := r.src.Token()
		require.NoError(t, err)
		assert.Equal(t, start.Add(30*time.Minute), tok.Expiry, "the earlier of the two")
		r.clock.Advance(1)
		r.wantEnded(tokensource.FixedExpired)
		assert.Zero(t, r.gw.Refreshes.Count())
	})
}

func TestTokenContext_ServesATokenWithoutExpiryUntilItIsInvalidated(t *testing.T) {
	story(t, func(r *rig, c *tokensource.Config) {
		r.gw.access, r.gw.sliding, r.gw.fixed = 0, 0, 0
		c.Token = r.gw.signOn()
	}, func(t *testing.T, r *rig) {
		r.clock.Advance(10 * 365 * 24 * time.Hour)
		r.want("a2")
		assert.Zero(t, r.gw.Refreshes.Count())
		r.src.Invalidate("a2")
		r.want("a3")
	})
}

func TestTokenContext_WithoutARefreshTokenEndsWithTheAccessToken(t *testing.T) {
	story(t, func(r *rig, c *tokensource.Config) {
		r.gw.edit = func(t *ags.Token) { t.RefreshToken = ags.Secret{} }
		c.Token = r.gw.signOn()
	}, func(t *testing.T, r *rig) {
		r.clock.Advance(access - 2*time.Second)
		r.want("a2")
		assert.Equal(t, 1, r.events.count(tokensource.EventEnding), "announced ahead of time")
		r.clock.Advance(time.Second)
		ended := r.wantEnded(tokensource.RefreshExpired)
		assert.Equal(t, start.Add(access), ended.At, "whatever is told of a refresh token that is not there")
		assert.Zero(t, r.gw.Refreshes.Count())
	})
}

func TestTokenContext_EndsAnExpiredSessionWithoutACall(t *testing.T) {
	story(t, func(r *rig, c *tokensource.Config) {
		c.Token = r.gw.signOn()
		r.clock.Suspend(sliding) // between the sign-on and New
	}, func(t *testing.T, r *rig) {
		r.wantEnded(tokensource.RefreshExpired)
		assert.Zero(t, r.gw.Refreshes.Count())
	})
}
