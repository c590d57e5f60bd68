package tokensource_test

// What golang.org/x/oauth2 holds its own token sources to, under the names that its
// tests have there. What it does with an authorization code or a refresh token is done
// here by a Source with a client of the gateway, whose answers are scripted. What its
// tests say of its Transport is in package transport.

import (
	"context"
	"encoding/json"
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

// endpoint is the gateway's end of the wire, in memory: it gives each request the
// next of its answers, and keeps the request.
type endpoint struct {
	mu       sync.Mutex // guards all below
	answers  []string   // bodies, sent with the status
	status   int        // 0 for 200
	requests []request
}

type request struct {
	path, authorization, contentType, body string
}

func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
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

// client returns a client of the gateway that the endpoint is of.
func (e *endpoint) client(r *rig) *ags.Client {
	r.t.Helper()
	c, err := ags.New(ags.Config{
		BaseURL: "https://gateway.example.com", AuthServiceID: "Customer Auth Service", TenantID: "nagra",
		Parameters: []ags.Parameter{{Name: "username", Value: "dave"}},
		HTTPClient: &http.Client{Transport: e}, Clock: r.clock,
	})
	require.NoError(r.t, err)
	return c
}

// exchange tells a story of a Source whose access token has just expired, so that
// the next caller is answered with what e answers to the refresh.
func exchange(t *testing.T, e *endpoint, tell func(*testing.T, *rig)) {
	t.Helper()
	story(t, func(r *rig, c *tokensource.Config) { c.Refresher = e.client(r) }, func(t *testing.T, r *rig) {
		r.clock.Advance(access)
		tell(t, r)
	})
}

// api is what a token opens. It keeps the Authorization of each request.
type api struct{ seen []string }

func (a *api) RoundTrip(r *http.Request) (*http.Response, error) {
	a.seen = append(a.seen, r.Header.Get("Authorization"))
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// get calls the API with the Source's token, as a program does.
func (a *api) get(r *rig) error {
	r.t.Helper()
	client := &http.Client{Transport: &transport.Transport{Source: r.src, Base: a}}
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "https://api.example.com/somethingelse", nil)
	require.NoError(r.t, err)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func TestTokenValidNoAccessToken(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		_, err := tokensource.New(tokensource.Config{
			Refresher: r.gw, Token: &ags.Token{RefreshToken: ags.NewSecret("r")},
		})
		require.ErrorContains(t, err, "Token has no access token")
		require.Error(t, r.src.SetToken(t.Context(), &ags.Token{}))
		r.want("a1")
	})
}

func TestExpiredWithExpiry(t *testing.T) {
	story(t, func(r *rig, c *tokensource.Config) {
		c.Token.ExpiresAt = start.Add(-5 * time.Hour)
		r.gw.down(errBusy)
	}, func(_ *testing.T, r *rig) {
		r.wantUnavailable() // and not an expired token
		r.gw.up()
		r.clock.Advance(10 * time.Second)
		r.want("a2")
	})
}

// There a token has expired ten seconds, or so long as is configured, before its
// expiry; here a second before, or a tenth of its life. That it is refreshed earlier
// still is another matter, and the one that is configured.
func TestTokenExpiry(t *testing.T) {
	for name, tt := range map[string]struct {
		life, before time.Duration // before is what is configured
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
			story(t, func(r *rig, c *tokensource.Config) {
				r.gw.access = tt.life
				c.Token, c.RefreshBefore = r.gw.signOn(), tt.before
				r.gw.down(errBusy)
			}, func(t *testing.T, r *rig) {
				r.clock.Advance(tt.life - tt.left)
				if tt.expired {
					r.wantUnavailable()
				} else {
					r.want("a2")
				}
				assert.LessOrEqual(t, r.gw.count(), 1)
			})
		})
	}
}

func TestTokenTypeMethod(t *testing.T) {
	for tokenType, want := range map[string]string{
		"beAREr": "Bearer", "": "Bearer", "basic": "Basic", "Basic": "Basic", "mac": "MAC", "MAC": "MAC", "mAc": "MAC",
	} {
		t.Run(tokenType, func(t *testing.T) {
			story(t, func(_ *rig, c *tokensource.Config) { c.Token.TokenType = tokenType }, func(t *testing.T, r *rig) {
				tok, err := r.src.Token()
				require.NoError(t, err)
				assert.Equal(t, want, tok.Type())
			})
		})
	}
}

func TestConfigClientWithToken(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		a := &api{}
		require.NoError(t, a.get(r))
		assert.Equal(t, []string{"Bearer a1"}, a.seen)
		assert.Zero(t, r.gw.count())
	})
}

