package ags_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/internal/faultproxy"
)

// countingServer is a gateway that counts its connections.
type countingServer struct {
	*testServer
	accepted atomic.Int32
}

// newCountingServer starts a gateway. start sets its protocols.
func newCountingServer(t *testing.T, start func(*httptest.Server), handle http.HandlerFunc) *countingServer {
	t.Helper()
	g := &countingServer{}
	g.testServer = newServer(t, func(s *httptest.Server) {
		s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				g.accepted.Add(1)
			}
		}
		start(s)
	}, handle)
	return g
}

// newClient returns a client without retries that closes its connections when the test
// ends.
func (g *countingServer) newClient(t *testing.T, rt http.RoundTripper, change func(*ags.Config)) *ags.Client {
	t.Helper()
	cfg := ags.Config{
		BaseURL: g.URL, AuthServiceID: "s", TenantID: "t", HTTPClient: &http.Client{Transport: rt}, Retry: ags.Retry{Max: -1},
	}
	if change != nil {
		change(&cfg)
	}
	c, err := ags.New(cfg)
	require.NoError(t, err)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// trusting returns the TLS configuration of a client of the gateway.
func (g *countingServer) trusting(t *testing.T) *tls.Config {
	t.Helper()
	roots := x509.NewCertPool()
	if g.Certificate() != nil {
		roots.AddCert(g.Certificate())
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}
}

func keepHTTP1(c *ags.Config) { c.KeepHTTP1Connections = true }

func refreshTimes(t *testing.T, c *ags.Client, n int) {
	t.Helper()
	for range n {
		_, err := c.Refresh(t.Context(), testToken())
		require.NoError(t, err)
	}
}

// http2Transports are the ways to configure a transport for HTTP/2.
func http2Transports(t *testing.T, g *countingServer) map[string]*http.Transport {
	t.Helper()
	both, only := &http.Protocols{}, &http.Protocols{}
	both.SetHTTP1(true)
	both.SetHTTP2(true)
	only.SetHTTP2(true)
	byDefault := &http.Transport{}
	byDefault.CloseIdleConnections() // sets TLSClientConfig
	byDefault.TLSClientConfig.RootCAs = g.trusting(t).RootCAs
	used := &http.Transport{TLSClientConfig: g.trusting(t), ForceAttemptHTTP2: true}
	resp, err := (&http.Client{Transport: used}).Get(g.URL)
	require.NoError(t, err)
	_ = resp.Body.Close()
	return map[string]*http.Transport{
		"by default":      byDefault,
		"forced":          {TLSClientConfig: g.trusting(t), ForceAttemptHTTP2: true},
		"by Protocols":    {TLSClientConfig: g.trusting(t), Protocols: both},
		"HTTP/2 only":     {TLSClientConfig: g.trusting(t), Protocols: only},
		"with a dialer":   {TLSClientConfig: g.trusting(t), ForceAttemptHTTP2: true, DialContext: (&net.Dialer{}).DialContext},
		"one connection":  {TLSClientConfig: g.trusting(t), ForceAttemptHTTP2: true, MaxConnsPerHost: 1},
		"used before":     used,
		"with TLS dialer": {ForceAttemptHTTP2: true, DialTLSContext: g.dialTLS(t)},
	}
}

func (g *countingServer) dialTLS(t *testing.T) func(context.Context, string, string) (net.Conn, error) {
	t.Helper()
	cfg := g.trusting(t)
	cfg.NextProtos = []string{"h2", "http/1.1"}
	return (&tls.Dialer{Config: cfg}).DialContext
}

func TestConnections_HTTP2IsKept(t *testing.T) {
	g := newCountingServer(t, startHTTP2, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, 2, r.ProtoMajor)
		respondTokens(w, r)
	})
	for name, rt := range http2Transports(t, g) {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(rt.CloseIdleConnections)
			wantKept(t, g, rt)
		})
	}
}

