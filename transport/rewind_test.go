package transport_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/transport"
)

// rewound gives a request a body whose GetBody rewinds the very same reader, as
// several clients do.
func rewound(req *http.Request, text []byte, wrap func(io.Reader) io.ReadCloser) {
	reader := bytes.NewReader(text)
	req.Body = wrap(reader)
	req.ContentLength = int64(len(text))
	req.GetBody = func() (io.ReadCloser, error) {
		_, err := reader.Seek(0, io.SeekStart)
		return wrap(reader), err
	}
}

// opaque is a body of a type that net/http does not know.
type opaque struct{ io.Reader }

func (opaque) Close() error { return nil }

// An API rejects a request before it has read its body, which the base still sends
// while the request is sent again.
func TestReplay_ABodyThatIsRewoundIsNotSentTwiceAtOnce(t *testing.T) {
	text := bytes.Repeat([]byte("0123456789abcdef"), 1<<20/16)
	for proto, start := range map[string]func(*httptest.Server){
		"HTTP/1.1": (*httptest.Server).StartTLS,
		"HTTP/2":   func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() },
	} {
		for name, wrap := range map[string]func(io.Reader) io.ReadCloser{
			"in memory": io.NopCloser,
			"opaque":    func(r io.Reader) io.ReadCloser { return opaque{r} },
		} {
			t.Run(proto+", "+name, func(t *testing.T) {
				srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("Authorization") != "Bearer new" {
						w.WriteHeader(http.StatusUnauthorized) // the body is not looked at
						return
					}
					data, err := io.ReadAll(r.Body)
					if err != nil || !bytes.Equal(data, text) {
						w.WriteHeader(http.StatusBadRequest)
					}
				}))
				start(srv)
				defer srv.Close()
				for range 2 {
					client := &http.Client{Transport: &transport.Transport{Source: newSource("old", "new"), Base: srv.Client().Transport}}
					req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, nil)
					require.NoError(t, err)
					rewound(req, text, wrap)
					resp, err := client.Do(req)
					require.NoError(t, err)
					assert.Equal(t, http.StatusOK, resp.StatusCode, "the body was spoilt")
					require.NoError(t, resp.Body.Close())
				}
				srv.Client().CloseIdleConnections()
			})
		}
	}
}

// blockedBody is a body whose Read waits, and does not end when it is closed.
type blockedBody struct {
	reading chan struct{}
	once    sync.Once
	until   <-chan struct{}
}

func (b *blockedBody) Read([]byte) (int, error) {
	b.once.Do(func() { close(b.reading) })
	<-b.until
	return 0, io.EOF
}

func (b *blockedBody) Close() error { return nil }

// A body that hangs holds the request no longer than its context lasts.
func TestReplay_ABodyThatHangsEndsWithTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until := make(chan struct{})
		body := &blockedBody{reading: make(chan struct{}), until: until}
		read := make(chan struct{})
		base := baseFunc(func(req *http.Request) (*http.Response, error) {
			go func() {
				defer close(read)
				_, _ = io.ReadAll(req.Body)
				_ = req.Body.Close()
			}()
			<-body.reading
			return &http.Response{StatusCode: 401, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, urlAPI, body)
		require.NoError(t, err)
		req.GetBody = func() (io.ReadCloser, error) { return body, nil }
		go func() { // the mutex is held while the body is read, so the bubble's time stands still
			<-body.reading
			cancel()
		}()
		_, err = (&transport.Transport{Source: newSource("old", "new"), Base: base}).RoundTrip(req)
		assert.ErrorIs(t, err, context.Canceled)
		close(until)
		<-read
	})
}

// What net/http knows it writes together with the header, and makes a GetBody for that
// does not rewind.
func TestRoundTrip_ABodyOfNetHTTPsOwnIsNotWrapped(t *testing.T) {
	var got []io.ReadCloser
	base := baseFunc(func(req *http.Request) (*http.Response, error) {
		got = append(got, req.Body)
		_ = req.Body.Close()
		return ok().response(), nil
	})
	tr := &transport.Transport{Source: newSource("t"), Base: base}
	for _, body := range []io.Reader{bytes.NewReader([]byte("x")), bytes.NewBufferString("x")} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, urlAPI, body)
		require.NoError(t, err)
		resp, err := tr.RoundTrip(req)
		require.NoError(t, err)
		_ = resp.Body.Close()
		assert.Equal(t, req.Body, got[len(got)-1])
	}
}
