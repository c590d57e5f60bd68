package httpclients_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/transport"
)

var proxies = []harness.Client{
	{
		Name: "httputil.ReverseProxy",
		Open: openProxy(func(p *httputil.ReverseProxy) http.Handler { return p }),
		Limits: map[harness.Check]string{
			harness.Post: "a request that a server received has no GetBody",
		},
	},
	{Name: "httputil.ReverseProxy, body buffered", Open: openProxy(func(p *httputil.ReverseProxy) http.Handler { return buffered(p) })},
}

// buffered reads the bodies of requests, so that they can be sent more than once.
func buffered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 8<<20))
		if err != nil {
			http.Error(w, "the body is too large or cut off", http.StatusBadRequest)
			return
		}
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		r.Body, _ = r.GetBody()
		next.ServeHTTP(w, r)
	})
}

// newProxy returns a proxy for an API. It adds the tokens of the session, and removes
// the Authorization of its own clients.
func newProxy(e *harness.Env, api *httptest.Server) *httputil.ReverseProxy {
	target, err := url.Parse(api.URL)
	if err != nil {
		panic(err) // httptest's own URL
	}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Del("Authorization")
		},
		Transport: &transport.Transport{Source: e.Source, Base: api.Client().Transport},
	}
}

// openProxy opens the client of a proxy. Its calls return the error that the proxy's
// ErrorHandler gets, if there is one.
func openProxy(wrap func(*httputil.ReverseProxy) http.Handler) func(*testing.T, *harness.Env) harness.Calls {
	return func(t *testing.T, e *harness.Env) harness.Calls {
		t.Helper()
		api := harness.NewServer(t, e.Protect(http.HandlerFunc(harness.Echo)))
		proxy, failed := newProxy(e, api), &failure{}
		proxy.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil { // else nobody waits for it
				failed.set(err)
			}
			w.WriteHeader(http.StatusBadGateway)
		}
		front := harness.NewServer(t, wrap(proxy))
		calls := harness.CallsOf(front.Client(), func() string { return front.URL })
		return harness.Calls{
			Get: func(ctx context.Context) error { return failed.or(calls.Get(ctx)) },
			Post: func(ctx context.Context, body []byte) error {
				return failed.or(calls.Post(ctx, body))
			},
		}
	}
}

// failure is the last error of a proxy.
type failure struct {
	mu  sync.Mutex
	err error
}

func (f *failure) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// or returns and forgets the proxy's error, or returns err if there is none.
func (f *failure) or(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		err, f.err = f.err, nil
	}
	return err
}

func TestReverseProxy_ForwardsTheAuthorizationOfItsClient(t *testing.T) {
	assert.Equal(t, http.StatusUnauthorized, statusThroughProxy(t, func(p *httputil.ReverseProxy, target *url.URL) {
		p.Rewrite = func(r *httputil.ProxyRequest) { r.SetURL(target) }
	}))
}

func TestReverseProxy_AuthorizationDeletedInRewrite(t *testing.T) {
	assert.Equal(t, http.StatusOK, statusThroughProxy(t, func(*httputil.ReverseProxy, *url.URL) {}))
}

// statusThroughProxy sends a request with an Authorization that is meant for the proxy,
// and returns the status of the API's response.
func statusThroughProxy(t *testing.T, change func(*httputil.ReverseProxy, *url.URL)) int {
	t.Helper()
	e := harness.NewEnv(t)
	api := harness.NewServer(t, e.Protect(http.HandlerFunc(harness.Echo)))
	proxy := newProxy(e, api)
	target, err := url.Parse(api.URL)
	require.NoError(t, err)
	change(proxy, target)
	front := harness.NewServer(t, proxy)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, front.URL, nil)
	require.NoError(t, err)
	req.SetBasicAuth("a user", "of the proxy")
	resp, err := front.Client().Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 1, e.Received())
	return resp.StatusCode
}
