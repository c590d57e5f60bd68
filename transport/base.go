package transport

import (
	"context"
	"net"
	"net/http"
	"time"
)

// base returns Base or its default.
func (t *Transport) base() http.RoundTripper {
	switch {
	case t.Base != nil:
		return t.Base
	case http.DefaultTransport == http.RoundTripper(t):
		return t.fallbackTransport()
	default:
		return http.DefaultTransport
	}
}

// sendingKey is the context key of a request that transport sends through
// http.DefaultTransport.
type sendingKey struct{ transport *Transport }

// roundTrip sends a request through the base. If Base is nil, http.DefaultTransport
// may wrap t. The request is then marked, and if it comes back to t, it is sent
// through the fallback transport.
func (t *Transport) roundTrip(req *http.Request) (*http.Response, error) {
	base := t.base()
	if _, isStandard := base.(*http.Transport); isStandard || t.Base != nil {
		return base.RoundTrip(req)
	}
	if req.Context().Value(sendingKey{t}) != nil {
		return t.fallbackTransport().RoundTrip(req)
	}
	return base.RoundTrip(req.WithContext(context.WithValue(req.Context(), sendingKey{t}, true)))
}

// fallbackTransport returns a transport with the settings of net/http's default.
func (t *Transport) fallbackTransport() *http.Transport {
	if fallback := t.fallback.Load(); fallback != nil {
		return fallback
	}
	t.fallback.CompareAndSwap(nil, &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          100,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	})
	return t.fallback.Load()
}