// wantKept asserts that many calls use one connection.
func wantKept(t *testing.T, g *countingServer, rt *http.Transport) {
	t.Helper()
	c := g.newClient(t, rt, nil)
	before := g.accepted.Load()
	refreshTimes(t, c, 3)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, err := c.Refresh(t.Context(), testToken())
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	assert.EqualValues(t, 1, g.accepted.Load()-before)

	c.CloseIdleConnections()
	refreshTimes(t, c, 1)
	assert.EqualValues(t, 2, g.accepted.Load()-before)
}

// Calls that begin together may each dial.
func TestConnections_HTTP2FirstCallsTogether(t *testing.T) {
	g := newCountingServer(t, startHTTP2, respondTokens)
	for _, perHost := range []int{0, 1} {
		c := g.newClient(t, &http.Transport{TLSClientConfig: g.trusting(t), ForceAttemptHTTP2: true, MaxConnsPerHost: perHost}, nil)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				_, err := c.Refresh(t.Context(), testToken())
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		before := g.accepted.Load()
		refreshTimes(t, c, 3)
		assert.Equal(t, before, g.accepted.Load())
	}
}

func TestConnections_OwnTransportUsesHTTP2(t *testing.T) {
	g := newCountingServer(t, startHTTP2, respondTokens)
	c := g.newClient(t, nil, nil)
	ags.TrustOnly(c, g.trusting(t))
	refreshTimes(t, c, 5)
	assert.EqualValues(t, 1, g.accepted.Load())
}

func TestConnections_HTTP1IsKeptOnRequestOnly(t *testing.T) {
	const calls = 4
	for name, start := range map[string]func(*httptest.Server){
		"HTTP": (*httptest.Server).Start, "HTTPS": (*httptest.Server).StartTLS,
	} {
		t.Run(name, func(t *testing.T) {
			g := newCountingServer(t, start, func(w http.ResponseWriter, r *http.Request) {
				assert.Equal(t, 1, r.ProtoMajor)
				respondTokens(w, r)
			})
			for name, rt := range map[string]*http.Transport{
				"HTTP/1.1 only":   {TLSClientConfig: g.trusting(t)},
				"HTTP/2 possible": {TLSClientConfig: g.trusting(t), ForceAttemptHTTP2: true},
				"many idle":       {TLSClientConfig: g.trusting(t), ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 100},
			} {
				t.Cleanup(rt.CloseIdleConnections)
				before := g.accepted.Load()
				refreshTimes(t, g.newClient(t, rt, nil), calls)
				assert.EqualValues(t, calls, g.accepted.Load()-before, name)

				before = g.accepted.Load()
				refreshTimes(t, g.newClient(t, rt, keepHTTP1), calls)
				assert.EqualValues(t, 1, g.accepted.Load()-before, name)
			}
			c := g.newClient(t, nil, nil)
			ags.TrustOnly(c, g.trusting(t))
			before := g.accepted.Load()
			refreshTimes(t, c, calls)
			assert.EqualValues(t, calls, g.accepted.Load()-before)
		})
	}
}

// A gateway that ceases to speak HTTP/2 is used as before, and one that begins to is
// noticed.
func TestConnections_ProtocolChanges(t *testing.T) {
	old := newCountingServer(t, (*httptest.Server).StartTLS, respondTokens)
	next := newCountingServer(t, startHTTP2, respondTokens)
	var addr atomic.Value
	c := old.newClient(t, &http.Transport{
		TLSClientConfig: old.trusting(t), ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", addr.Load().(string))
		},
	}, nil)
	for range 2 {
		addr.Store(old.Listener.Addr().String())
		refreshTimes(t, c, 2)
		addr.Store(next.Listener.Addr().String())
		refreshTimes(t, c, 2)
		c.CloseIdleConnections()
	}
	assert.EqualValues(t, 4, old.accepted.Load())
	assert.EqualValues(t, 2, next.accepted.Load())
}

