package endtoend_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/tokensource"
	"github.com/agsauth/agsauth/transport"
)

// plan says what a house is to be built of. The zero plan is a usual gateway, a
// client signed on at it, and no Login and no store.
type plan struct {
	platform agstest.Config
	gateway  func(*ags.Config)
	source   func(*house, *tokensource.Config)
	// unsigned leaves the first sign-on out: the source begins with nothing.
	unsigned bool
}

// house is the whole stack: a gateway and an API, the gateway's client, a source
// and, on top, the HTTP client that a program would use.
type house struct {
	t      *testing.T
	srv    *agstest.Server
	gw     *ags.Client
	clock  clock.Clock
	token  *ags.Token // of the first sign-on
	src    *tokensource.Source
	client *http.Client
	events *diary
	logs   *paper
}

// bubble tells a story in a synctest bubble, in which all parts share one fake
// system clock, and which fails when it leaves a goroutine behind.
func bubble(t *testing.T, p plan, tell func(t *testing.T, h *house)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// Instants of issue are seldom whole seconds, but claims always are.
		time.Sleep(640 * time.Millisecond)
		p.platform.InMemory = true
		h := build(t, p)
		tell(t, h)
		require.NoError(t, h.src.Close())
		h.srv.Close()
	})
}

// loopback tells a story over real connections. Its time is that of p's clock.
func loopback(t *testing.T, p plan, tell func(t *testing.T, h *house)) {
	t.Helper()
	t.Parallel()
	h := build(t, p)
	defer h.srv.Close()
	tell(t, h)
	require.NoError(t, h.src.Close())
}

func build(t *testing.T, p plan) *house {
	t.Helper()
	h := &house{t: t, srv: agstest.NewServer(p.platform), clock: p.platform.Clock, events: newDiary(), logs: &paper{}}
	if h.clock == nil {
		h.clock = clock.Real{}
	}
	t.Cleanup(h.srv.Close)
	cfg := ags.Config{
		BaseURL: h.srv.URL, AuthServiceID: "Customer Auth Service", TenantID: "nagra",
		HTTPClient: h.srv.Client(), Clock: h.clock,
	}
	if p.gateway != nil {
		p.gateway(&cfg)
		h.clock = cfg.Clock
	}
	gw, err := ags.New(cfg)
	require.NoError(t, err)
	h.gw = gw
	if !p.unsigned {
		h.token, err = gw.SignOn(t.Context(), newDevice())
		require.NoError(t, err)
	}
	h.src = h.source(p.source)
	h.client = h.clientOf(h.src)
	return h
}

// source makes a source at the house's gateway. The margin is not spread, so that
// a story knows when things happen.
func (h *house) source(set func(*house, *tokensource.Config)) *tokensource.Source {
	h.t.Helper()
	cfg := tokensource.Config{
		Refresher: h.gw,
		Token:     h.token,
		Clock:     h.clock,
		Rand:      func() float64 { return 0 },
		OnEvent:   h.events.write,
		Logger:    slog.New(slog.NewJSONHandler(h.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if set != nil {
		set(h, &cfg)
	}
	src, err := tokensource.New(cfg)
	require.NoError(h.t, err)
	return src
}

// clientOf is the program's HTTP client on a source.
func (h *house) clientOf(src *tokensource.Source) *http.Client {
	c := h.srv.Client()
	c.Transport = &transport.Transport{Source: src, Base: c.Transport}
	return c
}

// newDevice is a first sign-on by the user that every gateway knows.
func newDevice() ags.SignOnRequest {
	return ags.SignOnRequest{
		Parameters: []ags.Parameter{
			{Name: "username", Value: agstest.DefaultUsername},
			{Name: "password", Value: agstest.DefaultPassword},
		},
		DeviceInformation: json.RawMessage(`{"deviceType":"STB"}`),
	}
}

// withLogin has a source sign on again by itself.
func withLogin(h *house, cfg *tokensource.Config) {
	cfg.Login = tokensource.SignOnWith(h.gw, newDevice())
}

// get asks the API for something.
func (h *house) get(ctx context.Context) reply {
	return send(ctx, h.client, http.MethodGet, h.srv.URL+"/api/profile", "")
}

// served asserts that the API takes a request with this generation of the
// session's token.
func (h *house) served(generation int) {
	h.t.Helper()
	r := h.get(h.t.Context())
	require.NoError(h.t, r.failed())
	require.Equal(h.t, generation, r.echo.Generation, "generation of the token")
}

// ended asserts that a program is told that the session has ended, and why.
func (h *house) ended(reason tokensource.Reason) tokensource.LoginRequiredError {
	h.t.Helper()
	r := h.get(h.t.Context())
	var e *tokensource.LoginRequiredError
	require.ErrorAs(h.t, r.err, &e)
	require.ErrorIs(h.t, r.err, tokensource.ErrLoginRequired)
	require.Equal(h.t, reason.String(), e.Reason.String())
	return *e
}

// unavailable asserts that a program is told to come back later.
func (h *house) unavailable() tokensource.UnavailableError {
	h.t.Helper()
	r := h.get(h.t.Context())
	var e *tokensource.UnavailableError
	require.ErrorAs(h.t, r.err, &e)
	require.NotErrorIs(h.t, r.err, tokensource.ErrLoginRequired)
	return *e
}

// wantCount asserts how many requests of a call the platform has seen.
func (h *house) wantCount(op agstest.Op, n int) {
	h.t.Helper()
	require.Equal(h.t, n, h.srv.Count(op), "requests of %q", op)
}

// wantSound asserts what holds of every good story: no refresh token was spent
// twice, and no two refreshes or sign-ons were in the air at a time.
func (h *house) wantSound() {
	h.t.Helper()
	assert.Zero(h.t, h.srv.Stats().Reuses, "refresh tokens spent twice")
	assert.LessOrEqual(h.t, h.srv.MaxInFlight(agstest.Refresh), 1, "refreshes at a time")
	assert.LessOrEqual(h.t, h.srv.MaxInFlight(agstest.SignOn), 1, "sign-ons at a time")
}

// rejections returns how many requests the API has not let through.
func (h *house) rejections() int {
	n := 0
	for _, rq := range h.srv.Requests(agstest.API) {
		if rq.Status != http.StatusOK {
			n++
		}
	}
	return n
}
