package transport

import (
	"context"
	"net"
	"net/http"
	"time"
)

// base returns what sends the requests. It is the one place that falls back on
// something the caller did not give.
func (t *Transport) base() http.RoundTripper {
	switch {
	case t.Base != nil:
		return t.Base
	case http.DefaultTransport == http.RoundTripper(t):
		return t.ownTransport()
	default:
		return http.DefaultTransport
	}
}

// enteredKey marks the context of a request that a Transport without a Base has handed
// to the default.
type enteredKey struct{ transport *Transport }

// roundTrip sends a request through the base. A default that is not net/http's own may
// lead back to this Transport: its request is marked, and one that comes back goes to
// a transport of our own.
func (t *Transport) roundTrip(req *http.Request) (*http.Response, error) {
	base := t.base()
	if _, usual := base.(*http.Transport); usual || t.Base != nil {
		return base.RoundTrip(req)
	}
	if t.entered(req) {
		return t.ownTransport().RoundTrip(req)
	}
	resp, err := base.RoundTrip(req.WithContext(context.WithValue(req.Context(), enteredKey{t}, true)))
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}

// entered reports whether a request comes back from the default that it was handed to.
func (t *Transport) entered(req *http.Request) bool {
	return t.Base == nil && req.Context().Value(enteredKey{t}) != nil
}

// ownTransport returns a transport with the settings of net/http's default.
func (t *Transport) ownTransport() *http.Transport {
	if own := t.own.Load(); own != nil {
		return own
	}
	t.own.CompareAndSwap(nil, &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          100,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	})
	return t.own.Load()
}
