package endtoend_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
)

// Horizons in another order than the usual one.
func TestEndToEnd_RefreshTokenThatDiesFirst(t *testing.T) {
	p := plan{platform: agstest.Config{AccessLifetime: time.Hour, RefreshLifetime: 30 * time.Minute}}
	bubble(t, p, func(t *testing.T, h *house) {
		y := h.crowd(5, time.Minute, 100*time.Minute)
		assert.Empty(t, y.errs)
		assert.Zero(t, y.slowest)
		h.wantCount(agstest.Refresh, 3) // every 27 minutes
		assert.Empty(t, h.events.of(tokensource.EventEnded))

		// Left alone for too long the refreshing has ended, but the token has not.
		required := h.src.LoginRequired()
		sleep(31 * time.Minute)
		h.served(4)
		assert.True(t, isClosed(required))
		assert.Equal(t, tokensource.RefreshExpired, h.src.Status().Reason)
		sleep(time.Hour)
		h.over(tokensource.RefreshExpired, required)
		h.wantCount(agstest.Refresh, 3)
		h.wantSound()
	})
}

func TestEndToEnd_AccessTokenThatOutlivesTheSession(t *testing.T) {
	p := plan{platform: agstest.Config{AccessLifetime: time.Hour, FixedLifetime: 30 * time.Minute}}
	bubble(t, p, func(t *testing.T, h *house) {
		y := h.crowd(5, time.Minute, 30*time.Minute-2*time.Second)
		assert.Empty(t, y.errs)
		sleep(2 * time.Second)
		h.over(tokensource.FixedExpired, h.src.LoginRequired())
		h.wantCount(agstest.Refresh, 0)
		assert.Zero(t, h.rejections())
	})
}

// A refresh that takes longer than the token still lives is waited for, by all
// who come after the token's death, and by nobody before it.
func TestEndToEnd_RefreshSlowerThanTheMargin(t *testing.T) {
	p := plan{
		platform: agstest.Config{AccessLifetime: 20 * time.Second, Quirks: agstest.Quirks{MillisecondClaims: true}},
		source:   func(_ *house, cfg *tokensource.Config) { cfg.RefreshTimeout = 30 * time.Second },
	}
	bubble(t, p, func(t *testing.T, h *house) {
		h.srv.Always(agstest.Refresh, agstest.Fault{Delay: 12 * time.Second})
		y := h.crowd(10, time.Second, 3*time.Minute)
		assert.Empty(t, y.errs)
		// Each pair is asked for when the one before has arrived, 12 s after it was
		// asked for itself, and is served for 19 s: 24 s - 19 s.
		assert.Equal(t, 5*time.Second, y.slowest)
		assert.InDelta(t, 15, h.srv.Count(agstest.Refresh), 1, "one after the other")
		assert.Zero(t, h.rejections())
		h.wantSound()
	})
}

// An answer that arrives when its token is dead is of no use to who waits, but
// the refresh token in it is the only one that is good.
func TestEndToEnd_AnswerThatArrivesDead(t *testing.T) {
	p := plan{platform: agstest.Config{AccessLifetime: 10 * time.Second}}
	bubble(t, p, func(t *testing.T, h *house) {
		sleep(time.Minute)
		h.srv.Script(agstest.Refresh, agstest.Fault{Delay: 9500 * time.Millisecond, AfterWork: true})
		begin := time.Now()
		h.unavailable()
		assert.Equal(t, 9500*time.Millisecond, time.Since(begin))
		h.wantCount(agstest.API, 0)
		sleep(15 * time.Second)
		h.served(3)
		h.wantCount(agstest.Refresh, 2)
		h.wantSound()
	})
}

// A login that fails within the margin is seen by nobody before the horizon, and
// is then the reason why there is no token.
func TestEndToEnd_LoginFailsBeforeTheHorizon(t *testing.T) {
	p := plan{
		platform: agstest.Config{AccessLifetime: 10 * time.Minute, FixedLifetime: 25 * time.Minute},
		gateway:  func(cfg *ags.Config) { cfg.Retry.Max = -1 },
		source:   withLogin,
	}
	bubble(t, p, func(t *testing.T, h *house) {
		sleep(18 * time.Minute)
		h.srv.Always(agstest.SignOn, agstest.Fault{Status: 503})
		y := h.crowd(10, 10*time.Second, 7*time.Minute-2*time.Second)
		assert.Empty(t, y.errs)
		tried := h.srv.Count(agstest.SignOn)
		assert.Greater(t, tried, 2)
		assert.Less(t, tried, 20)
		sleep(3 * time.Second)
		require.ErrorIs(t, h.ended(tokensource.FixedExpired).Err, ags.ErrUnavailable)
		h.srv.Clear(agstest.SignOn)
		sleep(time.Minute)
		r := h.get(t.Context())
		require.NoError(t, r.failed())
		assert.Equal(t, 2, r.echo.Session)
		h.wantSound()
	})
}

