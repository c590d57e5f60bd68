package ags_test

import (
	"bufio"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

var update = flag.Bool("update", false, "write the requests in testdata/wire")

const (
	requestSuffix  = ".request.http"
	responseSuffix = ".response.http"
)

func wireFile(tb testing.TB, name string) string {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "wire", name))
	require.NoError(tb, err)
	return string(b)
}

// wireNames returns the names of the files with this suffix, without it.
func wireNames(tb testing.TB, suffix string) []string {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "wire", "*"+suffix))
	require.NoError(tb, err)
	var names []string
	for _, path := range paths {
		names = append(names, strings.TrimSuffix(filepath.Base(path), suffix))
	}
	return names
}

// origins are the beginnings of the first line of a file, which says where it comes from.
var origins = []string{
	"# from the published example of a refresh: ",
	"# from the platform's public documentation: ",
	"# seen by public clients in the field: ",
	"# our own decision: ",
}

// wireParts returns the head of the message in a file, as on the wire, and its body.
func wireParts(tb testing.TB, name string) (head, body string) {
	tb.Helper()
	text := wireFile(tb, name)
	require.True(tb, slices.ContainsFunc(origins, func(origin string) bool { return strings.HasPrefix(text, origin) }),
		"%s does not say where it comes from", name)
	for strings.HasPrefix(text, "#") {
		_, text, _ = strings.Cut(text, "\n")
	}
	head, body, found := strings.Cut(text, "\n\n")
	require.True(tb, found, "%s has a head that does not end", name)
	return strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n", body
}

// respondWithFile responds with the message in a file.
func respondWithFile(tb testing.TB, name string) responder {
	tb.Helper()
	head, body := wireParts(tb, name+responseSuffix)
	return func(r *http.Request) (*http.Response, error) {
		return http.ReadResponse(bufio.NewReader(strings.NewReader(head+body)), r)
	}
}

func TestWire_EveryFileIsRead(t *testing.T) {
	entries, err := os.ReadDir(filepath.Join("testdata", "wire"))
	require.NoError(t, err)
	for _, e := range entries {
		switch name := e.Name(); {
		case name == "README.md", name == "refresh-request.json", name == "refresh-response.json":
		case strings.HasSuffix(name, requestSuffix), strings.HasSuffix(name, responseSuffix):
		default:
			t.Errorf("no test reads %s", name)
		}
	}
}

func TestWire_DocumentedRefreshResponse(t *testing.T) {
	body := wireFile(t, "refresh-response.json")
	_, onTheWire := wireParts(t, "refresh-200"+responseSuffix)
	assert.Equal(t, body, onTheWire, "byte for byte")
	var raw map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &raw))
	for _, off := range []time.Duration{0, time.Hour, -time.Hour, 300 * time.Millisecond} {
		at := issued.Add(off)
		token, err := refreshAt(t, at, testToken(), body)
		require.NoError(t, err)
		assert.Equal(t, raw["access_token"], token.AccessToken.Reveal())
		assert.Equal(t, raw["refresh_token"], token.RefreshToken.Reveal())
		assert.Equal(t, "bearer", token.TokenType)
		assert.Equal(t, "PUB_989", token.ClientID)
		assert.Equal(t, "1663", token.AccountID)
		assert.True(t, token.HasFixedClaim())
		assertInstant(t, at, token.IssuedAt, "issued")
		assertInstant(t, at.Add(3600*time.Second), token.ExpiresAt, "access")
		assertInstant(t, at.Add(172800*time.Second), token.RefreshExpiresAt, "refresh")
		fixed := at.Add(2592000 * time.Second)
		if off.Abs() < time.Second { // below the tolerance: the claim itself
			fixed = time.Unix(1657465493, 0)
		}
		assertInstant(t, fixed, token.FixedExpiresAt, "fixed")
	}
	token, err := refreshAt(t, time.Unix(1654873493, 0), testToken(), body)
	require.NoError(t, err)
	assertInstant(t, time.Unix(1654877093, 0), token.ExpiresAt, "access")
	assertInstant(t, time.Unix(1655046293, 0), token.RefreshExpiresAt, "refresh")
	assertInstant(t, time.Unix(1657465493, 0), token.FixedExpiresAt, "fixed")
}

func TestWire_DocumentedRefreshRequest(t *testing.T) {
	c, tr := newClient(t, func(c *ags.Config) {
		c.Parameters = []ags.Parameter{{Name: "username", Value: "dave"}}
	}, respond(200, wireFile(t, "refresh-response.json")))
	_, err := c.Refresh(ags.WithCorrelationID(t.Context(), "flow-1"), testToken())
	require.NoError(t, err)
	r := tr.only()
	assert.JSONEq(t, wireFile(t, "refresh-request.json"), r.body)
	_, onTheWire := wireParts(t, "refresh"+requestSuffix)
	assert.JSONEq(t, wireFile(t, "refresh-request.json"), onTheWire)
	assert.Equal(t, http.MethodPost, r.method)
	assert.Equal(t, "https://gateway.example.com/ags/refresh", r.url)
	assert.Equal(t, http.Header{
		"Accept":            {"application/json"},
		"Authorization":     {"Bearer " + refreshMark},
		"Content-Type":      {"application/json"},
		"Nv-Tenant-Id":      {"nagra"},
		"X-Auth-Service-Id": {"Customer Auth Service"},
		"X-Correlation-Id":  {"flow-1"},
	}, r.header)
}
