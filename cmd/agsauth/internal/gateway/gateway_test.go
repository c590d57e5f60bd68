package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/gateway"
)

// running is a gateway that runs.
type running struct {
	URL, API, Listen, Admin, CA, Web string

	log  *lockedBuffer
	stop func() error
}

// start starts a gateway, which ends when the test does.
func start(t *testing.T, s gateway.Settings, web http.Handler) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	in, out := io.Pipe()
	r, ended := &running{log: &lockedBuffer{}}, make(chan error, 1)
	go func() {
		err := gateway.Run(ctx, s, gateway.Options{Out: out, Log: r.log, Web: web})
		_ = out.CloseWithError(err)
		ended <- err
	}()
	r.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { assert.NoError(t, r.stop()) })
	line, err := bufio.NewReader(in).ReadBytes('\n')
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(line, r))
	return r
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// call sends a request, and returns the status and the body.
func call(t *testing.T, client *http.Client, method, url, body string) (int, string) {
	t.Helper()
	rq, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	rq.Header.Set("nv-tenant-id", "t")
	rq.Header.Set("x-auth-service-id", "s")
	rq.Header.Set("x-correlation-id", "c")
	rq.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(rq)
	require.NoError(t, err)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(content)
}

// newClient returns a client whose connections end with the test.
func newClient(t *testing.T, cfg *tls.Config) *http.Client {
	t.Helper()
	base := &http.Transport{TLSClientConfig: cfg}
	t.Cleanup(base.CloseIdleConnections)
	return &http.Client{Transport: base}
}

func TestRun_ServesUntilItsContextEnds(t *testing.T) {
	r, client := start(t, gateway.Default(), nil), newClient(t, nil)
	assert.Equal(t, "http://"+r.Listen, r.URL)
	assert.Equal(t, r.URL+"/api", r.API)
	assert.Empty(t, r.CA+r.Web)
	status, _ := call(t, client, http.MethodGet, r.URL+"/ags/servicediscovery", "")
	assert.Equal(t, http.StatusOK, status)
	status, _ = call(t, client, http.MethodGet, r.API+"/profile%0Aagsauth:%20forged?access_token=s3cret", "")
	assert.Equal(t, http.StatusForbidden, status)
	status, body := call(t, client, http.MethodGet, r.Admin+"/requests", "")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, `"number":2,"op":"api"`)

	events, err := client.Get(r.Admin + "/events")
	require.NoError(t, err)
	require.NoError(t, r.stop())
	_, err = io.ReadAll(events.Body)
	assert.Error(t, err, "the stream ends with the gateway")
	_ = events.Body.Close()
	for _, addr := range []string{r.Listen, strings.TrimPrefix(r.Admin, "http://")} {
		_, err := net.Dial("tcp", addr)
		require.Error(t, err, "nothing listens any more")
	}
	lines := strings.Split(strings.TrimSpace(r.log.String()), "\n")
	require.Len(t, lines, 2)
	assert.Regexp(t, `^agsauth: \d{4}-\d\d-\d\dT[\d:.]+Z discovery #1: GET /ags/servicediscovery → 200$`, lines[0])
	assert.Contains(t, lines[1], "api #1: GET /api/profile%0Aagsauth:%20forged → 403")
	assert.NotContains(t, r.log.String(), "s3cret")
}

func TestRun_WithoutAdmin(t *testing.T) {
	s := gateway.Default()
	s.AdminListen = "off"
	r := start(t, s, http.NotFoundHandler())
	assert.Empty(t, r.Admin+r.Web)
}

func TestRun_AdminOnAllInterfacesByAName(t *testing.T) {
	s := gateway.Default()
	s.AdminListen, s.AdminHosts = ":0", []string{"gateway"}
	r, client := start(t, s, nil), newClient(t, nil)
	assert.Regexp(t, `^http://127\.0\.0\.1:\d+$`, r.Admin)
	for host, want := range map[string]int{"gateway:9001": http.StatusOK, "evil.example": http.StatusForbidden} {
		rq, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.Admin+"/health", nil)
		require.NoError(t, err)
		rq.Host = host
		resp, err := client.Do(rq)
		require.NoError(t, err)
		_ = resp.Body.Close()
		assert.Equal(t, want, resp.StatusCode, host)
	}
}

