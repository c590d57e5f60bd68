package transport

import (
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const authorization = "Authorization"

// requestClone is a copy of a caller's request, in one allocation apart from the
// header's map. It shares with the original the Trailer, whose values are set while
// the body is read, and the header values, which a RoundTripper must not write to.
// They have no spare capacity, so that appending to them copies them.
type requestClone struct {
	req   http.Request
	url   url.URL
	value [1]string // backs our Authorization
	body  revocableBody
	// retried are the bodies that the base has got from GetBody; nil if it gets those of
	// the caller.
	retried *retriedBodies
}

// cloneForToken returns a copy of req for a token, or nil if req is to be sent
// without one.
func (t *Transport) cloneForToken(req *http.Request) (*requestClone, error) {
	ok, insecure := t.mayCarryToken(req)
	if !ok && insecure == nil {
		return nil, nil
	}
	header, ok := cloneHeader(req.Header, len(t.Header))
	switch {
	case !ok:
		return nil, nil
	case insecure != nil:
		return nil, insecure
	}
	if t.RequestHeader != nil {
		addFields(header, t.RequestHeader(req))
	}
	addFields(header, t.Header)
	c := &requestClone{req: *req, url: *req.URL}
	c.req.URL, c.req.Header = &c.url, header
	return c, nil
}

// cloneHeader returns a copy of header with room for more fields. ok is false if header
// has an Authorization, in whatever spelling.
func cloneHeader(header http.Header, more int) (clone http.Header, ok bool) {
	if clone = maps.Clone(header); clone == nil {
		clone = make(http.Header, 1+more)
	}
	for name, vv := range clone {
		if isAuthorization(name) {
			return nil, false
		}
		if len(vv) < cap(vv) {
			clone[name] = slices.Clip(vv)
		}
	}
	return clone, true
}

// addFields adds the fields of extra that header does not have, except an Authorization.
func addFields(header, extra http.Header) {
	for name, vv := range extra {
		if !isAuthorization(name) && !hasField(header, name) {
			header[name] = slices.Clip(vv)
		}
	}
}

func isAuthorization(name string) bool {
	return len(name) == len(authorization) && strings.EqualFold(name, authorization)
}

// hasField reports whether header has a field of that name in whatever spelling:
// keys that are not canonical are sent as they are.
func hasField(header http.Header, name string) bool {
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

// sendClone sends the clone of req with the credential and body.
func (t *Transport) sendClone(req *http.Request, clone *requestClone, body io.ReadCloser, cred *credential) (*http.Response, error) {
	clone.value[0] = cred.value
	clone.req.Header[authorization] = clone.value[:]
	clone.req.Body = body
	if mustWrap(req, body) {
		clone.body.src = body
		clone.req.Body = &clone.body
		if req.GetBody != nil {
			clone.retried = &retriedBodies{get: req.GetBody}
			clone.req.GetBody = clone.retried.getBody
		}
	}
	return t.send(req, &clone.req)
}

// send sends out, which is req or its clone. Its body is closed even if the base
// panics.
func (t *Transport) send(req, out *http.Request) (*http.Response, error) {
	body, returned := out.Body, false
	defer func() {
		if !returned && body != nil {
			_ = body.Close()
		}
	}()
	resp, err := t.roundTrip(out)
	returned = true
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}
