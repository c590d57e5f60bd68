package transport_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/transport"
)

// The tests of golang.org/x/oauth2 for its own Transport, under their names there. Package
// tokensource has those for the lifetime of a token.

// mockServer expects an Authorization and counts its requests.
type mockServer struct {
	*httptest.Server
	requests atomic.Int64
	client   *http.Client
}

// newMockServer starts a server with a client for source.
func newMockServer(t *testing.T, source oauth2.TokenSource, authorization string) *mockServer {
	t.Helper()
	m := &mockServer{}
	m.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		m.requests.Add(1)
		assert.Equal(t, []string{authorization}, r.Header["Authorization"])
	}))
	t.Cleanup(m.Close)
	m.client = &http.Client{Transport: &transport.Transport{Source: source, Base: m.Client().Transport}}
	return m
}

func abc(tokenType string) oauth2.TokenSource {
	return oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "abc", TokenType: tokenType})
}

func TestTransportNilTokenSource(t *testing.T) {
	server := newMockServer(t, nil, "")
	_, err := server.client.Do(get(t, server.URL).Request)
	assert.ErrorContains(t, err, "transport: Source is nil")
	assert.Zero(t, server.requests.Load())
}

func TestTransportCloseRequestBody(t *testing.T) {
	server := newMockServer(t, nil, "")
	c := post(t, server.URL)
	_, err := server.client.Do(c.Request)
	require.Error(t, err)
	require.Len(t, c.bodies, 1)
	assert.EqualValues(t, 1, c.bodies[0].closed.Load())
	assert.Zero(t, c.bodies[0].read.Load())
	assert.Zero(t, server.requests.Load())
}

func TestTransportCloseRequestBodySuccess(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "not empty": payload} {
		t.Run(name, func(t *testing.T) {
			server := newMockServer(t, abc(""), "Bearer abc")
			b := newBody(text)
			resp, err := server.client.Post(server.URL, jsonMedia, b)
			require.NoError(t, err)
			assert.NoError(t, resp.Body.Close())
			<-b.done // net/http may close it after it has answered
			server.Close()
			assert.EqualValues(t, 1, b.closed.Load())
			assert.EqualValues(t, 1, server.requests.Load())
		})
	}
}

func TestTransportTokenSource(t *testing.T) {
	server := newMockServer(t, abc(""), "Bearer abc")
	resp, err := server.client.Do(get(t, server.URL).Request)
	require.NoError(t, err)
	assert.NoError(t, resp.Body.Close())
	assert.EqualValues(t, 1, server.requests.Load())
}

func TestTransportTokenSourceTypes(t *testing.T) {
	for tokenType, want := range map[string]string{"bearer": "Bearer abc", "mac": "MAC abc", "basic": "Basic abc"} {
		t.Run(tokenType, func(t *testing.T) {
			server := newMockServer(t, abc(tokenType), want)
			resp, err := server.client.Do(get(t, server.URL).Request)
			require.NoError(t, err)
			assert.NoError(t, resp.Body.Close())
			assert.EqualValues(t, 1, server.requests.Load())
		})
	}
}

func TestTokenTypeMethod(t *testing.T) {
	for tokenType, want := range map[string]string{
		"": "Bearer abc", "beAREr": "Bearer abc", "BEARER": "Bearer abc", "basic": "Basic abc", "Basic": "Basic abc",
		"mac": "MAC abc", "MAC": "MAC abc", "mAc": "MAC abc", "DPoP": "DPoP abc",
	} {
		t.Run(tokenType, func(t *testing.T) {
			base := newBase(ok())
			resp, err := get(t, urlAPI).through(t, &transport.Transport{Source: abc(tokenType), Base: base})
			require.NoError(t, err)
			assert.NoError(t, resp.Body.Close())
			require.Len(t, base.seen, 1)
			assert.Equal(t, []string{want}, base.seen[0].req.Header["Authorization"])
		})
	}
}

func TestTokenValidNoAccessToken(t *testing.T) {
	for _, token := range []*oauth2.Token{nil, {}, {TokenType: "bearer", RefreshToken: "secret"}} {
		base := newBase()
		source := plainSource(func() (*oauth2.Token, error) { return token, nil })
		_, err := post(t, urlAPI).through(t, &transport.Transport{Source: source, Base: base})
		assert.EqualError(t, err, "transport: get token: the source returned an empty token")
		base.assertTokens(t)
	}
}

// oauth2.Config.Client corresponds to a Transport here.
func TestConfigClientWithToken(t *testing.T) {
	source := oauth2.ReuseTokenSource(&oauth2.Token{AccessToken: "abc"}, nil)
	server := newMockServer(t, source, "Bearer abc")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	require.NoError(t, err)
	resp, err := server.client.Do(req)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	assert.NoError(t, err)
	assert.NoError(t, resp.Body.Close())
	assert.EqualValues(t, 1, server.requests.Load())
	assert.Empty(t, req.Header, "the caller's request is not modified")
}

// x/oauth2's Transport with ours as its base: its header field is a caller's own.
func TestXOAuth2_AsBaseOfItsTransport(t *testing.T) {
	a := newAPI(t, (*httptest.Server).Start, fine)
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, a.client)
	theirs := oauth2.NewClient(ctx, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "theirs"}))
	status, text := fetch(t, theirs, get(t, a.URL+"/1"))
	assert.Equal(t, http.StatusForbidden, status)
	assert.Equal(t, codeBody, text)
	a.assertRequests(t, "GET /1 Bearer theirs")
	a.source.assertCalls(t, 0)
}

func TestXOAuth2_TokenSource(t *testing.T) {
	a := newAPI(t, (*httptest.Server).Start, fine)
	source := oauth2.ReuseTokenSource(nil, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "old"}))
	client := &http.Client{Transport: &transport.Transport{Source: source, Base: a.Client().Transport}}
	status, text := fetch(t, client, get(t, a.URL+"/1"))
	assert.Equal(t, http.StatusForbidden, status)
	assert.Equal(t, codeBody, text)
	a.assertRequests(t, "GET /1 Bearer old")
}
