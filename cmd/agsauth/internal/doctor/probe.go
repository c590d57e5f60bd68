package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// answer is the gateway's answer to a request without any secret.
type answer struct {
	// err is set if there was no answer.
	err error
	// connected reports whether there was a connection.
	connected bool
	// date is the header field.
	date string
	// sent and received are by our clock.
	sent, received time.Time
	// chain are the certificates of the gateway. They are not verified.
	chain []*x509.Certificate
}

// probe sends a request to the base URL of the gateway. It accepts any certificate, so
// that the certificate can be judged, and the clock even if the certificate is not valid.
// The request has no secret and no header field of the profile.
func probe(ctx context.Context, e *examination) (a answer) {
	r, err := e.route()
	if err != nil {
		return answer{err: err}
	}
	transport := unverified(e.Transport)
	defer transport.CloseIdleConnections()
	ctx, read := traced(ctx, e)
	rq, err := http.NewRequestWithContext(ctx, http.MethodGet, r.gateway.String(), http.NoBody)
	if err != nil {
		return answer{err: errNoRoute}
	}
	// Redirects are not followed.
	response, err := transport.RoundTrip(rq)
	a = read()
	if err != nil {
		a.err = err
		return a
	}
	defer response.Body.Close()
	a.date = response.Header.Get("Date")
	if response.TLS != nil {
		a.chain = response.TLS.PeerCertificates
	}
	return a
}

// traced returns a context whose request notes times. read returns what was noted.
func traced(ctx context.Context, e *examination) (traced context.Context, read func() answer) {
	var mu sync.Mutex
	var a answer
	note := func(change func()) {
		mu.Lock()
		defer mu.Unlock()
		change()
	}
	traced = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		ConnectDone: func(_, _ string, err error) { note(func() { a.connected = a.connected || err == nil }) },
		// The TLS handshake may fail, but the certificates are known then.
		TLSHandshakeDone: func(state tls.ConnectionState, _ error) { note(func() { a.chain = state.PeerCertificates }) },
		WroteRequest:     func(httptrace.WroteRequestInfo) { note(func() { a.sent = e.Clock.Now() }) },
		GotFirstResponseByte: func() {
			note(func() { a.received = e.Clock.Now() })
		},
	})
	return traced, func() (read answer) {
		note(func() { read = a })
		return read
	}
}

// unverified returns a copy of a transport that accepts any certificate.
func unverified(transport *http.Transport) *http.Transport {
	transport = transport.Clone()
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	transport.TLSClientConfig.InsecureSkipVerify = true
	transport.DisableKeepAlives = true
	return transport
}

// noAnswer returns the result of checks that need an answer if there is none.
func noAnswer(a answer) Result {
	if errors.Is(a.err, errNoRoute) || errors.Is(a.err, errProxy) {
		return skipped("%v", a.err)
	}
	return skipped("the gateway does not answer")
}

// isTLSError reports whether a connection failed because the two ends did not agree on
// TLS.
func isTLSError(err error) bool {
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var op *net.OpError
	return errors.As(err, &record) || errors.As(err, &alert) ||
		errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error")
}
