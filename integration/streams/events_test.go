package streams_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/transport"
)

var eventStreams = []harness.Client{
	{
		Name: "net/http, server-sent events",
		Open: func(t *testing.T, e *harness.Env) harness.Calls {
			t.Helper()
			feed := newFeed(t, e)
			return harness.Calls{Get: func(ctx context.Context) error {
				stream, err := feed.connect(ctx)
				if err != nil {
					return err
				}
				defer stream.Close()
				return stream.expect("hello")
			}}
		},
		Without: map[harness.Check]string{harness.Post: "a stream of events is asked for with a GET"},
	},
}

// feed is an API that sends events, and a client for it.
type feed struct {
	client *http.Client
	url    string
	events chan string // what the open stream is to send next

	mu             sync.Mutex // guards authorizations
	authorizations []string   // of the streams that were opened
}

func newFeed(t *testing.T, e *harness.Env) *feed {
	t.Helper()
	f := &feed{events: make(chan string)}
	srv := harness.NewServer(t, e.Protect(http.HandlerFunc(f.serve)))
	f.url = srv.URL
	f.client = &http.Client{Transport: &transport.Transport{Source: e.Source, Base: srv.Client().Transport}}
	return f
}

// serve says hello and then sends the events, until the client leaves.
func (f *feed) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.authorizations = append(f.authorizations, r.Header.Get("Authorization"))
	f.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	event := "hello"
	for {
		_, _ = fmt.Fprintf(w, "data: %s\n\n", event)
		_ = http.NewResponseController(w).Flush()
		select {
		case event = <-f.events:
		case <-r.Context().Done():
			return
		}
	}
}

// stream is an open stream of events.
type stream struct {
	io.Closer

	lines *bufio.Scanner
}

func (f *feed) connect(ctx context.Context) (*stream, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, errors.New(resp.Status)
	}
	return &stream{resp.Body, bufio.NewScanner(resp.Body)}, nil
}

// expect reads the next event.
func (s *stream) expect(want string) error {
	for s.lines.Scan() {
		if event, ok := strings.CutPrefix(s.lines.Text(), "data: "); ok {
			return harness.CheckEcho(http.StatusOK, []byte(want), []byte(event))
		}
	}
	if err := s.lines.Err(); err != nil {
		return err
	}
	return io.ErrUnexpectedEOF
}

func TestEvents_OpenStreamOutlivesARefreshAndReconnectsWithANewToken(t *testing.T) {
	e := harness.NewEnv(t)
	f := newFeed(t, e)
	first, err := f.connect(t.Context())
	require.NoError(t, err)
	defer first.Close()
	require.NoError(t, first.expect("hello"))

	e.NextLife()
	_, err = e.Source.TokenContext(t.Context())
	require.NoError(t, err)
	f.events <- "after the refresh"
	require.NoError(t, first.expect("after the refresh"))
	assert.Equal(t, 1, e.Received())

	require.NoError(t, first.Close())
	second, err := f.connect(t.Context())
	require.NoError(t, err)
	defer second.Close()
	require.NoError(t, second.expect("hello"))
	f.mu.Lock()
	defer f.mu.Unlock()
	require.Len(t, f.authorizations, 2)
	assert.NotEqual(t, f.authorizations[0], f.authorizations[1])
}

func TestEvents_OpenStreamOutlivesTheSession(t *testing.T) {
	e := harness.NewEnv(t)
	f := newFeed(t, e)
	open, err := f.connect(t.Context())
	require.NoError(t, err)
	defer open.Close()
	require.NoError(t, open.expect("hello"))
	e.EndSession()
	_, err = e.Source.TokenContext(t.Context())
	require.Error(t, err)
	f.events <- "after the end"
	require.NoError(t, open.expect("after the end"))
}

func TestEvents_DeadlineEndsAnOpenStream(t *testing.T) {
	f := newFeed(t, harness.NewEnv(t))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	open, err := f.connect(ctx)
	require.NoError(t, err)
	defer open.Close()
	require.NoError(t, open.expect("hello"))
	require.ErrorIs(t, open.expect("nothing"), context.DeadlineExceeded)
}
