package transport_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/transport"
)

// wrapper wraps a RoundTripper, as tracing libraries do.
type wrapper struct {
	http.RoundTripper
	requests, closed int
}

func (a *wrapper) RoundTrip(req *http.Request) (*http.Response, error) {
	a.requests++
	return a.RoundTripper.RoundTrip(req.Clone(req.Context()))
}

func (a *wrapper) CloseIdleConnections() {
	a.closed++
	if inner, ok := a.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		inner.CloseIdleConnections()
	}
}

// An http.DefaultTransport that wraps a Transport without Base must not cause recursion.
func TestDefaultTransport_WrapsTheTransport(t *testing.T) {
	usual := http.DefaultTransport
	defer func() { http.DefaultTransport = usual }()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Token", r.Header.Get("Authorization"))
	}))
	defer srv.Close()
	for name, install := range map[string]func(*transport.Transport) *wrapper{
		"itself": func(tr *transport.Transport) *wrapper { http.DefaultTransport = tr; return nil },
		"wrapped": func(tr *transport.Transport) *wrapper {
			a := &wrapper{RoundTripper: tr}
			http.DefaultTransport = a
			return a
		},
		"wrapped twice": func(tr *transport.Transport) *wrapper {
			a := &wrapper{RoundTripper: &wrapper{RoundTripper: tr}}
			http.DefaultTransport = a
			return a
		},
	} {
		tr := &transport.Transport{Source: newSource("t")}
		outer := install(tr)
		for client, want := range map[*http.Client]int{{}: 2, {Transport: tr}: 1} {
			if outer != nil {
				outer.requests = 0
			}
			resp, err := client.Do(get(t, srv.URL).Request)
			require.NoError(t, err, name)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, "Bearer t", resp.Header.Get("X-Token"), name)
			if outer != nil {
				assert.Equal(t, want, outer.requests, "%s: the wrapper is still called", name)
			}
			client.CloseIdleConnections()
		}
	}
}

func TestDefaultTransport_NilBase(t *testing.T) {
	a := newAPI(t, (*httptest.Server).Start, fine)
	tr := &transport.Transport{Source: newSource("new")}
	status, _ := fetch(t, &http.Client{Transport: tr}, get(t, a.URL+"/1"))
	assert.Equal(t, http.StatusOK, status)
	a.assertRequests(t, "GET /1 Bearer new")
	tr.CloseIdleConnections() // ends the goroutines of http.DefaultTransport
}

func TestWrappedRoundTripper(t *testing.T) {
	base := newBase()
	assert.Same(t, base, (&transport.Transport{Base: base}).WrappedRoundTripper())
	assert.Equal(t, http.DefaultTransport, (&transport.Transport{}).WrappedRoundTripper())
}
