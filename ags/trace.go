package ags

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptrace"
	"sync/atomic"
)

// sighting is what was seen of one attempt's way to the wire.
type sighting struct {
	asked atomic.Bool // a connection was asked for
	given atomic.Bool // one was given, or more than that happened
}

// watch returns a context that tells the sighting how far the request gets.
func (s *sighting) watch(ctx context.Context) context.Context {
	given := func() { s.given.Store(true) }
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:              func(string) { s.asked.Store(true) },
		GotConn:              func(httptrace.GotConnInfo) { given() },
		WroteHeaders:         given,
		WroteRequest:         func(httptrace.WroteRequestInfo) { given() },
		GotFirstResponseByte: given,
	})
}

// maybeSent reports whether any of the request may have been written, err being
// what the attempt failed with.
//
// To say no wrongly is what does harm, so a connection that was given counts as
// written to: HTTP/2 reports what it wrote only afterwards, when a cancelled call
// has long returned, and a transport that tries again by itself may have written
// the first time. A transport that does not report at all has to give an error
// that can only come before a request is written.
func (s *sighting) maybeSent(err error) bool {
	if s.given.Load() {
		return true
	}
	return !s.asked.Load() && !neverConnected(err)
}

// neverConnected reports whether err is of finding the host, of connecting to it,
// or of not trusting it.
func neverConnected(err error) bool {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "dial" || op.Op == "proxyconnect")
}
