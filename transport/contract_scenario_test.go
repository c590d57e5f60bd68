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

// trial is one request through one Transport, which is held to the law by whatever
// path it comes to its end. Its source has the tokens "old" and "new".
type trial struct {
	*call
	t      *testing.T
	leave  context.CancelCauseFunc // ends the request's context
	source *fakeSource
	base   *fakeBase
	tr     *transport.Transport
}

// errGone is why a trial's request is not waited for any more.
var errGone = errors.New("gone home")

// onTrial tells a story twice, of a request without a body and of one with a body
// that can be had again, each time in a bubble that no goroutine outlives.
func onTrial(t *testing.T, name string, tell func(*trial)) {
	t.Helper()
	onTrialOf(t, name+", without a body", get, tell)
	onTrialOf(t, name+", with a body", post, tell)
}

func onTrialOf(t *testing.T, name string, request func(*testing.T, string) *call, tell func(*trial)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, leave := context.WithCancelCause(t.Context())
			defer leave(nil)
			x := &trial{
				call: request(t, urlAPI).under(ctx).with("X-One", "1"), t: t, leave: leave, source: newSource("old", "new"),
			}
			x.tr = &transport.Transport{Source: x.source, Header: http.Header{"X-Ours": {"o"}}}
			x.answered()
			tell(x)
		})
	})
}

// answered says what the base answers.
func (x *trial) answered(answers ...*answer) {
	x.base = newBase(answers...)
	x.tr.Base = x.base
}

// gets asserts that the caller is given an answer, whole and open, by requests with
// these tokens.
func (x *trial) gets(want *answer, tokens ...string) {
	x.t.Helper()
	resp, err := x.through(x.t, x.tr)
	require.NoError(x.t, err)
	x.base.assertDone(x.t, want)
	assertOpen(x.t, want, resp)
	x.base.assertTokens(x.t, tokens...)
}

// fails asserts that the caller is given this very error, by requests with these
// tokens.
func (x *trial) fails(want error, tokens ...string) {
	x.t.Helper()
	resp, err := x.through(x.t, x.tr)
	assert.Nil(x.t, resp)
	assert.Equal(x.t, want, err)
	x.base.assertDone(x.t, nil)
	x.base.assertTokens(x.t, tokens...)
}

// refuses asserts that the caller is given an error of this text, with nothing sent,
// when the source was asked so many times.
func (x *trial) refuses(text string, asked int) {
	x.t.Helper()
	resp, err := x.through(x.t, x.tr)
	assert.Nil(x.t, resp)
	assert.EqualError(x.t, err, text)
	x.base.assertTokens(x.t)
	x.source.assertAsked(x.t, asked)
}

// panics asserts that the panic comes through to the caller.
func (x *trial) panics(value any, tokens ...string) {
	x.t.Helper()
	assert.PanicsWithValue(x.t, value, func() { _, _ = x.through(x.t, x.tr) })
	x.base.assertDone(x.t, nil)
	x.base.assertTokens(x.t, tokens...)
}

// exits asserts that the caller's goroutine is ended.
func (x *trial) exits(tokens ...string) {
	x.t.Helper()
	returned, done := false, make(chan struct{})
	go func() {
		defer close(done)
		_, _ = x.through(x.t, x.tr)
		returned = true
	}()
	<-done
	assert.False(x.t, returned)
	x.base.assertDone(x.t, nil)
	x.base.assertTokens(x.t, tokens...)
}

// follows asserts that an http.Client, which follows redirects, comes to an answer, by
// requests with these tokens. Every hop is held to the law.
func (x *trial) follows(want *answer, tokens ...string) {
	x.t.Helper()
	resp, err := (&http.Client{Transport: lawful{x.t, x.tr, x.call}}).Do(x.Request)
	require.NoError(x.t, err)
	x.base.assertDone(x.t, want)
	assertOpen(x.t, want, resp)
	x.base.assertTokens(x.t, tokens...)
}

// onAsk says what happens when the source is asked for the n-th time.
func (x *trial) onAsk(n int, do func(context.Context) error) {
	x.source.onAsk = func(ctx context.Context) error {
		if x.source.asked == n {
			return do(ctx)
		}
		return nil
	}
}

// waitUntilGone waits as a source does for a refresh, while the caller goes home.
func (x *trial) waitUntilGone(ctx context.Context) error {
	x.leave(errGone)
	<-ctx.Done()
	return ctx.Err()
}

// thenGone is the end of a body during which the caller goes home.
func (x *trial) thenGone(r io.Reader) io.Reader {
	return io.MultiReader(r, readFunc(func([]byte) (int, error) {
		x.leave(errGone)
		return 0, context.Cause(x.Context())
	}))
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }
