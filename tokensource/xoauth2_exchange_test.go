package tokensource_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

func TestTokenRefreshRequest(t *testing.T) {
	e := &httpGateway{answers: []string{`{"access_token":"foo","refresh_token":"bar","expires_in":3600}`}}
	scenarioExpired(t, e, func(t *testing.T, f *fixture) {
		a := &fakeAPI{}
		require.NoError(t, a.get(f))
		assert.Equal(t, []string{"Bearer foo"}, a.seen)
		assert.Equal(t, []request{{
			path: "/ags/refresh", authorization: "Bearer r1", contentType: "application/json",
			body: `{"parameters":[{"name":"username","value":"dave"}]}`,
		}}, e.requests)
	})
}

// In x/oauth2 a password is exchanged for a token; here it is the parameter of a sign-on.
func TestPasswordCredentialsTokenRequest(t *testing.T) {
	const token = "90d64460d14870c08c81352a05dedd3465940a7c"
	e := &httpGateway{status: http.StatusCreated, answers: []string{`{"access_token":"` + token + `","token_type":"bearer","expires_in":60}`}}
	scenario(t, func(f *fixture, c *tokensource.Config) {
		client := e.client(f)
		c.Refresher, c.Token = client, nil
		c.Login = tokensource.SignOnWith(client, ags.SignOnRequest{
			Parameters:        []ags.Parameter{{Name: "username", Value: "user1"}, {Name: "password", Value: "password1"}},
			DeviceInformation: json.RawMessage(`{}`),
		})
	}, func(t *testing.T, f *fixture) {
		f.want(token)
		tok, err := f.src.Token()
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
	e := &httpGateway{answers: []string{
		`{"access_token": "` + token + `", "scope": "user", "token_type": "bearer", "expires_in": 86400}`,
	}}
	scenarioExpired(t, e, func(t *testing.T, f *fixture) {
		f.want(token)
		tok, err := f.src.Token()
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
		want    time.Duration // 0 for an unknown expiry
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
			e := &httpGateway{answers: []string{`{"access_token": "90d", "scope": "user", "token_type": "bearer", ` + tt.expires + `}`}}
			scenarioExpired(t, e, func(t *testing.T, f *fixture) {
				if tt.wrong {
					require.ErrorIs(t, f.wantUnavailable(), ags.ErrProtocol)
					assert.Len(t, e.requests, 1)
					return
				}
				f.want("90d")
				want := time.Time{}
				if tt.want > 0 {
					want = start.Add(access + tt.want)
				}
				assert.True(t, f.src.Status().ExpiresAt.Equal(want))
				assert.Len(t, e.requests, 1)
			})
		})
	}
}

// x/oauth2 limits a long lifetime to what an int32 holds; here it is a malformed answer.
func TestExpiresInUpperBound(t *testing.T) {
	for expires, good := range map[string]bool{"315360000": true, "315360001": false, "2147483648": false, "1e300": false} {
		t.Run(expires, func(t *testing.T) {
			e := &httpGateway{answers: []string{`{"access_token":"foo","expires_in":` + expires + `}`}}
			scenarioExpired(t, e, func(t *testing.T, f *fixture) {
				if good {
					f.want("foo")
				} else {
					require.ErrorIs(t, f.wantUnavailable(), ags.ErrProtocol)
				}
				assert.Len(t, e.requests, 1)
			})
		})
	}
}

// TokenRetrieveError200 is an error that a server reports with status 200.
func TestExchangeRequest(t *testing.T) {
	for name, tt := range map[string]struct{ answer, want string }{
		"BadResponse":           {`{"scope": "user", "token_type": "bearer"}`, "no access_token"},
		"BadResponseType":       {`{"access_token":123,  "scope": "user", "token_type": "bearer"}`, "access_token is not a string"},
		"TokenRetrieveError200": {`{"error": "invalid_grant"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := &httpGateway{answers: []string{tt.answer}}
			scenarioExpired(t, e, func(t *testing.T, f *fixture) {
				err := f.wantUnavailable()
				require.ErrorIs(t, err, ags.ErrProtocol)
				require.ErrorContains(t, err, tt.want)
				assert.Len(t, e.requests, 1)
			})
		})
	}
}

func TestTokenRetrieveError(t *testing.T) {
	e := &httpGateway{status: http.StatusBadRequest, answers: []string{`{"error": "invalid_grant"}`}}
	scenarioExpired(t, e, func(t *testing.T, f *fixture) {
		refusal, ok := errors.AsType[*ags.Error](f.wantUnavailable())
		require.True(t, ok)
		assert.Equal(t, http.StatusBadRequest, refusal.Status)
		assert.Equal(t, "invalid_grant", refusal.Message)
		assert.Len(t, e.requests, 1)
	})
}

func TestRefreshToken_RefreshTokenReplacement(t *testing.T) {
	e := &httpGateway{answers: []string{
		`{"access_token":"ACCESS_TOKEN",  "scope": "user", "token_type": "bearer", "refresh_token": "NEW_REFRESH_TOKEN", "expires_in": 3600}`,
		`{"access_token":"NEXT_ACCESS_TOKEN"}`,
	}}
	scenarioExpired(t, e, func(t *testing.T, f *fixture) {
		f.want("ACCESS_TOKEN")
		f.clock.Advance(access)
		f.want("NEXT_ACCESS_TOKEN")
		assert.Equal(t, []string{"Bearer r1", "Bearer NEW_REFRESH_TOKEN"}, e.presented())
	})
}

func TestRefreshToken_RefreshTokenPreservation(t *testing.T) {
	const kept = `{"access_token":"ACCESS_TOKEN",  "scope": "user", "token_type": "bearer", "expires_in": 3600}`
	e := &httpGateway{answers: []string{kept, `{"access_token":"NEXT_ACCESS_TOKEN"}`}}
	scenarioExpired(t, e, func(t *testing.T, f *fixture) {
		f.want("ACCESS_TOKEN")
		assert.Equal(t, start.Add(sliding), f.src.Status().RefreshExpiresAt, "with its expiry")
		f.clock.Advance(access)
		f.want("NEXT_ACCESS_TOKEN")
		assert.Equal(t, []string{"Bearer r1", "Bearer r1"}, e.presented())
	})

	// The gateway has accepted the refresh token, although it has expired by the clock.
	e = &httpGateway{answers: []string{kept, `{"access_token":"NEXT_ACCESS_TOKEN"}`}}
	scenarioExpired(t, e, func(t *testing.T, f *fixture) {
		f.clock.Suspend(sliding)
		f.want("ACCESS_TOKEN")
		assert.Zero(t, f.src.Status().RefreshExpiresAt)
		f.clock.Advance(access)
		f.want("NEXT_ACCESS_TOKEN")
		assert.Equal(t, []string{"Bearer r1", "Bearer r1"}, e.presented())
	})
}
