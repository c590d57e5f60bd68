package transport_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/transport"
)

// protocols start a server with TLS.
var protocols = map[string]func(*httptest.Server){"HTTP/1.1": (*httptest.Server).StartTLS, "HTTP/2": startHTTP2}

func startHTTP2(s *httptest.Server) {
	s.EnableHTTP2 = true
	s.StartTLS()
}

// api accepts the token "new" and records its requests.
type api struct {
	*httptest.Server
	client *http.Client // sends "old" until that is rejected, then "new"
	source *fakeSource

	mu          sync.Mutex // guards all below
	requests    []string   // as "GET /path Bearer token body"
	connections int
}

// newAPI starts an API. handler responds to requests with a valid token.
func newAPI(t *testing.T, start func(*httptest.Server), handler http.HandlerFunc) *api {
	t.Helper()
	a := &api{source: newSource("old", "new")}
	a.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		a.mu.Lock()
		a.requests = append(a.requests, strings.TrimSpace(strings.Join(
			[]string{r.Method, r.URL.Path, r.Header.Get("Authorization"), string(data)}, " ")))
		a.mu.Unlock()
		switch r.Header.Get("Authorization") {
		case "Bearer new", "":
			handler(w, r)
		default:
			w.Header().Set("Content-Type", jsonMedia)
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, codeBody)
		}
	}))
	a.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			a.mu.Lock()
			a.connections++
			a.mu.Unlock()
		}
	}
	start(a.Server)
	t.Cleanup(a.Close)
	a.client = &http.Client{Transport: &transport.Transport{Source: a.source, Base: a.Client().Transport}}
	return a
}

func (a *api) assertRequests(t *testing.T, requests ...string) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	assert.Equal(t, requests, a.requests)
}

func fetch(t *testing.T, client *http.Client, c *call) (status int, text string) {
	t.Helper()
	resp, err := client.Do(c.Request)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(data)
}

func fine(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "fine over "+r.Proto) }

func TestHTTP_RejectedTokenIsReplaced(t *testing.T) {
	for name, tc := range map[string]struct {
		start func(*httptest.Server)
		want  string
	}{
		"plain":  {(*httptest.Server).Start, "fine over HTTP/1.1"},
		"TLS":    {(*httptest.Server).StartTLS, "fine over HTTP/1.1"},
		"HTTP/2": {startHTTP2, "fine over HTTP/2.0"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t, tc.start, fine)
			status, text := fetch(t, a.client, post(t, a.URL+"/1"))
			assert.Equal(t, http.StatusOK, status)
			assert.Equal(t, tc.want, text)
			_, text = fetch(t, a.client, get(t, a.URL+"/2"))
			assert.Equal(t, tc.want, text)
			a.assertRequests(t, "POST /1 Bearer old payload", "POST /1 Bearer new payload", "GET /2 Bearer new")
			a.source.assertCalls(t, 3, "old")
			assert.Equal(t, 1, a.connections, "the connection was not used again")
		})
	}
}

func TestHTTP_StandardBody(t *testing.T) {
	a := newAPI(t, (*httptest.Server).Start, fine)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, a.URL+"/1", strings.NewReader("payload"))
	require.NoError(t, err)
	resp, err := a.client.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Same(t, req, resp.Request)
	a.assertRequests(t, "PUT /1 Bearer old payload", "PUT /1 Bearer new payload")
}

func TestHTTP_BodyWithoutGetBody(t *testing.T) {
	a := newAPI(t, (*httptest.Server).Start, fine)
	c := post(t, a.URL+"/1")
	c.GetBody = nil
	status, text := fetch(t, a.client, c)
	assert.Equal(t, http.StatusForbidden, status)
	assert.Equal(t, codeBody, text)
	a.assertRequests(t, "POST /1 Bearer old payload")
	a.source.assertCalls(t, 1, "old")
}

