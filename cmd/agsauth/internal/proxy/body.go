package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
)

// copySize is the size of the buffers through which bodies are copied.
const copySize = 32 << 10

// keepBody prepares the body of a request for the upstream: one that is short enough is
// kept, so that the request can be sent again after a rejected token.
func (x *exchange) keepBody(out *http.Request) {
	limit := x.proxy.cfg.ReplayLimit
	size := out.ContentLength
	if size < 0 {
		size = limit
	}
	switch {
	case out.Header.Get("Upgrade") != "":
		if out.Body == nil {
			out.Body = emptyBody{} // without a body, the request could be sent again
		}
	case out.Body == nil:
	case !mayReplay(x.in) || size > limit || !x.reserve(size):
		x.streams = true
	case out.ContentLength > 0 && len(out.Trailer) == 0:
		keepWhole(out)
	default:
		x.streams = true
		x.recorded = newRecording(out.Body, int(limit))
		out.Body, out.GetBody = x.recorded.first(), x.recorded.again
	}
	if x.streams && out.ProtoMajor == 1 {
		// The response may begin before the client has sent everything.
		_ = http.NewResponseController(x.ResponseWriter).EnableFullDuplex()
	}
}

// mayReplay reports whether the kind of a request allows to send it again: with Expect the
// client waits for the API's word before it sends the body, and gRPC streams.
func mayReplay(in *http.Request) bool {
	return len(in.Header["Expect"]) == 0 && !isGRPC(in)
}

// reserve reserves memory for a body until the exchange ends.
func (x *exchange) reserve(size int64) bool {
	if total := x.proxy.kept.Add(size); total > x.proxy.cfg.ReplayTotal {
		x.proxy.kept.Add(-size)
		return false
	}
	x.reserved = size
	return true
}

// keepWhole reads a body of known length. The bodies are those of net/http, which it sends
// together with the header.
func keepWhole(out *http.Request) {
	content := make([]byte, out.ContentLength)
	if n, err := io.ReadFull(out.Body, content); err != nil {
		out.Body = io.NopCloser(io.MultiReader(bytes.NewReader(content[:n]), brokenReader{err}))
		return
	}
	kept, err := http.NewRequestWithContext(out.Context(), http.MethodPost, "/", bytes.NewReader(content))
	if err != nil {
		return // cannot happen: the URL is a constant
	}
	out.Body, out.GetBody = kept.Body, kept.GetBody
}

// brokenReader fails with the error with which a client's body ended.
type brokenReader struct{ err error }

// Read implements [io.Reader].
func (r brokenReader) Read([]byte) (int, error) { return 0, &clientError{r.err} }

// clientError is an error of the client's connection.
type clientError struct{ err error }

func (e *clientError) Error() string { return e.err.Error() }
func (e *clientError) Unwrap() error { return e.err }

// emptyBody is a body without content that cannot be read again.
type emptyBody struct{}

// Read implements [io.Reader].
func (emptyBody) Read([]byte) (int, error) { return 0, io.EOF }

// Close implements [io.Closer].
func (emptyBody) Close() error { return nil }

// trailerBody copies the trailers of a client's request when its body has ended.
type trailerBody struct {
	io.ReadCloser
	in  *http.Request
	out http.Header
}

// Read implements [io.Reader].
func (b *trailerBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		for name := range b.out {
			b.out[name] = b.in.Trailer[name]
		}
	}
	return n, err
}

// bufferPool has the buffers through which responses are copied.
type bufferPool struct{ pool sync.Pool }

// Get implements [httputil.BufferPool].
func (b *bufferPool) Get() []byte {
	if buf, ok := b.pool.Get().(*[copySize]byte); ok {
		return buf[:]
	}
	return make([]byte, copySize)
}

// Put implements [httputil.BufferPool].
func (b *bufferPool) Put(buf []byte) { b.pool.Put((*[copySize]byte)(buf)) }
