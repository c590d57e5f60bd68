package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
)

// replay is what is done about a rejection: the source is told, and if it then
// has another token, the request is sent with that. The second answer stands. In
// every other case the first one does, as it came, unless req's context is over: whoever
// made the request is not waiting for an answer then.
//
// Nothing is held while the source is waited for: the first answer is read into memory
// when it is small. Otherwise its connection is given up in the moment of the replay.
func (t *Transport) replay(req *http.Request, first *http.Response, out *outgoing, sent *credential) (*http.Response, error) {
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
	if first.Body != nil && first.Body != http.NoBody && first.ContentLength <= holdLimit {
		first.Body = hold(first.Body)
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
	// Before GetBody: it may rewind the very reader that the first body reads.
	if err := out.body.take(req.Context()); err != nil {
		return nil, err
	}
	body, err := bodyAgain(req)
	settled = true
	if err != nil {
		return first, nil
	}
	if first.Body != nil {
		_ = first.Body.Close()
	}
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
