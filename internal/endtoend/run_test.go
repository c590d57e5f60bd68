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

// run has a source keep itself fresh, until it is closed.
func (h *house) run(src *tokensource.Source) (stopped <-chan error) {
	h.t.Helper()
	c := make(chan error, 1)
	go func() { c <- src.Run(h.t.Context()) }()
	return c
}

// An outage of hours passes over an idle program: it is over it soon after the
// gateway is, and has not stormed it meanwhile.
func TestEndToEnd_RunThroughAnOutage(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		stopped := h.run(h.src)
		h.srv.Always(agstest.Refresh, agstest.Fault{Status: 503})
		sleep(time.Hour)
		margin := h.srv.Count(agstest.Refresh)
		assert.InDelta(t, 45, margin, 15, "in the five minutes before the token's death")
		sleep(time.Hour)
		n := h.srv.Count(agstest.Refresh)
		assert.InDelta(t, 3600/7.5, n-margin, 5, "every 7.5 s after it")
		h.srv.Clear(agstest.Refresh)
		sleep(10 * time.Second)
		h.wantCount(agstest.Refresh, n+1)
		begin := time.Now()
		h.served(2)
		assert.Zero(t, time.Since(begin))
		h.wantSound()
		require.NoError(t, h.src.Close())
		assert.ErrorIs(t, <-stopped, tokensource.ErrClosed)
	})
}

// An idle service signs on at every fixed horizon, before it, and is at no time
// without a token.
func TestEndToEnd_RunThroughFixedHorizons(t *testing.T) {
	p := plan{platform: agstest.Config{FixedLifetime: 12 * time.Hour}, source: withLogin}
	bubble(t, p, func(t *testing.T, h *house) {
		stopped := h.run(h.src)
		for range 3 * 24 {
			sleep(time.Hour)
			begin := time.Now()
			require.NoError(t, h.get(t.Context()).failed())
			require.Zero(t, time.Since(begin))
		}
		h.wantCount(agstest.SignOn, 7)
		assert.Equal(t, 1, h.srv.Stats().Devices)
		assert.Empty(t, h.events.of(tokensource.EventEnded))
		assert.Zero(t, h.rejections())
		h.wantSound()
		require.NoError(t, h.src.Close())
		assert.ErrorIs(t, <-stopped, tokensource.ErrClosed)
	})
}

// A session that has ended waits in Run for somebody to revive it, here or next
// door, and asks the gateway for nothing meanwhile.
func TestEndToEnd_RunIsRevivedFromNextDoor(t *testing.T) {
	var memory store.Memory
	p := plan{source: func(_ *house, cfg *tokensource.Config) { cfg.Store = &memory }}
	bubble(t, p, func(t *testing.T, h *house) {
		stopped := h.run(h.src)
		sleep(time.Minute)
		h.srv.RevokeSessions()
		required := h.src.LoginRequired()
		sleep(10 * time.Hour)
		assert.True(t, isClosed(required))
		assert.Equal(t, tokensource.RefreshRejected, h.src.Status().Reason)
		h.wantCount(agstest.Refresh, 1)

		next := h.source(func(_ *house, cfg *tokensource.Config) { cfg.Store, cfg.Token = memory.Peer(), nil })
		token, err := h.gw.SignOn(t.Context(), ags.SignOnRequest{Parameters: newDevice().Parameters, ClientID: "PUB_1"})
		require.NoError(t, err)
		require.NoError(t, next.SetToken(t.Context(), token))
		require.NoError(t, next.Close())
		sleep(time.Minute)
		assert.False(t, isClosed(h.src.LoginRequired()))
		assert.Equal(t, tokensource.Fresh, h.src.Status().Phase)
		sleep(5 * time.Hour)
		require.NoError(t, h.get(t.Context()).failed())
		h.wantCount(agstest.Refresh, 6)
		require.NoError(t, h.src.Close())
		assert.ErrorIs(t, <-stopped, tokensource.ErrClosed)
	})
}

// Sync takes over what is stored, and never asks the gateway.
func TestEndToEnd_SyncAsksNobody(t *testing.T) {
	var memory store.Memory
	p := plan{source: func(_ *house, cfg *tokensource.Config) { cfg.Store = &memory }}
	bubble(t, p, func(t *testing.T, h *house) {
		h.served(1)
		next := h.source(func(_ *house, cfg *tokensource.Config) { cfg.Store, cfg.Token = memory.Peer(), nil })
		require.NoError(t, next.Sync(t.Context()))
		sleep(90 * time.Minute)
		require.NoError(t, next.Sync(t.Context()))
		h.wantCount(agstest.Refresh, 0)
		h.served(2)
		require.NoError(t, next.Sync(t.Context()))
		token, err := next.TokenContext(t.Context())
		require.NoError(t, err)
		info, known := h.srv.Inspect(token.AccessToken)
		require.True(t, known)
		assert.Equal(t, 2, info.Generation)
		require.NoError(t, next.Close())
		h.wantCount(agstest.Refresh, 1)
		h.wantSound()
	})
}
