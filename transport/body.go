package transport

import (
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxBuffered is how much of a rejected response is buffered. For a longer one
	// a new connection is cheaper than reading on.
	maxBuffered = 64 << 10
	// maxBufferTime is how long buffering may take.
	maxBufferTime = 250 * time.Millisecond
)

// bufferedBody is a response body whose beginning has been read. It returns the
// buffered bytes, then the error that followed them, if any, and then reads from
// src. As for every response body, Close may be called during Read.
type bufferedBody struct {
	src    io.ReadCloser
	closed atomic.Bool
	stop   atomic.Bool   // tells fill to stop
	filled chan struct{} // closed when fill returns; nil without fill

	mu  sync.Mutex // guards all below
	buf []byte     // read from src, and not returned yet
	err error      // returned by src after buf
}

// bufferBody reads body until it ends, maxBuffered is reached or maxBufferTime has
// passed. A response that fits frees its connection, which the source may need to
// obtain another token.
func bufferBody(body io.ReadCloser) *bufferedBody {
	b := &bufferedBody{src: body, filled: make(chan struct{})}
	go b.fill()
	timer := time.NewTimer(maxBufferTime)
	defer timer.Stop()
	select {
	case <-b.filled:
	case <-timer.C:
	}
	b.stop.Store(true)
	return b
}

// fill reads from src. If its Read blocks, closing the body or the end of the
// request's context ends it.
func (b *bufferedBody) fill() {
	defer close(b.filled)
	chunk := make([]byte, 4<<10)
	for size := 0; size < maxBuffered && !b.stop.Load(); {
		n, err := b.src.Read(chunk[:min(len(chunk), maxBuffered-size)])
		size += n
		b.mu.Lock()
		b.buf, b.err = append(b.buf, chunk[:n]...), err
		b.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Read implements [io.Reader].
func (b *bufferedBody) Read(p []byte) (int, error) {
	if b.closed.Load() {
		return b.src.Read(p) // returns the error for a closed body
	}
	if n, ok, err := b.readBuffered(p); ok {
		return n, err
	}
	if b.filled != nil {
		<-b.filled // until then fill may be in src.Read
		if n, ok, err := b.readBuffered(p); ok {
			return n, err
		}
	}
	return b.src.Read(p)
}

// readBuffered reads from the buffer, and after it the error, once. ok is false if
// there is neither.
func (b *bufferedBody) readBuffered(p []byte) (n int, ok bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.buf) > 0 {
		n = copy(p, b.buf)
		b.buf = b.buf[n:]
		return n, true, nil
	}
	err, b.err = b.err, nil
	return 0, err != nil, err
}

// Close closes src, which ends a Read of it.
func (b *bufferedBody) Close() error {
	b.closed.Store(true)
	return b.src.Close()
}
