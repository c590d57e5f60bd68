package endtoend_test

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/internal/faultproxy"
	"github.com/agsauth/agsauth/tokensource"
	"github.com/agsauth/agsauth/transport"
)

// Whatever befalls a refresh on its way, who waits for it is told to come back
// later, within the refresh's own timeout; the session goes on, and the next
// attempt brings a token. The clock stands still but where it is advanced: what
// ends by itself has waited for no timeout.
func TestEndToEnd_RoughRoadToTheGateway(t *testing.T) {
	fake := clock.NewFake(time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC))
	var road *faultproxy.Road
	p := plan{
		platform: agstest.Config{Clock: fake, ReusableRefreshTokens: true},
		gateway: func(cfg *ags.Config) {
			road = faultproxy.New(t, cfg.BaseURL)
			cfg.BaseURL, cfg.HTTPClient, cfg.Clock = road.URL, &http.Client{Transport: road.Transport()}, fake
		},
	}
	var out outlet
	loopback(t, p, func(t *testing.T, h *house) {
		for _, hazard := range faultproxy.Hazards(t, road) {
			t.Run(hazard.Name, func(t *testing.T) {
				h := h.in(t)
				fake.Advance(2 * time.Hour)
				before := h.srv.Count(agstest.Refresh)
				road.Set(hazard.Fault)
				r := h.getThrough(fake, road, hazard)
				road.Set(nil)
				road.AwaitGone()
				if hazard.Harmless {
					require.NoError(t, r.failed())
					h.wantCount(agstest.Refresh, before+1)
					return
				}
				var e *tokensource.UnavailableError
				require.ErrorAs(t, r.err, &e)
				out.fail(r.err)
				h.wantPassing(e, hazard)

				fake.Advance(e.NextAt.Sub(fake.Now()))
				require.NoError(t, h.get(t.Context()).failed(), "the next attempt")
				h.wantCount(agstest.SignOn, 1)
			})
		}
		assert.Empty(t, h.events.of(tokensource.EventEnded))
		assert.Equal(t, 1, h.srv.MaxInFlight(agstest.Refresh))
		out.say(h.src.Status(), h.token)
		h.wantNoSecret(h.presented(), out.String()+h.logs.String())
	})
}

// in returns the house as a part of a test has it.
func (h *house) in(t *testing.T) *house {
	t.Helper()
	part := *h
	part.t = t
	return &part
}

// getThrough asks the API for something, for which a refresh is due. Where that is
// stuck its time is up.
func (h *house) getThrough(fake *clock.Fake, road *faultproxy.Road, hazard faultproxy.Hazard) reply {
	h.t.Helper()
	told := make(chan reply, 1)
	go func() { told <- h.get(h.t.Context()) }()
	if hazard.Stuck {
		road.AwaitStuck()
		require.NoError(h.t, fake.BlockUntil(h.t.Context(), 1))
		fake.Advance(15 * time.Second)
	}
	return <-told
}

// wantPassing asserts that a failed refresh is of a kind that passes, and has
// ended nothing.
func (h *house) wantPassing(e *tokensource.UnavailableError, hazard faultproxy.Hazard) {
	h.t.Helper()
	status := h.src.Status()
	assert.Equal(h.t, tokensource.Expired, status.Phase)
	assert.Zero(h.t, status.Reason)
	assert.LessOrEqual(h.t, e.NextAt.Sub(h.clock.Now()), 10*time.Second)
	if hazard.Stuck {
		require.ErrorIs(h.t, e, context.DeadlineExceeded)
		return
	}
	var failure *ags.Error
	require.ErrorAs(h.t, e, &failure)
	assert.Equal(h.t, hazard.Unsent, failure.NotSent)
}

// presented returns what was presented at the gateway, which are secrets all.
func (h *house) presented() *vault {
	v := &vault{secrets: []string{agstest.DefaultPassword}}
	for _, op := range []agstest.Op{agstest.Refresh, agstest.API} {
		for _, rq := range h.srv.Requests(op) {
			v.secrets = append(v.secrets, strings.TrimPrefix(rq.Reveal("Authorization"), "Bearer "))
		}
	}
	return v
}

