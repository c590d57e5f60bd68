package agstest_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
)

// listenOn starts a server, which it closes when the test ends.
func listenOn(t *testing.T, cfg agstest.Config) *agstest.Server {
	t.Helper()
	srv, err := agstest.Listen(cfg)
	require.NoError(t, err)
	t.Cleanup(srv.Close)
	return srv
}

func newCertificate(t *testing.T, hosts ...string) *agstest.Certificate {
	t.Helper()
	c, err := agstest.NewCertificate(hosts...)
	require.NoError(t, err)
	return c
}

func TestListen_OnAGivenAddress(t *testing.T) {
	first := listenOn(t, agstest.Config{Addr: "127.0.0.1:0"})
	addr := first.Addr().String()
	assert.Equal(t, "http://"+addr, first.URL)
	signOn(t, first)

	_, err := agstest.Listen(agstest.Config{Addr: addr})
	require.ErrorContains(t, err, addr, "the address is in use")
	first.Close()
	again := listenOn(t, agstest.Config{Addr: addr})
	signOn(t, again)
	assert.Equal(t, 1, again.Count(agstest.SignOn))
}

func TestListen_OnAllInterfacesHasAURLOfLoopback(t *testing.T) {
	srv := listenOn(t, agstest.Config{Addr: ":0"})
	assert.True(t, strings.HasPrefix(srv.URL, "http://127.0.0.1:"), srv.URL)
}

func TestListen_RefusesAWrongConfig(t *testing.T) {
	other := newCertificate(t)
	tests := map[string]agstest.Config{
		"Dialect":                {Dialect: "ias-v9"},
		"both InMemory and Addr": {InMemory: true, Addr: "127.0.0.1:0"},
		"missing port":           {Addr: "127.0.0.1"},
		"AdvertiseURL":           {AdvertiseURL: "gateway:8080"},
		"form http://host":       {AdvertiseURL: "https://user:secret@gateway.test"},
		"certificate":            {Certificate: &agstest.Certificate{CA: other.CA, Cert: newCertificate(t).Cert, Key: other.Key}},
	}
	for want, cfg := range tests {
		_, err := agstest.Listen(cfg)
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "secret")
		assert.PanicsWithValue(t, err.Error(), func() { agstest.NewServer(cfg) })
	}
}

func TestConfig_AdvertiseURL(t *testing.T) {
	srv := listenOn(t, agstest.Config{AdvertiseURL: "http://gateway.test:8080/"})
	assert.Equal(t, "http://gateway.test:8080", srv.URL)
	r := send(t.Context(), srv, http.MethodGet, "/ags/servicediscovery", "")
	require.Equal(t, http.StatusOK, r.status)
	assert.Contains(t, string(r.body), "http://gateway.test:8080/auth.jpg")
	assert.Equal(t, "gateway.test:8080", srv.Requests(agstest.Discovery)[0].Host)
}

func TestCertificate_ServerSpeaksTLS(t *testing.T) {
	srv := listenOn(t, agstest.Config{Certificate: newCertificate(t)})
	require.Equal(t, "https://"+srv.Addr().String(), srv.URL)
	tok := signOn(t, srv)
	refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
	assert.Equal(t, 1, srv.Count(agstest.Refresh))

	stranger := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool()}}}
	_, err := stranger.Get(srv.URL + "/api/x")
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, err, &unknown)
	assert.Zero(t, srv.Count(agstest.API))
}

func TestCertificate_RedirectToAnotherHostIsRecorded(t *testing.T) {
	srv := listenOn(t, agstest.Config{Certificate: newCertificate(t, "gateway.test")})
	srv.Script(agstest.Discovery, agstest.Fault{Kind: agstest.Redirect})
	r := send(t.Context(), srv, http.MethodGet, "/ags/servicediscovery", "")
	require.NoError(t, r.err)
	require.Equal(t, "https://stranger.example/ags/servicediscovery", r.header.Get("Location"))
	assert.Equal(t, "stranger.example", get(t, srv.Client(), srv, "https://stranger.example"))
}

func TestCertificate_InMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := listenOn(t, agstest.Config{InMemory: true, Certificate: newCertificate(t)})
		assert.Equal(t, "https://localhost", srv.URL)
		signOn(t, srv)
		srv.Script(agstest.Refresh, agstest.Fault{Kind: agstest.Lost})
		require.Error(t, refresh(t, srv, "none").err)
		assert.Equal(t, 1, srv.Count(agstest.Refresh))
	})
}

func TestCertificate_Check(t *testing.T) {
	c, now := newCertificate(t, "gateway.test", "192.0.2.7"), time.Now()
	require.NoError(t, c.Check(now, "gateway.test", "192.0.2.7"))
	require.NoError(t, c.Check(now))
	require.ErrorContains(t, c.Check(now, "localhost"), "localhost")
	require.ErrorContains(t, c.Check(now.AddDate(2, 0, 0)), "expired")
	mixed := &agstest.Certificate{CA: newCertificate(t).CA, Cert: c.Cert, Key: c.Key}
	require.ErrorContains(t, mixed.Check(now), "unknown authority")
	require.NoError(t, newCertificate(t).Check(now, "localhost", "127.0.0.1", "::1"))
}

func TestConfig_OnRequest(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	srv := listenOn(t, agstest.Config{OnRequest: func(rq agstest.Request) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, rq.String())
	}})
	tok := signOn(t, srv)
	srv.Script(agstest.Refresh, agstest.Fault{Kind: agstest.Lost}, agstest.Fault{Kind: agstest.Cut, Status: 503})
	require.Error(t, refresh(t, srv, tok.Refresh).err)
	require.Error(t, refresh(t, srv, tok.Refresh).err)
	srv.Close()
	assert.Equal(t, []string{
		"sign on #1: POST /ags/signOn → 201",
		"refresh #1: POST /ags/refresh → no answer (lost)",
		"refresh #2: POST /ags/refresh → 503 (cut)",
	}, lines)
}

func TestHandler_BehindAServerOfOnesOwn(t *testing.T) {
	srv := listenOn(t, agstest.Config{InMemory: true, AdvertiseURL: "http://gateway.test"})
	mux := http.NewServeMux()
	mux.Handle("/gateway/", http.StripPrefix("/gateway", srv.Handler()))
	own := httptest.NewServer(mux)
	defer own.Close()

	rq, err := http.NewRequestWithContext(t.Context(), http.MethodPost, own.URL+"/gateway/ags/signOn", strings.NewReader(newDeviceSignOn))
	require.NoError(t, err)
	for _, name := range []string{"x-auth-service-id", "nv-tenant-id", "x-correlation-id"} {
		rq.Header.Set(name, "x")
	}
	rq.Header.Set("Content-Type", "application/json")
	rs, err := own.Client().Do(rq)
	require.NoError(t, err)
	defer rs.Body.Close()
	_, _ = io.Copy(io.Discard, rs.Body)
	assert.Equal(t, http.StatusCreated, rs.StatusCode)
	assert.Equal(t, 1, srv.Count(agstest.SignOn))

	srv.Script(agstest.API, agstest.Fault{Kind: agstest.Lost})
	_, err = own.Client().Post(own.URL+"/gateway/api/x", "text/plain", strings.NewReader("x"))
	require.ErrorIs(t, err, io.EOF)
	assert.Equal(t, 1, srv.Count(agstest.API))
}
