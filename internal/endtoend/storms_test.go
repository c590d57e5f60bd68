package endtoend_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// An outage with dead tokens: however many ask, the gateway sees one request in
// every back-off, and is back in use within ten seconds or so of its return.
func TestEndToEnd_OutageIsNoStorm(t *testing.T) {
	bubble(t, plan{source: withLogin}, func(t *testing.T, h *house) {
		sleep(90 * time.Minute)
		h.srv.Always(agstest.Refresh, agstest.Fault{Status: http.StatusServiceUnavailable})
		y := h.crowd(50, 2*time.Second, 2*time.Minute)
		assert.Len(t, y.errs, y.calls)
		assert.Zero(t, y.slowest, "nobody waits for what is known not to be there")
		for _, err := range y.errs {
			var later *tokensource.UnavailableError
			require.ErrorAs(t, err, &later)
			require.ErrorIs(t, err, ags.ErrUnavailable)
		}
		assert.InDelta(t, 21, h.srv.Count(agstest.Refresh), 2, "every 7.5 s, once the back-off has grown")
		h.wantCount(agstest.API, 0)
		h.wantCount(agstest.SignOn, 1)

		h.srv.Clear(agstest.Refresh)
		sleep(10 * time.Second)
		h.served(2)
		h.wantSound()
	})
}

// The same while the token lives: nobody notices, and the attempts become rarer.
func TestEndToEnd_OutageBehindALiveToken(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		h.srv.Always(agstest.Refresh, agstest.Fault{Status: http.StatusBadGateway})
		sleep(54 * time.Minute)
		y := h.crowd(50, 20*time.Second, 6*time.Minute-5*time.Second)
		assert.Empty(t, y.errs)
		assert.Zero(t, y.slowest)
		n := h.srv.Count(agstest.Refresh)
		assert.Less(t, n, 45, "in the five minutes of the margin")
		assert.Greater(t, n, 10)
		assert.Empty(t, h.events.of(tokensource.EventEnded))
		h.srv.Clear(agstest.Refresh)
		y = h.crowd(5, time.Second, 30*time.Second)
		assert.LessOrEqual(t, len(y.errs), 5*13, "a few who came between the death and the next attempt")
		h.served(2)
		h.wantSound()
	})
}

// A gateway that loses every answer is asked twice an attempt, and no more.
func TestEndToEnd_OutageOfTheNetwork(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		sleep(90 * time.Minute)
		h.srv.Always(agstest.Refresh, agstest.Fault{Kind: agstest.Lost})
		for _, r := range h.rush(20) {
			require.ErrorIs(t, r.err, ags.ErrUnavailable)
		}
		h.wantCount(agstest.Refresh, 2)
		h.srv.Clear(agstest.Refresh)
		sleep(time.Second)
		h.served(2)
		h.wantCount(agstest.Refresh, 3)
		h.wantSound()
	})
}

// Retry-After is a floor for the next attempt: in seconds or as a date, by the
// gateway's own clock, whatever that shows; and never more than five minutes.
func TestEndToEnd_RetryAfter(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault agstest.Fault
		wait  time.Duration
	}{
		{"seconds", agstest.Fault{Status: 429, RetryAfter: 100 * time.Second}, 100 * time.Second},
		{"a date", agstest.Fault{Status: 429, RetryAfter: 100 * time.Second, RetryAfterDate: true}, 100 * time.Second},
		{"with a 503", agstest.Fault{Status: 503, RetryAfter: 100 * time.Second}, 100 * time.Second},
		{"a day", agstest.Fault{Status: 429, RetryAfter: 24 * time.Hour}, 5 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, plan{platform: agstest.Config{Skew: -7 * time.Hour}}, func(t *testing.T, h *house) {
				sleep(90 * time.Minute)
				h.srv.Script(agstest.Refresh, c.fault)
				later := h.unavailable()
				assert.InDelta(t, c.wait, time.Until(later.NextAt), float64(time.Second))
				y := h.crowd(20, time.Second, c.wait-2*time.Second)
				assert.Len(t, y.errs, y.calls)
				h.wantCount(agstest.Refresh, 1)
				sleep(4 * time.Second)
				h.served(2)
				h.wantCount(agstest.Refresh, 2)
				h.wantSound()
			})
		})
	}
}

