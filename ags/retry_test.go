package ags_test

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
)

// Errors of a transport.
var (
	errDial = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	errLost = io.ErrUnexpectedEOF
)

// Keeps G4.
func TestRetry_ByCallAndFailure(t *testing.T) {
	const (
		no      = 1
		once    = 2
		forever = 4 // as often as Retry allows
	)
	transient := []string{"discover"}
	unsent := []string{"sign on", "subsequent sign on", "session token", "sign on with session token"}
	lostOnce := []string{"refresh", "sign out"}
	for _, tc := range []struct {
		name                        string
		response                    responder
		transient, unsent, lostOnce int // number of requests
	}{
		{"never connected", failWith(errDial), forever, forever, forever},
		{"host not found", failWith(&net.DNSError{Err: "no such host", IsNotFound: true}), forever, forever, forever},
		{"response lost", failWith(errLost), forever, no, once},
		{"connection reset", failWith(&net.OpError{Op: "read", Err: syscall.ECONNRESET}), forever, no, once},
		{"429", respond(429, ""), forever, forever, forever},
		{"503", respond(503, `{"message":"busy"}`), forever, forever, forever},
		{"503 without body", respond(503, ""), forever, no, forever},
		{"503 from a proxy", respond(503, "no healthy upstream", "Content-Type", "text/plain"), forever, no, forever},
		{"503 truncated", respondTruncated(503, "<html", errLost), forever, no, forever},
		{"408", respond(408, ""), forever, no, forever},
		{"425", respond(425, ""), forever, no, forever},
		{"500", respond(500, ""), forever, no, forever},
		{"502", respond(502, "<html>"), forever, no, forever},
		{"504", respond(504, ""), forever, no, forever},
		{"403 truncated", respondTruncated(403, `{"err`, errLost), forever, no, once},
		{"400", respond(400, ""), no, no, no},
		{"401", respond(401, ""), no, no, no},
		{"403", respond(403, `{"errorCode":20019}`), no, no, no},
		{"404", respond(404, ""), no, no, no},
		{"401 from a firewall", respond(401, "<html>"), no, no, no},
		{"redirect", respond(302, ""), no, no, no},
	} {
		for want, ops := range map[*int][]string{&tc.transient: transient, &tc.unsent: unsent, &tc.lostOnce: lostOnce} {
			for _, op := range ops {
				requests, _, err := callInBubble(t, nil, op, tc.response, tc.response, tc.response, tc.response)
				require.Error(t, err, "%s: %s", op, tc.name)
				assert.Len(t, requests, *want, "%s: %s", op, tc.name)
				assert.Equal(t, op, asError(t, err).Op)
			}
		}
	}
}

func TestRetry_TruncatedResponseIsLost(t *testing.T) {
	for name, s := range map[string]responder{
		"by the connection's end":   respondTruncated(200, `{"access_token":"`+accessMark, errLost),
		"by a reset":                respondTruncated(200, `{"access_token":"`+accessMark, syscall.ECONNRESET),
		"unnoticed":                 respond(200, `{"access_token":"`+accessMark),
		"after a member, unnoticed": respond(200, `{"access_token":"`+accessMark+`",`),
		"before the body":           respondTruncated(200, "", errLost),
	} {
		t.Run(name, func(t *testing.T) {
			requests, waited, err := callInBubble(t, nil, "refresh", s, s)
			require.ErrorIs(t, err, ags.ErrProtocol)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			assert.Contains(t, err.Error(), "the response is truncated")
			assert.NotContains(t, err.Error(), accessMark)
			assert.Len(t, requests, 2)
			assert.Zero(t, waited, "without delay")
			e := asError(t, err)
			assert.True(t, e.Malformed)
			assert.False(t, e.NotSent)
			assert.Equal(t, 200, e.Status)

			requests, _, err = callInBubble(t, nil, "refresh", s, respond(200, tokenJSON()))
			require.NoError(t, err)
			assert.Len(t, requests, 2)

			requests, _, err = callInBubble(t, nil, "sign on", s)
			require.ErrorIs(t, err, ags.ErrProtocol)
			assert.Len(t, requests, 1, "it may have registered a device")
		})
	}
}

