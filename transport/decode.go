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

// canDecode reports whether decodeBody supports a Content-Encoding. net/http decodes
// gzip itself, unless the caller asked for compression.
func canDecode(encoding string) bool {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity", "gzip", "x-gzip", "deflate":
		return true
	default:
		return false
	}
}

// decodeBody returns the body of resp without its Content-Encoding, limited to
// maxPeek bytes if it is compressed.
func decodeBody(resp *http.Response) (io.Reader, error) {
	var body io.Reader
	var err error
	switch strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Encoding"))) {
	case "", "identity":
		return resp.Body, nil
	case "gzip", "x-gzip":
		body, err = gzip.NewReader(resp.Body)
	case "deflate":
		body, err = newDeflateReader(resp.Body)
	default:
		err = errors.ErrUnsupported
	}
	if err != nil {
		return nil, err
	}
	return io.LimitReader(body, maxPeek), nil
}

// newDeflateReader decodes deflate in the zlib format, as RFC 9110, section 8.4.1.2,
// defines it, and without that format, as some servers send it.
func newDeflateReader(body io.Reader) (io.Reader, error) {
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

// skipByteOrderMark returns r without a byte order mark at its beginning.
func skipByteOrderMark(r io.Reader) io.Reader {
	const mark = "\ufeff"
	var head [1]byte
	if n, err := r.Read(head[:]); n == 0 || head[0] != mark[0] {
		return io.MultiReader(bytes.NewReader(head[:n]), errReader{err}, r)
	}
	rest := make([]byte, len(mark)-1)
	n, err := io.ReadFull(r, rest)
	if string(rest[:n]) == mark[1:] {
		return r
	}
	return io.MultiReader(bytes.NewReader(head[:]), bytes.NewReader(rest[:n]), errReader{err}, r)
}

// errReader returns err, or io.EOF if it is nil.
type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	return 0, io.EOF
}
