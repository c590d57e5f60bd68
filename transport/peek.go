package transport

import (
	"errors"
	"io"
	"net/http"
)

// maxPeek is how much of a response body is read to judge it. The platform's
// rejections have a few hundred bytes.
const maxPeek = 4 << 10

// peekAt calls judge with a copy of resp whose body is limited to maxPeek, and then
// restores what judge read. readFailed reports whether the body ended in an error.
// If judge panics, the body is closed, because no caller will get resp.
func peekAt(resp *http.Response, judge func(*http.Response) bool) (verdict, readFailed bool) {
	seen := *resp
	if resp.Body == nil {
		seen.Body = http.NoBody
		return judge(&seen), false
	}
	p := &peekReader{resp: resp, seen: &seen, src: resp.Body}
	seen.Body = p
	judged := false
	defer func() {
		if !judged {
			_ = resp.Body.Close()
		}
	}()
	verdict = judge(&seen)
	judged = true
	if len(p.buf) > 0 || p.err != nil {
		resp.Body = &bufferedBody{src: p.src, buf: p.buf, err: p.err}
	}
	return verdict, p.err != nil && !errors.Is(p.err, io.EOF)
}

// peekReader reads the beginning of a response body and keeps it.
type peekReader struct {
	resp, seen *http.Response // the response, and the copy that judge sees
	src        io.ReadCloser  // the body of resp
	buf        []byte         // at most maxPeek bytes
	err        error          // returned by src after buf
}

// Read reads from src and returns io.EOF after maxPeek bytes. At the end of src it
// sets the trailers, which are known then.
func (p *peekReader) Read(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	if len(p.buf) == maxPeek {
		return 0, io.EOF
	}
	n, err := p.src.Read(b[:min(len(b), maxPeek-len(p.buf))])
	p.buf, p.err = append(p.buf, b[:n]...), err
	if err != nil {
		p.seen.Trailer = p.resp.Trailer
	}
	return n, err
}

// Close does nothing: the caller has yet to read the body.
func (*peekReader) Close() error { return nil }
