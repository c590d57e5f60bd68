package transport

import (
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
)

const authorization = "Authorization"

// outgoing is our own copy of a caller's request, with all that must not be
// shared with it, in one allocation: whoever is below may do with it what it
// likes, and the caller's request stays as it is. The Trailer alone is shared,
// because its values are set while the body is read.
type outgoing struct {
	req    http.Request
	url    url.URL
	values [8]string // backs the header's values, if they fit; the first is our Authorization
	body   guardedBody
}

// prepare copies a request that a token may be put into. It returns nil for one
// that is to be passed on as it is.
func (t *Transport) prepare(req *http.Request) (*outgoing, error) {
	carries, err := t.mayCarry(req)
	if !carries && err == nil {
		return nil, nil
	}
	// The header is searched for the caller's own Authorization, in whatever
	// spelling, while it is copied: to go through a map is what costs most here.
	out := &outgoing{req: *req, url: *req.URL}
	out.req.URL = &out.url
	if own := out.copyHeader(req.Header, t.Header); own {
		return nil, nil
	}
	return out, err
}

// copyHeader makes a deep copy of the caller's header, with those of extra that it
// does not have, and leaves room for an Authorization. No two values share room to
// grow into. It reports whether the caller has an Authorization.
func (o *outgoing) copyHeader(caller, extra http.Header) (own bool) {
	room := o.values[1:]
	header := make(http.Header, 1+len(caller)+len(extra))
	for name, vv := range caller {
		if isAuthorization(name) {
			return true
		}
		header[name], room = copyValues(vv, room)
	}
	if len(extra) == 0 {
		o.req.Header = header
		return false
	}
	for name, vv := range extra {
		if !isAuthorization(name) && !has(caller, name) {
			header[name], room = copyValues(vv, room)
		}
	}
	o.req.Header = header
	return false
}

// copyValues copies a header's values into room, or, where that is too little, into
// more of it, and returns what is left.
func copyValues(vv, room []string) (copied, left []string) {
	n := len(vv)
	if vv == nil {
		return nil, room // not the same as none to all who look
	}
	if n > len(room) {
		room = make([]string, max(n, len(outgoing{}.values)))
	}
	if n == 1 { // as almost always
		room[0] = vv[0]
	} else {
		copy(room, vv)
	}
	return room[:n:n], room[n:]
}

func isAuthorization(name string) bool {
	return len(name) == len(authorization) && strings.EqualFold(name, authorization)
}

// send sends the copy of req with the credential and the given body, which is
// closed, once, even when the base panics.
func (t *Transport) send(req *http.Request, out *outgoing, body io.ReadCloser, cred *credential) (*http.Response, error) {
	out.values[0] = cred.value
	out.req.Header[authorization] = out.values[:1:1]
	out.req.Body = body
	returned := false
	if body != nil && !closesNothing(body) {
		out.body.ReadCloser = body
		out.req.Body = &out.body
		defer func() {
			if !returned {
				_ = out.body.Close()
			}
		}()
	}
	resp, err := t.base().RoundTrip(&out.req)
	returned = true
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}

// has reports whether there is a header of that name, however it is written:
// keys set by hand are sent as they are.
func has(header http.Header, name string) bool {
	if _, ok := header[name]; ok {
		return true
	}
	for key := range header {
		if len(key) == len(name) && strings.EqualFold(key, name) {
			return true
		}
	}
	return false
}

// guardedBody is a request's body that is closed once, whoever closes it.
type guardedBody struct {
	io.ReadCloser
	closed atomic.Bool
}

func (b *guardedBody) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	return b.ReadCloser.Close()
}

// closesNothing reports whether closing body has no effect. Such a one needs no
// guard, and must have none: net/http looks at the type of a body, and writes
// one in memory together with the header.
func closesNothing(body io.ReadCloser) bool {
	if body == http.NoBody {
		return true
	}
	switch reflect.TypeOf(body) {
	case reflect.TypeOf(io.NopCloser(nil)), reflect.TypeOf(io.NopCloser((*strings.Reader)(nil))):
		return true
	default:
		return false
	}
}
