package endtoend_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// The operator ends all sessions, and the API knows at once: a service that can
// sign on goes on without a failed call.
func TestEndToEnd_RevokedWhileBusy(t *testing.T) {
	for name, revoke := range map[string]func(*agstest.Server){
		"sessions revoked": func(s *agstest.Server) { s.RevokeSessions() },
		"keys rotated":     (*agstest.Server).RotateKeys,
		"device deleted":   func(s *agstest.Server) { s.DeleteDevice("PUB_1") },
	} {
		t.Run(name, func(t *testing.T) {
			p := plan{platform: agstest.Config{AccessEndsWithSession: true}, source: withLogin}
			bubble(t, p, func(t *testing.T, h *house) {
				h.srv.Always(agstest.SignOn, agstest.Fault{Delay: 3 * time.Second})
				sleep(10 * time.Minute)
				revoke(h.srv)
				for _, r := range h.rush(100) {
					require.NoError(t, r.failed())
					require.Equal(t, 2, r.echo.Session)
				}
				h.wantCount(agstest.Refresh, 1)
				h.wantCount(agstest.SignOn, 2)
				assert.LessOrEqual(t, h.srv.Count(agstest.API), 200)
				h.wantSound()
			})
		})
	}
}

// The same where nobody can sign on: who asked sees the API's answer, and who asks
// next is told why.
func TestEndToEnd_RevokedWithoutALogin(t *testing.T) {
	bubble(t, plan{platform: agstest.Config{AccessEndsWithSession: true}}, func(t *testing.T, h *house) {
		required := h.src.LoginRequired()
		h.srv.RevokeSessions()
		r := h.get(t.Context())
		require.NoError(t, r.err)
		assert.Equal(t, http.StatusForbidden, r.status)
		assert.True(t, isClosed(required))
		require.ErrorIs(t, h.over(tokensource.RefreshRejected, required).Err, ags.ErrUnauthorized)
		h.wantCount(agstest.API, 1)
		h.wantCount(agstest.Refresh, 1)
	})
}

// Requests that were under way with the former token when it was replaced, and
// are rejected for that, are repeated with the new one, and cost no refresh.
func TestEndToEnd_LateRejectionsOfTheFormerToken(t *testing.T) {
	bubble(t, plan{platform: agstest.Config{NewestAccessOnly: true}}, func(t *testing.T, h *house) {
		sleep(56 * time.Minute)
		h.srv.Always(agstest.API, agstest.Fault{Delay: 2 * time.Second})
		h.srv.Always(agstest.Refresh, agstest.Fault{Delay: time.Second})
		y := h.crowd(50, 500*time.Millisecond, 20*time.Second)
		assert.Empty(t, y.errs)
		assert.LessOrEqual(t, y.slowest, 4*time.Second, "twice the API's own time")
		assert.Positive(t, h.rejections())
		h.wantCount(agstest.Refresh, 1)
		assert.Equal(t, 2, h.get(t.Context()).echo.Generation)
		h.wantSound()
	})
}

// A blocked location is none of the session's business.
func TestEndToEnd_GeoBlocked(t *testing.T) {
	bubble(t, plan{source: withLogin}, func(t *testing.T, h *house) {
		h.srv.GeoBlock(true)
		for range 12 {
			r := h.get(t.Context())
			require.NoError(t, r.err)
			assert.Equal(t, http.StatusForbidden, r.status)
			sleep(5 * time.Minute)
		}
		h.wantCount(agstest.API, 12)
		h.wantCount(agstest.Refresh, 1)
		h.srv.GeoBlock(false)
		sleep(5 * time.Minute)
		h.served(2)
		h.wantCount(agstest.SignOn, 1)
		h.wantSound()
	})
}