// Eight services on one session, all of which can sign on and none of which is
// idle, through several fixed horizons.
func TestEndToEnd_ProcessesThroughFixedHorizons(t *testing.T) {
	for name, shelf := range shelves() {
		t.Run(name, func(t *testing.T) {
			open := shelf(t)
			p := plan{unsigned: true, platform: agstest.Config{AccessLifetime: 10 * time.Minute, FixedLifetime: 25 * time.Minute}}
			bubble(t, p, func(t *testing.T, h *house) {
				sources, clients := h.neighbours(8, open, withLogin)
				require.Empty(t, h.askAll(clients, 1).errs)
				h.srv.Always(agstest.SignOn, agstest.Fault{Delay: 3 * time.Second})
				h.srv.Always(agstest.Refresh, agstest.Fault{Delay: 2 * time.Second})
				for range 100 {
					y := h.askAll(clients, 1)
					require.Empty(t, y.errs)
					require.Zero(t, y.slowest)
					sleep(20 * time.Second)
				}
				assert.Equal(t, 2, h.srv.Count(agstest.SignOn))
				assert.Equal(t, 1, h.srv.Stats().Devices)
				assert.Zero(t, h.rejections())
				h.wantSound()
				closeAll(t, sources)
			})
		})
	}
}

// One rejected token in eight processes is one refresh.
func TestEndToEnd_ProcessesAtARejectedToken(t *testing.T) {
	for name, shelf := range shelves() {
		t.Run(name, func(t *testing.T) {
			open := shelf(t)
			bubble(t, plan{}, func(t *testing.T, h *house) {
				h.deposit(open)
				sources, clients := h.neighbours(8, open, nil)
				require.Empty(t, h.askAll(clients, 1).errs)
				h.srv.RejectToken(h.token.AccessToken.Reveal())
				h.srv.Always(agstest.Refresh, agstest.Fault{Delay: time.Second})
				y := h.askAll(clients, 5)
				assert.Empty(t, y.errs)
				assert.Less(t, y.slowest, 3*time.Second)
				h.wantCount(agstest.Refresh, 1)
				h.wantSound()
				closeAll(t, sources)
			})
		})
	}
}

// Eight idle processes that all keep the session alive, for half a day.
func TestEndToEnd_ProcessesRunIdly(t *testing.T) {
	for name, shelf := range shelves() {
		t.Run(name, func(t *testing.T) {
			open := shelf(t)
			bubble(t, plan{}, func(t *testing.T, h *house) {
				h.deposit(open)
				sources, clients := h.neighbours(8, open, nil)
				for _, src := range sources {
					go func() { _ = src.Run(t.Context()) }()
				}
				sleep(12 * time.Hour)
				assert.InDelta(t, 13, h.srv.Count(agstest.Refresh), 1)
				y := h.askAll(clients, 1)
				assert.Empty(t, y.errs)
				assert.Zero(t, y.slowest)
				assert.Zero(t, h.rejections())
				h.wantSound()
				closeAll(t, sources)
			})
		})
	}
}

// Signed out here, signed on again there: the mark of the one is no obstacle to
// the other.
func TestEndToEnd_SignedOnNextDoorAfterASignOut(t *testing.T) {
	for name, shelf := range shelves() {
		t.Run(name, func(t *testing.T) {
			open := shelf(t)
			bubble(t, plan{}, func(t *testing.T, h *house) {
				h.deposit(open)
				sources, clients := h.neighbours(2, open, nil)
				require.Empty(t, h.askAll(clients, 1).errs)
				require.NoError(t, sources[0].SignOut(t.Context()))
				token, err := h.gw.SignOn(t.Context(), ags.SignOnRequest{Parameters: newDevice().Parameters, ClientID: "PUB_1"})
				require.NoError(t, err)
				require.NoError(t, sources[1].SetToken(t.Context(), token))
				sleep(time.Second)
				require.Empty(t, h.askAll(clients, 2).errs)
				h.wantCount(agstest.SignOut, 1)
				h.wantCount(agstest.Refresh, 0)
				closeAll(t, sources)
			})
		})
	}
}
