package endtoend_test

import (
	"bytes"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
)

// wantServed asserts that the API accepts a request, with a token of this generation.
func (s *stack) wantServed(generation int) {
	s.t.Helper()
	r := s.get(s.t.Context())
	require.NoError(s.t, r.asError())
	require.Equal(s.t, generation, r.echo.Generation, "generation of the token")
}

// wantLoginRequired asserts that a request fails with a LoginRequiredError of this
// reason, and returns the error.
func (s *stack) wantLoginRequired(reason tokensource.Reason) tokensource.LoginRequiredError {
	s.t.Helper()
	r := s.get(s.t.Context())
	var e *tokensource.LoginRequiredError
	require.ErrorAs(s.t, r.err, &e)
	require.ErrorIs(s.t, r.err, tokensource.ErrLoginRequired)
	require.Equal(s.t, reason.String(), e.Reason.String())
	return *e
}

// wantUnavailable asserts that a request fails with an UnavailableError, and returns it.
func (s *stack) wantUnavailable() tokensource.UnavailableError {
	s.t.Helper()
	r := s.get(s.t.Context())
	var e *tokensource.UnavailableError
	require.ErrorAs(s.t, r.err, &e)
	require.NotErrorIs(s.t, r.err, tokensource.ErrLoginRequired)
	return *e
}

// wantCount asserts how many requests for op the platform has received.
func (s *stack) wantCount(op agstest.Op, n int) {
	s.t.Helper()
	require.Equal(s.t, n, s.srv.Count(op), "requests of %q", op)
}

// wantNoOverlap asserts that no refresh token was presented twice, and that neither
// two refreshes nor two sign-ons overlapped.
func (s *stack) wantNoOverlap() {
	s.t.Helper()
	assert.Zero(s.t, s.srv.Stats().Reuses, "refresh tokens presented twice")
	assert.LessOrEqual(s.t, s.srv.MaxInFlight(agstest.Refresh), 1, "concurrent refreshes")
	assert.LessOrEqual(s.t, s.srv.MaxInFlight(agstest.SignOn), 1, "concurrent sign-ons")
}

// rejectedCalls returns how many requests the API has rejected.
func (s *stack) rejectedCalls() int {
	n := 0
	for _, rq := range s.srv.Requests(agstest.API) {
		if rq.Status != http.StatusOK {
			n++
		}
	}
	return n
}

// wantEnded asserts that the session has ended for good: all callers get the same
// error at once, without a call to the gateway or the API, there was one EventEnded,
// and required is closed. It returns the error.
func (s *stack) wantEnded(reason tokensource.Reason, required <-chan struct{}) tokensource.LoginRequiredError {
	s.t.Helper()
	first := s.wantLoginRequired(reason)
	refreshes, calls := s.srv.Count(agstest.Refresh), s.srv.Count(agstest.API)
	begin := time.Now()
	for range 3 {
		for _, r := range s.burst(20) {
			var e *tokensource.LoginRequiredError
			require.ErrorAs(s.t, r.err, &e)
			require.Equal(s.t, first, *e)
		}
	}
	assert.Zero(s.t, time.Since(begin))
	sleep(time.Hour)
	assert.Equal(s.t, first, s.wantLoginRequired(reason))
	s.wantCount(agstest.Refresh, refreshes)
	s.wantCount(agstest.API, calls)
	assert.True(s.t, isClosed(required))
	ended := s.events.ofKind(tokensource.EventEnded)
	require.Len(s.t, ended, 1)
	assert.Equal(s.t, reason, ended[0].Reason)
	assert.Equal(s.t, tokensource.Ended, s.src.Status().Phase)
	assert.Equal(s.t, reason, s.src.Status().Reason)
	return first
}

// eventLog records the events of a source.
type eventLog struct {
	mu      sync.Mutex
	events  []tokensource.Event
	arrived chan tokensource.Event // the same events, for awaitRefresh
}

func newEventLog() *eventLog { return &eventLog{arrived: make(chan tokensource.Event, 4096)} }

func (l *eventLog) add(e tokensource.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
	l.arrived <- e
}

func (l *eventLog) all() []tokensource.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.events)
}

func (l *eventLog) ofKind(kind tokensource.Kind) []tokensource.Event {
	return slices.DeleteFunc(l.all(), func(e tokensource.Event) bool { return e.Kind != kind })
}

// awaitRefresh waits for the next EventRefreshed. Only the timeout of the test binary
// limits the wait, since a busy machine may need any time.
func (l *eventLog) awaitRefresh(t *testing.T) {
	t.Helper()
	for e := range l.arrived {
		if e.Kind == tokensource.EventRefreshed {
			return
		}
	}
}

// logBuffer is the output of a logger. It is safe for concurrent use.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
