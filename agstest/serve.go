package agstest

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// maxBody is the longest request body, in bytes. The server answers 413 to more.
const maxBody = 8 << 20

// exchange is a request that is being served.
type exchange struct {
	op           Op
	serial       int
	method, path string
	query        string // raw
	header       http.Header
	body         []byte
}

// serve handles all requests. It must read the whole body before it waits for
// anything: only then does net/http cancel the request's context when the client
// disconnects.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	op := s.cfg.Dialect.opOf(r.URL)
	body, err := readBody(w, r)
	e, rq := s.requests.begin(op, r, body, s.now())
	defer e.finish(0, s.cfg.OnRequest)
	if err != nil {
		s.refuseBody(w, e, err)
		return
	}
	for _, hold := range s.script.holdsFor(op) {
		s.waitFor(r.Context(), hold)
	}
	f := s.script.next(rq)
	e.setFault(f.name())
	x := &exchange{op: op, serial: rq.Serial, method: r.Method, path: r.URL.Path, query: r.URL.RawQuery, header: r.Header, body: body}
	rs := s.respond(r.Context(), x, f)
	if f.Kind == Lost {
		abort()
	}
	e.finish(rs.status, s.cfg.OnRequest)
	s.send(r.Context(), w, f, rs)
}

// readBody returns the part of the body that was received, and an error if that is
// not all of it.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var b bytes.Buffer
	_, err := b.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody))
	return b.Bytes(), err
}

// refuseBody answers a request whose body is too long, and aborts one whose client
// did not send the whole body.
func (s *Server) refuseBody(w http.ResponseWriter, e *entry, err error) {
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); !tooLong {
		abort()
	}
	rs := (&refusal{http.StatusRequestEntityTooLarge, 0, "body too long"}).response()
	e.finish(rs.status, s.cfg.OnRequest)
	s.sendWhole(w, Fault{}, rs)
}

// respond handles a request, subject to a fault, and returns the response.
func (s *Server) respond(ctx context.Context, x *exchange, f Fault) response {
	var rs response
	if f.AfterWork {
		rs = s.handle(x)
	}
	s.sleep(ctx, f.Delay)
	switch {
	case f.replaces():
		rs = f.response(s.scheme() + "://" + strangerHost + x.path)
	case !f.AfterWork:
		rs = s.handle(x)
	}
	rs.body = f.edit(rs.body)
	return rs
}

// scheme returns the scheme that the server's listener speaks.
func (s *Server) scheme() string {
	if s.cfg.Certificate != nil {
		return "https"
	}
	return "http"
}

// handle handles a request as if there were no fault.
func (s *Server) handle(x *exchange) response {
	switch x.op {
	case API:
		return s.api(x)
	case Other:
		return notFound("no such path").response()
	case Discovery, SignOn, SubsequentSignOn, SessionToken, SignOnWithSessionToken, Refresh, SignOut:
	}
	return s.gateway(x)
}

// send writes a response in the way of the fault's Kind.
func (s *Server) send(ctx context.Context, w http.ResponseWriter, f Fault, rs response) {
	switch f.Kind {
	case Cut:
		w.Header().Set("Content-Length", strconv.Itoa(len(rs.body)+1))
		s.sendHalf(w, f, rs)
		return
	case CutChunked:
		s.sendHalf(w, f, rs)
		return
	case Drip:
		s.drip(ctx, w, f, rs)
		return
	case Lost, Garbage, HTML, Empty, Redirect, Oversized:
	}
	s.sendWhole(w, f, rs)
}

func (s *Server) sendWhole(w http.ResponseWriter, f Fault, rs response) {
	w.Header().Set("Content-Length", strconv.Itoa(len(rs.body)))
	s.writeHeader(w, f, rs)
	_, _ = w.Write(rs.body)
}

// sendHalf writes half of the body and closes the connection.
func (s *Server) sendHalf(w http.ResponseWriter, f Fault, rs response) {
	s.writeHeader(w, f, rs)
	_, _ = w.Write(rs.body[:len(rs.body)/2])
	_ = http.NewResponseController(w).Flush()
	abort()
}

func (s *Server) drip(ctx context.Context, w http.ResponseWriter, f Fault, rs response) {
	w.Header().Set("Content-Length", strconv.Itoa(len(rs.body)))
	s.writeHeader(w, f, rs)
	rest := rs.body
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

// writeHeader writes the status and the headers. Those of the fault take
// precedence.
func (s *Server) writeHeader(w http.ResponseWriter, f Fault, rs response) {
	h, now := w.Header(), s.now()
	h.Set("Date", now.UTC().Format(http.TimeFormat))
	if f.RetryAfter > 0 {
		h.Set("Retry-After", f.retryAfter(now))
	}
	for _, from := range []http.Header{rs.header, f.Header} {
		for name, values := range from {
			h[http.CanonicalHeaderKey(name)] = values
		}
	}
	w.WriteHeader(rs.status)
}

// sleep waits for d on the server's clock. It aborts the handler if ctx or the
// server ends first.
func (s *Server) sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := s.cfg.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
	case <-ctx.Done():
		abort()
	case <-s.done:
		abort()
	}
}

// waitFor waits until hold is closed. It aborts the handler if ctx or the server ends
// first.
func (s *Server) waitFor(ctx context.Context, hold <-chan struct{}) {
	select {
	case <-hold:
	case <-ctx.Done():
		abort()
	case <-s.done:
		abort()
	}
}

// abort ends the handler and closes its connection without sending the rest of the
// response.
func abort() { panic(http.ErrAbortHandler) }
