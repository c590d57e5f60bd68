package transport_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/transport"
)

func TestReplay_RejectedRequestIsSentAgain(t *testing.T) {
	first, second := unauthorized(), ok()
	base, source := newBase(first, second), newSource("old", "new")
	tr := &transport.Transport{Source: source, Base: base, Header: http.Header{"X-Ours": {"o"}}}
	resp, err := post(t, urlAPI).withHeader("X-One", "1").through(t, tr)
	require.NoError(t, err)
	assertOpen(t, second, resp)
	base.assertTokens(t, "old", "new")
	source.assertCalls(t, 2, "old")
	for _, s := range base.seen {
		assert.Equal(t, "payload", s.body)
		assert.Equal(t, urlAPI, s.req.URL.String())
		s.req.Header.Del("Authorization")
		assert.Equal(t, http.Header{"X-One": {"1"}, "X-Ours": {"o"}}, s.req.Header)
	}
	assert.EqualValues(t, len(first.text), first.body.read.Load(), "bytes read of the first response")
}

func TestReplay_RequestsWithoutBody(t *testing.T) {
	for name, none := range map[string]io.ReadCloser{"nil": nil, "NoBody": http.NoBody} {
		t.Run(name, func(t *testing.T) {
			second := ok()
			base, source := newBase(forbidden(codeBody), second), newSource("old", "new")
			c := get(t, urlAPI)
			c.Body = none
			resp, err := c.through(t, &transport.Transport{Source: source, Base: base})
			require.NoError(t, err)
			assertOpen(t, second, resp)
			base.assertTokens(t, "old", "new")
		})
	}
}

func TestReplay_EmptyToken(t *testing.T) {
	first := unauthorized()
	base, source := newBase(first), newSource("old", "")
	resp, err := get(t, urlAPI).through(t, &transport.Transport{Source: source, Base: base})
	require.NoError(t, err)
	assertOpen(t, first, resp)
	base.assertTokens(t, "old")
	source.assertCalls(t, 2, "old")
}

// The caller may get the first response, so it is open until another token is there.
func TestReplay_FirstResponseIsOpenDuringTokenContext(t *testing.T) {
	first := unauthorized()
	base, source := newBase(first, ok()), newSource("old", "new")
	source.onAsk = func(context.Context) error {
		if source.calls == 2 {
			assert.Equal(t, []string{"old"}, source.invalidated, "Invalidate comes first")
			assert.Zero(t, first.body.closed.Load())
		}
		return nil
	}
	_, err := get(t, urlAPI).through(t, &transport.Transport{Source: source, Base: base})
	require.NoError(t, err)
	base.assertTokens(t, "old", "new")
	assert.EqualValues(t, 1, first.body.closed.Load())
}

// Another request got the new token already.
func TestReplay_TokenReplacedConcurrently(t *testing.T) {
	source := newSource("old", "new", "newer")
	fine := ok()
	base := newBase(unauthorized(), fine)
	overtaken := baseFunc(func(req *http.Request) (*http.Response, error) {
		if len(base.seen) == 0 {
			source.Invalidate("old")
		}
		return base.RoundTrip(req)
	})
	resp, err := get(t, urlAPI).through(t, &transport.Transport{Source: source, Base: overtaken})
	require.NoError(t, err)
	assertOpen(t, fine, resp)
	base.assertTokens(t, "old", "new")
	source.assertCalls(t, 2, "old", "old")
}

func TestReplay_PlainSource(t *testing.T) {
	tokens := []string{"a", "a", "a", "b"}
	source := plainSource(func() (*oauth2.Token, error) {
		token := tokens[0]
		tokens = tokens[1:]
		return &oauth2.Token{AccessToken: token}, nil
	})
	first, third := unauthorized(), ok()
	base := newBase(first, unauthorized(), third)
	tr := &transport.Transport{Source: source, Base: base}
	resp, err := get(t, urlAPI).through(t, tr)
	require.NoError(t, err)
	assertOpen(t, first, resp)

	resp, err = get(t, urlAPI).through(t, tr)
	require.NoError(t, err)
	assertOpen(t, third, resp)
	base.assertTokens(t, "a", "a", "b")
}

// The next request gets a new token.
func TestReplay_BodyWithoutGetBody(t *testing.T) {
	first, next := unauthorized(), ok()
	base, source := newBase(first, next), newSource("old", "new")
	tr := &transport.Transport{Source: source, Base: base}
	c := post(t, urlAPI)
	c.GetBody = nil
	resp, err := c.through(t, tr)
	require.NoError(t, err)
	assertOpen(t, first, resp)
	source.assertCalls(t, 1, "old")

	resp, err = get(t, urlAPI).through(t, tr)
	require.NoError(t, err)
	assertOpen(t, next, resp)
	base.assertTokens(t, "old", "new")
}

func TestReplay_LimitsBuffering(t *testing.T) {
	const limit = 64 << 10
	long := strings.Repeat("x", 1<<20)
	for name, tc := range map[string]struct {
		length   int64
		wantRead int64
	}{
		"of unknown length": {-1, limit},
		"known to be long":  {1 << 20, 0},
		"known to fit":      {limit, limit},
	} {
		t.Run(name, func(t *testing.T) {
			first, second := unauthorized(), ok()
			first.text, first.length = long, tc.length
			base := newBase(first, second)
			resp, err := get(t, urlAPI).through(t, &transport.Transport{Source: newSource("old", "new"), Base: base})
			require.NoError(t, err)
			assertOpen(t, second, resp)
			base.assertTokens(t, "old", "new")
			assert.Equal(t, tc.wantRead, first.body.read.Load())
		})
	}
}

func TestReplay_ResponseWithoutBody(t *testing.T) {
	var sent int
	base := baseFunc(func(*http.Request) (*http.Response, error) {
		sent++
		return &http.Response{StatusCode: http.StatusUnauthorized}, nil
	})
	resp, err := get(t, urlAPI).through(t, &transport.Transport{Source: newSource("old", "new"), Base: base})
	require.NoError(t, err)
	assert.Nil(t, resp.Body)
	assert.Equal(t, 2, sent)
}

// An API that rejects every token costs two requests per call.
func TestReplay_OnceIfEveryTokenIsRejected(t *testing.T) {
	const callers = 50
	var mu sync.Mutex
	sent := 0
	base := baseFunc(func(*http.Request) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		sent++
		return forbidden(codeBody).http(), nil
	})
	source := newSource("a", "b", "c")
	tr := &transport.Transport{Source: source, Base: base}
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			resp, err := get(t, urlAPI).through(t, tr)
			if assert.NoError(t, err) {
				assert.Equal(t, http.StatusForbidden, resp.StatusCode)
			}
		})
	}
	wg.Wait()
	assert.LessOrEqual(t, sent, 2*callers)
	assert.Len(t, source.invalidated, callers)
	assert.LessOrEqual(t, source.calls, 2*callers)
}
