package proxy_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/proxy"
)

func TestListenTCP(t *testing.T) {
	config := &tls.Config{}
	for address, tc := range map[string]struct {
		config *tls.Config
		hasKey bool
		want   string
	}{
		"127.0.0.1:0":      {nil, false, ""},
		"localhost:0":      {nil, false, ""},
		"0.0.0.0:0":        {nil, false, "refused as unsafe"},
		":0":               {nil, true, "refused as unsafe"},
		"[::]:0":           {config, false, "set up TLS and a key"},
		"192.0.2.1:0":      {nil, false, "refused as unsafe"},
		"127.0.0.1":        {nil, false, "form host:port"},
		"127.0.0.1:999999": {nil, false, "form host:port"},
		"0.0.0.0:00":       {config, true, ""},
	} {
		listener, err := proxy.ListenTCP(t.Context(), address, tc.config, tc.hasKey)
		if tc.want != "" {
			require.ErrorContains(t, err, tc.want, address)
			continue
		}
		require.NoError(t, err, address)
		assert.NotZero(t, listener.Addr().(*net.TCPAddr).Port)
		require.NoError(t, listener.Close())
	}
	taken, err := proxy.ListenTCP(t.Context(), "127.0.0.1:0", nil, false)
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()
	_, err = proxy.ListenTCP(t.Context(), taken.Addr().String(), nil, false)
	require.ErrorContains(t, err, "choose another port")
}

// Off loopback: over TLS, with the key, and under the address or an allowed name only.
func TestProxy_OverTLS(t *testing.T) {
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	defer certified.Close()
	listener, err := proxy.ListenTCP(t.Context(), "0.0.0.0:0", certified.TLS, true)
	require.NoError(t, err)
	api := newUpstream(t, nil)
	p := serve(t, listener, api.URL, func(cfg *proxy.Config) {
		cfg.Key, cfg.AllowHosts, cfg.Forwarded = ags.NewSecret("k"), []string{"example.com"}, true
	})
	_, port, err := net.SplitHostPort(p.addr)
	require.NoError(t, err)
	base := certified.Client().Transport.(*http.Transport).Clone()
	base.ForceAttemptHTTP2 = true
	base.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
	}
	defer base.CloseIdleConnections()
	c := &http.Client{Transport: base}
	for target, status := range map[string]int{
		"https://127.0.0.1:" + port: 200, "https://example.com": 200, "https://www.example.com": 403,
	} {
		resp, _ := do(t, c, "GET", target, nil, proxy.KeyHeader, "k")
		assert.Equal(t, status, resp.StatusCode, target)
		assert.Equal(t, "HTTP/2.0", resp.Proto)
	}
	resp, _ := do(t, c, "GET", "https://example.com", nil)
	assert.Equal(t, http.StatusForbidden, resp.StatusCode)
	assert.Equal(t, []string{"https"}, api.received()[0].Header["X-Forwarded-Proto"])
}

func TestListenUnix(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new")
	path := filepath.Join(folder, "s")
	listener, err := proxy.ListenUnix(t.Context(), path)
	require.NoError(t, err)
	info, err := os.Stat(folder)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	api := newUpstream(t, nil)
	p := serve(t, listener, api.URL, nil)
	base := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	defer base.CloseIdleConnections()
	resp, _ := do(t, &http.Client{Transport: base}, "GET", "http://any.name/x", nil)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	resp, _ = do(t, &http.Client{Transport: base}, "GET", "http://any.name/x", nil, "Origin", "null")
	assert.Equal(t, http.StatusForbidden, resp.StatusCode)

	_, err = proxy.ListenUnix(t.Context(), path)
	require.ErrorContains(t, err, "another process listens on")
	require.NoError(t, p.end())
	assert.NoFileExists(t, path)
}

func TestListenUnix_ReplacesAStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d", "s")
	for range 2 {
		listener, err := proxy.ListenUnix(t.Context(), path)
		require.NoError(t, err)
		listener.(*net.UnixListener).SetUnlinkOnClose(false) // as after a kill
		require.NoError(t, listener.Close())
		assert.FileExists(t, path)
	}
}

func TestListenUnix_Refuses(t *testing.T) {
	open := filepath.Join(t.TempDir(), "open")
	require.NoError(t, os.Mkdir(open, 0o700))
	require.NoError(t, os.Chmod(open, 0o750))
	_, err := proxy.ListenUnix(t.Context(), filepath.Join(open, "s"))
	require.ErrorIs(t, err, proxy.ErrUnsafe)
	require.ErrorContains(t, err, "(mode 0750); run: chmod 700")

	folder := filepath.Join(t.TempDir(), "d")
	require.NoError(t, os.Mkdir(folder, 0o700))
	file := filepath.Join(folder, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = proxy.ListenUnix(t.Context(), file)
	require.ErrorContains(t, err, "is no socket")
	long := filepath.Join(folder, strings.Repeat("x", 120))
	_, err = proxy.ListenUnix(t.Context(), long)
	require.ErrorContains(t, err, "shorter than about 100 bytes")
}

func TestNewKey(t *testing.T) {
	a, b := proxy.NewKey(), proxy.NewKey()
	assert.GreaterOrEqual(t, len(a.Reveal()), 26)
	assert.NotEqual(t, a.Reveal(), b.Reveal())
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	made, err := proxy.KeyFile(path)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	again, err := proxy.KeyFile(path)
	require.NoError(t, err)
	assert.Equal(t, made.Reveal(), again.Reveal())

	require.NoError(t, os.Chmod(path, 0o640))
	_, err = proxy.KeyFile(path)
	require.ErrorIs(t, err, proxy.ErrUnsafe)
	require.ErrorContains(t, err, "(mode 0640); run: chmod 600")
	require.NoError(t, os.Chmod(path, 0o600))
	for _, content := range []string{"", "too short", "with a space in the middle", "two-lines-of-it\ntwo-lines-of-it"} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err = proxy.KeyFile(path)
		require.ErrorIs(t, err, proxy.ErrUnsafe, content)
	}
	_, err = proxy.KeyFile(filepath.Join(path, "below"))
	require.Error(t, err)
}

func TestTLSConfig(t *testing.T) {
	folder := t.TempDir()
	_, err := proxy.TLSConfig(folder)
	require.ErrorContains(t, err, "must have cert.pem and key.pem")
	certificate, err := agstest.NewCertificate("127.0.0.1")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "cert.pem"), certificate.Cert, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "key.pem"), certificate.Key, 0o600))
	config, err := proxy.TLSConfig(folder)
	require.NoError(t, err)
	assert.Len(t, config.Certificates, 1)
}
