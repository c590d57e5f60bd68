package daemon_test

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/daemon"
)

func TestListen(t *testing.T) {
	l, err := daemon.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	_, err = daemon.Listen(t.Context(), l.Addr().String())
	require.ErrorContains(t, err, l.Addr().String())
	require.NoError(t, l.Close())
	_, err = daemon.Listen(t.Context(), "nonsense")
	require.ErrorContains(t, err, "nonsense")
	assert.Equal(t, "http://127.0.0.1:80", daemon.URLOf(&net.TCPAddr{IP: net.IPv6unspecified, Port: 80}))
}

func TestIsAddress(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:0": true, ":80": true, "unix:": true, "foo": false, "a:b": false, "a:65536": false, "": false,
	} {
		assert.Equal(t, want, daemon.IsAddress(address), address)
	}
}

func TestListen_OnASocket(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a socket is no socket to Windows")
	}
	_, err := daemon.Listen(t.Context(), "unix:")
	require.ErrorContains(t, err, "there is no path")

	path := filepath.Join(shortDir(t), "ops.sock")
	l, err := daemon.Listen(t.Context(), "unix:"+path)
	require.NoError(t, err)
	_, err = daemon.Listen(t.Context(), "unix:"+path)
	require.ErrorContains(t, err, "another process listens there")

	l.(*net.UnixListener).SetUnlinkOnClose(false) // as if the process were killed
	require.NoError(t, l.Close())
	assert.FileExists(t, path)
	l, err = daemon.Listen(t.Context(), "unix:"+path)
	require.NoError(t, err)
	require.NoError(t, l.Close())

	require.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
	_, err = daemon.Listen(t.Context(), "unix:"+path)
	require.ErrorContains(t, err, "it exists and is no socket")
	assert.FileExists(t, path)
}
