package ags_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

func TestSessionToken(t *testing.T) {
	c, tr := newClient(t, nil, respond(200, `{"sessionToken":"st-1"}`))
	s, err := c.SessionToken(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, "st-1", s.Reveal())
	tr.only()
	c, tr = newClient(t, nil, respond(201, `{"sessionToken":"st-2"}`))
	s, err = c.SessionToken(t.Context(), nil)
	require.NoError(t, err, "a 201 is accepted as well")
	assert.Equal(t, "st-2", s.Reveal())
	tr.only()
	for _, body := range []string{`{}`, `{"sessionToken":""}`, `{"sessionToken":7}`, `{"sessionToken":null}`, `[]`} {
		c, tr := newClient(t, nil, respond(200, body))
		s, err := c.SessionToken(t.Context(), nil)
		require.ErrorIs(t, err, ags.ErrProtocol, body)
		assert.True(t, s.IsZero(), body)
		tr.only()
	}
}

// Keeps G5.
func TestClient_FollowsNoRedirectAndKeepsNoCookie(t *testing.T) {
	var redirected, requests atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { redirected.Add(1) }))
	t.Cleanup(other.Close)
	locations := []string{other.URL, "/ags/elsewhere", "http://[::1"}
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Empty(t, r.Cookies())
		assert.Equal(t, "/ags/refresh", r.URL.Path)
		n := requests.Add(1)
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		w.Header().Set("Location", locations[int(n-1)%len(locations)])
		w.WriteHeader(http.StatusTemporaryRedirect)
	}))
	t.Cleanup(gateway.Close)
	jar := &countingJar{}
	c, err := ags.New(ags.Config{
		BaseURL: gateway.URL, AuthServiceID: "s", TenantID: "t",
		HTTPClient: &http.Client{Jar: jar, Timeout: 1, Transport: http.DefaultTransport},
	})
	require.NoError(t, err)
	for range locations {
		_, err = c.Refresh(t.Context(), testToken())
		require.ErrorIs(t, err, ags.ErrProtocol)
		assert.Equal(t, http.StatusTemporaryRedirect, asError(t, err).Status)
	}
	assert.EqualValues(t, len(locations), requests.Load())
	assert.Zero(t, redirected.Load())
	assert.Zero(t, jar.calls)
}

// countingJar counts its calls.
type countingJar struct{ calls int }

func (j *countingJar) SetCookies(*url.URL, []*http.Cookie) { j.calls++ }

func (j *countingJar) Cookies(*url.URL) []*http.Cookie {
	j.calls++
	return []*http.Cookie{{Name: "a", Value: "b"}}
}

func TestClient_OwnTransportByDefault(t *testing.T) {
	var requests atomic.Int32
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		_, _ = w.Write([]byte(tokenJSON()))
	}))
	for _, given := range []*http.Client{nil, {}} {
		c, err := ags.New(ags.Config{BaseURL: gateway.URL, AuthServiceID: "s", TenantID: "t", HTTPClient: given})
		require.NoError(t, err)
		token, err := c.Refresh(t.Context(), testToken())
		require.NoError(t, err)
		assert.Equal(t, "new-access", token.AccessToken.Reveal())
	}
	gateway.Close()
	assert.EqualValues(t, 2, requests.Load())
}

// closable counts the calls of CloseIdleConnections.
type closable struct {
	fakeTransport
	closed int
}

func (c *closable) CloseIdleConnections() { c.closed++ }

func TestClient_DoesNotCloseConnections(t *testing.T) {
	rt := &closable{fakeTransport: fakeTransport{tb: t, responders: []responder{respond(401, ""), failWith(assert.AnError), failWith(assert.AnError)}}}
	c, err := ags.New(testConfig(rt))
	require.NoError(t, err)
	for range 2 {
		_, err = c.Refresh(t.Context(), testToken())
		require.Error(t, err)
	}
	assert.Len(t, rt.requests, 3)
	assert.Zero(t, rt.closed)
}

func TestClient_IsSafeForConcurrentUse(t *testing.T) {
	responders := make([]responder, 40)
	for i := range responders {
		responders[i] = respond(200, tokenJSON())
	}
	c, tr := newClient(t, nil, responders...)
	shared := testToken()
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			_, err := c.Refresh(t.Context(), shared)
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	ids := map[string]bool{}
	for _, r := range tr.requests {
		ids[r.header.Get("X-Correlation-Id")] = true
	}
	assert.Len(t, ids, 40)
}
