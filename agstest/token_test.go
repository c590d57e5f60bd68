package agstest_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
)

// The example of RFC 7515, appendix A.1. Its header and payload contain line breaks.
func TestSignHS256_RFC7515(t *testing.T) {
	b64 := base64.RawURLEncoding
	secret, err := b64.DecodeString("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
	require.NoError(t, err)
	got := agstest.SignHS256(secret, []byte("{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}"),
		[]byte("{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"))
	assert.Equal(t, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"+
		".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"+
		".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", got)
}

// decodeJWT returns the header and the claims of a JWT, unverified.
func decodeJWT(t *testing.T, token string) (header, claims map[string]any) {
	t.Helper()
	segments := strings.Split(token, ".")
	require.Len(t, segments, 3)
	for i, into := range []*map[string]any{&header, &claims} {
		b, err := base64.RawURLEncoding.DecodeString(segments[i])
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(b, into))
	}
	return header, claims
}

func keys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// The server's answer has the same fields as the documented one, and its tokens have
// the same claims.
func TestTokens_HaveTheDocumentedFields(t *testing.T) {
	b, err := os.ReadFile("testdata/documented-answer.json")
	require.NoError(t, err)
	var documented, answered map[string]any
	require.NoError(t, json.Unmarshal(b, &documented))

	srv, _ := startServer(t, agstest.Config{})
	tok := signOn(t, srv)
	r := refresh(t, srv, tok.Refresh)
	r.tokens(t, http.StatusOK)
	require.NoError(t, json.Unmarshal(r.body, &answered))
	assert.Equal(t, keys(documented), keys(answered))
	for name, value := range documented {
		assert.IsType(t, value, answered[name], name)
	}
	for _, name := range []string{"access_token", "refresh_token"} {
		wantHeader, wantClaims := decodeJWT(t, documented[name].(string))
		header, claims := decodeJWT(t, answered[name].(string))
		assert.Equal(t, wantHeader, header)
		assert.Equal(t, keys(wantClaims), keys(claims), name)
		for claim, value := range wantClaims {
			assert.IsType(t, value, claims[claim], claim)
		}
		for _, claim := range []string{"typ", "ver", "tenantId", "accountId", "userId", "sessionControl"} {
			assert.Equal(t, wantClaims[claim], claims[claim], claim)
		}
	}
	assert.Equal(t, 1, srv.Count(agstest.Refresh))
}

func TestTokens_ClaimsShareOneInstant(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	tok := signOn(t, srv)
	_, access := decodeJWT(t, tok.Access)
	_, refreshed := decodeJWT(t, tok.Refresh)
	issued := float64(start().Unix())
	assert.Equal(t, issued+3600, access["exp"])
	assert.Equal(t, issued+172800, refreshed["exp"])
	assert.Equal(t, issued+2592000, access["fixed_exp"])
	assert.Equal(t, issued+2592000, refreshed["fixed_exp"])
	assert.Equal(t, "PUB_1", access["deviceId"])
	assert.Equal(t, access["jti"], refreshed["jti"])
	assert.Equal(t, 1, srv.Count(agstest.SignOn))
}

func TestTokens_Signature(t *testing.T) {
	srv, fake := startServer(t, agstest.Config{})
	tok := signOn(t, srv)
	for _, token := range []string{tok.Access, tok.Refresh} {
		parsed, err := jwt.Parse(token, func(*jwt.Token) (any, error) { return agstest.SigningSecret(srv), nil },
			jwt.WithValidMethods([]string{"HS256"}), jwt.WithTimeFunc(fake.Now))
		require.NoError(t, err)
		assert.True(t, parsed.Valid)
	}
	assert.Equal(t, 1, srv.Count(agstest.SignOn))
}

func TestQuirks_OpaqueTokens(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{Quirks: agstest.Quirks{OpaqueTokens: true}})
	tok := signOn(t, srv)
	assert.NotContains(t, tok.Access, ".")
	assert.True(t, accepted(t, srv, tok.Access))
	next := refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
	assert.NotEqual(t, tok.Access, next.Access)
	assertRefused(t, 401, 0, refresh(t, srv, tok.Refresh))
	assert.Equal(t, 2, srv.Count(agstest.Refresh))
}

func TestQuirks_MillisecondClaims(t *testing.T) {
	srv, fake := startServer(t, agstest.Config{AccessLifetime: time.Minute, Quirks: agstest.Quirks{MillisecondClaims: true}})
	tok := signOn(t, srv)
	_, claims := decodeJWT(t, tok.Access)
	assert.Equal(t, float64(start().Add(time.Minute).UnixMilli()), claims["exp"])
	assert.Equal(t, float64(start().Add(30*24*time.Hour).UnixMilli()), claims["fixed_exp"])
	assert.EqualValues(t, 60, tok.ExpiresIn)
	fake.Advance(time.Minute - time.Millisecond)
	assert.True(t, accepted(t, srv, tok.Access))
	fake.Advance(time.Millisecond)
	assert.False(t, accepted(t, srv, tok.Access))
	assert.Equal(t, 2, srv.Count(agstest.API))
}

