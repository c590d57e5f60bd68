package transport_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/transport"
)

// setRewindingBody sets a body whose GetBody rewinds the same reader, as several clients do.
func setRewindingBody(req *http.Request, text []byte, wrap func(io.Reader) io.ReadCloser) {
	reader := bytes.NewReader(text)
	req.Body = wrap(reader)
	req.ContentLength = int64(len(text))
	req.GetBody = func() (io.ReadCloser, error) {
		_, err := reader.Seek(0, io.SeekStart)
		return wrap(reader), err
	}
}

// unknownBody is a body of a type that net/http does not know.
type unknownBody struct{ io.Reader }

func (unknownBody) Close() error { return nil }

// The API rejects the request before it has read the body, which the base may still be sending.
func TestReplay_RewindingBody(t *testing.T) {
	text := bytes.Repeat([]byte("0123456789abcdef"), 1<<20/16)
	for proto, start := range protocols {
		for name, wrap := range map[string]func(io.Reader) io.ReadCloser{
			"in memory":       io.NopCloser,
			"of unknown type": func(r io.Reader) io.ReadCloser { return unknownBody{r} },
		} {
			t.Run(proto+", "+name, func(t *testing.T) {
				srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("Authorization") != "Bearer new" {
						w.WriteHeader(http.StatusUnauthorized) // without reading the body
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
					setRewindingBody(req, text, wrap)
					resp, err := client.Do(req)
					require.NoError(t, err)
					assert.Equal(t, http.StatusOK, resp.StatusCode, "the body was mixed up")
					require.NoError(t, resp.Body.Close())
				}
				srv.Client().CloseIdleConnections()
			})
		}
	}
}

// blockedBody blocks in Read, also after Close.
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

func TestReplay_BlockingBodyEndsWithTheContext(t *testing.T) {
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
		go func() { // during Read the mutex is held, so fake time stands still
			<-body.reading
			cancel()
		}()
		_, err = (&transport.Transport{Source: newSource("old", "new"), Base: base}).RoundTrip(req)
		assert.ErrorIs(t, err, context.Canceled)
		close(until)
		<-read
	})
}

// net/http knows the types of these bodies, and its GetBody does not rewind.
func TestRoundTrip_BodyOfNewRequestIsNotWrapped(t *testing.T) {
	var got []io.ReadCloser
	base := baseFunc(func(req *http.Request) (*http.Response, error) {
		got = append(got, req.Body)
		_ = req.Body.Close()
		return ok().http(), nil
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

// net/http recognizes an in-memory body by its type and writes it together with the header.
func TestRoundTrip_BodyInMemoryIsNotWrapped(t *testing.T) {
	for name, body := range map[string]io.ReadCloser{
		"none":           nil,
		"NoBody":         http.NoBody,
		"reader":         io.NopCloser(strings.NewReader(payload)),
		"limited reader": io.NopCloser(io.LimitReader(strings.NewReader(payload), 3)),
	} {
		t.Run(name, func(t *testing.T) {
			c := get(t, urlAPI)
			c.Body = body
			base := baseFunc(func(req *http.Request) (*http.Response, error) {
				assert.Equal(t, body, req.Body)
				return ok().http(), nil
			})
			_, err := c.through(t, &transport.Transport{Source: newSource("t"), Base: base})
			assert.NoError(t, err)
		})
	}
}

func TestRoundTrip_BodyIsClosedOnce(t *testing.T) {
	base := baseFunc(func(req *http.Request) (*http.Response, error) {
		assert.NoError(t, req.Body.Close())
		assert.NoError(t, req.Body.Close())
		return ok().http(), nil
	})
	_, err := post(t, urlAPI).through(t, &transport.Transport{Source: newSource("t"), Base: base})
	assert.NoError(t, err)
}

// A base may respond before it has read and closed the body.
func TestRoundTrip_BaseMayCloseTheBodyLater(t *testing.T) {
	var later io.ReadCloser
	base := baseFunc(func(req *http.Request) (*http.Response, error) {
		later = req.Body
		return ok().http(), nil
	})
	c := post(t, urlAPI)
	_, err := (&transport.Transport{Source: newSource("t"), Base: base}).RoundTrip(c.Request)
	require.NoError(t, err)
	assert.Zero(t, c.bodies[0].closed.Load())
	text, err := io.ReadAll(later)
	assert.NoError(t, err)
	assert.Equal(t, payload, string(text))
	assert.NoError(t, later.Close())
	assert.EqualValues(t, 1, c.bodies[0].closed.Load())
}

// A body with "Expect: 100-continue" is read for the second request only.
func TestReplay_ExpectContinue(t *testing.T) {
	var reads atomic.Int64
	source, requests := newSource("old", "new"), atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.Header.Get("Authorization") != "Bearer new" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		data, _ := io.ReadAll(r.Body)
		reads.Add(int64(len(data)))
	}))
	t.Cleanup(server.Close)
	base := server.Client().Transport.(*http.Transport)
	base.ExpectContinueTimeout = time.Minute
	client := &http.Client{Transport: &transport.Transport{Source: source, Base: base}}
	c := post(t, server.URL).withHeader("Expect", "100-continue")
	status, _ := fetch(t, client, c)
	assert.Equal(t, http.StatusOK, status)
	require.Len(t, c.bodies, 2)
	assert.Zero(t, c.bodies[0].read.Load())
	assert.EqualValues(t, 7, reads.Load())
	assert.EqualValues(t, 2, requests.Load())
	for _, b := range c.bodies {
		<-b.done // net/http may close it after it has answered
		assert.EqualValues(t, 1, b.closed.Load())
	}
}

// waitingBody is a body whose Read waits until it is closed.
type waitingBody struct {
	reading *atomic.Int32
	closed  chan struct{}
	once    *sync.Once
}

func newWaitingBody(reading *atomic.Int32) waitingBody {
	return waitingBody{reading, make(chan struct{}), &sync.Once{}}
}

func (s waitingBody) Read([]byte) (int, error) {
	s.reading.Add(1)
	defer s.reading.Add(-1)
	<-s.closed
	return 0, io.EOF
}

func (s waitingBody) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// A base may send a request again by itself, as net/http does after HTTP/2's
// REFUSED_STREAM, and still read that body when it has returned an early response.
func TestReplay_TakesAwayTheBodiesThatTheBaseGot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reading atomic.Int32
		bodies := 0
		calls := 0
		late := make(chan error, 2)
		base := baseFunc(func(req *http.Request) (*http.Response, error) {
			if calls++; calls == 2 {
				return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, req.Body.Close()
			}
			require.NoError(t, req.Body.Close())
			for range 2 {
				body, err := req.GetBody()
				require.NoError(t, err)
				go func() {
					_, _ = io.ReadAll(body)
					_, err := req.GetBody()
					late <- err
				}()
			}
			synctest.Wait()
			return &http.Response{StatusCode: http.StatusUnauthorized, Body: http.NoBody}, nil
		})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, urlAPI, newWaitingBody(&reading))
		require.NoError(t, err)
		req.GetBody = func() (io.ReadCloser, error) {
			if bodies++; bodies == 3 {
				assert.Zero(t, reading.Load(), "an earlier body is being read")
			}
			return newWaitingBody(&reading), nil
		}
		resp, err := (&transport.Transport{Source: newSource("old", "new"), Base: base}).RoundTrip(req)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, resp.StatusCode)
		assert.Equal(t, 3, bodies, "the base gets no more")
		for range cap(late) {
			assert.Error(t, <-late)
		}
	})
}
