package transport

import (
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// holdLimit is how much of a rejected answer is kept in memory. Beyond it a new
	// connection is cheaper than reading on.
	holdLimit = 64 << 10
	// holdTime is how long reading it may take: an answer of that size is here at
	// once, or something is wrong with it.
	holdTime = 250 * time.Millisecond
)

// heldBody is the body of a rejected answer that is read into memory, so that its
// connection is free while the source is asked for another token: the source may need
// that connection. It is used by the goroutine that reads ahead and by whoever is
// given the answer, as with every body of a response: Close may be called while Read
// is running.
type heldBody struct {
	src    io.ReadCloser
	ahead  chan struct{} // closed when the goroutine reads no more
	stop   atomic.Bool   // it is to read no more
	closed atomic.Bool

	mu   sync.Mutex // guards all below
	head []byte     // read ahead, and not given yet
	err  error      // what src returned behind head
}

// hold reads body into memory, and returns when it is there whole, is longer than
// holdLimit, or takes longer than holdTime.
func hold(body io.ReadCloser) *heldBody {
	b := &heldBody{src: body, ahead: make(chan struct{})}
	go b.readAhead()
	timer := time.NewTimer(holdTime)
	defer timer.Stop()
	select {
	case <-b.ahead:
	case <-timer.C:
	}
	b.stop.Store(true)
	return b
}

// readAhead reads until there is an end or enough. A Read that hangs ends when the
// body is closed, or the request's context is over.
func (b *heldBody) readAhead() {
	defer close(b.ahead)
	chunk := make([]byte, 4<<10)
	for size := 0; size < holdLimit && !b.stop.Load(); {
		n, err := b.src.Read(chunk[:min(len(chunk), holdLimit-size)])
		size += n
		b.mu.Lock()
		b.head, b.err = append(b.head, chunk[:n]...), err
		b.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Read gives what was read ahead, the error that ended it, if one did, and then what
// the body gives.
func (b *heldBody) Read(p []byte) (int, error) {
	if b.closed.Load() {
		return b.src.Read(p) // it knows how to refuse
	}
	if n := b.give(p); n > 0 {
		return n, nil
	}
	<-b.ahead // it gives up after the Read under way
	if n := b.give(p); n > 0 {
		return n, nil
	}
	if err := b.takeErr(); err != nil {
		return 0, err
	}
	return b.src.Read(p)
}

// give copies what was read ahead.
func (b *heldBody) give(p []byte) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := copy(p, b.head)
	b.head = b.head[n:]
	return n
}

// takeErr returns the error behind what was read ahead, once.
func (b *heldBody) takeErr() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.err
	b.err = nil
	return err
}

// Close closes the body, which ends a Read of it.
func (b *heldBody) Close() error {
	b.closed.Store(true)
	return b.src.Close()
}