// The caller's transport is copied. Its connections and settings are its own.
func TestConnections_CallersTransportIsNotChanged(t *testing.T) {
	g := newCountingServer(t, startHTTP2, respondTokens)
	rt := &http.Transport{TLSClientConfig: g.trusting(t), ForceAttemptHTTP2: true}
	t.Cleanup(rt.CloseIdleConnections)
	c := g.newClient(t, rt, nil)
	refreshTimes(t, c, 1)
	assert.Nil(t, rt.HTTP2)
	assert.Zero(t, rt.IdleConnTimeout)
	assert.Zero(t, rt.MaxIdleConnsPerHost)
	assert.False(t, rt.DisableKeepAlives)

	get := func() {
		resp, err := (&http.Client{Transport: rt}).Get(g.URL)
		require.NoError(t, err)
		_ = resp.Body.Close()
	}
	get()
	assert.EqualValues(t, 2, g.accepted.Load())
	c.CloseIdleConnections()
	get()
	assert.EqualValues(t, 2, g.accepted.Load(), "the caller's connection is still open")
}

// connectProxy is an HTTP proxy that counts its tunnels.
func connectProxy(t *testing.T) (proxy *url.URL, tunnels *atomic.Int32) {
	t.Helper()
	tunnels = &atomic.Int32{}
	ended := make(chan struct{}, 16)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tunnels.Add(1)
		defer func() { ended <- struct{}{} }()
		gateway, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", r.Host)
		if !assert.NoError(t, err) {
			return
		}
		client, _, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
		forward := func(to, from net.Conn) {
			_, _ = io.Copy(to, from)
			_ = to.Close()
		}
		var back sync.WaitGroup
		back.Go(func() { forward(client, gateway) })
		forward(gateway, client)
		back.Wait()
	}))
	t.Cleanup(func() {
		srv.Close()
		for range tunnels.Load() {
			<-ended
		}
	})
	proxy, err := url.Parse(srv.URL)
	require.NoError(t, err)
	return proxy, tunnels
}

// The copy of the caller's transport uses its proxy, its dial function and its
// certificate.
func TestConnections_CallersSettingsAreUsed(t *testing.T) {
	for want, start := range map[int32]func(*httptest.Server){1: startHTTP2, 3: (*httptest.Server).StartTLS} {
		proxy, tunnels := connectProxy(t)
		g := newCountingServer(t, func(s *httptest.Server) {
			s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13}
			start(s)
		}, respondTokens)
		cfg := g.trusting(t)
		cfg.Certificates = g.TLS.Certificates
		var dials atomic.Int32
		c := g.newClient(t, &http.Transport{
			TLSClientConfig: cfg, ForceAttemptHTTP2: true, Proxy: http.ProxyURL(proxy),
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				dials.Add(1)
				assert.Equal(t, proxy.Host, addr)
				return (&net.Dialer{}).DialContext(ctx, network, addr)
			},
		}, nil)
		refreshTimes(t, c, 3)
		assert.Equal(t, want, tunnels.Load())
		assert.Equal(t, want, dials.Load())
		c.CloseIdleConnections()
	}
}

// A caller that disables keep-alives gets what it asks for.
func TestConnections_DisableKeepAlives(t *testing.T) {
	for _, start := range []func(*httptest.Server){startHTTP2, (*httptest.Server).StartTLS} {
		g := newCountingServer(t, start, respondTokens)
		rt := &http.Transport{TLSClientConfig: g.trusting(t), ForceAttemptHTTP2: true, DisableKeepAlives: true}
		refreshTimes(t, g.newClient(t, rt, nil), 3)
		refreshTimes(t, g.newClient(t, rt, keepHTTP1), 3)
		assert.EqualValues(t, 6, g.accepted.Load())
	}
}

