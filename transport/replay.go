package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
)

// drainLimit is how much of a rejected response is read so that its connection
// can be used again. Beyond it a new connection is cheaper.
const drainLimit = 64 << 10

// replay is what is done about a rejection: the source is told, and if it then
// has another token, the request is sent with that. The second answer stands. In
// every other case the first one does, open and unread, unless req's context is
// over: who made the request is not waiting for an answer then.
func (t *Transport) replay(req *http.Request, first *http.Response, sent *credential) (*http.Response, error) {
	settled := false
	defer func() {
		if !settled && first.Body != nil {
			_ = first.Body.Close()
		}
	}()
	// Told even if nothing is sent again: the next request then has a new token.
	if source, ok := t.Source.(invalidator); ok {
		source.Invalidate(sent.accessToken)
	}
	if !repeatable(req) {
		settled = true
		return first, nil
	}
	next, err := t.credential(req.Context())
	if req.Context().Err() != nil {
		return nil, context.Cause(req.Context())
	}
	if err != nil || next.accessToken == sent.accessToken {
		settled = true
		return first, nil
	}
	again, err := t.prepare(req)
	if err != nil || again == nil {
		settled = true
		return first, nil // nothing about req has changed, so this cannot be
	}
	body, err := bodyAgain(req)
	settled = true
	if err != nil {
		return first, nil
	}
	discard(first)
	return t.send(req, again, body, next)
}

// repeatable reports whether there is a way to send the request's body again.
func repeatable(req *http.Request) bool {
	return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
}

// bodyAgain returns the body to send the second time.
func bodyAgain(req *http.Request) (io.ReadCloser, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req.Body, nil
	}
	body, err := req.GetBody()
	if err == nil && body == nil {
		err = errors.New("transport: GetBody returned none")
	}
	return body, err
}

// discard is done with a response, and leaves its connection in good order if
// that is little work.
func discard(resp *http.Response) {
	if resp.Body == nil {
		return
	}
	defer resp.Body.Close()
	if resp.ContentLength <= drainLimit {
		_, _ = io.CopyN(io.Discard, resp.Body, drainLimit)
	}
}
