package transport_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/transport"
)

// redirects is a base that knows of each URL where it redirects to, and notes
// which requests came with the token.
type redirects struct {
	to     map[string]string
	seen   []string
	tokens []string // the URLs that got it
}

func (r *redirects) RoundTrip(req *http.Request) (*http.Response, error) {
	u := req.URL.String()
	r.seen = append(r.seen, u)
	if req.Header.Get("Authorization") == "Bearer t" {
		r.tokens = append(r.tokens, u)
	}
	a := ok()
	if to, found := r.to[u]; found {
		a = &answer{status: http.StatusTemporaryRedirect, header: http.Header{"Location": {to}}}
	}
	return a.response(), nil
}

// In the paths below the token's way is marked: a hop with a '!' gets it.
func TestInvariant10_NoTokenToAStranger(t *testing.T) {
	ab := []string{"a.test", "b.test"}
	for _, tc := range []struct {
		name     string
		allow    []string
		insecure bool
		way      []string
	}{
		{"same origin", nil, false, []string{"!https://a.test/1", "!https://a.test/2", "!https://a.test/3"}},
		{"same origin, other spelling", nil, false, []string{"!https://a.test/1", "!https://A.test:443/2", "!https://a.test./3"}},
		{"same loopback origin", nil, false, []string{"!http://localhost:1/1", "!http://localhost:1/2"}},
		{"other host", nil, false, []string{"!https://a.test/1", "https://b.test/1"}},
		{"subdomain", nil, false, []string{"!https://a.test/1", "https://sub.a.test/1"}},
		{"other port", nil, false, []string{"!https://a.test/1", "https://a.test:8443/1"}},
		{"other scheme", nil, false, []string{"!https://localhost:1/1", "http://localhost:1/1"}},
		{"other scheme, up", nil, false, []string{"!http://localhost:1/1", "https://localhost:1/1"}},
		{"other port, loopback", nil, false, []string{"!http://127.0.0.1:1/1", "http://127.0.0.1:2/1"}},
		{"away and back", nil, false, []string{"!https://a.test/1", "https://b.test/1", "https://a.test/2"}},
		{"down and up again", nil, true, []string{"!https://a.test/1", "http://a.test/1", "https://a.test/2"}},
		{"up to https", nil, true, []string{"!http://a.test/1", "https://a.test/1"}},
		{"insecure same origin", nil, true, []string{"!http://a.test/1", "!http://a.test/2"}},

		{"named", ab, false, []string{"!https://a.test/1", "!https://b.test/1", "!https://a.test:8443/2"}},
		{"not named", ab, false, []string{"!https://a.test/1", "https://c.test/1"}},
		{"over one not named", ab, false, []string{"!https://a.test/1", "https://c.test/1", "https://b.test/1", "https://a.test/2"}},
		{"from the caller's own, not named", ab, false, []string{"https://c.test/1", "!https://a.test/1"}},
		{"the caller's own stays without", ab, false, []string{"https://c.test/1", "https://c.test/2", "!https://b.test/1"}},
		{"from the caller's own over another", ab, false, []string{"https://c.test/1", "https://d.test/1", "https://a.test/1"}},
		{"from the caller's own, unsafe", ab, false, []string{"http://c.test/1", "https://a.test/1"}},
		{"named, to plain", ab, false, []string{"!https://a.test/1", "http://b.test/1"}},
		{"named, to plain and back", ab, false, []string{"!https://a.test/1", "http://b.test/1", "https://a.test/2"}},
		{"named, from https to plain, insecure", ab, true, []string{"!https://a.test/1", "http://b.test/1", "!https://b.test/1"}},
		{"named, plain to plain, insecure", ab, true, []string{"!http://a.test/1", "!http://b.test/1"}},
		{"named, https to loopback", []string{"a.test", "localhost"}, false, []string{"!https://a.test/1", "http://localhost/1"}},
		{"named, loopback to plain", []string{"localhost", "a.test"}, false, []string{"!http://localhost/1", "http://a.test/1"}},
		{"named by port", []string{"localhost:1", "localhost:2"}, false, []string{"!http://localhost:1/", "!http://localhost:2/", "http://localhost:3/"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			base := &redirects{to: map[string]string{}}
			var urls, want []string
			for i, hop := range tc.way {
				u := hop
				if hop[0] == '!' {
					u = hop[1:]
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

// net/http drops a caller's Authorization on the way to another host. Ours does
// not take its place.
func TestRedirect_OwnAuthorizationIsNotReplacedOnTheWay(t *testing.T) {
	base := &redirects{to: map[string]string{
		"https://a.test/1": "https://a.test/2", "https://a.test/2": "https://b.test/1", "https://b.test/1": "https://a.test/3",
	}}
	client := &http.Client{Transport: &transport.Transport{
		Source: newSource("t"), Base: base, AllowHosts: []string{"a.test", "b.test"},
	}}
	resp, err := client.Do(get(t, "https://a.test/1").with("Authorization", "own").Request)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Len(t, base.seen, 4)
	assert.Empty(t, base.tokens)
}

// Credentials in a URL are a header by the time that net/http sends the request.
func TestRedirect_CredentialsOfTheURLAreTheCallersOwn(t *testing.T) {
	base := &redirects{to: map[string]string{"https://u:p@a.test/1": "https://a.test/2"}}
	client := &http.Client{Transport: &transport.Transport{Source: newSource("t"), Base: base}}
	resp, err := client.Do(get(t, "https://u:p@a.test/1").Request)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Equal(t, []string{"https://u:p@a.test/1", "https://a.test/2"}, base.seen)
	assert.Empty(t, base.tokens)
}

func TestRedirect_WayThatCannotBeWalked(t *testing.T) {
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
		"in a circle": circle, "too long": long, "request unknown": unknown, "URL unknown": nowhere,
	} {
		t.Run(name, func(t *testing.T) {
			base, source := newBase(ok()), newSource("t")
			tr := &transport.Transport{Source: source, Base: base, AllowHosts: []string{"api.example.com"}}
			resp, err := c.through(t, tr)
			require.NoError(t, err)
			assert.Equal(t, http.StatusOK, resp.StatusCode)
			base.assertTokens(t, "")
			source.assertAsked(t, 0)
		})
	}
}