// An API that rejects every token costs a refresh in ever longer intervals; the
// rejection goes to the caller, as it is.
func TestEndToEnd_RejectionStormIsNoRefreshStorm(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		h.srv.RejectAll(true)
		y := h.crowd(30, 5*time.Second, 3*time.Minute)
		assert.Len(t, y.errs, y.calls)
		for _, err := range y.errs {
			require.EqualError(t, err, "status 403")
		}
		// After 0, 10, 30, 70 and 150 seconds.
		n := h.srv.Count(agstest.Refresh)
		assert.LessOrEqual(t, n, 5)
		assert.Greater(t, n, 1)
		assert.LessOrEqual(t, h.srv.Count(agstest.API), y.calls+30*n, "only what another token is there for is repeated")

		h.srv.RejectAll(false)
		y = h.crowd(30, 5*time.Second, 30*time.Second)
		assert.Empty(t, y.errs)
		h.wantCount(agstest.Refresh, n)
		h.wantSound()
	})
}

// A burst of requests with one rejected token is one refresh, and nobody notices.
func TestEndToEnd_BurstAtARejectedToken(t *testing.T) {
	for name, quirks := range map[string]agstest.Quirks{
		"403 99999:403": {}, "401": {RejectionStatus: 401}, "403 1024": {RejectionCode: "1024"}, "403 1025": {RejectionCode: "1025"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, plan{platform: agstest.Config{Quirks: quirks}}, func(t *testing.T, h *house) {
				h.srv.RejectToken(h.token.AccessToken.Reveal())
				h.srv.Always(agstest.Refresh, agstest.Fault{Delay: 2 * time.Second})
				for _, r := range h.rush(100) {
					require.NoError(t, r.failed())
					require.Equal(t, 2, r.echo.Generation)
				}
				h.wantCount(agstest.Refresh, 1)
				assert.LessOrEqual(t, h.srv.Count(agstest.API), 200, "once more each at most")
				h.wantSound()
			})
		})
	}
}

// The same over true connections.
func TestEndToEnd_BurstOverLoopback(t *testing.T) {
	loopback(t, plan{}, func(t *testing.T, h *house) {
		h.srv.RejectToken(h.token.AccessToken.Reveal())
		for _, r := range h.rush(100) {
			require.NoError(t, r.failed())
			require.Equal(t, 2, r.echo.Generation)
		}
		h.wantCount(agstest.Refresh, 1)
		assert.LessOrEqual(t, h.srv.Count(agstest.API), 200)
		h.wantSound()
	})
}

// A 403 that is about the request and not about the token is the caller's: no
// refresh would change it.
func TestEndToEnd_RefusalOfTheRequestIsNoRejection(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		for name, fault := range map[string]agstest.Fault{
			"a blocked location": {Code: 20019},
			"an entitlement":     {Status: 403, Body: `{"resultCode":"30001:403","result":"Not entitled"}`},
			"a firewall":         {Kind: agstest.HTML},
			"no body":            {Status: 403, Kind: agstest.Empty},
			"a legacy rejection": {Status: 200, Body: `{"resultCode":"99999:403","result":"Bearer Token Expired"}`},
			"a server's error":   {Status: 500},
		} {
			h.srv.Script(agstest.API, fault)
			want := fault.Status
			if want == 0 {
				want = http.StatusForbidden
			}
			r := h.get(t.Context())
			require.NoError(t, r.err, name)
			assert.Equal(t, want, r.status, name)
		}
		h.wantCount(agstest.API, 6)
		h.wantCount(agstest.Refresh, 0)
		h.served(1)
	})
}

