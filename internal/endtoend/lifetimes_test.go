package endtoend_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/internal/multiproc"
	"github.com/agsauth/agsauth/tokensource"
)

// Fifty callers live through several lifetimes of a token that is refreshed
// slowly, by refresh tokens that are good once: nobody fails, nobody waits, and
// the API never sees a token that it does not like.
func TestEndToEnd_FiftyCallersNeverFailNorWait(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault agstest.Fault
	}{
		{"the gateway thinks before it acts", agstest.Fault{Delay: 8 * time.Second}},
		{"the gateway acts and then dawdles", agstest.Fault{Delay: 8 * time.Second, AfterWork: true}},
		{"the answer drips in", agstest.Fault{Kind: agstest.Drip, Pause: time.Second}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, plan{platform: agstest.Config{AccessLifetime: 10 * time.Minute}}, func(t *testing.T, h *house) {
				h.srv.Always(agstest.Refresh, c.fault)
				y := h.crowd(50, time.Minute, 32*time.Minute)
				assert.Empty(t, y.errs)
				assert.Zero(t, y.slowest, "the slowest call")
				assert.Equal(t, y.calls, h.srv.Count(agstest.API), "no call was repeated")
				assert.Equal(t, 1600, y.calls)
				h.wantCount(agstest.Refresh, 3)
				h.wantCount(agstest.SignOn, 1)
				h.wantSound()
			})
		})
	}
}

// The same on the system's clock and over real connections. On a slow machine tokens
// that live for two seconds die on their way.
func TestEndToEnd_FiftyCallersOnARealClock(t *testing.T) {
	multiproc.OptIn(t)
	p := plan{platform: agstest.Config{
		AccessLifetime: 2 * time.Second, Quirks: agstest.Quirks{MillisecondClaims: true},
	}}
	loopback(t, p, func(t *testing.T, h *house) {
		h.srv.Always(agstest.Refresh, agstest.Fault{Delay: 300 * time.Millisecond})
		y := h.crowd(50, 100*time.Millisecond, 4500*time.Millisecond)
		assert.Empty(t, y.errs)
		assert.Greater(t, y.calls, 500)
		assert.Zero(t, h.rejections())
		// A pair is due after one second, and there 0.3 s later.
		assert.InDelta(t, 3, h.srv.Count(agstest.Refresh), 1)
		h.wantCount(agstest.SignOn, 1)
		h.wantSound()
	})
}

// Tokens that live for a second are kept fresh like those that live for an hour.
func TestEndToEnd_ShortestTokens(t *testing.T) {
	p := plan{platform: agstest.Config{
		AccessLifetime: time.Second, RefreshLifetime: 2 * time.Second, Quirks: agstest.Quirks{MillisecondClaims: true},
	}}
	bubble(t, p, func(t *testing.T, h *house) {
		h.srv.Always(agstest.Refresh, agstest.Fault{Delay: 200 * time.Millisecond})
		y := h.crowd(20, 200*time.Millisecond, 10*time.Second)
		assert.Empty(t, y.errs)
		assert.Zero(t, y.slowest)
		assert.Zero(t, h.rejections())
		// Due after half a second, and not earlier.
		h.wantCount(agstest.Refresh, 19)
		h.wantSound()
	})
}

// After a pause the first callers wait for one refresh, all for the same.
func TestEndToEnd_AfterAPauseAllWaitForOneRefresh(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		sleep(5 * time.Hour)
		h.wantCount(agstest.Refresh, 0)
		h.srv.Always(agstest.Refresh, agstest.Fault{Delay: 3 * time.Second})
		begin := time.Now()
		for _, r := range h.rush(200) {
			require.NoError(t, r.failed())
			require.Equal(t, 2, r.echo.Generation)
		}
		assert.Equal(t, 3*time.Second, time.Since(begin))
		h.wantCount(agstest.Refresh, 1)
		h.wantCount(agstest.API, 200)
		h.wantSound()
	})
}

