package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/transport"
)

func TestRoundTrip_SendsTheToken(t *testing.T) {
	for _, tc := range []struct{ tokenType, want string }{
		{"", "Bearer abc"},
		{"bearer", "Bearer abc"},
		{"BEARER", "Bearer abc"},
		{"mac", "MAC abc"},
		{"basic", "Basic abc"},
		{"DPoP", "DPoP abc"},
	} {
		t.Run(tc.tokenType, func(t *testing.T) {
			fine := ok()
			base := newBase(fine)
			source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "abc", TokenType: tc.tokenType})
			resp, err := get(t, urlAPI).through(t, &transport.Transport{Source: source, Base: base})
			require.NoError(t, err)
			assertOpen(t, fine, resp)
			require.Len(t, base.seen, 1)
			assert.Equal(t, []string{tc.want}, base.seen[0].req.Header["Authorization"])
		})
	}
}

func TestRoundTrip_EachTokenIsSentAsTheSourceGivesIt(t *testing.T) {
	base := newBase(ok(), ok(), ok(), ok())
	token := &oauth2.Token{}
	tr := &transport.Transport{Source: plainSource(func() (*oauth2.Token, error) { return token, nil }), Base: base}
	for i, next := range []oauth2.Token{
		{AccessToken: "a"}, {AccessToken: "b"}, {AccessToken: "b", TokenType: "mac"}, {AccessToken: "a"},
	} {
		*token = next // the same pointer all along
		resp, err := get(t, urlAPI).through(t, tr)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, next.Type()+" "+next.AccessToken, base.seen[i].req.Header.Get("Authorization"))
	}
	assert.Len(t, base.seen, 4)
}

func TestRoundTrip_BaseErrorIsReturnedAsItIs(t *testing.T) {
	broken := errors.New("broken")
	base := newBase(&answer{err: broken})
	_, err := post(t, urlAPI).through(t, &transport.Transport{Source: newSource("t"), Base: base})
	assert.Equal(t, broken, err)
	base.assertTokens(t, "t")
}

func TestRoundTrip_BaseThatAnswersNothing(t *testing.T) {
	base := baseFunc(func(*http.Request) (*http.Response, error) { return nil, nil })
	resp, err := get(t, urlAPI).through(t, &transport.Transport{Source: newSource("t"), Base: base})
	assert.Nil(t, resp)
	assert.NoError(t, err)
}

func TestRoundTrip_NilSourceIsAnError(t *testing.T) {
	base := newBase()
	_, err := post(t, urlAPI).through(t, &transport.Transport{Base: base})
	assert.EqualError(t, err, "transport: Source is nil")
	_, err = get(t, urlAPI).through(t, &transport.Transport{Base: base})
	assert.EqualError(t, err, "transport: Source is nil")
	base.assertTokens(t)
}

func TestRoundTrip_NoURLIsAnError(t *testing.T) {
	base, source := newBase(), newSource("t")
	c := post(t, urlAPI)
	c.URL = nil
	_, err := c.through(t, &transport.Transport{Source: source, Base: base})
	assert.EqualError(t, err, "transport: the request has no URL")
	base.assertTokens(t)
	source.assertAsked(t, 0)
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
	source.assertAsked(t, 1)
}

func TestRoundTrip_SourceWithoutTokenIsAnError(t *testing.T) {
	for _, token := range []*oauth2.Token{nil, {}, {TokenType: "bearer", RefreshToken: "secret"}} {
		base := newBase()
		source := plainSource(func() (*oauth2.Token, error) { return token, nil })
		_, err := post(t, urlAPI).through(t, &transport.Transport{Source: source, Base: base})
		assert.EqualError(t, err, "transport: get token: the source returned an empty one")
		base.assertTokens(t)
	}
}

func TestRoundTrip_ContextAlreadyOver(t *testing.T) {
	gone := errors.New("gone home")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	base, source := newBase(), newSource("t")
	_, err := post(t, urlAPI).under(ctx).through(t, &transport.Transport{Source: source, Base: base})
	assert.Equal(t, gone, err)
	source.assertAsked(t, 0)

	plain := plainSource(func() (*oauth2.Token, error) { panic("asked, though nothing can bound it") })
	_, err = post(t, urlAPI).under(ctx).through(t, &transport.Transport{Source: plain, Base: base})
	assert.Equal(t, gone, err)
	base.assertTokens(t)
}

func TestRoundTrip_WaitForATokenEndsWithTheRequest(t *testing.T) {
	gone := errors.New("gone home")
	ctx, cancel := context.WithCancelCause(t.Context())
	base, source := newBase(), newSource("t")
	source.onAsk = func(ctx context.Context) error {
		cancel(gone)
		<-ctx.Done() // as a source that waits for a refresh
		return ctx.Err()
	}
	_, err := post(t, urlAPI).under(ctx).through(t, &transport.Transport{Source: source, Base: base})
	assert.Equal(t, gone, err)
	base.assertTokens(t)
	source.assertAsked(t, 1)
}

func TestRoundTrip_PlainSourceThatTookTooLong(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	base := newBase()
	source := plainSource(func() (*oauth2.Token, error) {
		cancel()
		return &oauth2.Token{AccessToken: "t"}, nil
	})
	_, err := post(t, urlAPI).under(ctx).through(t, &transport.Transport{Source: source, Base: base})
	assert.Equal(t, context.Canceled, err)
	base.assertTokens(t)
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

func TestTransport_ManyAtOnce(t *testing.T) {
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
			return unauthorized().response(), nil
		}
		return ok().response(), nil
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

func TestCloseIdleConnections_IsPassedOn(t *testing.T) {
	base := &idler{}
	client := &http.Client{Transport: &transport.Transport{Base: base}}
	client.CloseIdleConnections()
	assert.Equal(t, 1, base.closed)

	client.Transport = &transport.Transport{Base: newBase()} // has no such thing
	assert.NotPanics(t, client.CloseIdleConnections)
}
