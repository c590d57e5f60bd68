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
