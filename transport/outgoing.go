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
	values [12]string // backs the header's values, if they fit
	body   guardedBody
}

// send sends a copy of req with the credential, our headers and the given body,
// which is closed, once, even when the base panics.
func (t *Transport) send(req *http.Request, body io.ReadCloser, cred *credential) (*http.Response, error) {
	out := &outgoing{req: *req, url: *req.URL}
	out.req.URL = &out.url
	out.req.Header = out.header(req.Header, t.Header, cred.value)
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

// header returns a deep copy of the caller's header, with the value as its
// Authorization and those of extra that it does not have. No two values share
// room to grow into.
func (o *outgoing) header(caller, extra http.Header, value string) http.Header {
	count := 1
	for _, vv := range caller {
		count += len(vv)
	}
	for _, vv := range extra {
		count += len(vv)
	}
	room := o.values[:]
	if count > len(room) {
		room = make([]string, count)
	}
	header := make(http.Header, 1+len(caller)+len(extra))
	add := func(name string, vv []string) {
		if vv == nil {
			header[name] = nil // not the same as none to all who look
			return
		}
		n := copy(room, vv)
		header[name], room = room[:n:n], room[n:]
	}
	for name, vv := range caller {
		add(name, vv)
	}
	for name, vv := range extra {
		if !has(caller, name) && !strings.EqualFold(name, authorization) {
			add(name, vv)
		}
	}
	room[0] = value
	header[authorization] = room[:1:1]
	return header
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
