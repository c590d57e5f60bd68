package transport_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/transport"
)

// redirects is a base that redirects and records the requests with the token.
type redirects struct {
	to     map[string]string
	seen   []string
	tokens []string // the URLs that got the token
}

func (r *redirects) RoundTrip(req *http.Request) (*http.Response, error) {
	u := req.URL.String()
	r.seen = append(r.seen, u)
	if req.Header.Get("Authorization") == "Bearer t" {
		r.tokens = append(r.tokens, u)
	}
	a := ok()
	if to, found := r.to[u]; found {
		a = &response{status: http.StatusTemporaryRedirect, header: http.Header{"Location": {to}}}
	}
	return a.http(), nil
}

// '!' marks the requests that get the token.
func TestInvariant10_NoTokenToAStranger(t *testing.T) {
	ab := []string{"a.test", "b.test"}
	for _, tc := range []struct {
		name     string
		allow    []string
		insecure bool
		path     []string
	}{
		{"same origin", nil, false, []string{"!https://a.test/1", "!https://a.test/2", "!https://a.test/3"}},
		{"same origin, other spelling", nil, false, []string{"!https://a.test/1", "!https://A.test:443/2", "!https://a.test./3"}},
		{"same loopback origin", nil, false, []string{"!http://localhost:1/1", "!http://localhost:1/2"}},
		{"other host", nil, false, []string{"!https://a.test/1", "https://b.test/1"}},
		{"subdomain", nil, false, []string{"!https://a.test/1", "https://sub.a.test/1"}},
		{"other port", nil, false, []string{"!https://a.test/1", "https://a.test:8443/1"}},
		{"other scheme", nil, false, []string{"!https://localhost:1/1", "http://localhost:1/1"}},
		{"other scheme, to https", nil, false, []string{"!http://localhost:1/1", "https://localhost:1/1"}},
		{"other port, loopback", nil, false, []string{"!http://127.0.0.1:1/1", "http://127.0.0.1:2/1"}},
		{"another host and back", nil, false, []string{"!https://a.test/1", "https://b.test/1", "https://a.test/2"}},
		{"to http and back", nil, true, []string{"!https://a.test/1", "http://a.test/1", "https://a.test/2"}},
		{"up to https", nil, true, []string{"!http://a.test/1", "https://a.test/1"}},
		{"insecure same origin", nil, true, []string{"!http://a.test/1", "!http://a.test/2"}},

		{"listed", ab, false, []string{"!https://a.test/1", "!https://b.test/1", "!https://a.test:8443/2"}},
		{"not listed", ab, false, []string{"!https://a.test/1", "https://c.test/1"}},
		{"over one not listed", ab, false, []string{"!https://a.test/1", "https://c.test/1", "https://b.test/1", "https://a.test/2"}},
		{"from one not listed", ab, false, []string{"https://c.test/1", "!https://a.test/1"}},
		{"first host not listed", ab, false, []string{"https://c.test/1", "https://c.test/2", "!https://b.test/1"}},
		{"from one not listed over another", ab, false, []string{"https://c.test/1", "https://d.test/1", "https://a.test/1"}},
		{"from one not listed, insecure", ab, false, []string{"http://c.test/1", "https://a.test/1"}},
		{"listed, to http", ab, false, []string{"!https://a.test/1", "http://b.test/1"}},
		{"listed, to http and back", ab, false, []string{"!https://a.test/1", "http://b.test/1", "https://a.test/2"}},
		{"listed, https to http, AllowInsecure", ab, true, []string{"!https://a.test/1", "http://b.test/1", "!https://b.test/1"}},
		{"listed, http to http, AllowInsecure", ab, true, []string{"!http://a.test/1", "!http://b.test/1"}},
		{"listed, https to loopback", []string{"a.test", "localhost"}, false, []string{"!https://a.test/1", "http://localhost/1"}},
		{"listed, loopback to http", []string{"localhost", "a.test"}, false, []string{"!http://localhost/1", "http://a.test/1"}},
		{"listed by port", []string{"localhost:1", "localhost:2"}, false, []string{"!http://localhost:1/", "!http://localhost:2/", "http://localhost:3/"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			base := &redirects{to: map[string]string{}}
			var urls, want []string
			for i, step := range tc.path {
				u := step
				if step[0] == '!' {
					u = step[1:]
					want = append(want, u)
				}
				urls = append(urls, u)
				if i > 0 {
					base.to[urls[i-1]] = u
				}
			}
			client := &http.Client{Transport: &transport.Transport{
				Source: newSource("t"), Base: base, AllowHosts: tc.allow, AllowInsecure: tc.insecure,
			}}
			resp, err := client.Do(get(t, urls[0]).Request)
			require.NoError(t, err)
			assert.Equal(t, http.StatusOK, resp.StatusCode)
			assert.Equal(t, urls, base.seen)
			assert.Equal(t, want, base.tokens)
		})
	}
}

// net/http removes the caller's Authorization when the host changes.
func TestRedirect_OwnAuthorizationIsNotReplaced(t *testing.T) {
	base := &redirects{to: map[string]string{
		"https://a.test/1": "https://a.test/2", "https://a.test/2": "https://b.test/1", "https://b.test/1": "https://a.test/3",
	}}
	client := &http.Client{Transport: &transport.Transport{
		Source: newSource("t"), Base: base, AllowHosts: []string{"a.test", "b.test"},
	}}
	resp, err := client.Do(get(t, "https://a.test/1").withHeader("Authorization", "own").Request)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Len(t, base.seen, 4)
	assert.Empty(t, base.tokens)
}

// net/http converts credentials in a URL to a header field.
func TestRedirect_CredentialsInTheURL(t *testing.T) {
	base := &redirects{to: map[string]string{"https://u:p@a.test/1": "https://a.test/2"}}
	client := &http.Client{Transport: &transport.Transport{Source: newSource("t"), Base: base}}
	resp, err := client.Do(get(t, "https://u:p@a.test/1").Request)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Equal(t, []string{"https://u:p@a.test/1", "https://a.test/2"}, base.seen)
	assert.Empty(t, base.tokens)
}

func TestRedirect_UnknownOrigin(t *testing.T) {
	circle := get(t, urlAPI)
	circle.Response = &http.Response{Request: circle.Request}
	long := get(t, urlAPI)
	for range 200 {
		next := get(t, urlAPI)
		next.Response = &http.Response{Request: long.Request}
		long = next
	}
	unknown := get(t, urlAPI)
	unknown.Response = &http.Response{}
	nowhere := get(t, urlAPI)
	nowhere.Response = &http.Response{Request: &http.Request{}}
	for name, c := range map[string]*call{
		"cycle": circle, "too long": long, "request unknown": unknown, "URL unknown": nowhere,
	} {
		t.Run(name, func(t *testing.T) {
			base, source := newBase(ok()), newSource("t")
			tr := &transport.Transport{Source: source, Base: base, AllowHosts: []string{"api.example.com"}}
			resp, err := c.through(t, tr)
			require.NoError(t, err)
			assert.Equal(t, http.StatusOK, resp.StatusCode)
			base.assertTokens(t, "")
			source.assertCalls(t, 0)
		})
	}
}

func TestRedirect_ToAnotherHostField(t *testing.T) {
	base := newBase(ok())
	c := get(t, urlAPI)
	before := get(t, urlAPI).Request
	before.Host = "front.example.com"
	c.Host, c.Response = "attacker.example", &http.Response{Request: before}
	resp, err := c.through(t, &transport.Transport{Source: newSource("t"), Base: base})
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	base.assertTokens(t, "")
}
