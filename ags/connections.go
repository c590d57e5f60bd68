package ags

import (
	"net/http"
	"strings"
	"time"
)

// Limits of a kept connection, unless the caller's transport sets its own.
const (
	idleConnTimeout = 90 * time.Second
	// A connection on which nothing is received for sendPingTimeout is sent a ping,
	// and is closed if pingTimeout passes without an answer. Together they are shorter
	// than the 10 seconds that a tokensource.Source waits for the first response to a
	// refresh, so that a refresh on a dead connection is retried in time.
	sendPingTimeout = 5 * time.Second
	pingTimeout     = 4 * time.Second
)

// maxResends bounds how often an attempt is sent again because the gateway did not
// process it.
const maxResends = 3

// connections sends requests and decides which connections are kept.
//
// net/http writes data that follows a response on an idle HTTP/1.1 connection to the
// standard log, and that may be tokens. HTTP/2 frames everything by stream, and
// net/http logs no content of a frame (unless GODEBUG has http2debug). So HTTP/2
// connections are kept, and those of HTTP/1.1 on request only.
type connections struct {
	transport http.RoundTripper
	// own is transport, if no one else uses it. It keeps HTTP/2 connections, and those
	// of HTTP/1.1 if keepHTTP1 is set.
	own       *http.Transport
	keepHTTP1 bool
}

// newConnections returns connections with the transport of c, or with a new one if it
// has none.
func newConnections(c *http.Client, keepHTTP1 bool) connections {
	if c == nil || c.Transport == nil {
		return ownConnections(&http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         newDialer().DialContext,
			ForceAttemptHTTP2:   true,
			TLSHandshakeTimeout: 10 * time.Second,
			MaxIdleConns:        8, // one host
			MaxIdleConnsPerHost: 8,
		}, keepHTTP1)
	}
	if t, ok := c.Transport.(*http.Transport); ok {
		if clone := cloneHTTP2(t); clone != nil {
			return ownConnections(clone, keepHTTP1)
		}
	}
	return connections{transport: c.Transport, keepHTTP1: keepHTTP1}
}

// cloneHTTP2 returns a copy of t if t uses net/http's HTTP/2, and nil otherwise.
//
// A copy would lack what was added by [http.Transport.RegisterProtocol], and would
// share the connections of an HTTP/2 implementation in TLSNextProto. Clone configures
// HTTP/2, as the first request would; it then adds TLSNextProto["h2"] to t but, if it
// was nil before, not to the copy. net/http leaves it nil if HTTP/2 is disabled or if
// "https" is registered already.
func cloneHTTP2(t *http.Transport) *http.Transport {
	clone := t.Clone()
	if clone.TLSNextProto != nil || t.TLSNextProto["h2"] == nil {
		return nil
	}
	// HTTP/2 was the default. It is not with the TLSClientConfig that Clone has set.
	clone.ForceAttemptHTTP2 = true
	return clone
}

// ownConnections returns connections with t, which it may change.
func ownConnections(t *http.Transport, keepHTTP1 bool) connections {
	if !keepHTTP1 {
		// A negative value closes an HTTP/1.1 connection after its first response.
		// HTTP/2 connections are not in this pool. Request.Close and DisableKeepAlives
		// would close them too.
		t.MaxIdleConnsPerHost = -1
	}
	if t.IdleConnTimeout == 0 {
		t.IdleConnTimeout = idleConnTimeout
	}
	if t.HTTP2 == nil {
		t.HTTP2 = &http.HTTP2Config{}
	}
	if t.HTTP2.SendPingTimeout == 0 {
		t.HTTP2.SendPingTimeout, t.HTTP2.PingTimeout = sendPingTimeout, pingTimeout
	}
	return connections{transport: t, own: t, keepHTTP1: keepHTTP1}
}

// RoundTrip sends a request, which it may change.
func (c connections) RoundTrip(req *http.Request) (*http.Response, error) {
	if c.own == nil {
		req.Close = !c.keepHTTP1
		return c.transport.RoundTrip(req)
	}
	return c.roundTripOwn(req)
}

// roundTripOwn sends a request with the own transport. If the gateway says that it did
// not process the request, roundTripOwn sends it again.
//
// net/http would do that too, but would also send it again after a reset of the stream
// with PROTOCOL_ERROR, which does not say that. Without GetBody it does not send a
// request twice whose body it has read. It does if there is no body: see
// [sendTrace.mayHaveResent].
func (c connections) roundTripOwn(req *http.Request) (*http.Response, error) {
	getBody := req.GetBody
	if req.Body == nil || getBody == nil {
		return c.own.RoundTrip(req)
	}
	for resends := 0; ; resends++ {
		req.GetBody = nil
		resp, err := c.own.RoundTrip(req)
		if err == nil || resends == maxResends || !isUnprocessed(err) {
			return resp, err
		}
		body, bodyErr := getBody()
		if bodyErr != nil {
			return nil, err
		}
		req = req.WithContext(req.Context())
		req.Body = body
	}
}

// isUnprocessed reports whether err says that the gateway did not process a request
// (RFC 9113, section 8.7): it reset the stream with REFUSED_STREAM, or a GOAWAY does
// not include it. The types of these errors are not exported, and net/http wraps their
// texts.
func isUnprocessed(err error) bool {
	text, ok := strings.CutPrefix(err.Error(), "http2: Transport: cannot retry err [")
	if !ok {
		return false
	}
	return strings.HasPrefix(text, "http2: Transport received Server's graceful shutdown GOAWAY]") ||
		strings.HasPrefix(text, "stream error: ") && strings.Contains(text, "; REFUSED_STREAM; received from peer]")
}

// closeIdle closes the idle connections of the own transport.
func (c connections) closeIdle() {
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}
