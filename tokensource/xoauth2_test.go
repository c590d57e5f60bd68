package tokensource_test

// The tests of xoauth2_test.go and xoauth2_exchange_test.go have the names of the tests of
// golang.org/x/oauth2, and check what those check of its token sources. Package transport
// has the tests of the Transport.

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
	"github.com/agsauth/agsauth/transport"
)

// httpGateway is the HTTP side of a gateway: it gives each request the next of its
// answers, and records the request.
type httpGateway struct {
	mu       sync.Mutex // guards all below
	answers  []string   // bodies, sent with the status
	status   int        // 0 for 200
	requests []request
}

func (e *httpGateway) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if err := r.Body.Close(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.requests = append(e.requests, request{
		r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(body),
	})
	if len(e.answers) == 0 {
		return nil, errors.New("no answer left")
	}
	answer := e.answers[0]
	e.answers = e.answers[1:]
	status := e.status
	if status == 0 {
		status = http.StatusOK
	}
	header := http.Header{"Content-Type": {"application/json"}}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(answer))}, nil
}

// client returns a client of the gateway.
func (e *httpGateway) client(f *fixture) *ags.Client {
	f.t.Helper()
	c, err := ags.New(ags.Config{
		BaseURL: "https://gateway.example.com", AuthServiceID: "Customer Auth Service", TenantID: "nagra",
		Parameters: []ags.Parameter{{Name: "username", Value: "dave"}},
		HTTPClient: &http.Client{Transport: e}, Clock: f.clock,
	})
	require.NoError(f.t, err)
	return c
}

// presented returns the Authorization headers of the requests so far.
func (e *httpGateway) presented() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []string
	for _, r := range e.requests {
		all = append(all, r.authorization)
	}
	return all
}

type request struct {
	path, authorization, contentType, body string
}

// scenarioExpired is a scenario whose access token has just expired, so that the next
// caller gets what e answers to the refresh.
func scenarioExpired(t *testing.T, e *httpGateway, body func(*testing.T, *fixture)) {
	t.Helper()
	scenario(t, func(f *fixture, c *tokensource.Config) { c.Refresher = e.client(f) }, func(t *testing.T, f *fixture) {
		f.clock.Advance(access)
		body(t, f)
	})
}

// fakeAPI records the Authorization header of each request.
type fakeAPI struct{ seen []string }

func (a *fakeAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	a.seen = append(a.seen, r.Header.Get("Authorization"))
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// get calls the API with the Source's token, as a program does.
func (a *fakeAPI) get(f *fixture) error {
	f.t.Helper()
	client := &http.Client{Transport: &transport.Transport{Source: f.src, Base: a}}
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, "https://api.example.com/somethingelse", nil)
	require.NoError(f.t, err)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func TestTokenValidNoAccessToken(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		_, err := tokensource.New(tokensource.Config{
			Refresher: f.gw, Token: &ags.Token{RefreshToken: ags.NewSecret("r")},
		})
		require.ErrorContains(t, err, "Token has no access token")
		require.Error(t, f.src.SetToken(t.Context(), &ags.Token{}))
		f.want("a1")
	})
}

func TestExpiredWithExpiry(t *testing.T) {
	scenario(t, func(f *fixture, c *tokensource.Config) {
		c.Token.ExpiresAt = start.Add(-5 * time.Hour)
		f.gw.Refreshes.FailAlways(errBusy)
	}, func(_ *testing.T, f *fixture) {
		f.wantUnavailable() // no expired token is served
		f.gw.Refreshes.FailAlways(nil)
		f.clock.Advance(10 * time.Second)
		f.want("a2")
	})
}

// In x/oauth2 a token expires ten seconds, or a configured time, before its expiry; here
// it expires a second before, or a tenth of its lifetime. RefreshBefore only configures
// when it is refreshed.
func TestTokenExpiry(t *testing.T) {
	for name, tt := range map[string]struct {
		life, before time.Duration // before is RefreshBefore
		left         time.Duration
		expired      bool
	}{
		"12 seconds":                           {access, 0, 12 * time.Second, false},
		"1 second and 1 ns":                    {access, 0, time.Second + 1, false},
		"1 second":                             {access, 0, time.Second, true},
		"-1 hour":                              {access, 0, -time.Hour, true},
		"a tenth of a short life and 1 ns":     {5 * time.Second, 0, 500*time.Millisecond + 1, false},
		"a tenth of a short life":              {5 * time.Second, 0, 500 * time.Millisecond, true},
		"12 seconds, 20 minutes configured":    {access, 20 * time.Minute, 12 * time.Second, false},
		"1 second and 1 ns, 20 min configured": {access, 20 * time.Minute, time.Second + 1, false},
		"1 second, 20 minutes configured":      {access, 20 * time.Minute, time.Second, true},
		"-1 hour, 20 minutes configured":       {access, 20 * time.Minute, -time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(f *fixture, c *tokensource.Config) {
				f.gw.access = tt.life
				c.Token, c.RefreshBefore = f.gw.signOn(), tt.before
				f.gw.Refreshes.FailAlways(errBusy)
			}, func(t *testing.T, f *fixture) {
				f.clock.Advance(tt.life - tt.left)
				if tt.expired {
					f.wantUnavailable()
				} else {
					f.want("a2")
				}
				assert.LessOrEqual(t, f.gw.Refreshes.Count(), 1)
			})
		})
	}
}

func TestTokenTypeMethod(t *testing.T) {
	for tokenType, want := range map[string]string{
		"beAREr": "Bearer", "": "Bearer", "basic": "Basic", "Basic": "Basic", "mac": "MAC", "MAC": "MAC", "mAc": "MAC",
	} {
		t.Run(tokenType, func(t *testing.T) {
			scenario(t, func(_ *fixture, c *tokensource.Config) { c.Token.TokenType = tokenType }, func(t *testing.T, f *fixture) {
				tok, err := f.src.Token()
				require.NoError(t, err)
				assert.Equal(t, want, tok.Type())
			})
		})
	}
}

func TestConfigClientWithToken(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		a := &fakeAPI{}
		require.NoError(t, a.get(f))
		assert.Equal(t, []string{"Bearer a1"}, a.seen)
		assert.Zero(t, f.gw.Refreshes.Count())
	})
}

func TestFetchWithNoRefreshToken(t *testing.T) {
	e := &httpGateway{}
	scenario(t, func(f *fixture, c *tokensource.Config) { c.Refresher, c.Token = e.client(f), nil }, func(t *testing.T, f *fixture) {
		a := &fakeAPI{}
		require.ErrorIs(t, a.get(f), tokensource.ErrLoginRequired)
		assert.Empty(t, a.seen)
		assert.Empty(t, e.requests)
	})
}

// In x/oauth2 the context of the caller bounds the request; here it bounds only the wait
// of that caller, and the refresh goes on.
func TestRetrieveTokenWithContexts(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.clock.Advance(access)
		f.gw.Refreshes.Hold()
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		collect := f.startCallers(ctx, 1)
		cancel(gone)
		assert.Equal(t, gone, collect()[0].err)
		_, err := f.src.TokenContext(ctx)
		assert.Equal(t, gone, err)
		f.gw.Refreshes.Release()
		synctest.Wait()
		f.want("a2")
		assert.Equal(t, 1, f.gw.Refreshes.Count())
	})
}
