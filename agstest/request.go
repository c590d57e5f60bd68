package agstest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

const redacted = "[redacted]"

// secretHeaders are those whose values a record does not show.
func secretHeaders() []string {
	return []string{"Authorization", "Cookie", "Proxy-Authorization", "Token", "User-Token"}
}

// Request is the record of a request that a [Server] received. What may be secret
// in it, the values of Authorization and its like and the body, can be asked for
// but is in no field: however a Request is printed, in a failing test's output or
// a log, it shows none.
type Request struct {
	// Op is the call, and Serial says that the request was the server's n-th of
	// that call, from 1.
	Op     Op
	Serial int
	// At is when the request had been received, by the server's clock.
	At time.Time
	// Method, Host, Path and Query are those of the request.
	Method, Host, Path, Query string
	// Header is the request's, with "[redacted]" for what is secret: see
	// [Request.Reveal].
	Header http.Header
	// Status is what was answered, zero if nothing was, or nothing yet.
	Status int
	// Fault is what befell the request: the [Kind] of the fault, or else "answer"
	// and the status of one that replaced the answer, "edit", "delay" or "header".
	// Empty means nothing.
	Fault string

	// A function: what it closes over is printed by nothing.
	sent func() (http.Header, []byte)
}

// newRequest returns the record of a request, its body read.
func newRequest(op Op, r *http.Request, body []byte, at time.Time) *Request {
	sent := r.Header.Clone()
	shown := sent.Clone()
	for _, name := range secretHeaders() {
		for i := range shown[name] {
			shown[name][i] = redacted
		}
	}
	body = bytes.Clone(body[:min(len(body), recordedBody)])
	return &Request{
		Op: op, At: at, Method: r.Method, Host: r.Host, Path: r.URL.Path, Query: r.URL.RawQuery, Header: shown,
		sent: func() (http.Header, []byte) { return sent, body },
	}
}

// contents returns what was sent, none for a Request that is no record.
func (rq Request) contents() (http.Header, []byte) {
	if rq.sent == nil {
		return nil, nil
	}
	return rq.sent()
}

// Reveal returns the first value of a header as it was sent, secret or not.
func (rq Request) Reveal(header string) string {
	h, _ := rq.contents()
	return h.Get(header)
}

// Body returns the request's body, its first 64 KiB if it is longer. The caller
// owns it.
func (rq Request) Body() []byte {
	_, body := rq.contents()
	return bytes.Clone(body)
}

// Carries reports whether token is what the Authorization header holds, as
// "Bearer <token>" or bare.
func (rq Request) Carries(token string) bool {
	h, _ := rq.contents()
	sent, _ := credential(h)
	return sent != "" && sent == token
}

// SameAuthorization reports whether both requests have the same Authorization
// header, or none.
func (rq Request) SameAuthorization(other Request) bool {
	a, _ := rq.contents()
	b, _ := other.contents()
	return slices.Equal(a.Values("Authorization"), b.Values("Authorization"))
}

// SameBody reports whether both requests have the same body, as far as it was
// kept.
func (rq Request) SameBody(other Request) bool {
	_, a := rq.contents()
	_, b := other.contents()
	return bytes.Equal(a, b)
}

// String returns one line without secrets: "refresh #2: POST /ags/refresh → 200".
func (rq Request) String() string {
	answered := "no answer"
	if rq.Status != 0 {
		answered = fmt.Sprint(rq.Status)
	}
	line := fmt.Sprintf("%s #%d: %s %s → %s", string(rq.Op), rq.Serial, rq.Method, rq.Path, answered)
	if rq.Fault != "" {
		line += " (" + rq.Fault + ")"
	}
	return line
}

// GoString returns the same as String.
func (rq Request) GoString() string { return rq.String() }

// Format writes the same as String, whatever the verb.
func (rq Request) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, rq.String()) }
