package proxy

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// NewTransport returns a transport for the upstream. It keeps a connection for each of many
// clients, and leaves the encoding of responses as it is. The configuration may be nil.
func NewTransport(config *tls.Config) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       config,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true,
		MaxIdleConnsPerHost:   1024,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// clearGRPC is a base for an upstream in clear text: gRPC needs HTTP/2 there, which nothing
// announces without TLS.
type clearGRPC struct {
	*http.Transport

	grpc *http.Transport
}

// withClearGRPC returns a base for the upstream that sends gRPC in clear text too, if that
// is needed.
func withClearGRPC(base http.RoundTripper, upstream *url.URL) http.RoundTripper {
	standard, ok := base.(*http.Transport)
	if !ok || upstream.Scheme != "http" {
		return base
	}
	grpc := standard.Clone()
	grpc.Protocols = new(http.Protocols)
	grpc.Protocols.SetUnencryptedHTTP2(true)
	return &clearGRPC{standard, grpc}
}

// RoundTrip implements [http.RoundTripper]. The protocol of a request is that of the client.
func (c *clearGRPC) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.ProtoMajor == 2 && isGRPC(req) {
		return c.grpc.RoundTrip(req)
	}
	return c.Transport.RoundTrip(req)
}

// CloseIdleConnections closes those of both.
func (c *clearGRPC) CloseIdleConnections() {
	c.Transport.CloseIdleConnections()
	c.grpc.CloseIdleConnections()
}

// isGRPC reports whether a request is a gRPC call. gRPC-Web is not: it needs no HTTP/2.
func isGRPC(req *http.Request) bool {
	kind, isGRPC := strings.CutPrefix(req.Header.Get("Content-Type"), "application/grpc")
	return isGRPC && (kind == "" || kind[0] == '+' || kind[0] == ';')
}