// Other transports get requests with Close.
func TestConnections_OtherTransports(t *testing.T) {
	var closes []bool
	record := roundTripFunc(func(r *http.Request) (*http.Response, error) {
		closes = append(closes, r.Close)
		return respond(200, tokenJSON())(r)
	})
	g := newFrameGateway(t, nil)
	t.Cleanup(g.close)
	registered := &http.Transport{}
	registered.RegisterProtocol("https", record)
	implemented := &http.Transport{
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{
			"h2": func(string, *tls.Conn) http.RoundTripper { return record },
		},
		DialTLSContext: g.dialH2,
	}
	log.SetOutput(io.Discard) // net/http reports that "https" is registered
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	for name, rt := range map[string]http.RoundTripper{"a function": record, "registered": registered, "implemented": implemented} {
		for _, keep := range []bool{false, true} {
			closes = nil
			cfg := testConfig(rt)
			cfg.KeepHTTP1Connections = keep
			c, err := ags.New(cfg)
			require.NoError(t, err)
			refreshTimes(t, c, 2)
			c.CloseIdleConnections()
			assert.Equal(t, []bool{!keep, !keep}, closes, name)
		}
	}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// dialH2 returns a connection that has negotiated HTTP/2.
func (g *frameGateway) dialH2(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := g.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	cfg := g.client.Clone()
	cfg.ServerName, cfg.NextProtos = "127.0.0.1", []string{"h2"}
	client := tls.Client(conn, cfg)
	if err := client.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return client, nil
}

// junkGateway answers one request over HTTP/1.1 and sends a secret after the response.
// closed is closed when the client has closed the connection.
func junkGateway(t *testing.T) (base string, cfg *tls.Config, closed <-chan struct{}) {
	t.Helper()
	authority := faultproxy.NewAuthority(t)
	server := authority.Server(t, faultproxy.Leaf{})
	server.NextProtos = []string{"http/1.1"}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", server)
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		req, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		body := tokenJSON()
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s%s", len(body), body, refreshMark)
		_, _ = io.Copy(io.Discard, conn)
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-ended
	})
	return "https://" + listener.Addr().String(), &tls.Config{RootCAs: authority.Pool(), MinVersion: tls.VersionTLS13}, ended
}

// What follows an HTTP/1.1 response is logged by net/http only if the connection is
// kept.
func TestConnections_NothingIsLoggedOfWhatFollowsAResponse(t *testing.T) {
	for _, keep := range []bool{false, true} {
		logged := &logBuffer{}
		log.SetOutput(logged)
		t.Cleanup(func() { log.SetOutput(os.Stderr) })
		base, cfg, closed := junkGateway(t)
		c, err := ags.New(ags.Config{
			BaseURL: base, AuthServiceID: "s", TenantID: "t", KeepHTTP1Connections: keep,
			HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: cfg, ForceAttemptHTTP2: true}},
		})
		require.NoError(t, err)
		refreshTimes(t, c, 1)
		<-closed
		if keep {
			assert.Contains(t, logged.String(), refreshMark, "the risk that KeepHTTP1Connections documents")
		} else {
			assert.Empty(t, logged.String())
		}
	}
}

// Whatever a gateway sends over HTTP/2, net/http logs no content of it.
func TestConnections_HTTP2LogsNoContent(t *testing.T) {
	logged := &logBuffer{}
	log.SetOutput(logged)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	junk := []byte(refreshMark)
	for name, misbehave := range map[string]func(c *frameConn, stream uint32){
		"data after the end":      func(c *frameConn, stream uint32) { c.write(frameData, 0, stream, junk) },
		"data of no stream":       func(c *frameConn, _ uint32) { c.write(frameData, 0, 99, junk) },
		"data of stream zero":     func(c *frameConn, _ uint32) { c.write(frameData, 0, 0, junk) },
		"an unknown frame":        func(c *frameConn, stream uint32) { c.write(0x42, 0, stream, junk) },
		"headers after the end":   func(c *frameConn, stream uint32) { c.write(frameHeaders, flagEndHeaders, stream, junk) },
		"a GOAWAY with a text":    func(c *frameConn, _ uint32) { c.write(frameGoAway, 0, 0, append(make([]byte, 8), junk...)) },
		"a ping that is too long": func(c *frameConn, _ uint32) { c.write(framePing, 0, 0, junk) },
		"bytes that are no frame": func(c *frameConn, _ uint32) { c.out <- []byte("HTTP/1.1 200 OK\r\n\r\n" + refreshMark) },
	} {
		t.Run(name, func(t *testing.T) {
			g := newFrameGateway(t, func(c *frameConn, stream uint32, n int) {
				if n == 2 { // instead of a response
					misbehave(c, stream)
					c.reset(stream, codeProtocol)
					return
				}
				c.respond(stream, 200, tokenJSON())
				misbehave(c, stream)
			})
			c := g.newClient(t, func(cfg *ags.Config) { cfg.Retry = ags.Retry{Max: 3, Min: time.Millisecond} })
			for range 3 {
				_, err := c.Refresh(t.Context(), testToken())
				assert.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), refreshMark)
			}
			assert.GreaterOrEqual(t, g.received(), 3)
		})
	}
	assert.NotContains(t, logged.String(), refreshMark)
}

