package transport

import "net/http"

// base returns what sends the requests. It is the one place that falls back on
// something the caller did not give.
func (t *Transport) base() http.RoundTripper {
	if t.Base != nil {
		return t.Base
	}
	return http.DefaultTransport
}