// While a refresh could win no time any more there is none, whatever the tokens
// say of themselves.
func TestEndToEnd_NoStormNearTheFixedHorizon(t *testing.T) {
	for name, quirks := range map[string]agstest.Quirks{
		"tokens that outlive the session": {},
		"tokens that end with it":         {CapLifetimes: true},
		"opaque tokens":                   {OpaqueTokens: true},
		"the whole lifetime every time":   {OpaqueTokens: true, RepeatFixedLifetime: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := plan{platform: agstest.Config{AccessLifetime: 10 * time.Minute, FixedLifetime: 25 * time.Minute, Quirks: quirks}}
			bubble(t, p, func(t *testing.T, h *house) {
				y := h.crowd(20, time.Minute, 25*time.Minute-2*time.Second)
				assert.Empty(t, y.errs)
				assert.Zero(t, y.slowest)
				h.wantCount(agstest.Refresh, 2)
				sleep(3 * time.Second)
				for _, r := range h.rush(50) {
					require.ErrorIs(t, r.err, tokensource.ErrLoginRequired)
				}
				sleep(time.Minute)
				h.ended(tokensource.FixedExpired)
				h.wantCount(agstest.Refresh, 2)
				assert.Zero(t, h.rejections())
				h.wantSound()
			})
		})
	}
}

// Two hundred callers at a source that has nothing: one sign-on.
func TestEndToEnd_ColdStampedeIsOneSignOn(t *testing.T) {
	p := plan{unsigned: true, source: func(h *house, cfg *tokensource.Config) {
		withLogin(h, cfg)
		cfg.Store = &store.Memory{}
	}}
	bubble(t, p, func(t *testing.T, h *house) {
		h.srv.Always(agstest.SignOn, agstest.Fault{Delay: 25 * time.Second})
		begin := time.Now()
		for _, r := range h.rush(200) {
			require.NoError(t, r.failed())
		}
		assert.Equal(t, 25*time.Second, time.Since(begin))
		h.wantCount(agstest.SignOn, 1)
		h.wantCount(agstest.Refresh, 0)
		h.wantSound()
	})
}

// Two hundred callers at a source whose stored token is dead: one refresh.
func TestEndToEnd_ColdStampedeIsOneRefresh(t *testing.T) {
	var memory store.Memory
	p := plan{source: func(_ *house, cfg *tokensource.Config) { cfg.Store = &memory }}
	bubble(t, p, func(t *testing.T, h *house) {
		h.served(1)
		require.NoError(t, h.src.Close())
		sleep(5 * time.Hour)
		h.src = h.source(func(_ *house, cfg *tokensource.Config) { cfg.Store, cfg.Token = memory.Peer(), nil })
		h.client = h.clientOf(h.src)
		h.srv.Always(agstest.Refresh, agstest.Fault{Delay: 3 * time.Second})
		for _, r := range h.rush(200) {
			require.NoError(t, r.failed())
		}
		h.wantCount(agstest.Refresh, 1)
		h.wantSound()
	})
}

// A login that fails for all who wait fails once, and is not tried again for a
// minute, then two, and so on.
func TestEndToEnd_FailingLoginIsNoStorm(t *testing.T) {
	p := plan{unsigned: true, source: func(h *house, cfg *tokensource.Config) {
		rq := newDevice()
		rq.Parameters[1].Value = "wrong"
		cfg.Login = tokensource.SignOnWith(h.gw, rq)
	}}
	bubble(t, p, func(t *testing.T, h *house) {
		y := h.crowd(50, 15*time.Second, 20*time.Minute)
		assert.Len(t, y.errs, y.calls)
		assert.Zero(t, y.slowest)
		for _, err := range y.errs {
			require.ErrorIs(t, err, tokensource.ErrLoginRequired)
			require.ErrorIs(t, err, ags.ErrUnauthorized)
		}
		h.wantCount(agstest.SignOn, 5) // after 0, 1, 3, 7 and 15 minutes
		h.wantCount(agstest.Refresh, 0)
		h.wantSound()
	})
}
