package ags_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
)

// neverRespond waits for the end of the request's context.
func neverRespond(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

// respondWithoutEnd returns a body that blocks.
func respondWithoutEnd(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	body := &endlessBody{ctx.Done(), func() error { return context.Cause(ctx) }}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, Request: r}, nil
}

type endlessBody struct {
	ended <-chan struct{}
	cause func() error
}

func (b *endlessBody) Read([]byte) (int, error) {
	<-b.ended
	return 0, b.cause()
}

func (b *endlessBody) Close() error { return nil }

func TestTimeout_EndsEachAttempt(t *testing.T) {
	attempts := map[string]int{"discover": 4, "refresh": 2, "sign out": 2} // the other calls may have registered a device
	for name, play := range map[string]responder{"no response": neverRespond, "a body without end": respondWithoutEnd} {
		for op := range allCalls() {
			synctest.Test(t, func(t *testing.T) {
				n := max(1, attempts[op])
				if name != "no response" && op == "sign out" {
					n = 1 // only the status is needed
				}
				c, tr := newClient(t, realClock, slices.Repeat([]responder{play}, n)...)
				start := time.Now()
				err := allCalls()[op](context.Background(), c)
				assert.Len(t, tr.requests, n, "%s, %s", op, name)
				if op == "sign out" && n == 1 {
					require.NoError(t, err)
					return
				}
				require.ErrorIs(t, err, context.DeadlineExceeded, "%s, %s", op, name)
				assert.ErrorContains(t, err, "no complete response within 30s")
				ne, ok := errors.AsType[net.Error](err)
				assert.True(t, ok && ne.Timeout(), "%s, %s", op, name)
				assert.False(t, asError(t, err).NotSent)
				waits := time.Since(start) - time.Duration(n)*30*time.Second
				assert.GreaterOrEqual(t, waits, time.Duration(0))
				assert.Less(t, waits, 5*time.Second, "%s, %s: the waits between attempts", op, name)
			})
		}
	}
}

func TestTimeout_UsesTheConfiguredClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := clock.NewFake(issued)
		c, tr := newClient(t, func(c *ags.Config) { c.Clock, c.Timeout = fake, time.Minute }, neverRespond)
		done := make(chan error, 1)
		go func() {
			_, err := c.SignOn(context.Background(), ags.SignOnRequest{})
			done <- err
		}()
		require.NoError(t, fake.BlockUntil(t.Context(), 1))
		fake.Advance(time.Minute - 1)
		synctest.Wait()
		assert.Empty(t, done)
		fake.Advance(1)
		require.ErrorIs(t, <-done, context.DeadlineExceeded)
		tr.only()
	})
}

func TestTimeout_StopsItsTimer(t *testing.T) {
	fake := clock.NewFake(issued)
	c, tr := newClient(t, func(c *ags.Config) { c.Clock = fake }, respond(200, tokenJSON()))
	_, err := c.Refresh(t.Context(), testToken())
	require.NoError(t, err)
	tr.only()
	assert.Zero(t, fake.AdvanceToNext())
}

func TestNew_NegativeTimeout(t *testing.T) {
	cfg := testConfig(&fakeTransport{tb: t})
	cfg.Timeout = -1
	_, err := ags.New(cfg)
	assert.ErrorContains(t, err, "Timeout is negative")
}
