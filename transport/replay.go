package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
)

// replay handles a rejection: it reports the token to the source, and if the source
// then has another token, sends the request again. It returns the second response
// whatever it is, the first one unchanged if nothing is sent again, and the cause of
// the context if that has ended.
//
// A first response that fits into the buffer does not keep its connection while the
// source gets a token. A larger one is closed before the request is sent again.
func (t *Transport) replay(req *http.Request, first *http.Response, clone *requestClone, sent *credential) (*http.Response, error) {
	closeFirst := true
	defer func() {
		if closeFirst && first.Body != nil {
			_ = first.Body.Close()
		}
	}()
	keepFirst := func() (*http.Response, error) {
		closeFirst = false
		return first, nil
	}
	// Also if nothing is sent again: the next request then gets a new token.
	t.invalidate(req.Context(), sent)
	if !isRepeatable(req) {
		return keepFirst()
	}
	if first.Body != nil && first.Body != http.NoBody && first.ContentLength <= maxBuffered {
		first.Body = bufferBody(first.Body)
	}
	next, err := t.credential(req.Context())
	if req.Context().Err() != nil {
		return nil, context.Cause(req.Context())
	}
	if err != nil || next.accessToken == sent.accessToken {
		return keepFirst()
	}
	again, err := t.cloneForToken(req)
	if err != nil || again == nil {
		return keepFirst() // cannot happen: req has not changed
	}
	// Before GetBody, which may rewind the reader of the first body.
	if err := clone.revoke(req.Context()); err != nil {
		return nil, err
	}
	body, err := repeatBody(req)
	if err != nil {
		return keepFirst()
	}
	closeFirst = false // closed before the request is sent
	if first.Body != nil {
		_ = first.Body.Close()
	}
	return t.sendClone(req, again, body, next)
}

// isRepeatable reports whether the body of req can be sent again.
func isRepeatable(req *http.Request) bool {
	return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
}

// repeatBody returns the body for sending req again.
func repeatBody(req *http.Request) (io.ReadCloser, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req.Body, nil
	}
	body, err := req.GetBody()
	if err == nil && body == nil {
		err = errors.New("transport: GetBody returned no body")
	}
	return body, err
}
