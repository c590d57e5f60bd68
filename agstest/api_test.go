package agstest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
)

func TestAPI_Echo(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	signOn(t, srv)
	tok := signOn(t, srv)
	tok = refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
	r := send(t.Context(), srv, http.MethodPut, "/api/a/b?q=1", "\x00body", "Authorization", "Bearer "+tok.Access)
	require.NoError(t, r.err)
	require.Equal(t, http.StatusOK, r.status)
	var echo agstest.Echo
	require.NoError(t, json.Unmarshal(r.body, &echo))
	assert.Equal(t, agstest.Echo{
		AccountID: "1663", ClientID: "PUB_2", Session: 2, Generation: 2,
		Method: http.MethodPut, Path: "/api/a/b", Body: []byte("\x00body"),
	}, echo)
	assert.NotContains(t, string(r.body), tok.Access)
	assert.Equal(t, 1, srv.Count(agstest.API))
}

func TestAPI_RejectsInvalidTokens(t *testing.T) {
	srv, fake := startServer(t, agstest.Config{})
	tok := signOn(t, srv)
	tests := []struct {
		name, authorization, result string
	}{
		{"no token", "", "Bearer Token Decoding Failure"},
		{"forged", "Bearer x.y.z", "Bearer Token Decoding Failure"},
		{"bare", tok.Access, "Bearer Token Decoding Failure"},
		{"a refresh token", "Bearer " + tok.Refresh, "Bearer Token Decoding Failure"},
		{"expired", "Bearer " + tok.Access, "Bearer Token Expired"},
	}
	fake.Advance(time.Hour)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := post(t, srv, "/api/profile", "", "Authorization", test.authorization)
			assert.Equal(t, http.StatusForbidden, r.status)
			assert.Equal(t, test.result, r.field(t, "result"))
			assert.Equal(t, "99999:403", r.field(t, "resultCode"))
			assert.Equal(t, "none", r.field(t, "localeMessage"))
			assert.NotEmpty(t, r.field(t, "requestId"))
			assert.Equal(t, "application/json", r.header.Get("Content-Type"))
		})
	}
	assert.Equal(t, len(tests), srv.Count(agstest.API))
}

func TestAPI_RejectionFormats(t *testing.T) {
	tests := []struct {
		name   string
		cfg    agstest.Config
		status int
		code   string
	}{
		{"legacy", agstest.Config{LegacyRejections: true}, 200, "99999:403"},
		{"plain", agstest.Config{Quirks: agstest.Quirks{RejectionStatus: 401}}, 401, "99999:403"},
		{"front end", agstest.Config{Quirks: agstest.Quirks{RejectionCode: "1024"}}, 403, "1024"},
		{"legacy front end", agstest.Config{LegacyRejections: true, Quirks: agstest.Quirks{RejectionStatus: 401, RejectionCode: "1025"}}, 200, "1025"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			srv, _ := startServer(t, test.cfg)
			r := callAPI(t, srv, "forged")
			assert.Equal(t, test.status, r.status)
			assert.Equal(t, test.code, r.field(t, "resultCode"))
			assert.Equal(t, test.status == http.StatusUnauthorized,
				strings.HasPrefix(r.header.Get("WWW-Authenticate"), "Bearer "))
			assert.Equal(t, 1, srv.Count(agstest.API))
		})
	}
}

func TestAPI_RejectTokenNextAndAll(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	one, two := signOn(t, srv), signOn(t, srv)

	srv.RejectToken(one.Access)
	assert.False(t, accepted(t, srv, one.Access))
	assert.True(t, accepted(t, srv, two.Access))

	srv.RejectNext(2)
	assert.False(t, accepted(t, srv, one.Access), "RejectNext does not count a token that is invalid anyway")
	assert.False(t, accepted(t, srv, two.Access))
	assert.False(t, accepted(t, srv, two.Access))
	assert.True(t, accepted(t, srv, two.Access))

	srv.RejectAll(true)
	assert.False(t, accepted(t, srv, two.Access))
	info, _ := srv.Inspect(two.Access)
	assert.True(t, info.Live, "Live ignores RejectAll")
	srv.RejectAll(false)
	assert.True(t, accepted(t, srv, two.Access))
	assert.Equal(t, 8, srv.Count(agstest.API))
}