// Run keeps a session alive that nobody uses, for a month; it warns in time, once,
// and at the fixed horizon it is over, with no call more.
func TestEndToEnd_MonthOfIdleness(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		signedOnAt := h.token.IssuedAt
		stopped := make(chan error, 1)
		go func() { stopped <- h.src.Run(t.Context()) }()
		required := h.src.LoginRequired()

		sleep(29*24*time.Hour - time.Second)
		assert.Empty(t, h.events.of(tokensource.EventEnding))
		sleep(2 * time.Second)
		warned := h.events.of(tokensource.EventEnding)
		require.Len(t, warned, 1)
		assert.Equal(t, tokensource.FixedExpired, warned[0].Reason)
		assert.WithinDuration(t, signedOnAt.Add(30*24*time.Hour), warned[0].NextAt, time.Second)

		sleep(24*time.Hour - 3*time.Second)
		assert.False(t, isClosed(required))
		h.served(786)
		sleep(2 * time.Second)
		assert.True(t, isClosed(required))
		e := h.ended(tokensource.FixedExpired)
		assert.WithinDuration(t, signedOnAt.Add(30*24*time.Hour), e.At, time.Second)
		assert.Equal(t, "PUB_1", e.ClientID)
		assert.Equal(t, agstest.DefaultAccountID, e.AccountID)

		sleep(24 * time.Hour)
		// One every 55 minutes, until the token reaches the horizon.
		h.wantCount(agstest.Refresh, 785)
		h.wantCount(agstest.API, 1)
		assert.Len(t, h.events.of(tokensource.EventEnding), 1)
		assert.Len(t, h.events.of(tokensource.EventEnded), 1)
		h.wantSound()
		require.NoError(t, h.src.Close())
		assert.ErrorIs(t, <-stopped, tokensource.ErrClosed)
	})
}

// The same month, played on the fake clock over true connections.
func TestEndToEnd_MonthOnTheFakeClock(t *testing.T) {
	fake := clock.NewFake(time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC))
	loopback(t, plan{platform: agstest.Config{Clock: fake, AccessLifetime: 4 * time.Hour}}, func(t *testing.T, h *house) {
		end := h.token.FixedExpiresAt
		require.Equal(t, fake.Now().Add(30*24*time.Hour), end)
		for generation := 1; ; generation++ {
			st := h.src.Status()
			require.Equal(t, tokensource.Fresh, st.Phase)
			if !st.ExpiresAt.Before(end) {
				break // no refresh wins time any more
			}
			fake.Advance(st.RefreshAt.Sub(fake.Now()))
			h.served(generation) // at once, and a refresh behind it
			h.events.awaitRefresh(t)
		}
		// One every 235 minutes, until the token reaches the horizon.
		h.wantCount(agstest.Refresh, 183)

		fake.Advance(end.Sub(fake.Now()) - time.Second)
		h.served(184)
		fake.Advance(time.Second)
		assert.Equal(t, end, h.ended(tokensource.FixedExpired).At)
		h.wantCount(agstest.Refresh, 183)
		assert.Zero(t, h.rejections())
		h.wantSound()
	})
}

// A service that can sign on never notices the fixed horizon, nor a slow login.
func TestEndToEnd_ServiceLivesOnThroughFixedHorizons(t *testing.T) {
	p := plan{
		platform: agstest.Config{AccessLifetime: 10 * time.Minute, FixedLifetime: 25 * time.Minute},
		source:   withLogin,
	}
	bubble(t, p, func(t *testing.T, h *house) {
		h.srv.Always(agstest.SignOn, agstest.Fault{Delay: 20 * time.Second})
		y := h.crowd(50, 2*time.Minute, 80*time.Minute)
		assert.Empty(t, y.errs)
		assert.Zero(t, y.slowest)
		assert.Equal(t, y.calls, h.srv.Count(agstest.API))
		h.wantCount(agstest.SignOn, 4)
		assert.Equal(t, 1, h.srv.Stats().Devices, "it is the same device every time")
		assert.Zero(t, h.rejections())
		h.wantSound()
	})
}

// A token's life counts from when it was asked for: one that was long on its way
// is served for as much less, and never to an API that knows that it is dead.
func TestEndToEnd_LifeCountsFromTheRequest(t *testing.T) {
	const way = 9 * time.Second
	p := plan{platform: agstest.Config{AccessLifetime: time.Minute, Quirks: agstest.Quirks{OpaqueTokens: true}}}
	bubble(t, p, func(t *testing.T, h *house) {
		h.srv.Script(agstest.Refresh, agstest.Fault{Delay: way, AfterWork: true})
		h.srv.Always(agstest.Refresh, agstest.Fault{Status: http.StatusServiceUnavailable})
		sleep(time.Minute)
		asked := time.Now()
		h.served(2)
		require.Equal(t, way, time.Since(asked))
		y := h.crowd(5, time.Second, time.Until(asked.Add(time.Minute-time.Second)))
		assert.Empty(t, y.errs)
		y = h.crowd(5, time.Second, 5*time.Second)
		assert.Len(t, y.errs, y.calls)
		assert.Zero(t, h.rejections())
		assert.Equal(t, asked.Add(time.Minute).Round(0), h.src.Status().ExpiresAt)
		assert.Equal(t, 1, h.srv.Stats().Refreshes)
		assert.Greater(t, h.srv.Count(agstest.Refresh), 1)
		h.wantSound()
	})
}
