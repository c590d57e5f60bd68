package transport_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/transport"
)

// around is a RoundTripper around another, as tracing libraries install one.
type around struct {
	http.RoundTripper
	requests, closed int
}

func (a *around) RoundTrip(req *http.Request) (*http.Response, error) {
	a.requests++
	return a.RoundTripper.RoundTrip(req.Clone(req.Context()))
}

func (a *around) CloseIdleConnections() {
	a.closed++
	if inner, ok := a.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		inner.CloseIdleConnections()
	}
}

// Whoever installs a Transport as the default of net/http has it beneath itself.
func TestDefaultTransport_IsNeverOneself(t *testing.T) {
	usual := http.DefaultTransport
	defer func() { http.DefaultTransport = usual }()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Token", r.Header.Get("Authorization"))
	}))
	defer srv.Close()
	for name, install := range map[string]func(*transport.Transport) *around{
		"itself": func(tr *transport.Transport) *around { http.DefaultTransport = tr; return nil },
		"within another": func(tr *transport.Transport) *around {
			a := &around{RoundTripper: tr}
			http.DefaultTransport = a
			return a
		},
		"within two more": func(tr *transport.Transport) *around {
			a := &around{RoundTripper: &around{RoundTripper: tr}}
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
				assert.Equal(t, want, outer.requests, "%s: what is installed is still asked", name)
			}
			client.CloseIdleConnections()
		}
	}
}

func TestPassedOn_TheBodyIsClosedWhenTheBasePanics(t *testing.T) {
	tr := &transport.Transport{Source: newSource("t"), AllowHosts: []string{"other.example.com"}, Base: baseFunc(func(*http.Request) (*http.Response, error) {
		panic("base")
	})}
	made := newBody(payload)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, urlAPI, made)
	require.NoError(t, err)
	assert.PanicsWithValue(t, "base", func() { _, _ = tr.RoundTrip(req) })
	assert.EqualValues(t, 1, made.closed.Load())
}
