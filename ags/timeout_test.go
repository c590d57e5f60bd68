package ags_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
)

// unanswered reads a request and never answers it.
func unanswered(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

// stalls answers with a head, and with a body that never ends.
func stalls(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	body := &stalledBody{ctx.Done(), func() error { return context.Cause(ctx) }}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, Request: r}, nil
}

type stalledBody struct {
	ended <-chan struct{}
	cause func() error
}

func (b *stalledBody) Read([]byte) (int, error) {
	<-b.ended
	return 0, b.cause()
}

func (b *stalledBody) Close() error { return nil }

func TestTimeout_EndsEachAttemptOfEveryCall(t *testing.T) {
	attempts := map[string]int{"discover": 4, "refresh": 2, "sign out": 2} // the others may have registered a device
	for name, play := range map[string]step{"no answer": unanswered, "a body without end": stalls} {
		for op := range calls() {
			synctest.Test(t, func(t *testing.T) {
				n := max(1, attempts[op])
				if name != "no answer" && op == "sign out" {
					n = 1 // the status is all there is to know
				}
				c, w := client(t, func(c *ags.Config) { c.Clock = clock.Real{} }, slices.Repeat([]step{play}, n)...)
				start := time.Now()
				err := calls()[op](context.Background(), c)
				assert.Len(t, w.requests, n, "%s, %s", op, name)
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

func TestTimeout_IsByTheConfiguredClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := clock.NewFake(issued)
		c, w := client(t, func(c *ags.Config) { c.Clock, c.Timeout = fake, time.Minute }, unanswered)
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
		w.only()
	})
}

func TestTimeout_LeavesNoTimerBehind(t *testing.T) {
	fake := clock.NewFake(issued)
	c, w := client(t, func(c *ags.Config) { c.Clock = fake }, reply(200, pair()))
	_, err := c.Refresh(t.Context(), held())
	require.NoError(t, err)
	w.only()
	assert.Zero(t, fake.AdvanceToNext())
}

func TestNew_NegativeTimeout(t *testing.T) {
	cfg := config(&wire{tb: t})
	cfg.Timeout = -1
	_, err := ags.New(cfg)
	assert.ErrorContains(t, err, "Timeout is negative")
}

// What stands at the beginning of an answer that lacks the empty line before its body,
// or is garbled otherwise, net/http quotes in its error.
func TestGarbledAnswers_NothingOfThemIsInTheError(t *testing.T) {
	body := `{"access_token":"` + accessMark + `","refresh_token":"` + refreshMark + `","expires_in":3600}`
	for name, answer := range map[string]string{
		"no empty line":          "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + body + "\r\n\r\n",
		"no line at all":         "HTTP/1.1 200 OK\r\n" + body + "\r\n\r\n",
		"the body alone":         body,
		"the body and a line":    body + "\r\n\r\n",
		"in the status line":     "HTTP/1.1 " + body + "\r\n\r\n",
		"behind the protocol":    body + " 200 OK\r\n\r\n",
		"as a reason":            "HTTP/1.1 abc " + body + "\r\n\r\n",
		"as a length":            "HTTP/1.1 200 OK\r\nContent-Length: " + body + "\r\n\r\n",
		"as a second length":     "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: " + body + "\r\n\r\n{}",
		"as a transfer encoding": "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + body + "\r\n\r\n",
		"as a chunk":             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + "\r\n\r\n",
		"as a trailer":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + body + "\r\n\r\n",
		"as a field's name":      "HTTP/1.1 200 OK\r\n" + body + ": x\r\n\r\n",
		"behind a space":         "HTTP/1.1 200 OK\r\n " + body + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			base, stop := answering(t, answer)
			defer stop()
			cfg := config(nil)
			cfg.BaseURL, cfg.HTTPClient, cfg.Clock = base, nil, nil
			c, err := ags.New(cfg)
			require.NoError(t, err)
			_, err = c.Refresh(ags.WithoutRetry(t.Context()), held())
			require.Error(t, err)
			for ; err != nil; err = errors.Unwrap(err) {
				for _, printed := range []string{err.Error(), fmt.Sprintf("%v %+v %#v", err, err, err)} {
					assert.NotContains(t, printed, "mark")
					assert.NotContains(t, printed, "access_token")
				}
			}
		})
	}
}

// answering is a server that answers each connection so, and hangs up.
func answering(t *testing.T, answer string) (base string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_ = r.Body.Close()
			}
			_, _ = conn.Write([]byte(answer))
			_ = conn.Close()
		}
	}()
	return "http://" + l.Addr().String(), func() {
		_ = l.Close()
		<-done
	}
}

// Statuses that are none come from a garbled line, or from a middleware that gives an
// empty response.
func TestStatusThatIsNone(t *testing.T) {
	empty := func(*http.Request) (*http.Response, error) { return &http.Response{}, nil }
	for op, call := range calls() {
		c, w := client(t, nil, empty)
		err := call(t.Context(), c)
		require.ErrorIs(t, err, ags.ErrProtocol, op)
		e := asError(t, err)
		assert.True(t, e.Malformed, op)
		assert.False(t, e.NotSent, op)
		assert.False(t, strings.Contains(err.Error(), "status 0"), op)
		w.only()
	}
	for _, line := range []string{"HTTP/1.1 000 OK", "HTTP/1.1 -00 OK"} {
		base, stop := answering(t, line+"\r\nContent-Length: 0\r\n\r\n")
		cfg := config(nil)
		cfg.BaseURL, cfg.HTTPClient, cfg.Clock = base, nil, nil
		c, err := ags.New(cfg)
		require.NoError(t, err)
		for op, call := range calls() {
			require.Error(t, call(ags.WithoutRetry(t.Context()), c), "%s: %s", op, line)
		}
		stop()
	}
}

func TestByteOrderMark(t *testing.T) {
	const mark = "\ufeff"
	c, _ := client(t, nil, reply(200, mark+pair()), reply(201, mark+pair()), reply(200, mark+`{"sessionToken":"s"}`),
		reply(200, mark+`{"availableServices":[]}`),
		reply(300, mark+toJSON(map[string]any{"userAccountToken": userMark, "accounts": []any{
			map[string]any{"accountInformation": mark + `{"userAccountToken":"inner","name":"dave"}`},
		}})))
	token, err := c.Refresh(t.Context(), held())
	require.NoError(t, err)
	assert.False(t, token.AccessToken.IsZero())
	_, err = c.SignOn(t.Context(), ags.SignOnRequest{})
	require.NoError(t, err)
	_, err = c.SessionToken(t.Context(), nil)
	require.NoError(t, err)
	_, err = c.Discover(t.Context())
	require.NoError(t, err)
	_, err = c.SignOn(t.Context(), ags.SignOnRequest{})
	choice, ok := errors.AsType[*ags.AccountChoiceError](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, "inner", choice.Accounts[0].UserToken.Reveal())
	assert.NotContains(t, string(choice.Accounts[0].Information()), "inner")
}
