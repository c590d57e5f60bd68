package faultproxy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/internal/faultproxy"
	"github.com/agsauth/agsauth/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func get(t *testing.T, r *faultproxy.Road) (string, error) {
	t.Helper()
	resp, err := (&http.Client{Transport: r.Transport()}).Get(r.URL)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return string(body), err
}

func server(t *testing.T) (url string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = io.WriteString(w, "here you are")
	}))
	t.Cleanup(srv.Close)
	return srv.URL, asked
}

func TestRoad_ClearPassesAllOn(t *testing.T) {
	url, asked := server(t)
	r := faultproxy.New(t, url)
	for range 3 {
		body, err := get(t, r)
		require.NoError(t, err)
		assert.Equal(t, "here you are", body)
	}
	assert.EqualValues(t, 3, asked.Load())
	assert.Equal(t, 1, r.Trips(), "it is kept alive")
}

func TestRoad_FaultsAreForConnectionsToCome(t *testing.T) {
	url, asked := server(t)
	r := faultproxy.New(t, url)
	r.Set(faultproxy.Once(faultproxy.ResetAfter))
	_, err := get(t, r)
	require.Error(t, err)
	assert.EqualValues(t, 1, asked.Load())
	r.Set(faultproxy.ResetBefore)
	_, err = get(t, r)
	require.Error(t, err)
	assert.EqualValues(t, 1, asked.Load())
	r.Set(nil)
	_, err = get(t, r)
	require.NoError(t, err)
	assert.EqualValues(t, 2, asked.Load())
}

// A client that follows a redirect, to a server that would have answered, is told
// off.
func TestHazards_FindWhoFollowsARedirect(t *testing.T) {
	url, _ := server(t)
	found := false
	t.Run("followed", func(t *testing.T) {
		r := faultproxy.New(t, url)
		for _, h := range faultproxy.Hazards(&overheard{TB: t, said: &found}, r) {
			if h.Name == "a redirect to a stranger" {
				r.Set(h.Fault)
				_, err := get(t, r)
				require.Error(t, err, "it is not trusted")
			}
		}
	})
	assert.True(t, found)
}

// overheard is a test whose failures are noted, and are none.
type overheard struct {
	testing.TB

	said *bool
}

func (o *overheard) Errorf(string, ...any) { *o.said = true }
