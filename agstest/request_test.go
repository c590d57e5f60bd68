package agstest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
)

func TestRequests_RecordWhatWasReceived(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	tok := signOn(t, srv)
	refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
	r := post(t, srv, "/ias/v3/token/actions/refresh?x=1", usernameOnly, "Authorization", tok.Refresh, "Nagra-Target", "everything")
	assert.Equal(t, http.StatusUnauthorized, r.status)
	requests := srv.Requests(agstest.Refresh)
	require.Len(t, requests, 2)
	first, second := requests[0], requests[1]
	assert.Equal(t, agstest.Refresh, second.Op)
	assert.Equal(t, 2, second.Serial)
	assert.True(t, second.At.Equal(start()))
	assert.Equal(t, http.MethodPost, second.Method)
	assert.Equal(t, strings.TrimPrefix(srv.URL, "http://"), second.Host)
	assert.Equal(t, "/ias/v3/token/actions/refresh", second.Path)
	assert.Equal(t, "x=1", second.Query)
	assert.Equal(t, "everything", second.Header.Get("Nagra-Target"))
	assert.Equal(t, "flow-1", second.Header.Get("x-correlation-id"))
	assert.Equal(t, http.StatusUnauthorized, second.Status)
	assert.JSONEq(t, usernameOnly, string(second.Body()))

	assert.Equal(t, "[redacted]", first.Header.Get("Authorization"))
	assert.Equal(t, "Bearer "+tok.Refresh, first.Reveal("authorization"))
	assert.Equal(t, "flow-1", first.Reveal("X-Correlation-Id"))
	assert.True(t, first.Carries(tok.Refresh))
	assert.True(t, second.Carries(tok.Refresh))
	assert.False(t, second.Carries(tok.Access))
	assert.False(t, first.SameAuthorization(second), "only one has the scheme")
	assert.True(t, first.SameAuthorization(first))
	assert.True(t, first.SameBody(second))
	assert.False(t, first.SameBody(srv.Requests(agstest.SignOn)[0]))
	assert.Empty(t, srv.Requests(agstest.SignOut))
	assert.Equal(t, 2, srv.Count(agstest.Refresh))
}

func TestRequests_CallerOwnsTheResult(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	signOn(t, srv)
	rq := srv.Requests(agstest.SignOn)[0]
	rq.Header.Set("nv-tenant-id", "changed")
	copy(rq.Body(), "changed")
	assert.Equal(t, "nagra", srv.Requests(agstest.SignOn)[0].Header.Get("nv-tenant-id"))
	assert.Equal(t, newDeviceSignOn, string(srv.Requests(agstest.SignOn)[0].Body()))
	assert.Equal(t, 1, srv.Count(agstest.SignOn))
}

func TestRequest_ZeroValue(t *testing.T) {
	var rq agstest.Request
	assert.Empty(t, rq.Body())
	assert.Empty(t, rq.Reveal("Authorization"))
	assert.False(t, rq.Carries(""))
	assert.True(t, rq.SameAuthorization(agstest.Request{}))
	assert.True(t, rq.SameBody(agstest.Request{}))
}

// recorder is an assert.TestingT that records the messages of failed assertions.
type recorder struct{ strings.Builder }

func (r *recorder) Errorf(format string, args ...any) { fmt.Fprintf(r, format, args...) }

func TestRequest_PrintsNoSecrets(t *testing.T) {
	const mark = "M4RK"
	srv, _ := startServer(t, agstest.Config{})
	body := `{"parameters":[{"name":"password","value":"` + mark + `"}]}`
	post(t, srv, "/ags/refresh", body, "Authorization", "Bearer "+mark, "User-Token", mark, "Token", mark,
		"Cookie", "c="+mark, "Proxy-Authorization", mark)
	requests := srv.Requests(agstest.Refresh)
	require.Len(t, requests, 1)
	rq := requests[0]
	require.True(t, rq.Carries(mark))
	require.Contains(t, string(rq.Body()), mark)

	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{rq, &rq, requests, struct{ rq agstest.Request }{rq}, map[string]any{"k": rq}} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	b, err := json.Marshal(struct{ Header http.Header }{rq.Header})
	require.NoError(t, err)
	out.Write(b)
	slog.New(slog.NewTextHandler(&out, nil)).InfoContext(t.Context(), "m", slog.Any("request", rq))
	slog.New(slog.NewJSONHandler(&out, nil)).InfoContext(t.Context(), "m", slog.Any("request", rq))
	// testify prints with spew, which shows unexported fields.
	failed := &recorder{}
	assert.Equal(failed, agstest.Request{}, rq)
	assert.Equal(failed, []agstest.Request{}, requests)
	assert.Nil(failed, requests)
	assert.Contains(t, failed.String(), "expected")
	out.WriteString(failed.String())

	assert.Contains(t, out.String(), "refresh #1: POST /ags/refresh → 403")
	assert.NotContains(t, out.String(), mark)
	assert.NotContains(t, out.String(), fmt.Sprintf("%x", mark))
}

