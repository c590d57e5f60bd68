// Package transport puts access tokens into HTTP requests: a [Transport] is an
// [http.RoundTripper] that asks an [oauth2.TokenSource] for a token, sends the
// request with it, and, when the answer says that the token was rejected, gets
// another and sends the request once more.
//
//	client := &http.Client{Transport: &transport.Transport{Source: source}}
//	resp, err := client.Get("https://api.example.com/v1/profile")
//
// # Where the token goes
//
// It goes to the host that the request names, or to those of AllowHosts, and
// nowhere else: not along a redirect to a stranger, and not over plain HTTP,
// except to this machine. A request that already has an Authorization header is
// its caller's own affair, and is passed on as it is.
//
// # What a rejection is
//
// A 401; and a 403 whose JSON body has one of the codes (99999:403, 1024, 1025)
// by which the platform says that the token, and not the request, is at fault.
// Any other 403 is a refusal that no other token would change, and goes to the
// caller. The source is told which token was rejected. Only if it then has
// another is the request repeated, once: an API that rejects every token costs
// two requests, and the second answer goes to the caller whatever it says.
//
// # What the source may be
//
// Any oauth2.TokenSource will do. One that also has
//
//	TokenContext(ctx context.Context) (*oauth2.Token, error)
//	Invalidate(accessToken string)
//
// is asked by the first under the request's context, so that who waits for a
// token waits no longer than for the request, and is told by the second of a
// token that was rejected.
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

// Transport is an [http.RoundTripper] that adds an Authorization header with a
// token of Source. Only Source is needed, there is no constructor, and the zero
// value of every other field is the careful choice. The fields are not to be
// changed, nor the Transport copied, once it is in use; it is safe for
// concurrent use as long as Source and Base are.
type Transport struct {
	// Source gives the tokens. Without one every request fails.
	Source oauth2.TokenSource

	// Base sends the requests. Nil means [http.DefaultTransport]; but a Transport that
	// is installed as that, itself or within another RoundTripper, sends its requests
	// through a transport of its own with the usual settings.
	Base http.RoundTripper

	// AllowHosts names the hosts that get the token. With none, it goes to the
	// origin (scheme, host and port) of each request that a caller makes, and
	// along its redirects only while they stay there; so name the hosts if
	// callers follow addresses that others gave them.
	//
	// An entry is a host name or an IP address, in any case of letters, with a
	// port or without: "api.example.com" is that host on any port,
	// "api.example.com:8443" on that one alone, "[::1]:8080" an IPv6 address with
	// a port. ".example.com" is every name below example.com, but not
	// example.com itself. A name that is not ASCII is compared as it is written. An
	// entry of another form, such as a URL, is no host's.
	//
	// A request to a host that is not named is sent without a token. So is a
	// redirected one, unless all requests on the way to it were to hosts that are
	// named or to the first one's origin, none of them over plain HTTP that is not
	// allowed, or with an Authorization of the caller's.
	AllowHosts []string

	// AllowInsecure lets the token go over plain HTTP to hosts other than this
	// machine. Without it a request that would take it there is an error. Even
	// with it no redirect takes it from HTTPS to plain HTTP.
	AllowInsecure bool

	// Header is sent along wherever the token is, and nowhere else. A caller's
	// own header of the same name wins. An Authorization in it is ignored.
	Header http.Header

	// LegacyRejections is for operators whose APIs reject a token with the usual
	// body, but with the status 200: an answer with that status, a JSON body of a
	// known length of at most 4 KiB, and in it the resultCode of a rejected token,
	// is then a rejection too. A compressed answer has no known length.
	LegacyRejections bool

	// IsRejection, if given, decides in place of all other rules whether an
	// answer rejects the token that the request was sent with. It is asked about
	// the first answer to such a request, whatever it is but 101, and by many
	// goroutines at once. It may read the Body, of which it sees the first 4 KiB at
	// most and which it need not close: the caller gets all of it. Reading waits
	// for the API, until the request's context ends. It must neither change the
	// response nor keep it.
	IsRejection func(*http.Response) bool

	own     atomic.Pointer[http.Transport] // in the place of a default that leads back here
	closing atomic.Bool                    // CloseIdleConnections is running

	// cached is the credential used last: its header value is made once a token.
	cached atomic.Pointer[credential]
}

// String returns the names of the header fields, and nothing of their values.
func (t *Transport) String() string {
	return fmt.Sprintf("transport.Transport{AllowHosts: %q, Header: %q}", t.AllowHosts, slices.Sorted(maps.Keys(t.Header)))
}

// GoString returns what String does.
func (t *Transport) GoString() string { return t.String() }

// Format writes what String returns, whatever the verb.
func (t *Transport) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// RoundTrip sends req with a token, and once more with another if the first is
// rejected and req's body, if it has one, can be had again by GetBody. The first
// answer, as it came, is returned when the source has no other token.
//
// It waits for the source, for Base, for the beginning of the body of a 403 that
// may be a rejection, and up to 250 ms for the body of one that is. The end of req's
// context ends the waiting, except for a source without TokenContext. The error
// is then the context's cause. An error of the source's is wrapped, one of Base's
// returned as it is; none of ours has a token in it.
//
// req is not modified, its body is always closed, once, and the Request of the
// response is req itself, without our headers. A request that no token goes with
// is handed to Base as it is.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	handedOver := false
	defer func() {
		if !handedOver && req.Body != nil {
			_ = req.Body.Close()
		}
	}()
	if t.Source == nil {
		return nil, errors.New("transport: Source is nil")
	}
	if req.URL == nil {
		return nil, errors.New("transport: the request has no URL")
	}
	out, err := t.prepare(req)
	if err != nil {
		return nil, err
	}
	if out == nil {
		handedOver = true
		return t.pass(req)
	}
	cred, err := t.credential(req.Context())
	if err != nil {
		return nil, err
	}
	handedOver = true
	resp, err := t.send(req, out, req.Body, cred)
	if err != nil || resp == nil {
		return resp, err
	}
	rejected, cut := t.rejected(resp)
	switch {
	case rejected:
		return t.replay(req, resp, out, cred)
	case cut && req.Context().Err() != nil:
		_ = resp.Body.Close()
		return nil, context.Cause(req.Context())
	default:
		return resp, nil
	}
}

// CloseIdleConnections closes those of Base, if it can; it is what
// [http.Client.CloseIdleConnections] calls.
func (t *Transport) CloseIdleConnections() {
	if own := t.own.Load(); own != nil {
		own.CloseIdleConnections()
	}
	if t.closing.Swap(true) {
		return // called by the default that this Transport is a part of
	}
	defer t.closing.Store(false)
	if base, ok := t.base().(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// pass sends the caller's request as it is. Its body is closed even if the base panics.
func (t *Transport) pass(req *http.Request) (*http.Response, error) {
	returned := false
	defer func() {
		if !returned && req.Body != nil {
			_ = req.Body.Close()
		}
	}()
	resp, err := t.roundTrip(req)
	returned = true
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}
