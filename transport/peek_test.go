package transport_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/transport"
)

var errCut = errors.New("connection cut")

// scriptedBody returns its text in chunks of these lengths, in a cycle, and then err: with the
// last chunk or after it. Further reads return another error.
type scriptedBody struct {
	text     []byte
	chunks   []byte
	err      error
	together bool

	next   int
	ended  int
	closed int
}

func (s *scriptedBody) Read(p []byte) (int, error) {
	if s.closed > 0 {
		return 0, http.ErrBodyReadAfterClose
	}
	if len(s.text) == 0 {
		return 0, s.end()
	}
	size := len(p)
	if len(s.chunks) > 0 {
		size = min(size, int(s.chunks[s.next%len(s.chunks)]))
		s.next++
	}
	n := copy(p[:size], s.text)
	s.text = s.text[n:]
	if len(s.text) == 0 && s.together {
		return n, s.end()
	}
	return n, nil
}

func (s *scriptedBody) end() error {
	s.ended++
	if s.ended == 1 {
		return s.err
	}
	return errors.New("read after the end")
}

func (s *scriptedBody) Close() error {
	s.closed++
	return errCut // must reach the caller
}

// readAll reads in steps of this size until there is an error.
func readAll(r io.Reader, step int) (text []byte, err error) {
	p := make([]byte, step)
	for err == nil {
		var n int
		n, err = r.Read(p)
		text = append(text, p[:n]...)
	}
	return text, err
}

// assertBodyUnchanged asserts that the caller reads the body exactly as the base returned it.
func assertBodyUnchanged(t *testing.T, tr *transport.Transport, made scriptedBody, step int) {
	t.Helper()
	direct, peeked := made, made
	want, wantErr := readAll(&direct, step)
	base := baseFunc(func(*http.Request) (*http.Response, error) {
		header := http.Header{"Content-Type": {jsonMedia}}
		return &http.Response{StatusCode: http.StatusForbidden, Header: header, Body: &peeked, ContentLength: -1}, nil
	})
	tr.Source, tr.Base = newSource("t"), base
	resp, err := get(t, urlAPI).through(t, tr)
	require.NoError(t, err)
	got, gotErr := readAll(resp.Body, step)
	assert.Equal(t, string(want), string(got))
	assert.Equal(t, wantErr, gotErr)
	_, wantErr = direct.Read(make([]byte, 1))
	_, gotErr = resp.Body.Read(make([]byte, 1))
	assert.Equal(t, wantErr, gotErr, "after the end")
	assert.Zero(t, peeked.closed)
	assert.Equal(t, errCut, resp.Body.Close())
	assert.Equal(t, 1, peeked.closed)
}

func FuzzPeek(f *testing.F) {
	long := make([]byte, 9000)
	f.Add([]byte(codeBody), []byte{1}, true, true, uint16(1), uint16(10))
	f.Add([]byte(`{"code":1024`), []byte{5, 0, 2}, false, true, uint16(512), uint16(1))
	f.Add(long, []byte{255, 3}, true, false, uint16(4096), uint16(5000))
	f.Add(long, []byte{}, false, false, uint16(100), uint16(4096))
	f.Add([]byte{}, []byte{0, 1}, false, true, uint16(7), uint16(0))
	f.Fuzz(func(t *testing.T, text, chunks []byte, cut, together bool, step, read uint16) {
		made := scriptedBody{text: text, chunks: append(slices.Clone(chunks), 1), err: io.EOF, together: together}
		if cut {
			made.err = errCut
		}
		size := int(step)%5000 + 1
		assertBodyUnchanged(t, &transport.Transport{}, made, size)
		// A rejection without another token is returned as well.
		assertBodyUnchanged(t, &transport.Transport{IsRejection: func(resp *http.Response) bool {
			_, _ = io.CopyN(io.Discard, resp.Body, int64(read))
			return read%2 == 0
		}}, made, size)
	})
}

func TestPeek_EmptyReads(t *testing.T) {
	made := scriptedBody{text: []byte(codeBody), err: errCut, together: true}
	tr := &transport.Transport{IsRejection: func(resp *http.Response) bool {
		n, err := resp.Body.Read(nil)
		assert.Zero(t, n)
		assert.NoError(t, err)
		_, err = io.ReadAll(resp.Body)
		assert.Equal(t, errCut, err)
		_, err = resp.Body.Read(make([]byte, 1))
		assert.Equal(t, errCut, err, "the error is returned again")
		return true
	}}
	assertBodyUnchanged(t, tr, made, 7)
}

func TestPeek_ReadAfterClose(t *testing.T) {
	made := &scriptedBody{text: []byte(`{"errorCode":20018}`), err: io.EOF}
	base := baseFunc(func(*http.Request) (*http.Response, error) {
		header := http.Header{"Content-Type": {jsonMedia}}
		return &http.Response{StatusCode: http.StatusForbidden, Header: header, Body: made}, nil
	})
	resp, err := get(t, urlAPI).through(t, &transport.Transport{Source: newSource("t"), Base: base})
	require.NoError(t, err)
	assert.Equal(t, errCut, resp.Body.Close())
	_, err = resp.Body.Read(make([]byte, 1))
	assert.Equal(t, http.ErrBodyReadAfterClose, err)
}