// A gateway that is about to end says which requests it does not process. They are sent
// again, also sign-ons.
func TestConnections_UnprocessedIsSentAgain(t *testing.T) {
	for name, refuse := range map[string]func(c *frameConn, stream uint32){
		"a GOAWAY":         func(c *frameConn, stream uint32) { c.goAway(stream - 2) },
		"a refused stream": func(c *frameConn, stream uint32) { c.reset(stream, codeRefused) },
	} {
		for op, call := range allCalls() {
			t.Run(name+", "+op, func(t *testing.T) {
				g := newFrameGateway(t, func(c *frameConn, stream uint32, n int) {
					if n == 2 {
						refuse(c, stream)
						return
					}
					c.respond(stream, 404, `{"errorCode":1}`)
				})
				c := g.newClient(t, nil)
				var e *ags.Error
				for range 2 {
					e = asError(t, call(t.Context(), c))
					assert.Equal(t, http.StatusNotFound, e.Status)
					assert.False(t, e.OutcomeUnknown)
				}
				assert.Equal(t, 3, g.received())
			})
		}
	}
}

// A gateway that refuses everything is not asked without end.
func TestConnections_AlwaysRefused(t *testing.T) {
	g := newFrameGateway(t, func(c *frameConn, stream uint32, _ int) { c.reset(stream, codeRefused) })
	_, err := g.newClient(t, nil).Refresh(t.Context(), testToken())
	require.ErrorIs(t, err, ags.ErrUnavailable)
	assert.False(t, asError(t, err).NotSent)
	assert.Equal(t, 4, g.received())
}

// A reset with PROTOCOL_ERROR does not say that the request was not processed. net/http
// sends such a request again; the client does not. Keeps G4.
func TestConnections_ProtocolErrorIsALostResponse(t *testing.T) {
	for op, call := range allCalls() {
		want := 1
		switch op {
		case "refresh", "sign out":
			want = 2 // a lost response is retried once
		case "discover":
			continue // net/http sends requests without a body again
		}
		t.Run(op, func(t *testing.T) {
			g := newFrameGateway(t, func(c *frameConn, stream uint32, _ int) { c.reset(stream, codeProtocol) })
			c := g.newClient(t, func(cfg *ags.Config) { cfg.Retry = ags.Retry{Max: 3, Min: time.Millisecond} })
			e := asError(t, call(t.Context(), c))
			require.ErrorIs(t, e, ags.ErrUnavailable)
			assert.False(t, e.NotSent)
			assert.Equal(t, want == 2, e.OutcomeUnknown)
			assert.Equal(t, want, g.received())
		})
	}
}

// The refresh of IASv3 has no body. If net/http may have sent it twice, the outcome of
// the first request is not known.
func TestConnections_ResentWithoutABody(t *testing.T) {
	g := newFrameGateway(t, func(c *frameConn, stream uint32, n int) {
		if n == 1 {
			c.reset(stream, codeProtocol)
			return
		}
		c.respond(stream, 401, `{"errorCode":20001,"message":"invalid"}`)
	})
	_, err := g.newClient(t, func(cfg *ags.Config) { cfg.Dialect = ags.IASv3 }).Refresh(t.Context(), testToken())
	require.ErrorIs(t, err, ags.ErrUnauthorized)
	assert.True(t, asError(t, err).OutcomeUnknown)
	assert.Equal(t, 2, g.received())
}

// A gateway restarts.
func TestConnections_ServerRestarts(t *testing.T) {
	g := newFrameGateway(t, func(c *frameConn, stream uint32, _ int) { c.respond(stream, 200, tokenJSON()) })
	c := g.newClient(t, func(cfg *ags.Config) { cfg.Retry = ags.Retry{Max: 1, Min: time.Millisecond} })
	for n := range 5 {
		refreshTimes(t, c, 2)
		conns := g.connections()
		require.Len(t, conns, n+1)
		_ = conns[n].NetConn().Close()
	}
}

