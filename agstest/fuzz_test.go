package agstest_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/clock"
)

// FuzzAdminFaults checks that any body is either taken as faults, which can then be read
// and put in again, or refused in one line, and that a request survives any fault.
func FuzzAdminFaults(f *testing.F) {
	for _, seed := range []string{
		`{"op":"refresh","status":503,"retryAfter":"2s","header":{"X-A":["b"],"Content-Length":"x"}}`,
		`[{"op":"sign-on","kind":"cut-chunked"},{"op":"api","kind":"drip","pause":1,"always":true}]`,
		`{"op":"refresh","delay":"1h","afterWork":true,"body":"{}","times":3}`, `{"op":"api","kind":"redirect","status":204}`,
		`{}`, `[`, `{"op":1}`, `{"op":"api","delay":1e400}`, ``,
	} {
		f.Add(seed)
	}
	srv := agstest.NewServer(agstest.Config{InMemory: true, Clock: clock.NewFake(start())})
	f.Cleanup(srv.Close)
	admin := srv.Admin()
	gone, cancel := context.WithCancel(context.Background())
	cancel() // a client that has left does not wait for a delay
	f.Fuzz(func(t *testing.T, body string) {
		srv.Clear()
		answer := askHandler(admin, http.MethodPost, "/faults", body)
		switch answer.Code {
		case http.StatusBadRequest:
			var refused struct{ Error string }
			if err := json.Unmarshal(answer.Body.Bytes(), &refused); err != nil || refused.Error == "" || strings.Contains(refused.Error, "\n") {
				t.Fatalf("refused with %q", answer.Body)
			}
			return
		case http.StatusOK:
		default:
			t.Fatalf("status %d", answer.Code)
		}
		checkAgain(t, srv, admin, answer.Body.Bytes())
		for _, path := range []string{"/ags/refresh", "/ags/signOn", "/api/x", "/none"} {
			serveGone(gone, t, srv.Handler(), path)
		}
	})
}

func askHandler(h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	rq := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
	rq.Host = "localhost"
	h.ServeHTTP(w, rq)
	return w
}

// checkAgain puts faults in again as they were read, and requires the same ones.
func checkAgain(t *testing.T, srv *agstest.Server, admin http.Handler, answer []byte) {
	t.Helper()
	var read struct{ Queued, Always []json.RawMessage }
	if err := json.Unmarshal(answer, &read); err != nil {
		t.Fatal(err)
	}
	all, err := json.Marshal(append(read.Queued, read.Always...))
	if err != nil {
		t.Fatal(err)
	}
	srv.Clear()
	again := askHandler(admin, http.MethodPost, "/faults", string(all))
	if again.Body.String() != string(answer) {
		t.Fatalf("%s was read as %s", answer, again.Body)
	}
}

// serveGone serves a request of a client that has left.
func serveGone(gone context.Context, t *testing.T, h http.Handler, path string) {
	t.Helper()
	defer func() {
		p := recover()
		if err, _ := p.(error); p != nil && !errors.Is(err, http.ErrAbortHandler) {
			t.Fatalf("panic: %v", p)
		}
	}()
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(gone, http.MethodPost, path, strings.NewReader("{}")))
}
