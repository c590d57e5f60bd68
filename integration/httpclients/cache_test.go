package httpclients_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/gregjones/httpcache"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/tokensource"
	"github.com/agsauth/agsauth/transport"
)

var caches = []harness.Client{
	{
		Name: "httpcache, above ours",
		Open: openCached(cacheAbove),
	},
	{
		Name: "httpcache, below ours",
		Open: openCached(cacheBelow),
		Limits: map[harness.Check]string{
			harness.Replaced: "the cache answers the second request with the rejection of the first",
		},
	},
	{
		Name: "httpcache, below ours, Vary",
		Open: openCached(cacheBelow, "Authorization"),
	},
}

// cacheAbove returns a cache whose misses get a token.
func cacheAbove(source *tokensource.Source, base http.RoundTripper) *http.Client {
	cache := httpcache.NewMemoryCacheTransport()
	cache.Transport = &transport.Transport{Source: source, Base: base}
	return cache.Client()
}

// cacheBelow returns a client that adds a token to requests that a cache may answer.
func cacheBelow(source *tokensource.Source, base http.RoundTripper) *http.Client {
	cache := httpcache.NewMemoryCacheTransport()
	cache.Transport = base
	return &http.Client{Transport: &transport.Transport{Source: source, Base: cache}}
}

// openCached opens a client for an API whose responses may be cached, rejections too.
// Each call has a URL of its own, so that the cache answers no call.
func openCached(newClient func(*tokensource.Source, http.RoundTripper) *http.Client, vary ...string) func(*testing.T, *harness.Env) harness.Calls {
	return func(t *testing.T, e *harness.Env) harness.Calls {
		t.Helper()
		api := cacheableAPI(t, e, vary...)
		client := newClient(e.Source, api.Client().Transport)
		var n atomic.Int64
		return harness.CallsOf(client, func() string { return fmt.Sprintf("%s/%d", api.URL, n.Add(1)) })
	}
}

// cacheableAPI starts an API that allows caches to keep its responses for a minute.
func cacheableAPI(t *testing.T, e *harness.Env, vary ...string) *httptest.Server {
	t.Helper()
	protected := e.Protect(http.HandlerFunc(harness.Echo))
	return harness.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header()["Vary"] = vary
		protected.ServeHTTP(w, r)
	}))
}

func TestCacheAbove_AnswersAfterTheSessionsEnd(t *testing.T) {
	assert.NoError(t, getAgainAfterSignOut(t, cacheAbove))
}

func TestCacheBelow_DoesNotAnswerAfterTheSessionsEnd(t *testing.T) {
	assert.ErrorIs(t, getAgainAfterSignOut(t, cacheBelow), tokensource.ErrLoginRequired)
}

// getAgainAfterSignOut gets a URL, ends the session, and gets the URL again.
func getAgainAfterSignOut(t *testing.T, newClient func(*tokensource.Source, http.RoundTripper) *http.Client) error {
	t.Helper()
	e := harness.NewEnv(t)
	api := cacheableAPI(t, e)
	client := newClient(e.Source, api.Client().Transport)
	require.NoError(t, harness.Exchange(t.Context(), client, http.MethodGet, api.URL, nil))
	require.NoError(t, e.Source.SignOut(t.Context()))
	err := harness.Exchange(t.Context(), client, http.MethodGet, api.URL, nil)
	require.Equal(t, 1, e.Received())
	return err
}

func TestCacheBelow_KeepsTheTokenOfAResponseThatVaries(t *testing.T) {
	e := harness.NewEnv(t)
	api := cacheableAPI(t, e, "Authorization")
	resp, err := cacheBelow(e.Source, api.Client().Transport).Get(api.URL)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	token, err := e.Source.TokenContext(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "Bearer "+token.AccessToken, resp.Header.Get("X-Varied-Authorization"))
}
