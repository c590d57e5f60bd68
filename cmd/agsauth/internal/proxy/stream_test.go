package proxy_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/proxy"
)

func TestProxy_WebSocket(t *testing.T) {
	api := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Set-Cookie", "a=b; Domain=example.com")
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		for {
			kind, message, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			_ = conn.Write(r.Context(), kind, append([]byte("echo "), message...))
		}
	})
	p := startProxy(t, api.URL, nil)
	conn, resp, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(p.url, "http")+"/ws", &websocket.DialOptions{
		HTTPClient: client(t), HTTPHeader: http.Header{"Authorization": {"Bearer placeholder"}},
	})
	require.NoError(t, err)
	assert.NotContains(t, resp.Header, "Access-Control-Allow-Origin")
	assert.Equal(t, "a=b", resp.Header.Get("Set-Cookie"))
	for i := range 3 {
		require.NoError(t, conn.Write(t.Context(), websocket.MessageText, fmt.Appendf(nil, "%d", i)))
		_, message, err := conn.Read(t.Context())
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("echo %d", i), string(message))
	}
	require.NoError(t, conn.Close(websocket.StatusNormalClosure, ""))
	assert.Equal(t, "Bearer ours", api.received()[0].Header.Get("Authorization"))
	require.NoError(t, p.end())
	assert.Regexp(t, `method=GET path=/ws status=101 bytes=[1-9]\d* `, p.log.String())
}

// events is an API that sends an event whenever it may.
func events(t *testing.T, next <-chan string) *upstream {
	t.Helper()
	return newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case event, more := <-next:
				if !more {
					return
				}
				_, _ = fmt.Fprintf(w, "data: %s\n\n", event)
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	})
}

// Each event is received before the next one is sent, and the header before the first.
func TestProxy_ServerSentEvents(t *testing.T) {
	next := make(chan string)
	p := startProxy(t, events(t, next).URL, nil)
	req, err := http.NewRequestWithContext(t.Context(), "GET", p.url, nil)
	require.NoError(t, err)
	resp, err := client(t).Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	lines := bufio.NewReader(resp.Body)
	for _, event := range []string{"first", "second"} {
		next <- event
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, "data: "+event+"\n", line)
		_, err = lines.ReadString('\n')
		require.NoError(t, err)
	}
	close(next)
	_, err = lines.ReadString('\n')
	require.ErrorIs(t, err, io.EOF)
}

func TestProxy_Trailers(t *testing.T) {
	api := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Announced")
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
		w.Header().Set("X-Announced", "sum of "+r.Trailer.Get("X-Sum"))
		w.Header().Set(http.TrailerPrefix+"X-Late", strings.Join(r.Trailer["Authorization"], ""))
	})
	p := startProxy(t, api.URL, nil)
	body, sent := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), "POST", p.url, body)
	require.NoError(t, err)
	req.Trailer = http.Header{"X-Sum": nil, "Authorization": nil}
	go func() {
		_, _ = io.WriteString(sent, "content")
		req.Trailer.Set("X-Sum", "42")
		req.Trailer.Set("Authorization", "Bearer placeholder")
		_ = sent.Close()
	}()
	resp, err := client(t).Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, "content", string(content))
	assert.Equal(t, "sum of 42", resp.Trailer.Get("X-Announced"))
	assert.Equal(t, []string{""}, resp.Trailer["X-Late"])
}

// HTTP/2 on both sides: in clear text from the client, over TLS to the API.
func TestProxy_HTTP2(t *testing.T) {
	api := startUpstream(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Grpc-Status")
		_, _ = fmt.Fprintf(w, "%s %s ", r.Proto, r.Header.Get("Te"))
		_, _ = io.Copy(w, r.Body)
		w.Header().Set("Grpc-Status", "0")
	})
	api.EnableHTTP2 = true
	api.StartTLS()
	defer api.Close()
	base := proxy.NewTransport(&tls.Config{RootCAs: api.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs})
	p := startProxy(t, api.URL, func(cfg *proxy.Config) { cfg.Base = base })
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	outer := &http.Transport{Protocols: protocols}
	defer outer.CloseIdleConnections()
	resp, body := do(t, &http.Client{Transport: outer}, "POST", p.url+"/pkg.Service/Method", strings.NewReader("message"),
		"Content-Type", "application/grpc", "Te", "trailers")
	assert.Equal(t, "HTTP/2.0", resp.Proto)
	assert.Equal(t, "HTTP/2.0 trailers message", body)
	assert.Equal(t, "0", resp.Trailer.Get("Grpc-Status"))
	assert.Equal(t, "Bearer ours", api.received()[0].Header.Get("Authorization"))

	resp, _ = do(t, &http.Client{Transport: outer}, "GET", p.url+"/../x", nil)
	assert.Equal(t, http.StatusBadRequest, resp.StatusCode)
	assert.Len(t, api.received(), 1)
}

// gRPC uses HTTP/2 also where the API has no TLS, and everything else what the API may only
// have.
func TestProxy_GRPCInClearText(t *testing.T) {
	api := startUpstream(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	api.Config.Protocols = new(http.Protocols)
	api.Config.Protocols.SetHTTP1(true)
	api.Config.Protocols.SetUnencryptedHTTP2(true)
	api.Start()
	defer api.Close()
	p := startProxy(t, api.URL, nil)
	outer := &http.Transport{Protocols: new(http.Protocols)}
	outer.Protocols.SetUnencryptedHTTP2(true)
	defer outer.CloseIdleConnections()
	for kind, proto := range map[string]string{
		"application/grpc": "HTTP/2.0", "application/grpc+proto": "HTTP/2.0", "application/grpc-web": "HTTP/1.1", "text/plain": "HTTP/1.1",
	} {
		_, body := do(t, &http.Client{Transport: outer}, "POST", p.url, strings.NewReader("message"), "Content-Type", kind)
		assert.Equal(t, proto, body, kind)
	}
}

// Both directions of a body of unknown length are open at the same time.
func TestProxy_FullDuplex(t *testing.T) {
	api := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(http.StatusOK)
		lines := bufio.NewReader(r.Body)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			_, _ = io.WriteString(w, "echo "+line)
			_ = http.NewResponseController(w).Flush()
		}
	})
	p := startProxy(t, api.URL, nil)
	body, send := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), "POST", p.url, body)
	require.NoError(t, err)
	sent := writeLine(send, "0\n")
	resp, err := client(t).Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	<-sent
	lines := bufio.NewReader(resp.Body)
	for i := range 3 {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("echo %d\n", i), line)
		sent = writeLine(send, fmt.Sprintf("%d\n", i+1))
		<-sent
	}
	_ = send.Close()
}

// writeLine writes in a goroutine, and closes the channel when the line has been read.
func writeLine(w io.Writer, line string) <-chan struct{} {
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(w, line)
	}()
	return sent
}
