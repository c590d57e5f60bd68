package transport

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// peekLimit bounds what is read of an answer to judge it. The platform's own
// rejections are some hundred bytes.
const peekLimit = 4 << 10

// peekAt lets judge see resp with the beginning of its body, no more of it than
// judge reads, and gives resp back what was read. cut reports whether the body ended
// in an error. If judge panics, no caller will ever have resp, and its body is closed.
func peekAt(resp *http.Response, judge func(*http.Response) bool) (verdict, cut bool) {
	seen := *resp
	if resp.Body == nil {
		seen.Body = http.NoBody
		return judge(&seen), false
	}
	p := &peek{src: resp.Body, resp: resp, seen: &seen}
	seen.Body = p
	judged := false
	defer func() {
		if !judged {
			_ = resp.Body.Close()
		}
	}()
	verdict = judge(&seen)
	judged = true
	resp.Body = p.whole()
	return verdict, p.err != nil && !errors.Is(p.err, io.EOF)
}

// peek reads the beginning of a body, and remembers it.
type peek struct {
	src        io.ReadCloser
	resp, seen *http.Response // whose body src is, and the copy that is looked at
	head       []byte         // what was read, at most peekLimit
	err        error          // what src returned last, behind head
}

// Read reads on in the body, up to the limit, where it ends. At the end of the body
// itself the trailers are known.
func (p *peek) Read(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	if len(p.head) == peekLimit {
		return 0, io.EOF
	}
	n, err := p.src.Read(b[:min(len(b), peekLimit-len(p.head))])
	p.head, p.err = append(p.head, b[:n]...), err
	if err != nil {
		p.seen.Trailer = p.resp.Trailer
	}
	return n, err
}

// Close does nothing: the body is still to be read by the caller.
func (*peek) Close() error { return nil }

// whole returns the body as it was before anything was read.
func (p *peek) whole() io.ReadCloser {
	if len(p.head) == 0 && p.err == nil {
		return p.src
	}
	return &peekedBody{head: p.head, err: p.err, src: p.src}
}

// peekedBody is a body of which the beginning was read already: it gives what was
// read, the error that ended it, if one did, and then what src gives. As with
// every body of a response, Close may be called while Read is running.
type peekedBody struct {
	src    io.ReadCloser
	head   []byte
	err    error
	closed atomic.Bool
}

func (b *peekedBody) Read(p []byte) (int, error) {
	switch {
	case b.closed.Load():
		return b.src.Read(p) // it knows how to refuse
	case len(b.head) > 0:
		n := copy(p, b.head)
		b.head = b.head[n:]
		return n, nil
	case b.err != nil:
		err := b.err
		b.err = nil
		return 0, err
	default:
		return b.src.Read(p)
	}
}

func (b *peekedBody) Close() error {
	b.closed.Store(true)
	return b.src.Close()
}
