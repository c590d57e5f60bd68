package proxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/proxy"
	"github.com/agsauth/agsauth/tokensource"
)

func TestProxy_NoToken(t *testing.T) {
	rejected := &ags.Error{Op: "refresh", Status: 401, CorrelationID: "c-1", RetryAfter: time.Minute}
	away := &ags.Error{Op: "refresh", Status: 503, CorrelationID: "c-2", RetryAfter: 1500 * time.Millisecond}
	for name, tc := range map[string]struct {
		err                           error
		status                        int
		code, id, hint, retryAfterSec string
	}{
		"signed out":       {&tokensource.LoginRequiredError{Reason: tokensource.NoSession}, 503, "signed_out", "", "Run agsauth login --profile x", ""},
		"session rejected": {&tokensource.LoginRequiredError{Reason: tokensource.RefreshRejected, Err: rejected}, 503, "signed_out", "c-1", "Run agsauth login", ""},
		"closed":           {tokensource.ErrClosed, 503, "closed", "", "", ""},
		"gateway away":     {&tokensource.UnavailableError{Err: away}, 502, "gateway_unavailable", "c-2", "agsauth doctor", "2"},
		"another error":    {errors.New("no luck"), 502, "gateway_unavailable", "", "agsauth doctor", ""},
	} {
		t.Run(name, func(t *testing.T) {
			api := newUpstream(t, nil)
			source := newSource("ours")
			source.err = tc.err
			p := startProxy(t, api.URL, func(cfg *proxy.Config) {
				cfg.Source, cfg.LoginCommand = source, "agsauth login --profile x"
			})
			resp, body := do(t, client(t), "POST", p.url, strings.NewReader("body"))
			fields := assertProblem(t, resp, body, tc.status, tc.code)
			id, _ := fields["correlationId"].(string)
			assert.Equal(t, tc.id, id)
			hint, _ := fields["hint"].(string)
			assert.Contains(t, hint, tc.hint)
			assert.Equal(t, tc.retryAfterSec, resp.Header.Get("Retry-After"))
			assert.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
			assert.Empty(t, api.received())
		})
	}
}

// The same with a session and a gateway.
func TestProxy_WithAGateway(t *testing.T) {
	gateway := agstest.NewServer(agstest.Config{})
	defer gateway.Close()
	agsClient, err := ags.New(ags.Config{BaseURL: gateway.URL, TenantID: "nagra", AuthServiceID: "Customer Auth Service", HTTPClient: gateway.Client(), Retry: ags.Retry{Max: -1}})
	require.NoError(t, err)
	source, err := tokensource.New(tokensource.Config{Refresher: agsClient})
	require.NoError(t, err)
	defer func() { _ = source.Close() }()
	p := startProxy(t, gateway.URL+"/api", func(cfg *proxy.Config) { cfg.Source = source })

	resp, body := do(t, client(t), "GET", p.url+"/profile", nil)
	assertProblem(t, resp, body, 503, "signed_out")

	token, err := agsClient.SignOn(t.Context(), ags.SignOnRequest{Parameters: []ags.Parameter{
		{Name: "username", Value: agstest.DefaultUsername}, {Name: "password", Value: agstest.DefaultPassword},
	}, DeviceInformation: []byte(`{"deviceType":"PC"}`)})
	require.NoError(t, err)
	require.NoError(t, source.SetToken(t.Context(), token))
	resp, body = do(t, client(t), "GET", p.url+"/profile", nil, "Authorization", "Bearer placeholder")
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Contains(t, body, `"path":"/api/profile"`)

	gateway.RejectNext(1)
	resp, body = do(t, client(t), "POST", p.url+"/orders", strings.NewReader(strings.Repeat("x", 1024)))
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Contains(t, body, `"generation":2`)

	gateway.RejectNext(1)
	gateway.Always(agstest.Refresh, agstest.Fault{Status: 503})
	resp, body = do(t, client(t), "GET", p.url+"/profile", nil)
	assert.Equal(t, http.StatusForbidden, resp.StatusCode, "the rejection is the answer while there is no other token")
	assert.Contains(t, body, "99999:403")

	expired := *token
	expired.IssuedAt, expired.ExpiresAt = time.Now().Add(-2*time.Second), time.Now().Add(-time.Second)
	require.NoError(t, source.SetToken(t.Context(), &expired))
	resp, body = do(t, client(t), "GET", p.url+"/profile", nil)
	fields := assertProblem(t, resp, body, 502, "gateway_unavailable")
	assert.NotEmpty(t, fields["correlationId"])
}

func TestProxy_BrokenUpstream(t *testing.T) {
	serveOnce := func(answer string) string {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { _ = listener.Close() })
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Read(make([]byte, 4096))
				_, _ = io.WriteString(conn, answer)
				_ = conn.Close()
			}
		}()
		return "http://" + listener.Addr().String()
	}
	t.Run("unreachable", func(t *testing.T) {
		api := newUpstream(t, nil)
		api.Close()
		resp, body := do(t, client(t), "GET", startProxy(t, api.URL, nil).url, nil)
		fields := assertProblem(t, resp, body, 502, "upstream_unreachable")
		assert.Contains(t, fields["detail"], "connection refused")
	})
	for name, answer := range map[string]string{"no answer": "", "not HTTP": "secret SSH-2.0\r\n", "half a header": "HTTP/1.1 200 OK\r\nSet-Cookie: secret"} {
		t.Run(name, func(t *testing.T) {
			resp, body := do(t, client(t), "GET", startProxy(t, serveOnce(answer), nil).url, nil)
			assertProblem(t, resp, body, 502, "upstream_failed")
			assert.NotContains(t, body, "secret")
		})
	}
	for name, answer := range map[string]string{
		"cut":         "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf",
		"cut chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			p := startProxy(t, serveOnce(answer), nil)
			req, err := http.NewRequestWithContext(t.Context(), "GET", p.url, nil)
			require.NoError(t, err)
			resp, err := client(t).Do(req)
			if err == nil { // the header may have been sent before
				_, err = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
			}
			require.Error(t, err, "a broken answer must not look like a short one")
			require.NoError(t, p.end())
			assert.Contains(t, p.log.String(), "status=200")
		})
	}
}

// A client that leaves ends the request at the API.
func TestProxy_ClientLeaves(t *testing.T) {
	arrived, ended := make(chan struct{}), make(chan struct{})
	api := newUpstream(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		close(ended)
	})
	p := startProxy(t, api.URL, nil)
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", p.url, nil)
	require.NoError(t, err)
	go func() { <-arrived; cancel() }()
	resp, err := client(t).Do(req)
	if resp != nil {
		_ = resp.Body.Close()
	}
	require.ErrorIs(t, err, context.Canceled)
	<-ended
	require.NoError(t, p.end())
	assert.Contains(t, p.log.String(), "status=499 bytes=0")
}
