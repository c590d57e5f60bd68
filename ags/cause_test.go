package ags_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

func TestErrorCause(t *testing.T) {
	for _, known := range []error{
		context.Canceled, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, syscall.ECONNRESET,
	} {
		e := refreshError(t, failWith(fmt.Errorf("sending %s: %w", refreshMark, known)))
		require.ErrorIs(t, e, known)
		assert.Equal(t, known.Error(), e.Err.Error(), "without the text around it")
	}
	for _, timeout := range []bool{true, false} {
		e := refreshError(t, failWith(&net.DNSError{Err: "slow", IsTimeout: timeout}))
		ne, ok := errors.AsType[net.Error](e)
		require.True(t, ok)
		assert.Equal(t, timeout, ne.Timeout())
		old, ok := ne.(interface{ Temporary() bool })
		require.True(t, ok)
		assert.Equal(t, timeout, old.Temporary())
	}
	e := refreshError(t, failWith(errors.New("a\r\nb")))
	assert.Equal(t, "the request failed (*errors.errorString)", e.Err.Error())
}

func TestErrorCause_DeadlineIsATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c, tr := newClient(t, realClock, func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		_, err := c.Refresh(ctx, testToken())
		tr.only()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		ne, ok := errors.AsType[net.Error](err)
		require.True(t, ok)
		assert.True(t, ne.Timeout())
	})
}

// net/http quotes the beginning of a malformed response in its errors.
func TestGarbledAnswers_NothingOfThemIsInTheError(t *testing.T) {
	body := `{"access_token":"` + accessMark + `","refresh_token":"` + refreshMark + `","expires_in":3600}`
	for name, raw := range map[string]string{
		"no empty line":              "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + body + "\r\n\r\n",
		"no header line":             "HTTP/1.1 200 OK\r\n" + body + "\r\n\r\n",
		"the body alone":             body,
		"the body and an empty line": body + "\r\n\r\n",
		"in the status line":         "HTTP/1.1 " + body + "\r\n\r\n",
		"after the body":             body + " 200 OK\r\n\r\n",
		"as the reason phrase":       "HTTP/1.1 abc " + body + "\r\n\r\n",
		"as a length":                "HTTP/1.1 200 OK\r\nContent-Length: " + body + "\r\n\r\n",
		"as a second length":         "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: " + body + "\r\n\r\n{}",
		"as a transfer encoding":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + body + "\r\n\r\n",
		"as a chunk":                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + "\r\n\r\n",
		"as a trailer":               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + body + "\r\n\r\n",
		"as a field's name":          "HTTP/1.1 200 OK\r\n" + body + ": x\r\n\r\n",
		"after a space":              "HTTP/1.1 200 OK\r\n " + body + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := serveRaw(t, raw).Refresh(ags.WithoutRetry(t.Context()), testToken())
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

// serveRaw returns the client of a server that sends these bytes on every connection and closes
// it.
func serveRaw(t *testing.T, raw string) *ags.Client {
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
			_, _ = conn.Write([]byte(raw))
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	cfg := testConfig(nil)
	cfg.BaseURL, cfg.HTTPClient, cfg.Clock = "http://"+l.Addr().String(), nil, nil
	c, err := ags.New(cfg)
	require.NoError(t, err)
	return c
}
