package transport_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/transport"
)

// scenario is a request through a Transport whose source has the tokens "old" and "new".
// Its contractChecker applies however the request ends.
type scenario struct {
	*call
	t      *testing.T
	cancel context.CancelCauseFunc // ends the request's context
	source *fakeSource
	base   *fakeBase
	tr     *transport.Transport
}

// errCancelled is the cause of the end of a scenario's context.
var errCancelled = errors.New("cancelled by the caller")

// runScenario runs a scenario twice in fake time: without a body, and with a body that has
// GetBody.
func runScenario(t *testing.T, name string, run func(*scenario)) {
	t.Helper()
	runScenarioWith(t, name+", without a body", get, run)
	runScenarioWith(t, name+", with a body", post, run)
}

func runScenarioWith(t *testing.T, name string, request func(*testing.T, string) *call, run func(*scenario)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			x := &scenario{
				call: request(t, urlAPI).withContext(ctx).withHeader("X-One", "1"), t: t, cancel: cancel, source: newSource("old", "new"),
			}
			x.tr = &transport.Transport{Source: x.source, Header: http.Header{"X-Ours": {"o"}}}
			x.respondWith()
			run(x)
		})
	})
}

// respondWith sets the responses of the base.
func (x *scenario) respondWith(responses ...*response) {
	x.base = newBase(responses...)
	x.tr.Base = x.base
}

// cancelledResponse returns a response that cancels the request and fails.
func (x *scenario) cancelledResponse() *response {
	return &response{err: errCancelled, before: func(r *http.Request) {
		x.cancel(errCancelled)
		<-r.Context().Done()
	}}
}

// wantResponse asserts that the caller gets this response, complete and open, after requests
// with these tokens.
func (x *scenario) wantResponse(want *response, tokens ...string) {
	x.t.Helper()
	resp, err := x.through(x.t, x.tr)
	require.NoError(x.t, err)
	x.base.assertClosedExcept(x.t, want)
	assertOpen(x.t, want, resp)
	x.base.assertTokens(x.t, tokens...)
}

// wantError asserts that the caller gets this very error after requests with these tokens.
func (x *scenario) wantError(want error, tokens ...string) {
	x.t.Helper()
	resp, err := x.through(x.t, x.tr)
	assert.Nil(x.t, resp)
	assert.Equal(x.t, want, err)
	x.base.assertClosedExcept(x.t, nil)
	x.base.assertTokens(x.t, tokens...)
}

// wantUnsent asserts that the caller gets an error of this text, that nothing is sent, and how
// often the source was called.
func (x *scenario) wantUnsent(text string, calls int) {
	x.t.Helper()
	resp, err := x.through(x.t, x.tr)
	assert.Nil(x.t, resp)
	assert.EqualError(x.t, err, text)
	x.base.assertTokens(x.t)
	x.source.assertCalls(x.t, calls)
}

// wantPanic asserts that the panic reaches the caller.
func (x *scenario) wantPanic(value any, tokens ...string) {
	x.t.Helper()
	assert.PanicsWithValue(x.t, value, func() { _, _ = x.through(x.t, x.tr) })
	x.base.assertClosedExcept(x.t, nil)
	x.base.assertTokens(x.t, tokens...)
}

// wantGoexit asserts that the caller's goroutine ends.
func (x *scenario) wantGoexit(tokens ...string) {
	x.t.Helper()
	returned, done := false, make(chan struct{})
	go func() {
		defer close(done)
		_, _ = x.through(x.t, x.tr)
		returned = true
	}()
	<-done
	assert.False(x.t, returned)
	x.base.assertClosedExcept(x.t, nil)
	x.base.assertTokens(x.t, tokens...)
}

// wantRedirected asserts that an http.Client, which follows redirects, gets this response after
// requests with these tokens.
func (x *scenario) wantRedirected(want *response, tokens ...string) {
	x.t.Helper()
	resp, err := (&http.Client{Transport: contractChecker{x.t, x.tr, x.call}}).Do(x.Request)
	require.NoError(x.t, err)
	x.base.assertClosedExcept(x.t, want)
	assertOpen(x.t, want, resp)
	x.base.assertTokens(x.t, tokens...)
}

// onAsk sets a function for the n-th call of the source.
func (x *scenario) onAsk(n int, do func(context.Context) error) {
	x.source.onAsk = func(ctx context.Context) error {
		if x.source.calls == n {
			return do(ctx)
		}
		return nil
	}
}

// cancelAndWait cancels the request and waits as a source does.
func (x *scenario) cancelAndWait(ctx context.Context) error {
	x.cancel(errCancelled)
	<-ctx.Done()
	return ctx.Err()
}

// cancelAtEnd returns r with an end that cancels the request.
func (x *scenario) cancelAtEnd(r io.Reader) io.Reader {
	return io.MultiReader(r, readFunc(func([]byte) (int, error) {
		x.cancel(errCancelled)
		return 0, context.Cause(x.Context())
	}))
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }
