package transport_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/transport"
)

func TestRoundTrip_ChangingTokens(t *testing.T) {
	base := newBase(ok(), ok(), ok(), ok())
	token := &oauth2.Token{}
	tr := &transport.Transport{Source: plainSource(func() (*oauth2.Token, error) { return token, nil }), Base: base}
	for i, next := range []oauth2.Token{
		{AccessToken: "a"}, {AccessToken: "b"}, {AccessToken: "b", TokenType: "mac"}, {AccessToken: "a"},
	} {
		*token = next // the same pointer every time
		resp, err := get(t, urlAPI).through(t, tr)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, next.Type()+" "+next.AccessToken, base.seen[i].req.Header.Get("Authorization"))
	}
	assert.Len(t, base.seen, 4)
}

func TestRoundTrip_BaseReturnsNothing(t *testing.T) {
	base := baseFunc(func(*http.Request) (*http.Response, error) { return nil, nil })
	resp, err := get(t, urlAPI).through(t, &transport.Transport{Source: newSource("t"), Base: base})
	assert.Nil(t, resp)
	assert.NoError(t, err)
}

type loginError struct{ reason string }

func (e *loginError) Error() string { return e.reason }

func TestRoundTrip_SourceErrorIsWrapped(t *testing.T) {
	base, source := newBase(), newSource("secret")
	source.onAsk = func(context.Context) error { return &loginError{"log in again"} }
	_, err := post(t, urlAPI).through(t, &transport.Transport{Source: source, Base: base})
	require.EqualError(t, err, "transport: get token: log in again")
	var login *loginError
	assert.ErrorAs(t, err, &login)
	base.assertTokens(t)
	source.assertCalls(t, 1)
}

func TestTransport_PrintsNoToken(t *testing.T) {
	tr := &transport.Transport{Source: newSource("secret"), Base: newBase(ok())}
	_, err := get(t, urlAPI).through(t, tr)
	require.NoError(t, err)
	tr.Source, tr.Base = nil, nil
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		assert.NotContains(t, fmt.Sprintf(verb, tr), "secret")
	}
}

func TestTransport_ConcurrentRequests(t *testing.T) {
	const callers, calls = 32, 20
	var mu sync.Mutex
	sent := map[string]int{}
	base := baseFunc(func(req *http.Request) (*http.Response, error) {
		defer req.Body.Close()
		token := req.Header.Get("Authorization")
		mu.Lock()
		defer mu.Unlock()
		sent[token]++
		if token == "Bearer old" {
			return unauthorized().http(), nil
		}
		return ok().http(), nil
	})
	source := newSource("old", "new")
	tr := &transport.Transport{Source: source, Base: base, Header: http.Header{"X-Ours": {"o"}}}
	header := http.Header{"X-Shared": {"by", "all"}}
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range calls {
				c := post(t, urlAPI)
				c.Header = header
				resp, err := c.through(t, tr)
				if assert.NoError(t, err) {
					assert.Equal(t, http.StatusOK, resp.StatusCode)
				}
			}
		})
	}
	wg.Wait()
	assert.Equal(t, callers*calls, sent["Bearer new"])
	assert.LessOrEqual(t, sent["Bearer old"], callers)
	assert.GreaterOrEqual(t, sent["Bearer old"], 1)
	assert.Len(t, sent, 2)
}

type idler struct {
	http.RoundTripper
	closed int
}

func (i *idler) CloseIdleConnections() { i.closed++ }

func TestCloseIdleConnections_ClosesThoseOfBase(t *testing.T) {
	base := &idler{}
	client := &http.Client{Transport: &transport.Transport{Base: base}}
	client.CloseIdleConnections()
	assert.Equal(t, 1, base.closed)

	client.Transport = &transport.Transport{Base: newBase()} // has no CloseIdleConnections
	assert.NotPanics(t, client.CloseIdleConnections)
}