func TestRetry_LostResponseOnceWithoutDelay(t *testing.T) {
	requests, waited, err := callInBubble(t, nil, "refresh", failWith(errLost), respond(200, tokenJSON()))
	require.NoError(t, err)
	assert.Len(t, requests, 2)
	assert.Zero(t, waited)

	requests, _, err = callInBubble(t, nil, "refresh", failWith(errLost), respond(503, ""), failWith(errLost))
	require.ErrorIs(t, err, ags.ErrUnavailable)
	assert.Len(t, requests, 3, "once per call")
}

func TestRetry_OutcomeUnknown(t *testing.T) {
	requests, _, err := callInBubble(t, nil, "refresh", failWith(errLost), respond(401, `{"message":"used"}`))
	require.ErrorIs(t, err, ags.ErrUnauthorized)
	e := asError(t, err)
	assert.Equal(t, 401, e.Status)
	assert.True(t, e.OutcomeUnknown)
	assert.Contains(t, err.Error(), "status 401: used; the outcome of an earlier attempt is unknown")
	assert.Len(t, requests, 2)

	requests, _, err = callInBubble(t, nil, "refresh", respond(503, `{"message":"busy"}`), respond(401, ""))
	assert.False(t, asError(t, err).OutcomeUnknown, "the gateway responded to the earlier attempt")
	assert.Len(t, requests, 2)

	for _, status := range []int{408, 500, 502, 503, 504, 520, 522, 524} {
		requests, _, err = callInBubble(t, nil, "refresh", respond(status, "upstream timed out"), respond(401, ""))
		assert.True(t, asError(t, err).OutcomeUnknown, "the gateway may have acted before a proxy's %d", status)
		assert.Len(t, requests, 2)
	}

	requests, _, err = callInBubble(t, nil, "discover", failWith(errLost), respond(404, ""))
	assert.False(t, asError(t, err).OutcomeUnknown, "discovery changes nothing")
	assert.Len(t, requests, 2)

	requests, _, err = callInBubble(t, func(c *ags.Config) { c.Retry.Max = -1 }, "refresh", failWith(errLost))
	assert.False(t, asError(t, err).OutcomeUnknown, "there was no earlier attempt")
	assert.Len(t, requests, 1)
}

func TestRetry_SameRequestEachTime(t *testing.T) {
	requests, _, err := callInBubble(t, nil, "refresh", respond(503, ""), respond(503, ""), respond(503, ""), respond(200, tokenJSON()))
	require.NoError(t, err)
	require.Len(t, requests, 4)
	for _, r := range requests[1:] {
		assert.Equal(t, requests[0], r, "including the correlation id")
	}
}

func TestRetry_IssuedAtIsOfTheLastAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, tr := newClient(t, realClock, respond(503, "", "Retry-After", "60"), respond(200, tokenJSON()))
		start := time.Now()
		token, err := c.Refresh(t.Context(), testToken())
		require.NoError(t, err)
		assertInstant(t, start.Add(time.Minute), token.IssuedAt, "issued")
		assert.Len(t, tr.requests, 2)
	})
}

