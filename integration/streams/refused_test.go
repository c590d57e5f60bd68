package streams_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/transport"
)

// refuse is the answer of a server that resets a stream with REFUSED_STREAM, which means
// that it has not looked at the request.
const refuse = 0

const text = "the body"

func TestHTTP2_RefusedStreamIsSentAgainWithItsToken(t *testing.T) {
	e := harness.NewEnv(t)
	srv := newFramer(t, refuse, http.StatusOK)
	require.NoError(t, srv.post(t, e, strings.NewReader(text)))
	received := srv.received()
	require.Len(t, received, 2)
	assert.Equal(t, received[0], received[1])
	assert.Zero(t, e.Gateway.Count(agstest.Refresh))
}

func TestHTTP2_RefusedStreamIsSentAgainWithTheCallersGetBody(t *testing.T) {
	srv := newFramer(t, refuse, http.StatusOK)
	require.NoError(t, srv.post(t, harness.NewEnv(t), unknown{strings.NewReader(text)}))
	assert.Len(t, srv.received(), 2)
}

func TestHTTP2_RefusedStreamAroundARejection(t *testing.T) {
	e := harness.NewEnv(t)
	srv := newFramer(t, refuse, http.StatusUnauthorized, refuse, http.StatusOK)
	require.NoError(t, srv.post(t, e, strings.NewReader(text)))
	received := srv.received()
	require.Len(t, received, 4)
	assert.Equal(t, received[0], received[1])
	assert.NotEqual(t, received[1], received[2])
	assert.Equal(t, received[2], received[3])
	assert.Equal(t, 1, e.Gateway.Count(agstest.Refresh))
}

// framer is an HTTP/2 server that writes its frames one by one. It gives each stream the
// next of its answers.
type framer struct {
	base *http.Transport
	url  string

	answers []int  // statuses, or refuse; of serve alone
	body    []byte // of the stream that is open; of serve alone

	mu             sync.Mutex // guards authorizations
	authorizations []string   // of the streams so far
}

func newFramer(t *testing.T, answers ...int) *framer {
	t.Helper()
	cert, roots := certificate(t)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{cert}, NextProtos: []string{http2.NextProtoTLS}, MinVersion: tls.VersionTLS13,
	})
	require.NoError(t, err)
	f := &framer{
		base: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}, ForceAttemptHTTP2: true,
		},
		url:     "https://" + ln.Addr().String(),
		answers: answers,
	}
	served := make(chan error, 1)
	ctx := t.Context()
	go func() { served <- f.serve(ctx, ln) }()
	t.Cleanup(func() { assert.NoError(t, <-served) })
	return f
}

// unknown is a reader of a type for which http.NewRequest sets no GetBody.
type unknown struct{ io.Reader }

// post sends text, which body reads. If http.NewRequest sets no GetBody, post does.
func (f *framer) post(t *testing.T, e *harness.Env, body io.Reader) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url, body)
	require.NoError(t, err)
	if req.GetBody == nil {
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(unknown{strings.NewReader(text)}), nil }
	}
	client := &http.Client{Transport: &transport.Transport{Source: e.Source, Base: f.base}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

func (f *framer) received() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.authorizations
}

// serve serves one connection until ctx ends.
func (f *framer) serve(ctx context.Context, ln net.Listener) error {
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })()
	conn, err := ln.Accept()
	_ = ln.Close()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return err
	}
	frames := http2.NewFramer(conn, conn)
	frames.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if err := frames.WriteSettings(); err != nil {
		return err
	}
	for {
		frame, err := frames.ReadFrame()
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			err = f.handle(frames, frame)
		}
		if err != nil {
			return err
		}
	}
}

// handle answers a stream when its request has arrived.
func (f *framer) handle(frames *http2.Framer, frame http2.Frame) error {
	switch frame := frame.(type) {
	case *http2.SettingsFrame:
		if !frame.IsAck() {
			return frames.WriteSettingsAck()
		}
	case *http2.MetaHeadersFrame:
		f.note(frame)
	case *http2.DataFrame:
		f.body = append(f.body, frame.Data()...)
		if frame.StreamEnded() {
			return f.answer(frames, frame.StreamID)
		}
	}
	return nil
}

func (f *framer) note(request *http2.MetaHeadersFrame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, field := range request.RegularFields() {
		if field.Name == "authorization" {
			f.authorizations = append(f.authorizations, field.Value)
		}
	}
}

func (f *framer) answer(frames *http2.Framer, id uint32) error {
	body := f.body
	f.body = nil
	switch {
	case string(body) != text:
		return fmt.Errorf("the body is %q", body)
	case len(f.answers) == 0:
		return errors.New("no answer left")
	}
	status := f.answers[0]
	f.answers = f.answers[1:]
	if status == refuse {
		return frames.WriteRSTStream(id, http2.ErrCodeRefusedStream)
	}
	var block bytes.Buffer
	if err := hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":status", Value: strconv.Itoa(status)}); err != nil {
		return err
	}
	return frames.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true,
	})
}
