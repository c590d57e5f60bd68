package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/transport"
)

func TestInvariant11_TheCallersRequestIsSentAsItIs(t *testing.T) {
	fine := ok()
	base := newBase(fine)
	c := post(t, urlAPI).withHeader("X-One", "1").withHeader("X-Two", "1", "2").withHeader("x-raw", "r").withHeader("User-Agent")
	c.Host, c.Trailer = "virtual.example.com", http.Header{"X-Sum": nil}
	resp, err := c.through(t, &transport.Transport{Source: newSource("t"), Base: base})
	require.NoError(t, err)
	assertOpen(t, fine, resp)
	require.Len(t, base.seen, 1)
	got := base.seen[0]
	assert.Equal(t, "payload", got.body)
	assert.Equal(t, urlAPI, got.req.URL.String())
	assert.Equal(t, http.MethodPost, got.req.Method)
	assert.Equal(t, "virtual.example.com", got.req.Host)
	assert.EqualValues(t, 7, got.req.ContentLength)
	assert.Same(t, c.Context(), got.req.Context())
	assert.Equal(t, http.Header{
		"Authorization": {"Bearer t"}, "X-One": {"1"}, "X-Two": {"1", "2"}, "x-raw": {"r"}, "User-Agent": nil,
	}, got.req.Header)
}

func TestRoundTrip_ManyHeaderFields(t *testing.T) {
	base := newBase(ok())
	c := get(t, urlAPI)
	for i := range 30 {
		c.withHeader(fmt.Sprintf("X-%d", i), "a", "b")
	}
	_, err := c.through(t, &transport.Transport{Source: newSource("t"), Base: base})
	require.NoError(t, err)
	base.assertTokens(t, "t")
	base.seen[0].req.Header.Del("Authorization")
	assert.Equal(t, c.Header, base.seen[0].req.Header)
}

// The values of a trailer are set in the caller's map while the body is read.
func TestRoundTrip_TrailerIsShared(t *testing.T) {
	c := get(t, urlAPI)
	c.Trailer = http.Header{"X-Sum": nil}
	base := baseFunc(func(req *http.Request) (*http.Response, error) {
		c.Trailer.Set("X-Sum", "42")
		assert.Equal(t, "42", req.Trailer.Get("X-Sum"))
		return ok().http(), nil
	})
	resp, err := (&transport.Transport{Source: newSource("t"), Base: base}).RoundTrip(c.Request)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
}

func TestRoundTrip_NothingIsSharedBetweenRequests(t *testing.T) {
	base := newBase(ok(), ok())
	tr := &transport.Transport{Source: newSource("t"), Base: base, Header: http.Header{"X-Ours": {"o"}}}
	for i := range 2 {
		resp, err := get(t, urlAPI).through(t, tr)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, http.Header{"Authorization": {"Bearer t"}, "X-Ours": {"o"}}, base.seen[i].req.Header)
	}
	base.assertTokens(t, "t", "t")
	assert.Equal(t, http.Header{"X-Ours": {"o"}}, tr.Header)
}

func TestRoundTrip_AppendedHeaderValuesAreCopied(t *testing.T) {
	base := baseFunc(func(req *http.Request) (*http.Response, error) {
		want := req.Header.Clone()
		for name := range want {
			req.Header.Add(name, "more")
			want.Add(name, "more")
			assert.Equal(t, want, req.Header)
		}
		return ok().http(), nil
	})
	ours := []string{"o", "p"} // two headers share an array with spare capacity
	tr := &transport.Transport{Source: newSource("t"), Base: base, Header: http.Header{"X-Ours": ours[:1], "X-Also": ours[1:]}}
	theirs := []string{"1", "2", "3"}
	_, err := get(t, urlAPI).withHeader("X-One", theirs[:1]...).withHeader("X-Two", theirs[1:]...).through(t, tr)
	assert.NoError(t, err)
	assert.Equal(t, []string{"o", "p"}, ours)
}

func TestInvariant16_OwnAuthorizationIsLeftAlone(t *testing.T) {
	for name, header := range map[string]http.Header{
		"a value":       {"Authorization": {"Basic own"}},
		"two values":    {"Authorization": {"Basic own", "Basic other"}},
		"in lower case": {"authorization": {"Basic own"}},
		"empty":         {"Authorization": {""}},
		"no value":      {"Authorization": nil},
	} {
		t.Run(name, func(t *testing.T) {
			rejection := unauthorized()
			base, source := newBase(rejection), newSource("t", "u")
			tr := &transport.Transport{Source: source, Base: base, Header: http.Header{"X-Ours": {"o"}}}
			c := post(t, "http://plain.example.com/")
			c.Header = header
			resp, err := c.through(t, tr)
			require.NoError(t, err)
			assertOpen(t, rejection, resp)
			require.Len(t, base.seen, 1)
			assert.Equal(t, header, base.seen[0].req.Header)
			source.assertCalls(t, 0)
		})
	}
}

func TestInvariant16_SimilarHeaderNames(t *testing.T) {
	for _, name := range []string{"Proxy-Authorization", "Www-Authenticate", "X-Authorization", "Cache-Control"} {
		t.Run(name, func(t *testing.T) {
			for given, from := range map[string]struct{ caller, ours http.Header }{
				"by the caller": {caller: http.Header{name: {"own"}}},
				"by Header":     {ours: http.Header{name: {"own"}}},
			} {
				base := newBase(ok())
				c := get(t, urlAPI)
				c.Header = from.caller
				_, err := c.through(t, &transport.Transport{Source: newSource("t"), Base: base, Header: from.ours})
				require.NoError(t, err)
				require.Len(t, base.seen, 1)
				assert.Equal(t, http.Header{"Authorization": {"Bearer t"}, name: {"own"}}, base.seen[0].req.Header, given)
			}
		})
	}
}

func TestRoundTrip_RequestWithoutTokenIsNotCopied(t *testing.T) {
	c := get(t, urlAPI).withHeader("Authorization", "own")
	base := baseFunc(func(req *http.Request) (*http.Response, error) {
		assert.Same(t, c.Request, req)
		return ok().http(), nil
	})
	_, err := c.through(t, &transport.Transport{Source: newSource("t"), Base: base})
	assert.NoError(t, err)

	broken := errors.New("broken")
	base = func(*http.Request) (*http.Response, error) { return nil, broken }
	_, err = c.through(t, &transport.Transport{Source: newSource("t"), Base: base})
	assert.Equal(t, broken, err)
}

func TestHeader_IsSentWithTheToken(t *testing.T) {
	ours := http.Header{
		"X-Ours": {"o1", "o2"}, "x-raw": {"o"}, "X-Both": {"o"}, "X-Case": {"o"}, "X-None": {"o"},
		"Authorization": {"o"}, "authorization": {"o"},
	}
	tr := &transport.Transport{Source: newSource("t"), Header: ours, AllowHosts: []string{"api.example.com"}}

	base := newBase(ok())
	tr.Base = base
	_, err := get(t, urlAPI).withHeader("X-Both", "c").withHeader("x-case", "c").withHeader("X-None").through(t, tr)
	require.NoError(t, err)
	assert.Equal(t, http.Header{
		"Authorization": {"Bearer t"}, "X-Ours": {"o1", "o2"}, "x-raw": {"o"}, "X-Both": {"c"}, "x-case": {"c"}, "X-None": nil,
	}, base.seen[0].req.Header)

	base = newBase(ok())
	tr.Base = base
	_, err = get(t, "https://other.example.com").through(t, tr)
	require.NoError(t, err)
	assert.Empty(t, base.seen[0].req.Header)
}

func TestRequestHeader_IsMadeForEachRequest(t *testing.T) {
	type key struct{}
	calls := 0
	tr := &transport.Transport{
		Source: newSource("old", "new"), Header: http.Header{"X-Both": {"fixed"}, "X-Fixed": {"f"}}, AllowHosts: []string{"api.example.com"},
		RequestHeader: func(req *http.Request) http.Header {
			calls++
			id, _ := req.Context().Value(key{}).(string)
			return http.Header{"X-Flow": {id}, "X-Both": {"made"}, "X-Own": {"made"}, "authorization": {"made"}}
		},
	}
	base := newBase(unauthorized(), ok(), ok())
	tr.Base = base
	c := get(t, urlAPI).withHeader("x-own", "c")
	c.Request = c.WithContext(context.WithValue(t.Context(), key{}, "42"))
	resp, err := c.through(t, tr)
	require.NoError(t, err)
	resp.Body.Close()
	for i, token := range []string{"old", "new"} {
		assert.Equal(t, http.Header{
			"Authorization": {"Bearer " + token}, "X-Flow": {"42"}, "X-Both": {"made"}, "X-Fixed": {"f"}, "x-own": {"c"},
		}, base.seen[i].req.Header)
	}
	_, err = get(t, "https://other.example.com/").through(t, tr)
	require.NoError(t, err)
	assert.Empty(t, base.seen[2].req.Header, "no token, no fields")
	assert.Equal(t, 2, calls)
}

func TestRoundTrip_UnchangedRequestIsClosedIfTheBasePanics(t *testing.T) {
	tr := &transport.Transport{Source: newSource("t"), AllowHosts: []string{"other.example.com"}, Base: baseFunc(func(*http.Request) (*http.Response, error) {
		panic("base")
	})}
	made := newBody(payload)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, urlAPI, made)
	require.NoError(t, err)
	assert.PanicsWithValue(t, "base", func() { _, _ = tr.RoundTrip(req) })
	assert.EqualValues(t, 1, made.closed.Load())
}
