package proxy_test

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/proxy"
)

// holding is an API that answers when it is released.
func holding(t *testing.T) (api *upstream, arrived, release chan struct{}) {
	t.Helper()
	arrived, release = make(chan struct{}), make(chan struct{})
	return newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		select {
		case <-release:
			_, _ = io.WriteString(w, "finished")
		case <-r.Context().Done():
		}
	}), arrived, release
}

// get sends a request in a goroutine.
func get(t *testing.T, url string) (text <-chan string, failed <-chan error) {
	t.Helper()
	texts, errs := make(chan string, 1), make(chan error, 1)
	c := client(t)
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	require.NoError(t, err)
	go func() {
		resp, err := c.Do(req)
		if err != nil {
			errs <- err
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			errs <- err
			return
		}
		texts <- string(body)
	}()
	return texts, errs
}

func TestServe_FinishesWhatIsInFlight(t *testing.T) {
	api, arrived, release := holding(t)
	p := startProxy(t, api.URL, nil)
	text, failed := get(t, p.url)
	<-arrived
	p.stop()
	require.Eventually(t, func() bool { // no new connection is accepted
		conn, err := net.Dial("tcp", p.addr)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, time.Minute, time.Millisecond)
	close(release)
	select {
	case got := <-text:
		assert.Equal(t, "finished", got)
	case err := <-failed:
		t.Fatal(err)
	}
	require.NoError(t, p.end())
}

func TestServe_CutsOffAfterTheDrainTimeout(t *testing.T) {
	api, arrived, _ := holding(t)
	p := startProxy(t, api.URL, func(cfg *proxy.Config) { cfg.DrainTimeout = 20 * time.Millisecond })
	text, failed := get(t, p.url)
	<-arrived
	require.ErrorIs(t, p.end(), proxy.ErrCutOff)
	select {
	case got := <-text:
		t.Fatal(got)
	case err := <-failed:
		require.Error(t, err)
	}
}

// A connection that has switched protocols is waited for, and cut off like the others.
func TestServe_CutsOffWebSockets(t *testing.T) {
	api := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if conn, err := websocket.Accept(w, r, nil); err == nil {
			_, _, _ = conn.Read(r.Context())
		}
	})
	p := startProxy(t, api.URL, func(cfg *proxy.Config) { cfg.DrainTimeout = 20 * time.Millisecond })
	conn, _, err := websocket.Dial(t.Context(), p.url, &websocket.DialOptions{HTTPClient: client(t)})
	require.NoError(t, err)
	require.ErrorIs(t, p.end(), proxy.ErrCutOff)
	_, _, err = conn.Read(t.Context())
	require.Error(t, err)
	_ = conn.CloseNow()
}

func TestServe_ListenerFails(t *testing.T) {
	api := newUpstream(t, nil)
	first, err := proxy.ListenTCP(t.Context(), "127.0.0.1:0", nil, false)
	require.NoError(t, err)
	p := serve(t, first, api.URL, nil)
	require.NoError(t, first.Close())
	require.ErrorContains(t, <-p.done, "proxy: serve 127.0.0.1:")
	p.stopped.Do(p.stop)
}

func TestServe_RefusesItself(t *testing.T) {
	listener, err := proxy.ListenTCP(t.Context(), "127.0.0.1:0", nil, false)
	require.NoError(t, err)
	p := serve(t, listener, "http://localhost:"+strconv.Itoa(listener.Addr().(*net.TCPAddr).Port), nil)
	require.ErrorContains(t, <-p.done, "is the proxy itself")
	p.stopped.Do(p.stop)
}

// A client that does not send its header does not keep its connection.
func TestServe_HeaderTimeout(t *testing.T) {
	p := startProxy(t, newUpstream(t, nil).URL, func(cfg *proxy.Config) { cfg.HeaderTimeout = 20 * time.Millisecond })
	conn, err := net.Dial("tcp", p.addr)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: ")
	require.NoError(t, err)
	_, err = io.ReadAll(conn)
	require.NoError(t, err, "the proxy must close the connection")
}
