package transport_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/transport"
)

// refreshingSource needs a connection of the API's transport to get another token, as if the
// gateway were on the same host.
type refreshingSource struct {
	*fakeSource
	client *http.Client
	url    string
}

func (s *refreshingSource) TokenContext(ctx context.Context) (*oauth2.Token, error) {
	token, err := s.fakeSource.TokenContext(ctx)
	if err != nil || token.AccessToken != "new" {
		return token, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	return token, resp.Body.Close()
}

// A rejected response must not keep the connection that the refresh needs.
func TestReplay_RejectionFreesItsConnection(t *testing.T) {
	for _, connections := range []int{1, 4} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/api" && r.Header.Get("Authorization") != "Bearer new" {
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = io.WriteString(w, strings.Repeat("who are you? ", 1000))
			}
		}))
		base := &http.Transport{MaxConnsPerHost: connections}
		source := &refreshingSource{newSource("old", "new"), &http.Client{Transport: base}, srv.URL + "/refresh"}
		client := &http.Client{Transport: &transport.Transport{Source: source, Base: base}}
		var callers sync.WaitGroup
		for range connections {
			callers.Go(func() {
				status, _ := fetch(t, client, get(t, srv.URL+"/api"))
				assert.Equal(t, http.StatusOK, status)
			})
		}
		callers.Wait()
		base.CloseIdleConnections()
		srv.Close()
	}
}

// A rejection whose body does not end is replayed as well.
func TestReplay_RejectionWithoutEnd(t *testing.T) {
	for name, length := range map[string]string{"chunked": "", "longer length than body": "1000"} {
		for proto, start := range protocols {
			t.Run(name+", "+proto, func(t *testing.T) {
				ended := make(chan struct{}, 1)
				srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("Authorization") == "Bearer new" {
						_, _ = io.WriteString(w, r.Proto)
						return
					}
					if length != "" {
						w.Header().Set("Content-Length", length)
					}
					w.WriteHeader(http.StatusUnauthorized)
					_, _ = io.WriteString(w, "who are")
					_ = http.NewResponseController(w).Flush()
					<-r.Context().Done()
					ended <- struct{}{}
				}))
				start(srv)
				defer srv.Close()
				client := &http.Client{Transport: &transport.Transport{Source: newSource("old", "new"), Base: srv.Client().Transport}}
				status, text := fetch(t, client, get(t, srv.URL))
				assert.Equal(t, http.StatusOK, status)
				assert.Contains(t, text, proto[:len("HTTP/1")-1])
				<-ended // the connection or stream was closed
				client.CloseIdleConnections()
			})
		}
	}
}

// slowBody returns its pieces, each after a pause.
type slowBody struct {
	pieces []string
	pause  time.Duration
	closed bool
}

func (b *slowBody) Read(p []byte) (int, error) {
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	if len(b.pieces) == 0 {
		return 0, io.EOF
	}
	time.Sleep(b.pause) // in fake time
	n := copy(p, b.pieces[0])
	if b.pieces[0] = b.pieces[0][n:]; b.pieces[0] == "" {
		b.pieces = b.pieces[1:]
	}
	return n, nil
}

func (b *slowBody) Close() error { b.closed = true; return nil }

// The caller gets the complete rejection if there is no other token.
func TestBufferedBody_ReturnsTheWholeBody(t *testing.T) {
	for name, tc := range map[string]struct {
		pieces []string
		pause  time.Duration
	}{
		"at once":                       {[]string{"who ", "are ", "you?"}, 0},
		"slowly":                        {[]string{"who ", "are ", "you?"}, 200 * time.Millisecond},
		"beyond the time limit":         {[]string{"who ", "are ", "you?"}, time.Minute},
		"beyond the buffer":             {[]string{strings.Repeat("x", 50<<10), strings.Repeat("y", 50<<10), "z"}, 0},
		"exactly the buffer":            {[]string{strings.Repeat("x", 64<<10)}, 0},
		"nothing":                       {nil, 0},
		"nothing within the time limit": {[]string{"z"}, time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			made := &slowBody{pieces: append([]string(nil), tc.pieces...), pause: tc.pause}
			base := baseFunc(func(req *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 401, Header: http.Header{}, ContentLength: -1, Body: made, Request: req}, nil
			})
			resp, err := get(t, urlAPI).through(t, &transport.Transport{Source: newSource("only"), Base: base})
			require.NoError(t, err, name)
			text, err := io.ReadAll(resp.Body)
			require.NoError(t, err, name)
			assert.Equal(t, strings.Join(tc.pieces, ""), string(text), name)
			require.NoError(t, resp.Body.Close())
			assert.True(t, made.closed, name)
		})
	}
}

func TestBufferedBody_ReturnsTheErrorOfTheBody(t *testing.T) {
	cut := errors.New("connection cut")
	base := baseFunc(func(req *http.Request) (*http.Response, error) {
		body := io.NopCloser(io.MultiReader(strings.NewReader("who"), failingReader{cut}))
		return &http.Response{StatusCode: 401, Header: http.Header{}, ContentLength: 12, Body: body, Request: req}, nil
	})
	resp, err := get(t, urlAPI).through(t, &transport.Transport{Source: newSource("only"), Base: base})
	require.NoError(t, err)
	defer resp.Body.Close()
	n, err := resp.Body.Read(nil)
	assert.Zero(t, n)
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	assert.Equal(t, "who", string(text))
	assert.ErrorIs(t, err, cut)
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

func TestBufferedBody_KeepsTrailers(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "Grpc-Status")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, "no")
		w.Header().Set("Grpc-Status", "16")
	}))
	defer srv.Close()
	client := &http.Client{Transport: &transport.Transport{Source: newSource("only"), Base: srv.Client().Transport}}
	resp, err := client.Do(get(t, srv.URL).Request)
	require.NoError(t, err)
	defer resp.Body.Close()
	_, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, "16", resp.Trailer.Get("Grpc-Status"))
}
