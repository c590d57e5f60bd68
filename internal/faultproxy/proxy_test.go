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

func get(t *testing.T, p *faultproxy.Proxy) (string, error) {
	t.Helper()
	resp, err := (&http.Client{Transport: p.Transport()}).Get(p.URL)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return string(body), err
}

func server(t *testing.T) (url string, requests *atomic.Int32) {
	t.Helper()
	requests = new(atomic.Int32)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		_, _ = io.WriteString(w, "here you are")
	}))
	t.Cleanup(srv.Close)
	return srv.URL, requests
}

func TestProxy_PassThrough(t *testing.T) {
	url, requests := server(t)
	p := faultproxy.New(t, url)
	for range 3 {
		body, err := get(t, p)
		require.NoError(t, err)
		assert.Equal(t, "here you are", body)
	}
	assert.EqualValues(t, 3, requests.Load())
	assert.Equal(t, 1, p.Connections(), "the connection is reused")
}

func TestProxy_SetAppliesToNewConnections(t *testing.T) {
	url, requests := server(t)
	p := faultproxy.New(t, url)
	p.Set(faultproxy.Once(faultproxy.ResetAfter))
	_, err := get(t, p)
	require.Error(t, err)
	assert.EqualValues(t, 1, requests.Load())
	p.Set(faultproxy.ResetBefore)
	_, err = get(t, p)
	require.Error(t, err)
	assert.EqualValues(t, 1, requests.Load())
	p.Set(nil)
	_, err = get(t, p)
	require.NoError(t, err)
	assert.EqualValues(t, 2, requests.Load())
}

// Scenarios fails the test of a client that follows a redirect.
func TestHazards_DetectAFollowedRedirect(t *testing.T) {
	url, _ := server(t)
	found := false
	t.Run("followed", func(t *testing.T) {
		p := faultproxy.New(t, url)
		for _, h := range faultproxy.Scenarios(&recordingTB{TB: t, failed: &found}, p) {
			if h.Name == "a redirect to a stranger" {
				p.Set(h.Fault)
				_, err := get(t, p)
				require.Error(t, err, "its certificate is not trusted")
			}
		}
	})
	assert.True(t, found)
}

// recordingTB records whether a test has failed.
type recordingTB struct {
	testing.TB

	failed *bool
}

func (o *recordingTB) Errorf(string, ...any) { *o.failed = true }