// Deployments want the refresh token, and the body around it, in forms of their
// own: each has its option, and the wrong one is told.
func TestEndToEnd_FormsOfARefresh(t *testing.T) {
	for _, c := range []struct {
		name     string
		platform agstest.Config
		bare     bool
		omit     bool
		taken    bool
	}{
		{name: "bearer, as by default", platform: agstest.Config{Quirks: agstest.Quirks{RequireBearer: true}}, taken: true},
		{name: "bare", platform: agstest.Config{Quirks: agstest.Quirks{RequireBare: true}}, bare: true, taken: true},
		{name: "bearer where bare is wanted", platform: agstest.Config{Quirks: agstest.Quirks{RequireBare: true}}},
		{name: "no parameters", platform: agstest.Config{OptionalParameters: true}, omit: true, taken: true},
		{name: "no parameters where some are wanted", omit: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := plan{platform: c.platform, gateway: func(cfg *ags.Config) {
				cfg.BareRefreshToken, cfg.OmitParameters = c.bare, c.omit
			}}
			bubble(t, p, func(t *testing.T, h *house) {
				sleep(90 * time.Minute)
				if r := h.get(t.Context()); c.taken {
					require.NoError(t, r.failed())
					require.NoError(t, h.src.SignOut(t.Context()))
					assert.Zero(t, h.srv.Stats().LiveSessions)
				} else {
					require.Error(t, r.err)
				}
				h.wantCount(agstest.Refresh, 1)
				h.wantSound()
			})
		})
	}
}

// A deployment without refresh tokens: the session is as long as the access token,
// and a service signs on in time.
func TestEndToEnd_NoRefreshToken(t *testing.T) {
	quirks := agstest.Quirks{OmitFields: []string{"refresh_token", "refresh_expires_in"}}
	t.Run("with a login", func(t *testing.T) {
		bubble(t, plan{platform: agstest.Config{Quirks: quirks}, source: withLogin}, func(t *testing.T, h *house) {
			h.srv.Always(agstest.SignOn, agstest.Fault{Delay: 5 * time.Second})
			y := h.crowd(20, 4*time.Minute, 3*time.Hour)
			assert.Empty(t, y.errs)
			assert.Zero(t, y.slowest)
			h.wantCount(agstest.SignOn, 4)
			h.wantCount(agstest.Refresh, 0)
			assert.Equal(t, 1, h.srv.Stats().Devices)
			h.wantSound()
		})
	})
	t.Run("without", func(t *testing.T) {
		bubble(t, plan{platform: agstest.Config{Quirks: quirks}}, func(t *testing.T, h *house) {
			required := h.src.LoginRequired()
			sleep(59 * time.Minute)
			h.served(1)
			sleep(0)
			assert.Len(t, h.events.of(tokensource.EventEnding), 1, "the end was announced in time")
			sleep(time.Minute)
			h.over(tokensource.RefreshExpired, required)
			h.wantCount(agstest.Refresh, 0)
		})
	})
}

// At rest there is no timer, whatever has been before.
func TestEndToEnd_NoTimerAtRest(t *testing.T) {
	fake := clock.NewFake(time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC))
	var memory store.Memory
	p := plan{platform: agstest.Config{Clock: fake}, source: func(_ *house, cfg *tokensource.Config) { cfg.Store = &memory }}
	bubble(t, p, func(t *testing.T, h *house) {
		rest := func() {
			t.Helper()
			synctest.Wait()
			require.Zero(t, fake.AdvanceToNext())
		}
		h.served(1)
		rest()
		fake.Advance(56 * time.Minute)
		h.served(1)
		rest()
		h.served(2)
		h.srv.Script(agstest.Refresh, agstest.Fault{Status: http.StatusServiceUnavailable})
		fake.Advance(2 * time.Hour)
		h.unavailable()
		rest()
		fake.Advance(time.Second)
		h.served(3)
		h.srv.RejectNext(1)
		h.served(4)
		rest()
		require.NoError(t, h.src.SignOut(t.Context()))
		rest()
		h.wantCount(agstest.Refresh, 4)
		h.wantSound()
	})
}