func TestHTTP_RedirectToAnotherHost(t *testing.T) {
	other := newAPI(t, (*httptest.Server).Start, fine)
	a := newAPI(t, (*httptest.Server).Start, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/near":
			http.Redirect(w, r, "/nearer", http.StatusFound)
		case "/far":
			http.Redirect(w, r, other.URL+"/other", http.StatusTemporaryRedirect)
		default:
			fine(w, r)
		}
	})
	status, _ := fetch(t, a.client, get(t, a.URL+"/near"))
	assert.Equal(t, http.StatusOK, status)
	a.assertRequests(t, "GET /near Bearer old", "GET /near Bearer new", "GET /nearer Bearer new")

	status, _ = fetch(t, a.client, post(t, a.URL+"/far"))
	assert.Equal(t, http.StatusOK, status)
	other.assertRequests(t, "POST /other  payload")
}

// With a timeout, http.Client sends a copy of the caller's request.
func TestHTTP_RedirectWithClientTimeout(t *testing.T) {
	a := newAPI(t, (*httptest.Server).Start, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/1" {
			http.Redirect(w, r, "/2", http.StatusFound)
			return
		}
		fine(w, r)
	})
	a.client.Timeout = time.Minute
	status, _ := fetch(t, a.client, get(t, a.URL+"/1"))
	assert.Equal(t, http.StatusOK, status)
	a.assertRequests(t, "GET /1 Bearer old", "GET /1 Bearer new", "GET /2 Bearer new")
}

func TestHTTP_TimeoutEndsTheWaitForAToken(t *testing.T) {
	a := newAPI(t, (*httptest.Server).Start, fine)
	a.client.Timeout = 20 * time.Millisecond
	a.source.onAsk = func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	c := post(t, a.URL)
	_, err := a.client.Do(c.Request)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	assert.True(t, timeout.Timeout())
	assert.EqualValues(t, 1, c.bodies[0].closed.Load())
	a.assertRequests(t)
	a.source.assertCalls(t, 1)
}

// The body of this 403 never ends.
func TestHTTP_ReadingARejectionEndsWithTheContext(t *testing.T) {
	a := newAPI(t, (*httptest.Server).Start, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", jsonMedia)
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"message":"`)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	reading := baseFunc(func(req *http.Request) (*http.Response, error) {
		resp, err := a.Client().Transport.RoundTrip(req)
		if err == nil {
			resp.Body = &onRead{ReadCloser: resp.Body, after: 2, call: cancel}
		}
		return resp, err
	})
	source := newSource("new")
	_, err := get(t, a.URL+"/1").withContext(ctx).through(t, &transport.Transport{Source: source, Base: reading})
	assert.ErrorIs(t, err, context.Canceled)
	a.assertRequests(t, "GET /1 Bearer new")
	source.assertCalls(t, 1)
}

// onRead calls a function before the given Read.
type onRead struct {
	io.ReadCloser
	after int
	call  func()
}

func (r *onRead) Read(p []byte) (int, error) {
	r.after--
	if r.after == 0 {
		r.call()
	}
	return r.ReadCloser.Read(p)
}

// The body of a 101 is a connection, and must be writable.
func TestHTTP_Upgrade(t *testing.T) {
	a := newAPI(t, (*httptest.Server).Start, func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = rw.Flush()
		line, _ := rw.ReadString('\n')
		_, _ = rw.WriteString(line)
		_ = rw.Flush()
	})
	resp, err := a.client.Do(get(t, a.URL+"/1").withHeader("Connection", "Upgrade").withHeader("Upgrade", "echo").Request)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	conn, isConn := resp.Body.(io.ReadWriter)
	require.True(t, isConn)
	_, err = io.WriteString(conn, "hello\n")
	require.NoError(t, err)
	text, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.Equal(t, "hello\n", string(text))
	a.assertRequests(t, "GET /1 Bearer old", "GET /1 Bearer new")
}

func TestHTTP_ConcurrentRequests(t *testing.T) {
	const callers = 20
	a := newAPI(t, (*httptest.Server).Start, fine)
	a.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = callers
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			status, _ := fetch(t, a.client, post(t, a.URL+"/1"))
			assert.Equal(t, http.StatusOK, status)
		})
	}
	wg.Wait()
	good := 0
	for _, r := range a.requests {
		if r == "POST /1 Bearer new payload" {
			good++
		}
	}
	assert.Equal(t, callers, good)
	assert.LessOrEqual(t, len(a.requests), 2*callers)
}