// inBubble runs f with a gateway in fake time.
func inBubble(t *testing.T, answer func(c *frameConn, stream uint32, n int), change func(*ags.Config), f func(t *testing.T, g *frameGateway, c *ags.Client)) {
	t.Helper()
	g := newFrameGateway(t, answer)
	synctest.Test(t, func(t *testing.T) { f(t, g, g.newClient(t, change)) })
}

func respondAll(c *frameConn, stream uint32, _ int) { c.respond(stream, 200, tokenJSON()) }

// waitUntilClosed returns how long the client keeps the connection open.
func (c *frameConn) waitUntilClosed() time.Duration {
	start := time.Now()
	<-c.closed
	return time.Since(start)
}

func TestConnections_IdleTimeout(t *testing.T) {
	inBubble(t, respondAll, nil, func(t *testing.T, g *frameGateway, c *ags.Client) {
		refreshTimes(t, c, 1)
		time.Sleep(89 * time.Second)
		refreshTimes(t, c, 1)
		require.Len(t, g.connections(), 1)
		assert.Equal(t, 90*time.Second, g.connections()[0].waitUntilClosed())
		time.Sleep(time.Hour)
		refreshTimes(t, c, 1)
		assert.Len(t, g.connections(), 2)
	})
}

// A connection dies while it is idle, without a sign of it.
func TestConnections_DiesWhileIdle(t *testing.T) {
	inBubble(t, respondAll, nil, func(t *testing.T, g *frameGateway, c *ags.Client) {
		refreshTimes(t, c, 1)
		g.connections()[0].goSilent()
		assert.Equal(t, 9*time.Second, g.connections()[0].waitUntilClosed())
		start := time.Now()
		refreshTimes(t, c, 1)
		assert.Zero(t, time.Since(start))
		assert.Len(t, g.connections(), 2)
	})
}

// A request is written before the death is noticed. It is retried as a lost one.
func TestConnections_DiesUnderACall(t *testing.T) {
	again := func(cfg *ags.Config) { cfg.Retry = ags.Retry{Max: 1} }
	inBubble(t, respondAll, again, func(t *testing.T, g *frameGateway, c *ags.Client) {
		refreshTimes(t, c, 1)
		g.connections()[0].goSilent()
		time.Sleep(time.Second)
		start := time.Now()
		refreshTimes(t, c, 1)
		assert.Equal(t, 8*time.Second, time.Since(start))
		assert.Len(t, g.connections(), 2)
	})
	inBubble(t, respondAll, again, func(t *testing.T, g *frameGateway, c *ags.Client) {
		refreshTimes(t, c, 1)
		g.connections()[0].goSilent()
		_, err := c.SignOn(t.Context(), signOnRequest())
		require.ErrorIs(t, err, ags.ErrUnavailable)
		assert.False(t, asError(t, err).NotSent)
		assert.Len(t, g.connections(), 1)
	})
}

// One call exceeds its timeout. The connection is kept for the others.
func TestConnections_TimeoutOfACall(t *testing.T) {
	answer := func(c *frameConn, stream uint32, n int) {
		if n != 2 {
			c.respond(stream, 200, tokenJSON())
		}
	}
	inBubble(t, answer, nil, func(t *testing.T, g *frameGateway, c *ags.Client) {
		refreshTimes(t, c, 1)
		start := time.Now()
		_, err := c.Refresh(t.Context(), testToken())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.False(t, asError(t, err).NotSent)
		assert.Equal(t, 30*time.Second, time.Since(start))
		refreshTimes(t, c, 2)
		assert.Len(t, g.connections(), 1)
	})
}

func TestConnections_CloseIdle(t *testing.T) {
	inBubble(t, respondAll, nil, func(t *testing.T, g *frameGateway, c *ags.Client) {
		c.CloseIdleConnections()
		refreshTimes(t, c, 1)
		c.CloseIdleConnections()
		assert.Zero(t, g.connections()[0].waitUntilClosed())
		refreshTimes(t, c, 1)
		assert.Len(t, g.connections(), 2)
	})
}