func TestFetchWithNoRefreshToken(t *testing.T) {
	e := &endpoint{}
	story(t, func(r *rig, c *tokensource.Config) { c.Refresher, c.Token = e.client(r), nil }, func(t *testing.T, r *rig) {
		a := &api{}
		require.ErrorIs(t, a.get(r), tokensource.ErrLoginRequired)
		assert.Empty(t, a.seen)
		assert.Empty(t, e.requests)
	})
}

func TestTokenRefreshRequest(t *testing.T) {
	e := &endpoint{answers: []string{`{"access_token":"foo","refresh_token":"bar","expires_in":3600}`}}
	exchange(t, e, func(t *testing.T, r *rig) {
		a := &api{}
		require.NoError(t, a.get(r))
		assert.Equal(t, []string{"Bearer foo"}, a.seen)
		assert.Equal(t, []request{{
			path: "/ags/refresh", authorization: "Bearer r1", contentType: "application/json",
			body: `{"parameters":[{"name":"username","value":"dave"}]}`,
		}}, e.requests)
	})
}

// There a password is exchanged for a token; here a sign-on is made with it.
func TestPasswordCredentialsTokenRequest(t *testing.T) {
	const token = "90d64460d14870c08c81352a05dedd3465940a7c"
	e := &endpoint{status: http.StatusCreated, answers: []string{`{"access_token":"` + token + `","token_type":"bearer","expires_in":60}`}}
	story(t, func(r *rig, c *tokensource.Config) {
		client := e.client(r)
		c.Refresher, c.Token = client, nil
		c.Login = tokensource.SignOnWith(client, ags.SignOnRequest{
			Parameters:        []ags.Parameter{{Name: "username", Value: "user1"}, {Name: "password", Value: "password1"}},
			DeviceInformation: json.RawMessage(`{}`),
		})
	}, func(t *testing.T, r *rig) {
		r.want(token)
		tok, err := r.src.Token()
		require.NoError(t, err)
		assert.True(t, tok.Expiry.Equal(start.Add(time.Minute)))
		assert.Equal(t, "bearer", tok.TokenType)
		assert.Equal(t, []request{{
			path: "/ags/signOn", contentType: "application/json",
			body: `{"parameters":[{"name":"username","value":"user1"},{"name":"password","value":"password1"}],"deviceInformation":{}}`,
		}}, e.requests)
	})
}

func TestExchangeRequest_JSONResponse(t *testing.T) {
	const token = "90d64460d14870c08c81352a05dedd3465940a7c"
	e := &endpoint{answers: []string{
		`{"access_token": "` + token + `", "scope": "user", "token_type": "bearer", "expires_in": 86400}`,
	}}
	exchange(t, e, func(t *testing.T, r *rig) {
		r.want(token)
		tok, err := r.src.Token()
		require.NoError(t, err)
		assert.Equal(t, "bearer", tok.TokenType)
		assert.Equal(t, start.Add(access+24*time.Hour), tok.Expiry)
		assert.Empty(t, tok.RefreshToken)
		assert.Nil(t, tok.Extra("scope"))
		assert.Len(t, e.requests, 1)
	})
}

func TestExchangeRequest_JSONResponse_Expiry(t *testing.T) {
	for name, tt := range map[string]struct {
		expires string
		want    time.Duration // 0 for an expiry that is not known
		wrong   bool
	}{
		"normal":      {`"expires_in": 86400`, 24 * time.Hour, false},
		"paypal":      {`"expires_in": "86400"`, 24 * time.Hour, false},
		"issue_239":   {`"expires_in": null`, 0, false},
		"wrong_type":  {`"expires_in": false`, 0, true},
		"wrong_type2": {`"expires_in": {}`, 0, true},
		"wrong_value": {`"expires_in": "zzz"`, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			e := &endpoint{answers: []string{`{"access_token": "90d", "scope": "user", "token_type": "bearer", ` + tt.expires + `}`}}
			exchange(t, e, func(t *testing.T, r *rig) {
				if tt.wrong {
					require.ErrorIs(t, r.wantUnavailable(), ags.ErrProtocol)
					assert.Len(t, e.requests, 1)
					return
				}
				r.want("90d")
				want := time.Time{}
				if tt.want > 0 {
					want = start.Add(access + tt.want)
				}
				assert.True(t, r.src.Status().ExpiresAt.Equal(want))
				assert.Len(t, e.requests, 1)
			})
		})
	}
}

// There what is too long is cut down to what an int32 holds; here it is no answer.
func TestExpiresInUpperBound(t *testing.T) {
	for expires, good := range map[string]bool{"315360000": true, "315360001": false, "2147483648": false, "1e300": false} {
		t.Run(expires, func(t *testing.T) {
			e := &endpoint{answers: []string{`{"access_token":"foo","expires_in":` + expires + `}`}}
			exchange(t, e, func(t *testing.T, r *rig) {
				if good {
					r.want("foo")
				} else {
					require.ErrorIs(t, r.wantUnavailable(), ags.ErrProtocol)
				}
				assert.Len(t, e.requests, 1)
			})
		})
	}
}