func TestRun_ServesThePageBesideTheAdminInterface(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, rq *http.Request) { _, _ = io.WriteString(w, "page "+rq.URL.Path) })
	r, client := start(t, gateway.Default(), page), newClient(t, nil)
	assert.Equal(t, r.Admin+"/web/", r.Web)
	_, body := call(t, client, http.MethodGet, r.Web+"style.css", "")
	assert.Equal(t, "page /style.css", body)
	_, body = call(t, client, http.MethodGet, r.Admin+"/health", "")
	assert.Contains(t, body, "ok")
}

func TestRun_TLS(t *testing.T) {
	s := gateway.Default()
	s.TLS, s.AdvertiseURL = filepath.Join(t.TempDir(), "tls"), "https://gateway.test:8443"
	r := start(t, s, nil)
	assert.Equal(t, "https://gateway.test:8443/api", r.API)
	assert.Equal(t, filepath.Join(s.TLS, "ca.pem"), r.CA)
	ca, err := os.ReadFile(r.CA)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(ca))
	for _, name := range []string{"", "gateway.test", "localhost"} { // the first one is the address
		client := newClient(t, &tls.Config{RootCAs: pool, ServerName: name})
		status, body := call(t, client, http.MethodGet, "https://"+r.Listen+"/ags/servicediscovery", "")
		assert.Equal(t, http.StatusOK, status)
		assert.Contains(t, body, "https://gateway.test:8443/auth.jpg")
	}
	info, err := os.Stat(filepath.Join(s.TLS, "key.pem"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, r.stop())

	start(t, s, nil)
	again, err := os.ReadFile(r.CA)
	require.NoError(t, err)
	assert.Equal(t, ca, again, "a valid certificate is used again")
}

func TestRun_RefusesACertificateThatIsNoGood(t *testing.T) {
	dir := t.TempDir()
	s := gateway.Default()
	s.TLS = dir
	require.NoError(t, start(t, s, nil).stop())

	s.AdvertiseURL = "https://gateway.test"
	assertUsage(t, run(t, s), "gateway.test", "remove ca.pem, cert.pem and key.pem")
	s.AdvertiseURL = ""
	require.NoError(t, os.WriteFile(filepath.Join(dir, "key.pem"), []byte("no PEM"), 0o600))
	assertUsage(t, run(t, s), "made anew")
	require.NoError(t, os.Remove(filepath.Join(dir, "key.pem")))
	assertUsage(t, run(t, s), "has no key.pem")
	s.TLS = filepath.Join(dir, "cert.pem")
	assertUsage(t, run(t, s), "tls:")
}

// run runs a gateway that is expected not to start.
func run(t *testing.T, s gateway.Settings) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out bytes.Buffer
	err := gateway.Run(ctx, s, gateway.Options{Out: &out})
	assert.Empty(t, out.String())
	return err
}

func assertUsage(t *testing.T, err error, texts ...string) {
	t.Helper()
	require.Error(t, err)
	assert.Equal(t, exit.Usage, exit.StatusOf(err), err)
	for _, text := range texts {
		assert.ErrorContains(t, err, text)
	}
	assert.NotContains(t, err.Error(), "\n")
}

func TestRun_AddressInUse(t *testing.T) {
	r := start(t, gateway.Default(), nil)
	s := gateway.Default()
	s.Listen = r.Listen
	err := run(t, s)
	assert.Equal(t, exit.Failure, exit.StatusOf(err))
	assert.ErrorContains(t, err, "choose another address with --listen")
	s.Listen, s.AdminListen = "127.0.0.1:0", r.Listen
	assert.ErrorContains(t, run(t, s), "choose another address with --admin-listen")
}