func TestQuirks_OmitClaims(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{Quirks: agstest.Quirks{OmitClaims: []string{"exp", "fixed_exp", "jti"}}})
	tok := signOn(t, srv)
	for _, token := range []string{tok.Access, tok.Refresh} {
		_, claims := decodeJWT(t, token)
		assert.NotContains(t, claims, "exp")
		assert.NotContains(t, claims, "fixed_exp")
		assert.Contains(t, claims, "accountId")
	}
	assert.True(t, accepted(t, srv, tok.Access))
	next := refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
	assertRefused(t, 401, 0, refresh(t, srv, tok.Refresh))
	info, ok := srv.Inspect(next.Access)
	require.True(t, ok)
	assert.Equal(t, 2, info.Generation, "two pairs of the same second are different")
	assert.Equal(t, 2, srv.Count(agstest.Refresh))
}

func TestQuirks_StringLifetimes(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{Quirks: agstest.Quirks{StringLifetimes: true}})
	r := post(t, srv, "/ags/signOn", newDeviceSignOn)
	assert.Equal(t, "3600", r.field(t, "expires_in"))
	assert.Equal(t, "172800", r.field(t, "refresh_expires_in"))
	assert.Equal(t, "2592000", r.field(t, "fixed_refresh_expires_in"))
	assert.Equal(t, 1, srv.Count(agstest.SignOn))
}

func TestQuirks_RepeatFixedLifetime(t *testing.T) {
	srv, fake := startServer(t, agstest.Config{FixedLifetime: 2 * time.Hour, Quirks: agstest.Quirks{RepeatFixedLifetime: true}})
	tok := signOn(t, srv)
	fake.Advance(90 * time.Minute)
	tok = refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
	assert.EqualValues(t, 2*60*60, tok.FixedExpiresIn)
	_, claims := decodeJWT(t, tok.Refresh)
	assert.Equal(t, float64(start().Add(2*time.Hour).Unix()), claims["fixed_exp"], "the token still ends with the session")
	fake.Advance(30 * time.Minute)
	assertRefused(t, 401, 0, refresh(t, srv, tok.Refresh))
	assert.Equal(t, 2, srv.Count(agstest.Refresh))
}

func TestQuirks_CapLifetimes(t *testing.T) {
	srv, fake := startServer(t, agstest.Config{FixedLifetime: 100 * time.Minute, Quirks: agstest.Quirks{CapLifetimes: true}})
	tok := signOn(t, srv)
	assert.EqualValues(t, 3600, tok.ExpiresIn)
	assert.EqualValues(t, 6000, tok.RefreshExpiresIn)
	fake.Advance(50 * time.Minute)
	tok = refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
	assert.EqualValues(t, 3000, tok.ExpiresIn)
	assert.EqualValues(t, 3000, tok.RefreshExpiresIn)
	_, claims := decodeJWT(t, tok.Access)
	assert.Equal(t, claims["fixed_exp"], claims["exp"])
	assert.Equal(t, 1, srv.Count(agstest.Refresh))
}

func TestQuirks_OmitFields(t *testing.T) {
	omit := []string{"expires_in", "refresh_expires_in", "fixed_refresh_expires_in"}
	srv, _ := startServer(t, agstest.Config{Quirks: agstest.Quirks{OmitFields: omit, OmitOnRefresh: []string{"client_id"}}})
	r := post(t, srv, "/ags/signOn", newDeviceSignOn)
	tok := r.tokens(t, http.StatusCreated)
	assert.Equal(t, "PUB_1", tok.ClientID)
	next := refresh(t, srv, tok.Refresh)
	assert.Empty(t, next.tokens(t, http.StatusOK).ClientID)
	for _, name := range omit {
		assert.Nil(t, r.field(t, name))
		assert.Nil(t, next.field(t, name))
	}
	assert.Equal(t, 1, srv.Count(agstest.Refresh))
}

func TestQuirks_OmittedRefreshTokenStaysValid(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{Quirks: agstest.Quirks{OmitOnRefresh: []string{"refresh_token"}}})
	tok := signOn(t, srv)
	for range 2 {
		next := refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
		assert.Empty(t, next.Refresh)
		assert.True(t, accepted(t, srv, next.Access))
	}
	assert.Equal(t, 2, srv.Count(agstest.Refresh))
	assert.Zero(t, srv.Stats().Reuses)
}

func TestQuirks_TokenTypeAndStatuses(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{Quirks: agstest.Quirks{TokenType: "Bearer", SignOnStatus: 200, RefreshStatus: 201}})
	r := post(t, srv, "/ags/signOn", newDeviceSignOn)
	tok := r.tokens(t, http.StatusOK)
	assert.Equal(t, "Bearer", r.field(t, "token_type"))
	refresh(t, srv, tok.Refresh).tokens(t, http.StatusCreated)
	assert.Equal(t, 1, srv.Count(agstest.Refresh))
}
