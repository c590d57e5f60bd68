package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
)

// errRevoked is returned by the body of a request that is sent again.
var errRevoked = errors.New("transport: the request is sent again")

// revocableBody is a request body that is closed only once, and that can be taken
// away from a base that still reads it. The zero value has no body.
type revocableBody struct {
	src     io.ReadCloser
	closed  atomic.Bool
	revoked atomic.Bool
	mu      sync.Mutex // held during src.Read
}

// Read reads from src, unless the body is revoked.
func (b *revocableBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.revoked.Load() {
		return 0, errRevoked
	}
	return b.src.Read(p)
}

// Close closes src when it is called first.
func (b *revocableBody) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	return b.src.Close()
}

// revoke makes further Reads fail, closes the body, and waits until a running Read
// returns or ctx ends. A base may still read the body after it has returned an
// early response.
func (b *revocableBody) revoke(ctx context.Context) error {
	if b.src == nil {
		return nil
	}
	b.revoked.Store(true)
	_ = b.Close() // ends most Reads that block
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

// retriedBodies are the bodies that a base has got from GetBody to send a request again
// by itself, for example after HTTP/2's REFUSED_STREAM. They are revoked with the first.
type retriedBodies struct {
	get func() (io.ReadCloser, error)

	mu      sync.Mutex // guards the rest
	bodies  []*revocableBody
	revoked bool
}

// getBody is the GetBody of the request that the base gets.
func (r *retriedBodies) getBody() (io.ReadCloser, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.revoked {
		return nil, errRevoked
	}
	src, err := r.get()
	if err != nil || src == nil {
		return src, err
	}
	body := &revocableBody{src: src}
	r.bodies = append(r.bodies, body)
	return body, nil
}

// revoke revokes all bodies, and makes getBody fail. See [revocableBody.revoke].
func (r *retriedBodies) revoke(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revoked = true
	for _, body := range r.bodies {
		if err := body.revoke(ctx); err != nil {
			return err
		}
	}
	return nil
}

// revoke takes all bodies of the clone away from the base.
func (c *requestClone) revoke(ctx context.Context) error {
	if err := c.body.revoke(ctx); err != nil || c.retried == nil {
		return err
	}
	return c.retried.revoke(ctx)
}

// mustWrap reports whether body, to be sent for req, has to be wrapped in a
// revocableBody. An in-memory body with a GetBody of net/http's needs no wrapping:
// closing it has no effect, and GetBody returns a reader of its own. It must not be
// wrapped either: net/http recognizes it by its type and writes it together with
// the header.
func mustWrap(req *http.Request, body io.ReadCloser) bool {
	if body == nil || body == http.NoBody {
		return false
	}
	return !isNopCloser(body) || req.GetBody != nil && !isStandardGetBody(req.GetBody)
}

// isNopCloser reports whether io.NopCloser made body.
func isNopCloser(body io.ReadCloser) bool {
	switch reflect.TypeOf(body) {
	case reflect.TypeOf(io.NopCloser(nil)), reflect.TypeOf(io.NopCloser((*strings.Reader)(nil))):
		return true
	default:
		return false
	}
}

// isStandardGetBody reports whether http.NewRequest set f.
func isStandardGetBody(f func() (io.ReadCloser, error)) bool {
	code := runtime.FuncForPC(reflect.ValueOf(f).Pointer())
	return code != nil && strings.HasPrefix(code.Name(), "net/http.NewRequestWithContext.")
}
