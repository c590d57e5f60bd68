package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/proxy"
)

// fakeSource has tokens, of which each becomes current when the one before is invalidated.
type fakeSource struct {
	mu          sync.Mutex
	tokens      []string
	err         error
	invalidated []string
}

func newSource(tokens ...string) *fakeSource { return &fakeSource{tokens: tokens} }

func (s *fakeSource) Token() (*oauth2.Token, error) { return s.TokenContext(context.Background()) }

func (s *fakeSource) TokenContext(context.Context) (*oauth2.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	return &oauth2.Token{AccessToken: s.tokens[0], TokenType: "Bearer"}, nil
}

func (s *fakeSource) Invalidate(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.invalidated = append(s.invalidated, token)
	if token == s.tokens[0] && len(s.tokens) > 1 {
		s.tokens = s.tokens[1:]
	}
}

// upstream is an API that records the requests it has received.
type upstream struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
}

// newUpstream starts an API. Handle may be nil for one that answers 200.
func newUpstream(tb testing.TB, handle http.HandlerFunc) *upstream {
	tb.Helper()
	u := startUpstream(handle)
	u.Start()
	tb.Cleanup(u.Close)
	return u
}

func startUpstream(handle http.HandlerFunc) *upstream {
	u := &upstream{}
	u.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		u.requests = append(u.requests, r)
		u.mu.Unlock()
		if handle != nil {
			handle(w, r)
		}
	}))
	return u
}

func (u *upstream) received() []*http.Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]*http.Request(nil), u.requests...)
}

// running is a proxy that serves a listener.
type running struct {
	*proxy.Proxy
	url, addr string
	log       *logBuffer
	stop      context.CancelFunc
	done      chan error
	stopped   sync.Once
	err       error
}

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// startProxy serves a proxy for an API on a free port. Configure may be nil.
func startProxy(tb testing.TB, api string, configure func(*proxy.Config)) *running {
	tb.Helper()
	listener, err := proxy.ListenTCP(tb.Context(), "127.0.0.1:0", nil, false)
	require.NoError(tb, err)
	return serve(tb, listener, api, configure)
}

func serve(tb testing.TB, listener net.Listener, api string, configure func(*proxy.Config)) *running {
	tb.Helper()
	target, err := url.Parse(api)
	require.NoError(tb, err)
	base := proxy.NewTransport(nil)
	r := &running{log: &logBuffer{}, addr: listener.Addr().String(), done: make(chan error, 1)}
	r.url = "http://" + r.addr
	cfg := proxy.Config{
		Upstream: target, Source: newSource("ours"), Base: base,
		AccessLog: slog.New(slog.NewTextHandler(r.log, nil)),
	}
	if configure != nil {
		configure(&cfg)
	}
	r.Proxy, err = proxy.New(cfg)
	require.NoError(tb, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	r.stop = cancel
	go func() { r.done <- r.Serve(ctx, listener) }()
	tb.Cleanup(func() { _ = r.end() })
	return r
}

// end stops the proxy and returns what Serve returned.
func (r *running) end() error {
	r.stopped.Do(func() {
		r.stop()
		r.err = <-r.done
	})
	return r.err
}

// raw sends a request as it is written, with CRLF for each line end, and returns the
// response and its body.
func (r *running) raw(tb testing.TB, request string) (*http.Response, string) {
	tb.Helper()
	conn, err := net.Dial("tcp", r.addr)
	require.NoError(tb, err)
	defer func() { _ = conn.Close() }()
	require.NoError(tb, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = io.WriteString(conn, strings.ReplaceAll(request, "\n", "\r\n"))
	require.NoError(tb, err)
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	require.NoError(tb, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(tb, err)
	return resp, string(body)
}

// client returns an HTTP client that follows no redirects, and whose connections are closed
// with the test.
func client(tb testing.TB) *http.Client {
	tb.Helper()
	base := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 1000}
	tb.Cleanup(base.CloseIdleConnections)
	return &http.Client{Transport: base, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// do sends a request with the given fields, in pairs, and returns the response and its body.
func do(tb testing.TB, c *http.Client, method, target string, body io.Reader, fields ...string) (*http.Response, string) {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), method, target, body)
	require.NoError(tb, err)
	for i := 0; i+1 < len(fields); i += 2 {
		req.Header.Add(fields[i], fields[i+1])
	}
	resp, err := c.Do(req)
	require.NoError(tb, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(tb, err)
	return resp, string(text)
}