func TestRetry_Waits(t *testing.T) {
	const ms = time.Millisecond
	for _, tc := range []struct {
		retry    ags.Retry
		requests int
		wait     time.Duration // total without jitter
	}{
		{ags.Retry{}, 4, (250 + 500 + 1000) * ms},
		{ags.Retry{Max: 7}, 8, (250 + 500 + 1000 + 2000 + 4000 + 5000 + 5000) * ms},
		{ags.Retry{Max: 2, Min: time.Minute}, 3, 2 * time.Minute},
		{ags.Retry{Max: 2, Cap: 10 * ms}, 3, 20 * ms},
		{ags.Retry{Max: 3, Min: 10 * ms, Cap: 30 * ms}, 4, (10 + 20 + 30) * ms},
		{ags.Retry{Max: -1}, 1, 0},
	} {
		responders := make([]responder, tc.requests)
		for i := range responders {
			responders[i] = respond(500, "")
		}
		var least, most time.Duration = time.Hour, 0
		for range 20 {
			requests, waited, err := callInBubble(t, func(c *ags.Config) { c.Retry = tc.retry }, "discover", responders...)
			require.ErrorIs(t, err, ags.ErrUnavailable)
			assert.Len(t, requests, tc.requests)
			least, most = min(least, waited), max(most, waited)
		}
		assert.GreaterOrEqual(t, least, tc.wait*3/4, "%+v", tc.retry)
		assert.LessOrEqual(t, most, tc.wait*5/4, "%+v", tc.retry)
		if tc.wait > 0 {
			assert.Less(t, least, most, "%+v: jitter", tc.retry)
		}
	}
}

func TestRetry_WaitsAtLeastRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{"30": 30 * time.Second, "86400": 5 * time.Minute} {
		requests, waited, err := callInBubble(t, nil, "sign on", respond(429, "", "Retry-After", value), respond(201, tokenJSON()))
		require.NoError(t, err)
		assert.Len(t, requests, 2)
		assert.Equal(t, want, waited)
	}
	requests, waited, err := callInBubble(t, func(c *ags.Config) { c.Retry.Min = 10 * time.Second }, "sign on",
		respond(429, "", "Retry-After", "1"), respond(201, tokenJSON()))
	require.NoError(t, err)
	assert.Len(t, requests, 2)
	assert.GreaterOrEqual(t, waited, 7500*time.Millisecond)
}

func TestRetry_WaitsAreOnTheConfiguredClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := clock.NewFake(issued)
		c, tr := newClient(t, func(c *ags.Config) { c.Clock = fake }, respond(503, "", "Retry-After", "60"), respond(200, tokenJSON()))
		start, done := time.Now(), make(chan error, 1)
		go func() {
			_, err := c.Refresh(t.Context(), testToken())
			done <- err
		}()
		synctest.Wait() // the attempt has a timer, too
		assert.Equal(t, time.Minute, fake.AdvanceToNext())
		require.NoError(t, <-done)
		assert.Len(t, tr.requests, 2)
		assert.Zero(t, time.Since(start))
	})
}

func TestRetry_NoWaitBeyondTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, fake := range []bool{false, true} {
			c, tr := newClient(t, func(c *ags.Config) {
				if !fake { // a context's deadline is by the system clock
					c.Clock = clock.Real{}
				}
			}, respond(503, `{"message":"down"}`, "Retry-After", "60"))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			start := time.Now()
			_, err := c.Refresh(ctx, testToken())
			cancel()
			e := asError(t, err)
			assert.Equal(t, 503, e.Status)
			assert.Equal(t, time.Minute, e.RetryAfter)
			require.NoError(t, e.Err)
			assert.Zero(t, time.Since(start))
			assert.Len(t, tr.requests, 1)
		}
	})
}

func TestRetry_ContextEndsTheWait(t *testing.T) {
	cause := errors.New("the user left")
	for name, response := range map[string]responder{"refused": respond(503, ""), "unreachable": failWith(errDial)} {
		synctest.Test(t, func(t *testing.T) {
			c, tr := newClient(t, func(c *ags.Config) {
				c.Clock, c.Retry = clock.Real{}, ags.Retry{Min: time.Hour}
			}, response)
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(cause) })
			start := time.Now()
			_, err := c.Refresh(ctx, testToken())
			assert.Equal(t, time.Second, time.Since(start), name)
			require.ErrorIs(t, err, ags.ErrUnavailable, "the error of the last attempt: %s", name)
			require.ErrorIs(t, err, context.Canceled, name)
			require.ErrorIs(t, err, cause, name)
			assert.Len(t, tr.requests, 1)
		})
	}
}
