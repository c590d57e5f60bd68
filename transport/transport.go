// Package transport adds access tokens to HTTP requests. A [Transport] is an
// [http.RoundTripper] that gets a token from an [oauth2.TokenSource] and sends each
// request with it. If the response rejects the token, it gets another one and sends
// the request once more.
//
//	client := &http.Client{Transport: &transport.Transport{Source: source}}
//	resp, err := client.Get("https://api.example.com/v1/profile")
//
// # Where the token goes
//
// The token is sent to the host of the request, or to those of AllowHosts, and
// nowhere else: not to another host of a redirect, and not over plain HTTP, except
// to this machine. A request that already has an Authorization header is sent
// unchanged.
//
// # What a rejection is
//
// A rejection is a 401, or a 403 whose JSON body has one of the codes 99999:403,
// 1024 and 1025, with which the OpenTV Platform says that the token is not valid.
// Any other 403 refuses the request itself and goes to the caller, because no other
// token would help. The Transport reports the rejected token to the source. Only if
// the source then has another one is the request sent again, once: an API that
// rejects every token costs two requests, and the caller gets the second response,
// whatever it is.
//
// # The source
//
// Any oauth2.TokenSource can be used. Three optional methods improve it:
//
//	TokenContext(ctx context.Context) (*oauth2.Token, error)
//	Invalidate(accessToken string)
//	InvalidateContext(ctx context.Context, accessToken string)
//
// TokenContext is called instead of Token with the request's context, so that a
// request waits for a token no longer than its context allows. Invalidate is called
// with a token that was rejected; it must ignore one that is no longer current.
//
// InvalidateContext is called instead of Invalidate, with the request's context. It is
// for a source whose TokenContext returns the token of the user that it finds in the
// context, so that one Transport serves many users. The context may have ended.
package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync/atomic"

	"golang.org/x/oauth2"
)

// Transport is an [http.RoundTripper] that sends requests with a token of Source in
// the Authorization header. Only Source is required; the zero value of every other
// field is the safe choice. Do not change the fields or copy the Transport after
// first use. It is safe for concurrent use if Source and Base are.
type Transport struct {
	// Source provides the tokens. If it is nil, every request fails.
	Source oauth2.TokenSource

	// Base sends the requests. Nil means [http.DefaultTransport]. If that is this
	// Transport, or wraps it, requests are sent through a new transport with the
	// usual settings.
	Base http.RoundTripper

	// AllowHosts lists the hosts that get the token. If it is empty, the token goes
	// to the origin (scheme, host and port) of each request, and follows redirects
	// within that origin only. List the hosts if callers request URLs that they
	// received from others.
	//
	// An entry is a host name or an IP address with an optional port:
	// "api.example.com" is that host on any port, "api.example.com:8443" on that
	// port only, "[::1]:8080" an IPv6 address with a port. ".example.com" is every
	// name below example.com, but not example.com itself. ASCII letters match in
	// any case; other characters must be equal. An entry of another form, such as a
	// URL, matches no host.
	//
	// A request to any other host is sent without a token. A redirected request
	// gets a token only if every request that led to it went to a listed host or
	// to the origin of the first request, and none of those used plain HTTP that
	// is not allowed or had an Authorization of the caller.
	AllowHosts []string

	// AllowInsecure allows the token over plain HTTP to hosts other than this
	// machine. If it is false, a request that would take a token over plain HTTP
	// to another machine fails. A redirect never takes the token from HTTPS to
	// plain HTTP.
	AllowInsecure bool

	// Header is sent with every request that gets a token. Fields that a request
	// already has are not replaced. An Authorization in it is ignored.
	Header http.Header

	// RequestHeader, if not nil, returns further fields for a request that gets a
	// token, for example a correlation identifier from its context. It is called each
	// time the request is sent, may be called concurrently, and must not modify the
	// request. They replace those of Header, but not those that the request already
	// has. An Authorization in it is ignored.
	RequestHeader func(*http.Request) http.Header

	// LegacyRejections is for operators whose APIs reject a token with the usual
	// body but with status 200. A 200 is then a rejection too, if it has a JSON
	// body of a known length of at most 4 KiB with the resultCode of a rejected
	// token. A response that net/http has decompressed has no known length.
	LegacyRejections bool

	// IsRejection, if not nil, replaces all other rules. It reports whether a
	// response rejects the token of its request. It is called for the first
	// response to each request with a token, unless its status is 101, and may be
	// called concurrently. It may read the Body, which is limited to 4 KiB and need
	// not be closed; the caller still gets all of it. A read may block until the
	// request's context ends. IsRejection must not modify the response or keep it.
	// [RejectionGRPC] and [RejectionGraphQL] are for APIs that reject a token with
	// status 200.
	IsRejection func(*http.Response) bool

	fallback atomic.Pointer[http.Transport] // see fallbackTransport
	closing  atomic.Bool                    // CloseIdleConnections is running
	cached   atomic.Pointer[credential]     // the last one; saves making its header value again
}

