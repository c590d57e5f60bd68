package agstest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
)

// eventStream reads server-sent events.
type eventStream struct {
	lines *bufio.Scanner
	close func()
}

// event is a server-sent event. Its fields are those of a request or of an act.
type event struct {
	id, name string
	data     struct {
		Op, Path, Fault, Act string
		Status               int
	}
}

func (e event) String() string {
	return fmt.Sprint(e.name, " ", e.data.Op, e.data.Act, " ", e.data.Status, " ", e.data.Fault)
}

// openEvents opens the events of an admin interface.
func openEvents(t *testing.T, admin *httptest.Server, query string, header ...string) *eventStream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	rq, err := http.NewRequestWithContext(ctx, http.MethodGet, admin.URL+"/events"+query, nil)
	require.NoError(t, err)
	for i := 0; i+1 < len(header); i += 2 {
		rq.Header.Set(header[i], header[i+1])
	}
	rs, err := admin.Client().Do(rq)
	require.NoError(t, err)
	require.Equal(t, "text/event-stream", rs.Header.Get("Content-Type"))
	s := &eventStream{bufio.NewScanner(rs.Body), func() { cancel(); _ = rs.Body.Close() }}
	t.Cleanup(s.close)
	return s
}

// next waits for an event.
func (s *eventStream) next(t *testing.T) event {
	t.Helper()
	var e event
	for s.lines.Scan() && s.lines.Text() != "" {
		name, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			require.NoError(t, json.Unmarshal([]byte(value), &e.data))
		}
	}
	require.NoError(t, s.lines.Err())
	return e
}

func TestEvents_AsTheyHappen(t *testing.T) {
	srv, _, admin := startWithAdmin(t, agstest.Config{})
	signOn(t, srv) // before the stream, which has new events only
	s := openEvents(t, admin, "")
	release := srv.Hold(agstest.API)
	srv.Script(agstest.API, agstest.Fault{Status: 503})
	done := make(chan reply)
	go func() { done <- send(context.Background(), srv, http.MethodPost, "/api/x", "") }()
	assert.Equal(t, "request api 0 ", s.next(t).String(), "received, and not yet answered")
	release()
	<-done
	var last event
	for last.data.Status == 0 {
		last = s.next(t)
	}
	assert.Equal(t, "request api 503 answer 503", last.String())
	answered(t, ask(t, admin, "PUT", "/clock", `{"advance":"10m"}`))
	assert.Equal(t, "changed PUT /clock 0 ", s.next(t).String())
	answered(t, ask(t, admin, "POST", "/reset", ""))
	assert.Equal(t, "reset", s.next(t).name)
	assert.Equal(t, "changed POST /reset 0 ", s.next(t).String())
}

func TestEvents_ResumeWhereTheyEnded(t *testing.T) {
	srv, _, admin := startWithAdmin(t, agstest.Config{})
	tok := signOn(t, srv)
	s := openEvents(t, admin, "?since=0")
	first := s.next(t)
	assert.Equal(t, "request sign on 201 ", first.String(), "once, as it is now")
	s.close()

	refresh(t, srv, tok.Refresh)
	assert.Equal(t, "request refresh 200 ", openEvents(t, admin, "", "Last-Event-ID", first.id).next(t).String())
	assert.Equal(t, "request refresh 200 ", openEvents(t, admin, "?since="+first.id).next(t).String())

	for _, id := range []string{"12345", "9" + first.id} {
		s = openEvents(t, admin, "", "Last-Event-ID", id)
		assert.Equal(t, "reset", s.next(t).name, "an event of an earlier server, or of one with another clock")
		assert.Equal(t, "request sign on 201 ", s.next(t).String())
	}
}

func TestEvents_ManyMissedAreAReset(t *testing.T) {
	srv, _, admin := startWithAdmin(t, agstest.Config{InMemory: true})
	handler := srv.Handler()
	const requests = 3*agstest.RecordedRequests + 7
	for range 2 * requests {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/x", nil))
	}
	s := openEvents(t, admin, "?since=1")
	e := s.next(t)
	require.Equal(t, "reset", e.name)
	for range agstest.RecordedRequests {
		require.Equal(t, "request api 403 ", s.next(t).String())
	}
	srv.Reset()
	for e.name = ""; e.name != "reset"; {
		e = s.next(t)
	}
	assert.Empty(t, srv.Requests())
}

func TestEvents_EndWithTheServer(t *testing.T) {
	srv, _, admin := startWithAdmin(t, agstest.Config{})
	s := openEvents(t, admin, "")
	srv.Close()
	assert.Equal(t, event{}, s.next(t), "the stream ends")
}

func TestAdmin_Requests(t *testing.T) {
	srv, _, admin := startWithAdmin(t, agstest.Config{})
	tok := signOn(t, srv)
	answered(t, ask(t, admin, "POST", "/faults", `{"op":"refresh","status":500}`))
	refresh(t, srv, tok.Refresh)
	send(t.Context(), srv, http.MethodGet, "/api/x?access_token=abc&page=2", "", "Authorization", "Bearer "+tok.Access, "X-Api-Key", "k-1")

	list := func(query string) (ops []string) {
		var body struct{ Requests []event }
		var raw struct{ Requests []json.RawMessage }
		text := []byte(answered(t, ask(t, admin, "GET", "/requests"+query, "")))
		require.NoError(t, json.Unmarshal(text, &raw))
		body.Requests = make([]event, len(raw.Requests))
		for i, r := range raw.Requests {
			require.NoError(t, json.Unmarshal(r, &body.Requests[i].data))
			ops = append(ops, body.Requests[i].String())
		}
		return ops
	}
	assert.Equal(t, []string{" sign on 201 ", " refresh 500 answer 500", " api 200 "}, list(""))
	assert.Equal(t, []string{" sign on 201 ", " api 200 "}, list("?op=sign-on&op=api"))
	assert.Equal(t, []string{" api 200 "}, list("?since=2"))
	assert.Equal(t, []string{" refresh 500 answer 500", " api 200 "}, list("?limit=2"))
	assert.Empty(t, list("?since=3&wait=1ms"))

	all := answered(t, ask(t, admin, "GET", "/requests", ""))
	assert.Contains(t, all, `"query":"access_token=[redacted]\u0026page=2"`)
	assert.Contains(t, all, `"X-Api-Key":["[redacted]"]`)
	assert.Contains(t, all, `"X-Correlation-Id":["flow-1"]`)
	for _, secret := range []string{tok.Access, tok.Refresh, agstest.DefaultPassword, "abc", "k-1"} {
		assert.NotContains(t, all, secret)
	}
}

func TestAdmin_RequestsWaits(t *testing.T) {
	srv, _, admin := startWithAdmin(t, agstest.Config{})
	answer := make(chan reply)
	go func() {
		rs, err := admin.Client().Get(admin.URL + "/requests?op=refresh&wait=1m")
		if err != nil {
			answer <- reply{err: err}
			return
		}
		defer rs.Body.Close()
		b, err := io.ReadAll(rs.Body)
		answer <- reply{rs.StatusCode, rs.Header, b, err}
	}()
	signOn(t, srv)
	select {
	case r := <-answer:
		require.Fail(t, "answered without a refresh", "%s", r.body)
	case <-time.After(20 * time.Millisecond):
	}
	refresh(t, srv, "unknown")
	assert.Contains(t, answered(t, <-answer), `"op":"refresh","serial":1`)
}