// A newer token than the stored one, or another device's, is begun with; an older
// one is not.
func TestEndToEnd_GivenAndStored(t *testing.T) {
	var memory store.Memory
	bubble(t, plan{source: func(_ *house, cfg *tokensource.Config) { cfg.Store = &memory }}, func(t *testing.T, h *house) {
		h.served(1)
		sleep(10 * time.Minute)
		again, err := h.gw.SignOn(t.Context(), ags.SignOnRequest{Parameters: newDevice().Parameters, ClientID: "PUB_1"})
		require.NoError(t, err)
		sleep(10 * time.Minute)
		other, err := h.gw.SignOn(t.Context(), newDevice())
		require.NoError(t, err)
		for _, c := range []struct {
			given   *ags.Token
			session int
		}{{again, 2}, {h.token, 2}, {nil, 2}, {other, 3}, {nil, 3}, {again, 2}} {
			src := h.source(func(_ *house, cfg *tokensource.Config) { cfg.Store, cfg.Token = memory.Peer(), c.given })
			r := send(t.Context(), h.clientOf(src), http.MethodGet, h.srv.URL+"/api/profile", "")
			require.NoError(t, r.failed())
			assert.Equal(t, c.session, r.echo.Session)
			require.NoError(t, src.Close())
		}
		h.wantCount(agstest.Refresh, 0)
	})
}

// A neighbour that holds the lock and does nothing keeps nobody from a live token,
// and no session from going on for longer than half a minute.
func TestEndToEnd_NeighbourSitsOnTheLock(t *testing.T) {
	var memory store.Memory
	p := plan{source: func(_ *house, cfg *tokensource.Config) { cfg.Store = &memory }}
	bubble(t, p, func(t *testing.T, h *house) {
		h.served(1)
		unlock, err := memory.Peer().Lock(t.Context())
		require.NoError(t, err)
		y := h.crowd(10, time.Minute, time.Hour-2*time.Second)
		assert.Empty(t, y.errs)
		assert.Zero(t, y.slowest)
		h.wantCount(agstest.Refresh, 0)
		sleep(time.Minute)
		begin := time.Now()
		for _, r := range h.rush(20) {
			require.NoError(t, r.failed())
			require.Equal(t, 2, r.echo.Generation)
		}
		assert.InDelta(t, 31, time.Since(begin).Seconds(), 1)
		h.wantCount(agstest.Refresh, 1)
		sleep(0)
		assert.Len(t, h.events.of(tokensource.EventUnlocked), 1)
		require.NoError(t, unlock())
		h.wantSound()
	})
}

// Somebody has emptied the store: what is in memory goes on, and is saved again.
func TestEndToEnd_StoreEmptied(t *testing.T) {
	var memory store.Memory
	p := plan{source: func(h *house, cfg *tokensource.Config) {
		withLogin(h, cfg)
		cfg.Store = &memory
	}}
	bubble(t, p, func(t *testing.T, h *house) {
		h.served(1)
		require.NoError(t, memory.Peer().Delete(t.Context()))
		require.NoError(t, h.src.Sync(t.Context()))
		h.served(1)
		sleep(0)
		_, err := memory.Peer().Load(t.Context())
		require.NoError(t, err)

		require.NoError(t, memory.Peer().Delete(t.Context()))
		y := h.crowd(5, 5*time.Minute, 2*time.Hour)
		assert.Empty(t, y.errs)
		assert.Zero(t, y.slowest)
		h.wantCount(agstest.Refresh, 2)
		h.wantCount(agstest.SignOn, 1)
		next := h.source(func(_ *house, cfg *tokensource.Config) { cfg.Store, cfg.Token = memory.Peer(), nil })
		r := send(t.Context(), h.clientOf(next), http.MethodGet, h.srv.URL+"/api/profile", "")
		require.NoError(t, r.failed())
		assert.Equal(t, 3, r.echo.Generation)
		require.NoError(t, next.Close())
		h.wantSound()
	})
}