// RoundTrip sends req with a token. If the response rejects the token, the source
// has another one, and the body of req, if any, can be read again with GetBody, it
// sends req once more and returns the second response. Otherwise it returns the
// first response unchanged.
//
// RoundTrip waits for the source, for Base, for the beginning of the body of a 403
// that may be a rejection, and up to 250 ms for the body of a rejection. If the
// context of req ends, RoundTrip stops waiting and returns the context's cause. It
// cannot interrupt a source that has no TokenContext method. Errors of the source
// are wrapped, and those of Base returned unchanged. No error of this package
// contains a token.
//
// RoundTrip does not modify req and closes its body exactly once. The Request of
// the response is req itself. A request that gets no token is passed to Base
// itself.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := false
	defer func() {
		if !sent && req.Body != nil {
			_ = req.Body.Close()
		}
	}()
	if t.Source == nil {
		return nil, errors.New("transport: Source is nil")
	}
	if req.URL == nil {
		return nil, errors.New("transport: the request has no URL")
	}
	clone, err := t.cloneForToken(req)
	if err != nil {
		return nil, err
	}
	if clone == nil {
		sent = true
		return t.send(req, req)
	}
	cred, err := t.credential(req.Context())
	if err != nil {
		return nil, err
	}
	sent = true
	resp, err := t.sendClone(req, clone, req.Body, cred)
	if err != nil || resp == nil {
		return resp, err
	}
	rejected, readFailed := t.isRejected(resp)
	switch {
	case rejected:
		return t.replay(req, resp, clone, cred)
	case readFailed && req.Context().Err() != nil:
		_ = resp.Body.Close()
		return nil, context.Cause(req.Context())
	default:
		return resp, nil
	}
}

// CloseIdleConnections closes the idle connections of Base, if it supports that.
// [http.Client.CloseIdleConnections] calls it.
func (t *Transport) CloseIdleConnections() {
	if fallback := t.fallback.Load(); fallback != nil {
		fallback.CloseIdleConnections()
	}
	if t.closing.Swap(true) {
		return // called by an http.DefaultTransport that wraps t
	}
	defer t.closing.Store(false)
	if base, ok := t.base().(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// WrappedRoundTripper returns Base or its default. Libraries that look for the
// connection settings of the innermost transport call it, such as DialerFor and
// TLSClientConfig of k8s.io/apimachinery.
func (t *Transport) WrappedRoundTripper() http.RoundTripper { return t.base() }

// String returns AllowHosts and the names of the header fields.
func (t *Transport) String() string {
	return fmt.Sprintf("transport.Transport{AllowHosts: %q, Header: %q}", t.AllowHosts, slices.Sorted(maps.Keys(t.Header)))
}

// GoString returns the same text as String.
func (t *Transport) GoString() string { return t.String() }

// Format writes the text of String for every verb.
func (t *Transport) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }
