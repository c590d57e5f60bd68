package ags_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
)

// refreshAt refreshes prev when our clock shows at, with body as the response.
func refreshAt(t *testing.T, at time.Time, prev *ags.Token, body string, fields ...string) (*ags.Token, error) {
	t.Helper()
	c, tr := newClient(t, func(c *ags.Config) { c.Clock = clock.NewFake(at) }, respond(200, body, fields...))
	token, err := c.Refresh(t.Context(), prev)
	assert.Len(t, tr.requests, 1)
	return token, err
}

// secondsAfter returns the time so many seconds after at, and the zero time for 0.
func secondsAfter(at time.Time, seconds float64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return at.Add(time.Duration(seconds * float64(time.Second)))
}

func assertInstant(t *testing.T, want, got time.Time, what string) {
	t.Helper()
	assert.True(t, want.Equal(got), "%s: want %v, got %v", what, want, got)
}

func TestTokenResponse_Fields(t *testing.T) {
	token, err := refreshAt(t, issued, testToken(), tokenJSON("token_type", "BeArEr", "unknown", []int{1}))
	require.NoError(t, err)
	assert.Equal(t, "new-access", token.AccessToken.Reveal())
	assert.Equal(t, "new-refresh", token.RefreshToken.Reveal())
	assert.Equal(t, "BeArEr", token.TokenType)
	assert.Equal(t, "PUB_989", token.ClientID)
	assert.Equal(t, "1663", token.AccountID)
	assert.Equal(t, issued, token.IssuedAt)
	assert.Equal(t, issued.Add(3600*time.Second), token.ExpiresAt)
	assert.Equal(t, issued.Add(172800*time.Second), token.RefreshExpiresAt)
	assert.Equal(t, issued.Add(2592000*time.Second), token.FixedExpiresAt)
	assert.False(t, token.HasFixedClaim(), "the tokens are not JWTs")
}

func TestTokenResponse_SignOnAndRefreshTake200And201(t *testing.T) {
	for _, status := range []int{200, 201} {
		c, tr := newClient(t, nil, respond(status, tokenJSON()), respond(status, tokenJSON()), respond(status, tokenJSON()), respond(status, tokenJSON()))
		_, err := c.SignOn(t.Context(), ags.SignOnRequest{})
		require.NoError(t, err)
		_, err = c.SubsequentSignOn(t.Context(), ags.NewSecret(userMark), ags.SignOnRequest{})
		require.NoError(t, err)
		_, err = c.SignOnWithSessionToken(t.Context(), ags.SignOnRequest{})
		require.NoError(t, err)
		_, err = c.Refresh(t.Context(), testToken())
		require.NoError(t, err)
		assert.Len(t, tr.requests, 4)
	}
}

func TestTokenResponse_LenientFields(t *testing.T) {
	token, err := refreshAt(t, issued, testToken(), tokenJSON("token_type", nil, "accountId", 1663, "client_id", 98.5))
	require.NoError(t, err)
	assert.Equal(t, "bearer", token.TokenType)
	assert.Equal(t, "1663", token.AccountID)
	assert.Equal(t, "98.5", token.ClientID)
}

func TestRefresh_KeepsValuesThatTheResponseOmits(t *testing.T) {
	old := jwtExpiring(100000, 2592000)
	prev := &ags.Token{
		AccessToken: ags.NewSecret("old-access"), RefreshToken: ags.NewSecret(old), ClientID: "PUB_1", AccountID: "7",
		RefreshExpiresAt: issued.Add(100000 * time.Second), FixedExpiresAt: issued.Add(2592000 * time.Second),
	}
	before := *prev
	t.Run("all but the access token", func(t *testing.T) {
		token, err := refreshAt(t, issued, prev, `{"access_token":"a","expires_in":60}`)
		require.NoError(t, err)
		assert.Equal(t, "a", token.AccessToken.Reveal())
		assert.Equal(t, old, token.RefreshToken.Reveal())
		assert.Equal(t, "PUB_1", token.ClientID)
		assert.Equal(t, "7", token.AccountID)
		assertInstant(t, prev.RefreshExpiresAt, token.RefreshExpiresAt, "refresh")
		assertInstant(t, prev.FixedExpiresAt, token.FixedExpiresAt, "fixed")
		assert.True(t, token.HasFixedClaim(), "the claim of the kept refresh token")
	})
	t.Run("a kept refresh token does not correct the clock", func(t *testing.T) {
		token, err := refreshAt(t, issued, prev, tokenJSON("refresh_token", nil, "access_token", jwtExpiring(0, 2592000)))
		require.NoError(t, err)
		assertInstant(t, issued.Add(172800*time.Second), token.RefreshExpiresAt, "refresh")
		assertInstant(t, prev.FixedExpiresAt, token.FixedExpiresAt, "fixed")
	})
	t.Run("a new refresh token has its own expiry", func(t *testing.T) {
		token, err := refreshAt(t, issued, prev, `{"access_token":"a","refresh_token":"r"}`)
		require.NoError(t, err)
		assertInstant(t, time.Time{}, token.RefreshExpiresAt, "refresh")
		assertInstant(t, prev.FixedExpiresAt, token.FixedExpiresAt, "fixed")
		assert.False(t, token.HasFixedClaim())
	})
	t.Run("the response has precedence", func(t *testing.T) {
		token, err := refreshAt(t, issued, prev, tokenJSON())
		require.NoError(t, err)
		assert.Equal(t, "PUB_989", token.ClientID)
		assert.Equal(t, "1663", token.AccountID)
		assert.Equal(t, "new-refresh", token.RefreshToken.Reveal())
	})
	assert.Equal(t, before, *prev, "the refreshed token is not modified")
}

// The gateway has just accepted the session, so a past expiry is wrong.
func TestRefresh_DropsPastExpiries(t *testing.T) {
	prev := testToken()
	prev.RefreshExpiresAt, prev.FixedExpiresAt = issued.Add(100000*time.Second), issued.Add(2592000*time.Second)
	for late, want := range map[time.Duration]time.Time{
		100000*time.Second - 1: prev.RefreshExpiresAt, 100000 * time.Second: {}, 200000 * time.Second: {},
	} {
		token, err := refreshAt(t, issued.Add(late), prev, `{"access_token":"a","expires_in":60}`)
		require.NoError(t, err)
		assert.Equal(t, refreshMark, token.RefreshToken.Reveal())
		assertInstant(t, want, token.RefreshExpiresAt, late.String())
	}
	token, err := refreshAt(t, prev.FixedExpiresAt, prev, `{"access_token":"a","refresh_token":"r"}`)
	require.NoError(t, err)
	assertInstant(t, time.Time{}, token.FixedExpiresAt, "fixed")
}

// Keeps G1.
func TestTokenResponse_Malformed(t *testing.T) {
	good := tokenJSON("access_token", accessMark, "refresh_token", refreshMark)
	for name, tc := range map[string]struct{ body, want string }{
		"empty":                            {"", "the response is empty"},
		"white space":                      {" \r\n", "the response is empty"},
		"HTML":                             {"<html>" + accessMark, "the response is not JSON"},
		"null":                             {"null", "not an object"},
		"a list":                           {"[" + good + "]", "not an object"},
		"a string":                         {toJSON(accessMark), "not an object"},
		"data after it":                    {good + "x", "there is data after the JSON object"},
		"a form feed after it":             {good + "\f", "there is data after the JSON object"},
		"another object after it":          {good + good, "there is data after the JSON object"},
		"a duplicate name":                 {`{"access_token":"` + accessMark + `","access_token":"b"}`, "duplicate name"},
		"a syntax error":                   {`{"access_token":"` + accessMark + `",}`, "not valid JSON"},
		"a bad name":                       {`{` + accessMark + `:1}`, "not valid JSON"},
		"no access token":                  {tokenJSON("access_token", nil, "refresh_token", refreshMark), "no access_token"},
		"an empty access token":            {tokenJSON("access_token", ""), "no access_token"},
		"null access token":                {`{"access_token":null,"expires_in":60}`, "no access_token"},
		"access token in other case":       {`{"Access_Token":"` + accessMark + `"}`, "no access_token"},
		"number as access token":           {tokenJSON("access_token", 7), "access_token is not a string"},
		"a line break in the access token": {tokenJSON("access_token", accessMark+"\n"), "access_token has characters"},
		"a DEL in the access token":        {tokenJSON("access_token", accessMark+"\x7f"), "access_token has characters"},
		"a space in the refresh token":     {tokenJSON("refresh_token", refreshMark+" "), "refresh_token has characters"},
		"list as refresh token":            {tokenJSON("refresh_token", []string{refreshMark}), "refresh_token is not a string"},
		"another token type":               {tokenJSON("token_type", "mac"), "token_type is not bearer"},
		"number as token type":             {tokenJSON("token_type", 1), "token_type is not a string"},
		"object as client":                 {tokenJSON("client_id", map[string]int{}), "client_id is not a string"},
		"boolean as account":               {tokenJSON("accountId", true), "accountId is not a string"},
		"too long":                         {tokenJSON("filler", strings.Repeat("x", 1<<20)), "longer than 1 MiB"},
		"an error with status 200":         {`{"errorCode":20007,"message":"limit"}`, "code 20007: the response has no access_token"},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := refreshAt(t, issued, testToken(), tc.body)
			assert.Nil(t, token)
			require.ErrorIs(t, err, ags.ErrProtocol)
			e := asError(t, err)
			assert.True(t, e.Malformed)
			assert.Equal(t, 200, e.Status)
			assert.Contains(t, err.Error(), tc.want)
			assert.NotContains(t, err.Error(), accessMark)
			assert.NotContains(t, err.Error(), refreshMark)
		})
	}
}

func TestTokenResponse_NamesAProxysMediaType(t *testing.T) {
	_, err := refreshAt(t, issued, testToken(), "<html>", "Content-Type", "text/html; charset=utf-8")
	require.ErrorIs(t, err, ags.ErrProtocol)
	assert.Contains(t, err.Error(), "the response is text/html, not JSON")
	_, err = refreshAt(t, issued, testToken(), "<html>", "Content-Type", "application/"+refreshMark)
	require.ErrorIs(t, err, ags.ErrProtocol)
	assert.NotContains(t, err.Error(), refreshMark)
}

func TestTokenResponse_LongestBodyIsRead(t *testing.T) {
	body := tokenJSON("filler", "")
	body = strings.Replace(body, `"filler":"`, `"filler":"`+strings.Repeat("x", 1<<20-len(body)), 1)
	require.Len(t, body, 1<<20)
	_, err := refreshAt(t, issued, testToken(), body)
	require.NoError(t, err)
}
