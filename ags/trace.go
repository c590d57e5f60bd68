package ags

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptrace"
	"sync/atomic"
)

// sendTrace records whether the request of an attempt may have been written.
type sendTrace struct {
	requested atomic.Bool  // the transport asked for a connection
	connected atomic.Bool  // the transport got one
	gotConns  atomic.Int32 // how many it got
}

// withHooks returns a context with which a request reports to t.
func (t *sendTrace) withHooks(ctx context.Context) context.Context {
	connected := func() { t.connected.Store(true) }
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:              func(string) { t.requested.Store(true) },
		GotConn:              func(httptrace.GotConnInfo) { connected(); t.gotConns.Add(1) },
		WroteHeaders:         connected,
		WroteRequest:         func(httptrace.WroteRequestInfo) { connected() },
		GotFirstResponseByte: connected,
	})
}

// mayHaveSent reports whether any of the request may have been written. err is the
// error of the attempt.
//
// A wrong false does harm, so a request with a connection counts as written:
// HTTP/2 reports a write only after a cancelled call has returned, and a transport
// with retries of its own may have written on an earlier connection. A transport
// without trace hooks is believed only if its error is one of [isConnectError].
func (t *sendTrace) mayHaveSent(err error) bool {
	if t.connected.Load() {
		return true
	}
	return !t.requested.Load() && !isConnectError(err)
}

// mayHaveResent reports whether the transport may have sent the request more than
// once. net/http sends a request again only if it was not processed, with one
// exception: a request without a body whose stream was reset with PROTOCOL_ERROR.
func (t *sendTrace) mayHaveResent() bool { return t.gotConns.Load() > 1 }

// isConnectError reports whether err comes from resolving the host, connecting to
// it or verifying its certificate.
func isConnectError(err error) bool {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "dial" || op.Op == "proxyconnect")
}
