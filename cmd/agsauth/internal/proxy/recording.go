package proxy

import (
	"errors"
	"io"
	"sync"
)

// errReplaced is returned by a reader that another one has taken the place of.
var errReplaced = errors.New("proxy: the body is read by another request")

// recording reads a body of unknown length for the requests that send it, and keeps it from
// the beginning while it is short enough. A goroutine of its own reads the body, because a
// client may wait for the response before it sends more: a request that is to be replaced
// must not wait for that.
type recording struct {
	src   io.Reader
	limit int

	mu      sync.Mutex // guards all below; changed uses it
	changed *sync.Cond
	data    []byte // what has been read from src, after the first start bytes
	start   int
	dropped bool  // the beginning is not kept
	pos     int   // how much the current reader has read, from the beginning
	err     error // with which src ended
	reader  *recordingReader
	started bool
	ended   bool // no request will read on
}

func newRecording(src io.Reader, limit int) *recording {
	rec := &recording{src: src, limit: limit}
	rec.changed = sync.NewCond(&rec.mu)
	return rec
}

// first returns the reader of the first request.
func (rec *recording) first() io.ReadCloser {
	rec.reader = &recordingReader{rec}
	return rec.reader
}

// again returns a reader that begins anew, and ends the one before.
func (rec *recording) again() (io.ReadCloser, error) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if rec.dropped || rec.ended {
		return nil, errors.New("proxy: the body is too long to be kept")
	}
	rec.reader, rec.pos = &recordingReader{rec}, 0
	rec.changed.Broadcast()
	return rec.reader, nil
}

// end ends all readers, and the goroutine when its Read returns.
func (rec *recording) end() {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.ended = true
	rec.changed.Broadcast()
}

// run reads src until it ends, into two buffers in turn: one is filled while the other is
// sent.
func (rec *recording) run() {
	chunk, other := make([]byte, copySize), []byte(nil)
	for {
		n, err := rec.src.Read(chunk)
		isSent, more := rec.add(chunk[:n], err)
		if !more {
			return
		}
		if isSent {
			chunk, other = other, chunk
		}
		if chunk == nil {
			chunk = make([]byte, copySize)
		}
	}
}

// add adds what was read. If that is too much to be kept, it waits until everything before
// has been sent, and then the chunk itself is sent. It reports whether to read on.
func (rec *recording) add(chunk []byte, err error) (isSent, more bool) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if !rec.dropped && len(rec.data)+len(chunk) <= rec.limit {
		rec.data = append(rec.data, chunk...)
	} else {
		for !rec.ended && rec.pos < rec.start+len(rec.data) {
			rec.changed.Wait()
		}
		rec.dropped = true
		rec.start += len(rec.data)
		rec.data = chunk
	}
	rec.err = err
	rec.changed.Broadcast()
	return rec.dropped, err == nil && !rec.ended
}

// read reads for the reader r.
func (rec *recording) read(r *recordingReader, p []byte) (int, error) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if !rec.started {
		rec.started = true
		go rec.run()
	}
	for {
		unread := rec.start + len(rec.data) - rec.pos
		switch {
		case rec.ended || rec.reader != r:
			return 0, errReplaced
		case unread > 0:
			n := copy(p, rec.data[len(rec.data)-unread:])
			rec.pos += n
			rec.changed.Broadcast()
			return n, nil
		case rec.err != nil:
			return 0, rec.err
		}
		rec.changed.Wait()
	}
}

// recordingReader is the body of one request.
type recordingReader struct{ rec *recording }

// Read implements [io.Reader].
func (r *recordingReader) Read(p []byte) (int, error) { return r.rec.read(r, p) }

// Close ends a Read of r that waits.
func (r *recordingReader) Close() error {
	r.rec.mu.Lock()
	defer r.rec.mu.Unlock()
	if r.rec.reader == r {
		r.rec.reader = nil
		r.rec.changed.Broadcast()
	}
	return nil
}