func TestExchangeRequest_BadResponse(t *testing.T) {
	e := &endpoint{answers: []string{`{"scope": "user", "token_type": "bearer"}`}}
	exchange(t, e, func(t *testing.T, r *rig) {
		assert.ErrorContains(t, r.wantUnavailable(), "no access_token")
		assert.Len(t, e.requests, 1)
	})
}

func TestExchangeRequest_BadResponseType(t *testing.T) {
	e := &endpoint{answers: []string{`{"access_token":123,  "scope": "user", "token_type": "bearer"}`}}
	exchange(t, e, func(t *testing.T, r *rig) {
		assert.ErrorContains(t, r.wantUnavailable(), "access_token is not a string")
		assert.Len(t, e.requests, 1)
	})
}

func TestTokenRetrieveError(t *testing.T) {
	e := &endpoint{status: http.StatusBadRequest, answers: []string{`{"error": "invalid_grant"}`}}
	exchange(t, e, func(t *testing.T, r *rig) {
		refusal, ok := errors.AsType[*ags.Error](r.wantUnavailable())
		require.True(t, ok)
		assert.Equal(t, http.StatusBadRequest, refusal.Status)
		assert.Equal(t, "invalid_grant", refusal.Message)
		assert.Len(t, e.requests, 1)
	})
}

// Some servers say with a 200 that there was an error.
func TestTokenRetrieveError200(t *testing.T) {
	e := &endpoint{answers: []string{`{"error": "invalid_grant"}`}}
	exchange(t, e, func(t *testing.T, r *rig) {
		require.ErrorIs(t, r.wantUnavailable(), ags.ErrProtocol)
		assert.Len(t, e.requests, 1)
	})
}

// presented returns the Authorizations of the refreshes so far.
func (e *endpoint) presented() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []string
	for _, r := range e.requests {
		all = append(all, r.authorization)
	}
	return all
}

func TestRefreshToken_RefreshTokenReplacement(t *testing.T) {
	e := &endpoint{answers: []string{
		`{"access_token":"ACCESS_TOKEN",  "scope": "user", "token_type": "bearer", "refresh_token": "NEW_REFRESH_TOKEN", "expires_in": 3600}`,
		`{"access_token":"NEXT_ACCESS_TOKEN"}`,
	}}
	exchange(t, e, func(t *testing.T, r *rig) {
		r.want("ACCESS_TOKEN")
		r.clock.Advance(access)
		r.want("NEXT_ACCESS_TOKEN")
		assert.Equal(t, []string{"Bearer r1", "Bearer NEW_REFRESH_TOKEN"}, e.presented())
	})
}

func TestRefreshToken_RefreshTokenPreservation(t *testing.T) {
	const kept = `{"access_token":"ACCESS_TOKEN",  "scope": "user", "token_type": "bearer", "expires_in": 3600}`
	e := &endpoint{answers: []string{kept, `{"access_token":"NEXT_ACCESS_TOKEN"}`}}
	exchange(t, e, func(t *testing.T, r *rig) {
		r.want("ACCESS_TOKEN")
		assert.Equal(t, start.Add(sliding), r.src.Status().RefreshExpiresAt, "with the horizon that it has")
		r.clock.Advance(access)
		r.want("NEXT_ACCESS_TOKEN")
		assert.Equal(t, []string{"Bearer r1", "Bearer r1"}, e.presented())
	})

	// A refresh token that was just taken is good, whatever our clock thinks of it.
	e = &endpoint{answers: []string{kept, `{"access_token":"NEXT_ACCESS_TOKEN"}`}}
	exchange(t, e, func(t *testing.T, r *rig) {
		r.clock.Suspend(sliding)
		r.want("ACCESS_TOKEN")
		assert.Zero(t, r.src.Status().RefreshExpiresAt)
		r.clock.Advance(access)
		r.want("NEXT_ACCESS_TOKEN")
		assert.Equal(t, []string{"Bearer r1", "Bearer r1"}, e.presented())
	})
}

// There a token is retrieved under the context that it was asked for with; here that
// bounds the wait of who asks, and the refresh goes on for the next.
func TestRetrieveTokenWithContexts(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.clock.Advance(access)
		r.gw.hold()
		gone := errors.New("gone home")
		ctx, cancel := context.WithCancelCause(t.Context())
		collect := r.callers(ctx, 1)
		cancel(gone)
		assert.Equal(t, gone, collect()[0].err)
		_, err := r.src.TokenContext(ctx)
		assert.Equal(t, gone, err)
		r.gw.release()
		synctest.Wait()
		r.want("a2")
		assert.Equal(t, 1, r.gw.count())
	})
}
