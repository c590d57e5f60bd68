package ags_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// The secrets in the tests' tokens and parameters. No error may contain one.
const (
	accessMark   = "ACCESS-mark-7f3a"
	refreshMark  = "REFRESH-mark-91cc"
	passwordMark = `pa"ss/wörd<&>+%mark`
	userMark     = "USER-TOKEN-mark-5d0e"
)

// issued is the time of the tests' gateway and, unless a test says otherwise, of the client.
var issued = time.Unix(1654873493, 0)

// classes are the classes of an [ags.Error].
var classes = []error{ags.ErrUnauthorized, ags.ErrForbidden, ags.ErrUnavailable, ags.ErrProtocol}

// sentRequest is a request as the transport received it.
type sentRequest struct {
	method, url, body string
	header            http.Header
}

// fakeTransport calls its responders in turn. The test fails if there is none left.
type fakeTransport struct {
	tb         testing.TB
	responders []responder

	mu       sync.Mutex // guards requests
	requests []sentRequest
}

type responder func(*http.Request) (*http.Response, error)

func (tr *fakeTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	s := sentRequest{method: r.Method, url: r.URL.String(), header: r.Header.Clone()}
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		s.body = string(b)
		_ = r.Body.Close()
	}
	tr.mu.Lock()
	n := len(tr.requests)
	tr.requests = append(tr.requests, s)
	tr.mu.Unlock()
	if n >= len(tr.responders) {
		tr.tb.Errorf("request %d was not expected: %s %s", n+1, s.method, s.url)
		return nil, errors.New("no responder left")
	}
	return tr.responders[n](r)
}

// only returns the request, which must be the only one.
func (tr *fakeTransport) only() sentRequest {
	tr.tb.Helper()
	require.Len(tr.tb, tr.requests, 1)
	return tr.requests[0]
}

// respond returns a body and header fields, given as names and values.
func respond(status int, body string, fields ...string) responder {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{"Content-Type": {"application/json"}}
		for i := 0; i+1 < len(fields); i += 2 {
			h.Set(fields[i], fields[i+1])
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
}

// respondTruncated returns the beginning of a body and then the error.
func respondTruncated(status int, body string, err error) responder {
	return func(r *http.Request) (*http.Response, error) {
		b := io.NopCloser(io.MultiReader(strings.NewReader(body), errReader{err}))
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: b, Request: r}, nil
	}
}

type errReader struct{ err error }

func (b errReader) Read([]byte) (int, error) { return 0, b.err }

// failWith returns no response.
func failWith(err error) responder {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// testConfig returns the configuration of a client with this transport.
func testConfig(rt http.RoundTripper) ags.Config {
	return ags.Config{
		BaseURL: "https://gateway.example.com", AuthServiceID: "Customer Auth Service", TenantID: "nagra",
		HTTPClient: &http.Client{Transport: rt}, Clock: clock.NewFake(issued),
		Parameters: []ags.Parameter{{Name: "password", Value: passwordMark}},
	}
}

// realClock sets the system clock, for tests in fake time.
func realClock(c *ags.Config) { c.Clock = clock.Real{} }

// newClient returns a client whose requests are answered by responders.
func newClient(tb testing.TB, change func(*ags.Config), responders ...responder) (*ags.Client, *fakeTransport) {
	tb.Helper()
	tr := &fakeTransport{tb: tb, responders: responders}
	cfg := testConfig(tr)
	if change != nil {
		change(&cfg)
	}
	c, err := ags.New(cfg)
	require.NoError(tb, err)
	return c, tr
}

// testToken returns the token that the tests refresh and sign out.
func testToken() *ags.Token {
	return &ags.Token{AccessToken: ags.NewSecret(accessMark), RefreshToken: ags.NewSecret(refreshMark)}
}

// tokenJSON returns a token response. fields are names and values to replace; nil removes a field.
func tokenJSON(fields ...any) string {
	all := map[string]any{
		"access_token": "new-access", "refresh_token": "new-refresh", "client_id": "PUB_989", "accountId": "1663",
		"token_type": "bearer", "expires_in": 3600, "refresh_expires_in": 172800, "fixed_refresh_expires_in": 2592000,
	}
	for i := 0; i+1 < len(fields); i += 2 {
		name, _ := fields[i].(string)
		if all[name] = fields[i+1]; fields[i+1] == nil {
			delete(all, name)
		}
	}
	return toJSON(all)
}

// jwt returns a JWT with these claims and an invalid signature.
func jwt(claims string) string { return jwtWith(`{"kid":"1","alg":"HS256","typ":"JWT"}`, claims) }

func jwtWith(header, claims string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	return b64([]byte(header)) + "." + b64([]byte(claims)) + "." + b64([]byte("signature"))
}

func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// asError returns err as an *ags.Error.
func asError(tb testing.TB, err error) *ags.Error {
	tb.Helper()
	e, ok := errors.AsType[*ags.Error](err)
	require.True(tb, ok, "%v is no *ags.Error", err)
	return e
}