func TestRequest_String(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	srv.Script(agstest.Refresh, agstest.Fault{Status: 503}, agstest.Fault{Kind: agstest.Lost})
	refresh(t, srv, "any")
	refresh(t, srv, "any")
	requests := srv.Requests(agstest.Refresh)
	require.Len(t, requests, 2)
	assert.Equal(t, "refresh #1: POST /ags/refresh → 503 (answer 503)", requests[0].String())
	assert.Equal(t, "refresh #2: POST /ags/refresh → no answer (lost)", fmt.Sprintf("%#v", requests[1]))
	assert.Equal(t, requests[1].String(), requests[1].GoString())
}

func TestRequests_KeepTheLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := startInMemory(t, agstest.Config{})
		srv.Always(agstest.Other, agstest.Fault{Kind: agstest.Empty})
		n := 2*agstest.RecordedRequests + 10
		for range n {
			require.NoError(t, send(t.Context(), srv, http.MethodGet, "/", "").err)
		}
		assert.Equal(t, n, srv.Count(agstest.Other))
		requests := srv.Requests(agstest.Other)
		require.Len(t, requests, agstest.RecordedRequests)
		assert.Equal(t, n, requests[len(requests)-1].Serial)
		assert.Equal(t, n-agstest.RecordedRequests+1, requests[0].Serial)
	})
}

func TestRequests_KeepTheStartOfALongBody(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	tok := signOn(t, srv)
	body := bytes.Repeat([]byte("x"), agstest.RecordedBody+1)
	r := post(t, srv, "/api/upload", string(body), "Authorization", "Bearer "+tok.Access)
	var echo agstest.Echo
	require.NoError(t, json.Unmarshal(r.body, &echo))
	assert.Len(t, echo.Body, len(body), "the API received the whole body")
	assert.Len(t, srv.Requests(agstest.API)[0].Body(), agstest.RecordedBody)
	assert.Equal(t, 1, srv.Count(agstest.API))
}

func TestRequests_OversizedBody(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	tok := signOn(t, srv)
	r := post(t, srv, "/api/upload", strings.Repeat("x", agstest.MaxBody+1), "Authorization", "Bearer "+tok.Access)
	// The server closes the connection while the client may still be writing. The
	// client gets either the answer or a write error.
	if r.err == nil {
		assert.Equal(t, http.StatusRequestEntityTooLarge, r.status)
	}
	require.NoError(t, srv.Wait(t.Context(), agstest.API, 1))
	assert.Equal(t, 1, srv.Count(agstest.API))
	assert.Equal(t, http.StatusRequestEntityTooLarge, srv.Requests(agstest.API)[0].Status)
}

func TestRequests_IncompleteBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := startInMemory(t, agstest.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		body, writer := io.Pipe()
		rq, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL+"/api/upload", body)
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() {
			_, err := srv.Client().Do(rq)
			done <- err
		}()
		_, err = io.WriteString(writer, strings.Repeat("half", 4096))
		require.NoError(t, err)
		synctest.Wait() // the server waits for the rest of the body
		cancel()
		synctest.Wait() // the connection is closed; only the body's writer is left
		require.NoError(t, writer.Close())
		require.ErrorIs(t, <-done, context.Canceled)
		require.NoError(t, srv.Wait(t.Context(), agstest.API, 1))
		synctest.Wait()
		assert.Contains(t, string(srv.Requests(agstest.API)[0].Body()), "half")
		assert.Zero(t, srv.Requests(agstest.API)[0].Status)
		assert.Zero(t, srv.InFlight(agstest.API))
		assert.Equal(t, 1, srv.Count(agstest.API))
	})
}

func TestWait_UntilReceived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := startInMemory(t, agstest.Config{})
		waited := make(chan error, 1)
		go func() { waited <- srv.Wait(t.Context(), agstest.Refresh, 2) }()
		refresh(t, srv, "any")
		assert.Empty(t, waited)
		refresh(t, srv, "any")
		require.NoError(t, <-waited)
		require.NoError(t, srv.Wait(t.Context(), agstest.Refresh, 1))
		assert.Equal(t, 2, srv.Count(agstest.Refresh))
	})
}

func TestWait_EndsWithItsContextOrOnClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := startInMemory(t, agstest.Config{})
		cause := errors.New("cause")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		require.ErrorIs(t, srv.Wait(ctx, agstest.Refresh, 1), cause)

		waited := make(chan error, 1)
		go func() { waited <- srv.Wait(t.Context(), agstest.Refresh, 1) }()
		srv.Close()
		require.ErrorIs(t, <-waited, http.ErrServerClosed)
		assert.Zero(t, srv.Count(agstest.Refresh))
	})
}
