package ags_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

func TestWithCorrelationID(t *testing.T) {
	for _, tc := range []struct {
		id   string
		kept bool
	}{{"flow-42", true}, {"", false}, {"a\r\nX-Evil: 1", false}, {"a b", false}} {
		c, tr := newClient(t, nil, respond(404, ""))
		_, err := c.Discover(ags.WithCorrelationID(t.Context(), tc.id))
		sent := tr.only().header.Get("X-Correlation-Id")
		assert.Equal(t, tc.kept, sent == tc.id, "%q", tc.id)
		assert.NotEmpty(t, sent)
		assert.Equal(t, sent, asError(t, err).CorrelationID)
		assert.Contains(t, err.Error(), sent)
		assert.Equal(t, tc.kept, ags.CorrelationHeader(ags.WithCorrelationID(t.Context(), tc.id)).Get("X-Correlation-Id") == sent)
	}
	assert.Nil(t, ags.CorrelationHeader(t.Context()))
}

func TestWithoutRetry(t *testing.T) {
	for op, call := range allCalls() {
		for _, r := range []responder{failWith(errDial), failWith(errLost), respond(429, ""), respond(503, ""), respondTruncated(200, "{", errLost)} {
			synctest.Test(t, func(t *testing.T) {
				c, tr := newClient(t, realClock, r)
				start := time.Now()
				err := call(ags.WithoutRetry(t.Context()), c)
				if op != "sign out" {
					require.Error(t, err)
				}
				assert.Len(t, tr.requests, 1, op)
				assert.Zero(t, time.Since(start))
			})
		}
	}
}

func TestContext_EndedBeforeTheCall(t *testing.T) {
	for op, call := range allCalls() {
		c, tr := newClient(t, nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(assert.AnError)
		err := call(ctx, c)
		require.ErrorIs(t, err, context.Canceled, op)
		require.ErrorIs(t, err, assert.AnError, op)
		require.ErrorIs(t, err, ags.ErrUnavailable, op)
		assert.True(t, asError(t, err).NotSent, op)
		assert.Empty(t, tr.requests, op)
	}
}

func TestContext_EndsWhileTheBodyIsRead(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, tr := newClient(t, nil, func(r *http.Request) (*http.Response, error) {
		cancel()
		return respondTruncated(200, "{", context.Canceled)(r)
	})
	_, err := c.Refresh(ctx, testToken())
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, ags.ErrProtocol)
	assert.False(t, asError(t, err).NotSent)
	tr.only()
}

func TestContext_TraceHooksAreShownNothing(t *testing.T) {
	var mu sync.Mutex
	var called []string
	saw := func(hook string) {
		mu.Lock()
		defer mu.Unlock()
		called = append(called, hook)
	}
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GetConn:          func(string) { saw("GetConn") },
		GotConn:          func(httptrace.GotConnInfo) { saw("GotConn") },
		ConnectStart:     func(string, string) { saw("ConnectStart") },
		ConnectDone:      func(string, string, error) { saw("ConnectDone") },
		WroteHeaderField: func(string, []string) { saw("WroteHeaderField") },
		WroteHeaders:     func() { saw("WroteHeaders") },
	})
	g := newServer(t, (*httptest.Server).Start, respondTokens)
	_, err := g.newClient(t, nil).Refresh(ctx, testToken())
	require.NoError(t, err)
	assert.EqualValues(t, 1, g.requests.Load())
	assert.Empty(t, called)
}

func TestContext_ValuesReachTheTransport(t *testing.T) {
	type key struct{}
	type keyOf[T any] struct{ of T }
	ctx := context.WithValue(t.Context(), key{}, "span")
	ctx = context.WithValue(ctx, keyOf[int]{1}, "generic")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c, tr := newClient(t, nil, func(r *http.Request) (*http.Response, error) {
		assert.Equal(t, "span", r.Context().Value(key{}))
		assert.Equal(t, "generic", r.Context().Value(keyOf[int]{1}))
		cancel()
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	_, err := c.Refresh(ctx, testToken())
	require.ErrorIs(t, err, context.Canceled)
	tr.only()
}
