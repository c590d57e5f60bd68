package pool_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/pool"
	"github.com/agsauth/agsauth/transport"
)

var _ transport.Source = (*pool.Keyed)(nil)

func TestKeyed_TheKeyComesFromTheContext(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.run()
		f.signOn("ada", "bob")
		keyed := f.pool.Keyed()
		_, err := keyed.Token()
		assert.Equal(t, pool.ErrNoKey, err)
		_, err = keyed.TokenContext(t.Context())
		assert.Equal(t, pool.ErrNoKey, err)
		_, err = keyed.TokenValidFor(t.Context(), time.Minute)
		assert.Equal(t, pool.ErrNoKey, err)
		keyed.InvalidateContext(t.Context(), "ada/1")
		keyed.Invalidate("ada/1")
		for _, key := range []string{"ada", "bob"} {
			token, err := keyed.TokenContext(pool.WithKey(t.Context(), key))
			require.NoError(t, err)
			assert.Equal(t, key+"/1", token.AccessToken)
			token, err = keyed.TokenValidFor(pool.WithKey(t.Context(), key), time.Minute)
			require.NoError(t, err)
			assert.Equal(t, key+"/1", token.AccessToken)
		}
		keyed.InvalidateContext(pool.WithKey(t.Context(), "bob"), "ada/1")
		keyed.InvalidateContext(pool.WithKey(t.Context(), "bob"), "bob/1")
		f.want("ada", "ada/1")
		f.want("bob", "bob/2")
		sleep(time.Hour)
		assert.Zero(t, f.pool.Status().Resident)
		token, err := keyed.TokenContext(pool.WithKey(t.Context(), "ada"))
		require.NoError(t, err)
		assert.Equal(t, "ada/2", token.AccessToken, "it was loaded again, and refreshed")
	})
}

// One client sends the requests of all sessions, each with its own token, and replaces those
// that the API rejects.
func TestKeyed_OneTransportForAll(t *testing.T) {
	gw := newGateway()
	p, err := pool.New(pool.Config{Refresher: gw})
	require.NoError(t, err)
	keys := names(20)
	for _, key := range keys {
		require.NoError(t, p.Session(key).SetToken(t.Context(), gw.grant(key)))
	}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.URL.Query().Get("key")
		switch r.Header.Get("Authorization") {
		case "Bearer " + key + "/1":
			w.WriteHeader(http.StatusUnauthorized)
		case "Bearer " + key + "/2":
		default:
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer api.Close()
	client := &http.Client{Transport: &transport.Transport{Source: p.Keyed(), Base: api.Client().Transport}}
	var wg sync.WaitGroup
	for _, key := range keys {
		wg.Go(func() {
			for range 5 {
				req, err := http.NewRequestWithContext(pool.WithKey(t.Context(), key), http.MethodGet, api.URL+"?key="+key, http.NoBody)
				if !assert.NoError(t, err) {
					return
				}
				resp, err := client.Do(req)
				if assert.NoError(t, err) {
					assert.Equal(t, http.StatusOK, resp.StatusCode)
					assert.NoError(t, resp.Body.Close())
				}
			}
		})
	}
	wg.Wait()
	assert.Equal(t, len(keys), gw.count())
	require.NoError(t, p.Drain(t.Context()))
	gw.wantNoProblem(t)
}
