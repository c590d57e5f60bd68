package proxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/proxy"
)

// rejecting is an API that rejects the token "old", and keeps the bodies of the requests
// that it has accepted.
type rejecting struct {
	*upstream
	mu   sync.Mutex
	done []string
}

func newRejecting(t *testing.T) *rejecting {
	t.Helper()
	api := &rejecting{}
	api.upstream = newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer new" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, "rejected")
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		api.mu.Lock()
		api.done = append(api.done, string(body))
		api.mu.Unlock()
		_, _ = io.WriteString(w, "done")
	})
	return api
}

// unsized hides the length of a body.
type unsized struct{ io.Reader }

func TestProxy_ReplacesARejectedToken(t *testing.T) {
	text := func(n int) string { return strings.Repeat("0123456789abcdef", n/16+1)[:n] }
	for name, tc := range map[string]struct {
		method string
		body   string
		sized  bool
		fields []string
		replay bool
	}{
		"GET":                    {"GET", "", true, nil, true},
		"POST without a body":    {"POST", "", true, nil, true},
		"POST 1 KiB":             {"POST", text(1 << 10), true, nil, true},
		"POST 64 KiB":            {"POST", text(64 << 10), true, nil, true},
		"POST 64 KiB + 1":        {"POST", text(64<<10 + 1), true, nil, false},
		"PATCH 1 KiB, chunked":   {"PATCH", text(1 << 10), false, nil, true},
		"POST 64 KiB, chunked":   {"POST", text(64 << 10), false, nil, true},
		"POST 1 MiB, chunked":    {"POST", text(1 << 20), false, nil, false},
		"POST of gRPC":           {"POST", text(100), true, []string{"Content-Type", "application/grpc+proto"}, false},
		"POST with Expect":       {"POST", text(100), true, []string{"Expect", "100-continue"}, false},
		"GET of an upgrade":      {"GET", "", true, []string{"Connection", "Upgrade", "Upgrade", "websocket"}, false},
		"POST beyond the budget": {"POST", text(1 << 10), true, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			api, source := newRejecting(t), newSource("old", "new")
			p := startProxy(t, api.URL, func(cfg *proxy.Config) {
				cfg.Source = source
				if strings.Contains(name, "budget") {
					cfg.ReplayTotal = 1 << 9
				}
			})
			var body io.Reader
			if tc.body != "" {
				body = bytes.NewReader([]byte(tc.body))
			}
			if !tc.sized {
				body = unsized{body}
			}
			resp, got := do(t, client(t), tc.method, p.url, body, tc.fields...)
			assert.Equal(t, []string{"old"}, source.invalidated)
			if tc.replay {
				assert.Equal(t, http.StatusOK, resp.StatusCode)
				assert.Equal(t, "done", got)
				assert.Equal(t, []string{tc.body}, api.done)
				assert.Len(t, api.received(), 2)
				return
			}
			assert.Equal(t, http.StatusUnauthorized, resp.StatusCode)
			assert.Equal(t, "rejected", got)
			assert.Empty(t, api.done)
			assert.Len(t, api.received(), 1)
			// The next one has the new token.
			resp, _ = do(t, client(t), "GET", p.url, nil)
			assert.Equal(t, http.StatusOK, resp.StatusCode)
		})
	}
}

// What is reserved for bodies is given back.
func TestProxy_ReplayBudgetIsReturned(t *testing.T) {
	api, source, c := newRejecting(t), newSource("new"), client(t)
	p := startProxy(t, api.URL, func(cfg *proxy.Config) { cfg.Source, cfg.ReplayTotal = source, 65<<10 })
	for i := range 50 {
		var body io.Reader = strings.NewReader(strings.Repeat("x", 2000))
		if i%2 == 0 {
			body = unsized{body}
		}
		resp, _ := do(t, c, "POST", p.url, body)
		require.Equal(t, http.StatusOK, resp.StatusCode)
	}
	source.mu.Lock()
	source.tokens = []string{"old", "new"}
	source.mu.Unlock()
	resp, _ := do(t, c, "POST", p.url, strings.NewReader(strings.Repeat("x", 2000)))
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Equal(t, []string{"old"}, source.invalidated)
}

// A client may wait for the response in the middle of its body. The rejection must not wait
// for the rest, and the body continues when the request is sent again.
func TestProxy_RejectionInTheMiddleOfABody(t *testing.T) {
	api := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		if r.Header.Get("Authorization") != "Bearer new" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, "go on\n")
		_ = http.NewResponseController(w).Flush()
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "got %s\n", body)
	})
	p := startProxy(t, api.URL, func(cfg *proxy.Config) { cfg.Source = newSource("old", "new") })
	conn, err := net.Dial("tcp", p.addr)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	lines := bufio.NewReader(resp.Body)
	line, err := lines.ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "go on\n", line)
	_, err = io.WriteString(conn, "7\r\n second\r\n0\r\n\r\n")
	require.NoError(t, err)
	line, err = lines.ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "got first second\n", line)
}

// A request whose body breaks off is never done.
func TestProxy_BodyBreaksOff(t *testing.T) {
	for name, head := range map[string]string{
		"kept":     "Content-Length: 100\r\n\r\nhalf",
		"recorded": "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
		"streamed": "Content-Length: 1000000\r\n\r\nhalf",
	} {
		t.Run(name, func(t *testing.T) {
			api := newRejecting(t)
			p := startProxy(t, api.URL, func(cfg *proxy.Config) { cfg.Source = newSource("new") })
			conn, err := net.Dial("tcp", p.addr)
			require.NoError(t, err)
			_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: localhost\r\n"+head)
			require.NoError(t, err)
			require.NoError(t, conn.Close())
			require.Eventually(t, func() bool { return strings.Contains(p.log.String(), "method=POST") }, time.Minute, time.Millisecond)
			require.NoError(t, p.end())
			assert.Empty(t, api.done)
		})
	}
}