// What befalls a request to an API is its caller's affair. It costs the session
// nothing: no refresh, no end; and the next request goes through.
func TestEndToEnd_RoughRoadToTheAPI(t *testing.T) {
	loopback(t, plan{}, func(t *testing.T, h *house) {
		road := faultproxy.New(t, h.srv.URL)
		client := &http.Client{Transport: &transport.Transport{Source: h.src, Base: road.Transport()}}
		var out outlet
		for _, hazard := range faultproxy.Hazards(t, road) {
			if hazard.Name == "a redirect to a stranger" {
				continue // is followed, see below
			}
			t.Run(hazard.Name, func(t *testing.T) {
				road.Set(hazard.Fault)
				r := sendOver(t, road, client, hazard)
				if r.err != nil {
					out.fail(r.err)
				}
				require.Equal(t, hazard.Harmless, r.echo.Generation == 1, "%+v", r)
				road.Set(nil)
				road.AwaitGone()
				require.NoError(t, send(t.Context(), client, http.MethodGet, road.URL+"/api/profile", "").failed())
			})
		}
		assert.Equal(t, tokensource.Fresh, h.src.Status().Phase)
		h.wantCount(agstest.Refresh, 0)
		out.say(h.src.Status(), h.token)
		h.wantNoSecret(h.presented(), out.String()+h.logs.String())
	})
}

// sendOver sends a request to the API. Where that is stuck its caller loses
// patience.
func sendOver(t *testing.T, road *faultproxy.Road, client *http.Client, hazard faultproxy.Hazard) reply {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := make(chan reply, 1)
	go func() { told <- send(ctx, client, http.MethodPost, road.URL+"/api/profile", "body") }()
	if hazard.Stuck {
		road.AwaitStuck()
		cancel()
	}
	return <-told
}

// Of an answer that may be a rejection the beginning is looked at, whatever it
// would become; and it goes to the caller.
func TestEndToEnd_RoughRoadToTheAPI_BombsAreNotUnpacked(t *testing.T) {
	h := build(t, plan{}) // not beside others, whose memory would count
	defer h.srv.Close()
	road := faultproxy.New(t, h.srv.URL)
	client := &http.Client{Transport: &transport.Transport{Source: h.src, Base: road.Transport()}}
	for name, fault := range map[string]faultproxy.Fault{
		"compressed":               faultproxy.Bomb(http.StatusForbidden, "gzip"),
		"an encoding nobody knows": faultproxy.Bomb(http.StatusForbidden, "br"),
		"without end": faultproxy.Endless("HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n\r\n",
			[]byte(strings.Repeat(" ", 64<<10))),
	} {
		road.Set(fault)
		spent := allocated(func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, road.URL+"/api/profile", http.NoBody)
			require.NoError(t, err)
			resp, err := client.Do(req)
			require.NoError(t, err, name)
			assert.Equal(t, http.StatusForbidden, resp.StatusCode)
			n, err := io.CopyN(io.Discard, resp.Body, 64<<10)
			require.NoError(t, err, name)
			assert.EqualValues(t, 64<<10, n, "what was looked at is there as well")
			require.NoError(t, resp.Body.Close())
		})
		assert.Less(t, spent, uint64(16<<20), name)
		road.AwaitGone()
	}
	h.wantCount(agstest.Refresh, 0)
	require.NoError(t, h.src.Close())
}

// allocated returns how many bytes f, and all that goes on beside it, has allocated.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A redirect to a stranger is followed, but the token does not go there.
func TestEndToEnd_RoughRoadToTheAPI_RedirectToAStranger(t *testing.T) {
	loopback(t, plan{}, func(t *testing.T, h *house) {
		stranger := agstest.NewServer(agstest.Config{})
		defer stranger.Close()
		road := faultproxy.New(t, h.srv.URL)
		client := &http.Client{Transport: &transport.Transport{Source: h.src, Base: road.Transport()}}
		for _, to := range []string{stranger.URL, "http://localhost" + stranger.URL[strings.LastIndexByte(stranger.URL, ':'):]} {
			road.Set(faultproxy.Redirect(to + "/api/profile"))
			r := send(t.Context(), client, http.MethodPost, road.URL+"/api/profile", "body")
			require.NoError(t, r.err)
			assert.Equal(t, http.StatusForbidden, r.status, "a stranger that wants a token")
		}
		require.Len(t, stranger.Requests(agstest.API), 2)
		for _, rq := range stranger.Requests(agstest.API) {
			assert.Empty(t, rq.Reveal("Authorization"))
			assert.Equal(t, "body", string(rq.Body()))
		}
		h.wantCount(agstest.Refresh, 0)
	})
}
