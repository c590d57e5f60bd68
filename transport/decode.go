package transport

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"strings"
)

// isDecodable reports whether a body of this Content-Encoding can be looked into. A
// client that asks for compression itself gets what the API sends, net/http being out
// of it.
func isDecodable(encoding string) bool {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity", "gzip", "x-gzip", "deflate":
		return true
	default:
		return false
	}
}

// decoded returns the body of resp without its Content-Encoding, and no more of it than
// is looked at of one that has none.
func decoded(resp *http.Response) (io.Reader, error) {
	var body io.Reader
	var err error
	switch strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Encoding"))) {
	case "", "identity":
		return resp.Body, nil
	case "gzip", "x-gzip":
		body, err = gzip.NewReader(resp.Body)
	case "deflate":
		body, err = inflated(resp.Body)
	default:
		err = errors.ErrUnsupported
	}
	if err != nil {
		return nil, err
	}
	return io.LimitReader(body, peekLimit), nil
}

// inflated reads deflate as RFC 9110, section 8.4.1.2, has it, in the format of zlib,
// and as some servers send it, without that.
func inflated(body io.Reader) (io.Reader, error) {
	r := bufio.NewReader(body)
	head, err := r.Peek(2)
	if err != nil {
		return nil, err
	}
	if isZlib := head[0]&0x0f == 8 && (uint(head[0])<<8|uint(head[1]))%31 == 0; isZlib {
		return zlib.NewReader(r)
	}
	return flate.NewReader(r), nil
}

// withoutByteOrderMark returns what r gives, without a byte order mark before it.
func withoutByteOrderMark(r io.Reader) io.Reader {
	const mark = "\ufeff"
	var head [1]byte
	if n, err := r.Read(head[:]); n == 0 || head[0] != mark[0] {
		return io.MultiReader(bytes.NewReader(head[:n]), failing{err}, r)
	}
	rest := make([]byte, len(mark)-1)
	n, err := io.ReadFull(r, rest)
	if string(rest[:n]) == mark[1:] {
		return r
	}
	return io.MultiReader(bytes.NewReader(head[:]), bytes.NewReader(rest[:n]), failing{err}, r)
}

// failing is a reader that gives nothing but an error, if there is one.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return 0, io.EOF
}
