package agstest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxBody is how much of a request's body is read; more is answered with a 413.
const maxBody = 8 << 20

// exchange is a request being served.
type exchange struct {
	op           Op
	serial       int
	method, path string
	header       http.Header
	body         []byte
}

// serve is the server's one handler. To read the whole body first is not only
// for the record: net/http watches for the end of the client, by which every
// wait in here ends, only after that.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	op := opOf(r.URL.Path)
	body, err := readBody(w, r)
	e, rq := s.journal.begin(op, r, body, s.now())
	defer e.leave(0)
	if err != nil {
		s.refuseBody(w, e, err)
		return
	}
	for _, hold := range s.script.holdsOf(op) {
		s.await(r.Context(), hold)
	}
	f := s.script.next(rq)
	e.meets(f)
	x := &exchange{op: op, serial: rq.Serial, method: r.Method, path: r.URL.Path, header: r.Header, body: body}
	a := s.play(r.Context(), x, f)
	if f.Kind == Lost {
		hangUp()
	}
	e.leave(a.status)
	s.send(r.Context(), w, f, a)
}

// readBody returns what there is of the body, and why that is not all.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var b bytes.Buffer
	_, err := b.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody))
	return b.Bytes(), err
}

// refuseBody answers a request whose body is too long. One that was not sent whole
// has nobody who waits for an answer.
func (s *Server) refuseBody(w http.ResponseWriter, e *entry, err error) {
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); !tooLong {
		hangUp()
	}
	a := (&refusal{http.StatusRequestEntityTooLarge, 0, "body too long"}).answer()
	e.leave(a.status)
	s.sendWhole(w, Fault{}, a)
}

// play does what the request asks for, or what the fault has it do instead, and
// returns what is to be answered.
func (s *Server) play(ctx context.Context, x *exchange, f Fault) answer {
	var a answer
	if f.AfterWork {
		a = s.work(x)
	}
	s.sleep(ctx, f.Delay)
	switch {
	case f.replaces():
		a = f.answer(x.path)
	case !f.AfterWork:
		a = s.work(x)
	}
	if f.Edit != nil || f.Kind == Oversized {
		a.body = f.edit(a.body)
	}
	return a
}

// work does what the request asks for.
func (s *Server) work(x *exchange) answer {
	switch x.op {
	case API:
		return s.api(x)
	case Other:
		return notFound("no such path").answer()
	case Discovery, SignOn, SubsequentSignOn, SessionToken, SignOnWithSessionToken, Refresh, SignOut:
	}
	return s.gateway(x)
}

// edit returns a JSON object as the fault changes it, and anything else as it is.
func (f Fault) edit(body []byte) []byte {
	var fields map[string]any
	if json.Unmarshal(body, &fields) != nil || fields == nil {
		return body
	}
	if f.Edit != nil {
		f.Edit(fields)
	}
	if f.Kind == Oversized {
		fields[paddingField] = strings.Repeat("x", oversize)
	}
	return mustJSON(fields)
}

// send writes the answer, in the way of the fault.
func (s *Server) send(ctx context.Context, w http.ResponseWriter, f Fault, a answer) {
	switch f.Kind {
	case Cut:
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)+1))
		s.sendHalf(w, f, a)
		return
	case CutChunked:
		s.sendHalf(w, f, a)
		return
	case Drip:
		s.drip(ctx, w, f, a)
		return
	case Lost, Garbage, HTML, Empty, Redirect, Oversized:
	}
	s.sendWhole(w, f, a)
}

func (s *Server) sendWhole(w http.ResponseWriter, f Fault, a answer) {
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	s.head(w, f, a)
	_, _ = w.Write(a.body)
}

// sendHalf writes half of the body, and ends the connection.
func (s *Server) sendHalf(w http.ResponseWriter, f Fault, a answer) {
	s.head(w, f, a)
	_, _ = w.Write(a.body[:len(a.body)/2])
	_ = http.NewResponseController(w).Flush()
	hangUp()
}

func (s *Server) drip(ctx context.Context, w http.ResponseWriter, f Fault, a answer) {
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	s.head(w, f, a)
	rest := a.body
	for left := dripPieces; left > 0; left-- {
		if left < dripPieces {
			s.sleep(ctx, f.Pause)
		}
		n := len(rest) / left
		_, _ = w.Write(rest[:n])
		_ = http.NewResponseController(w).Flush()
		rest = rest[n:]
	}
}

// head writes the status and the headers, those of the fault over all others.
func (s *Server) head(w http.ResponseWriter, f Fault, a answer) {
	h, now := w.Header(), s.now()
	h.Set("Date", now.UTC().Format(http.TimeFormat))
	if f.RetryAfter > 0 {
		h.Set("Retry-After", f.retryAfter(now))
	}
	for _, from := range []http.Header{a.header, f.Header} {
		for name, values := range from {
			h[http.CanonicalHeaderKey(name)] = values
		}
	}
	w.WriteHeader(a.status)
}

func (f Fault) retryAfter(now time.Time) string {
	if f.RetryAfterDate {
		return now.Add(f.RetryAfter).UTC().Format(http.TimeFormat)
	}
	return strconv.Itoa(int((f.RetryAfter + time.Second - 1) / time.Second))
}

// sleep waits for d on the server's clock.
func (s *Server) sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := s.cfg.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
	case <-ctx.Done():
		hangUp()
	case <-s.done:
		hangUp()
	}
}

// await waits until hold is closed. Like sleep, it does not return if the client
// or the server goes first.
func (s *Server) await(ctx context.Context, hold <-chan struct{}) {
	select {
	case <-hold:
	case <-ctx.Done():
		hangUp()
	case <-s.done:
		hangUp()
	}
}

// hangUp ends a handler, and its connection with it: what was not written yet
// never will be.
func hangUp() { panic(http.ErrAbortHandler) }
