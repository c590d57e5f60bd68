package daemon_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/daemon"
)

func TestHealth_OfADaemon(t *testing.T) {
	r := newRig(t, agstest.Config{})
	r.start()
	r.becomes("/startupz", 200)
	for _, target := range []string{r.ops, strings.TrimPrefix(r.ops, "http://"), r.ops + "/readyz"} {
		_, err := daemon.Health{Target: target}.Ask(t.Context())
		require.EqualError(t, err, "not ready: not signed on; run: agsauth login", target)
		answer, err := daemon.Health{Target: target, Live: true}.Ask(t.Context())
		require.NoError(t, err, target)
		assert.Equal(t, "ok", answer)
	}

	waited := make(chan error, 1)
	go func() {
		_, err := daemon.Health{Target: r.ops, Wait: time.Minute}.Ask(t.Context())
		waited <- err
	}()
	r.signOnElsewhere()
	require.NoError(t, <-waited)
}

// serve answers each request with the next of the statuses, the last of them for ever. The
// answer is that of an operations listener, but for a redirect.
func serve(t *testing.T, listener net.Listener, statuses ...int) (url string, count *atomic.Int32) {
	t.Helper()
	count = &atomic.Int32{}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := min(int(count.Add(1)), len(statuses))
		w.Header().Set("Location", "/livez")
		if statuses[n-1] != http.StatusFound {
			w.Header().Set("Agsauth-Probe", "1")
		}
		w.WriteHeader(statuses[n-1])
		_, _ = w.Write([]byte("first line\nsecond line\n"))
	}))
	if listener != nil {
		_ = srv.Listener.Close()
		srv.Listener = listener
	}
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.URL, count
}

func TestHealth_WaitsUntilReady(t *testing.T) {
	url, count := serve(t, nil, 503, 500, 200)
	answer, err := daemon.Health{Target: url, Wait: time.Minute}.Ask(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "first line", answer)
	assert.EqualValues(t, 3, count.Load())
}

func TestHealth_GivesUp(t *testing.T) {
	url, count := serve(t, nil, 503)
	_, err := daemon.Health{Target: url}.Ask(t.Context())
	require.EqualError(t, err, "not ready: first line")
	assert.EqualValues(t, 1, count.Load())
	_, err = daemon.Health{Target: url, Wait: 1500 * time.Millisecond}.Ask(t.Context())
	require.EqualError(t, err, "not ready: first line")
	assert.Greater(t, count.Load(), int32(2))

	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(10*time.Millisecond, func() { cancel(errors.New("interrupted")) })
	_, err = daemon.Health{Target: url, Wait: time.Hour}.Ask(ctx)
	require.Error(t, err)
}

func TestHealth_OfSomethingElse(t *testing.T) {
	url, count := serve(t, nil, 302)
	_, err := daemon.Health{Target: url}.Ask(t.Context())
	require.EqualError(t, err, "it answers 302 Found, but not as the operations listener of a daemon or proxy does; use the address of --ops-listen")
	assert.EqualValues(t, 1, count.Load(), "no redirect is followed")

	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("account 1663"))
	}))
	defer api.Close()
	answer, err := daemon.Health{Target: api.URL}.Ask(t.Context())
	require.ErrorContains(t, err, "it answers 200 OK, but not as")
	assert.NotContains(t, answer+err.Error(), "1663")

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	_, err = daemon.Health{Target: listener.Addr().String()}.Ask(t.Context())
	require.ErrorContains(t, err, "no answer: dial tcp "+listener.Addr().String())

	for _, target := range []string{"", "ftp://localhost", "http://", "unix:", "://", "http://a b"} {
		_, err := daemon.Health{Target: target, Wait: time.Hour}.Ask(t.Context())
		require.ErrorContains(t, err, "is no address of a daemon", target)
	}
}

func TestHealth_OverASocket(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("paths of sockets are not those of Windows")
	}
	socket := filepath.Join(shortDir(t), "ops.sock")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	serve(t, listener, 200)
	for _, target := range []string{socket, "unix:" + socket, "unix://" + socket} {
		_, err := daemon.Health{Target: target}.Ask(t.Context())
		require.NoError(t, err, target)
	}
}
