package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

const authorization = "Authorization"

// outgoing is our own copy of a caller's request, in one allocation with all that
// it needs but the header's map. The caller's request stays as it is, whatever is
// set, added or removed below. Shared with it are the Trailer, because its values
// are set while the body is read, and the values of the header, none of which has
// room to be added to: only one who writes into a value that is there, which no
// RoundTripper may, would be seen above.
type outgoing struct {
	req   http.Request
	url   url.URL
	value [1]string // backs our Authorization
	body  guardedBody
}

// prepare copies a request that a token may be put into. It returns nil for one
// that is to be passed on as it is.
func (t *Transport) prepare(req *http.Request) (*outgoing, error) {
	carries, err := t.mayCarry(req)
	if !carries && err == nil {
		return nil, nil
	}
	out := &outgoing{req: *req, url: *req.URL}
	out.req.URL = &out.url
	header, own := copyHeader(req.Header, t.Header)
	if own {
		return nil, nil
	}
	out.req.Header = header
	return out, err
}

// copyHeader returns a copy of the caller's header, with those of extra that it does
// not have. No value in it has room to grow into. own reports whether the caller has
// an Authorization, in whatever spelling; then there is no copy.
func copyHeader(caller, extra http.Header) (header http.Header, own bool) {
	if header = maps.Clone(caller); header == nil {
		header = make(http.Header, 1+len(extra))
	}
	for name, vv := range header {
		if isAuthorization(name) {
			return nil, true
		}
		if len(vv) < cap(vv) {
			header[name] = slices.Clip(vv)
		}
	}
	for name, vv := range extra {
		if !isAuthorization(name) && !has(caller, name) {
			header[name] = slices.Clip(vv)
		}
	}
	return header, false
}

func isAuthorization(name string) bool {
	return len(name) == len(authorization) && strings.EqualFold(name, authorization)
}

// send sends the copy of req with the credential and the given body, which is
// closed, once, even when the base panics.
func (t *Transport) send(req *http.Request, out *outgoing, body io.ReadCloser, cred *credential) (*http.Response, error) {
	out.value[0] = cred.value
	out.req.Header[authorization] = out.value[:]
	out.req.Body = body
	returned := false
	if body != nil && needsGuard(req, body) {
		out.body.src = body
		out.req.Body = &out.body
		defer func() {
			if !returned {
				_ = out.body.Close()
			}
		}()
	}
	resp, err := t.roundTrip(&out.req)
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

// guardedBody is a request's body that is closed once, whoever closes it, and that can
// be taken from the base that reads it. The zero value guards nothing.
type guardedBody struct {
	src    io.ReadCloser
	closed atomic.Bool
	taken  atomic.Bool
	mu     sync.Mutex // held while src is read
}

// errTaken ends the reading of a body that is sent again.
var errTaken = errors.New("transport: the request is sent again")

// Read reads the body, unless it was taken away.
func (b *guardedBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.taken.Load() {
		return 0, errTaken
	}
	return b.src.Read(p)
}

// Close closes the body, the first time that it is called.
func (b *guardedBody) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	return b.src.Close()
}

// take makes every further Read fail, closes the body, and waits until a Read under way
// has returned, or returns the cause of ctx's end. A base may still read the body when
// it has returned an answer: one that came early.
func (b *guardedBody) take(ctx context.Context) error {
	if b.src == nil {
		return nil
	}
	b.taken.Store(true)
	_ = b.Close() // a Read that waits for something returns then
	if b.mu.TryLock() {
		b.mu.Unlock()
		return nil
	}
	idle := make(chan struct{})
	go func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		close(idle)
	}()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// needsGuard reports whether a body must be guarded. One in memory that net/http itself
// has made a GetBody for needs none: that one returns a reader of its own. It must
// have none, either: net/http looks at the type of a body, and writes one in memory
// together with the header.
func needsGuard(req *http.Request, body io.ReadCloser) bool {
	return !closesNothing(body) || req.GetBody != nil && body != http.NoBody && !standardGetBody()[codeOf(req.GetBody)]
}

// standardGetBody has the code of the functions that net/http makes for bodies in
// memory.
//
//nolint:gochecknoglobals // found out once
var standardGetBody = sync.OnceValue(func() map[uintptr]bool {
	known := map[uintptr]bool{}
	for _, body := range []io.Reader{strings.NewReader("x"), bytes.NewReader([]byte("x")), bytes.NewBufferString("x")} {
		if req, err := http.NewRequest(http.MethodPost, "/", body); err == nil {
			known[codeOf(req.GetBody)] = true
		}
	}
	return known
})

// codeOf returns where the code of a function is: closures of one function literal have
// the same.
func codeOf(f func() (io.ReadCloser, error)) uintptr { return reflect.ValueOf(f).Pointer() }

// closesNothing reports whether closing body has no effect.
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
