package agstest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"
)

const redacted = "[redacted]"

// secretHeaders returns the headers whose values Request.Header does not show.
func secretHeaders() []string {
	return []string{"Authorization", "Cookie", "Proxy-Authorization", "Token", "User-Token"}
}

// Request is the record of a request that a [Server] received. It does not show the
// request's credentials or body when it is printed, for example in a log or by a failing
// test. Use its methods to read or compare them.
type Request struct {
	// Op is the request's operation. Serial is the request's number among those of
	// its operation, from 1.
	Op     Op
	Serial int
	// At is when the server had received the request, on the server's clock.
	At time.Time
	// Method, Host, Path and Query are those of the request.
	Method, Host, Path, Query string
	// Header is the request's header, with "[redacted]" in place of secret values.
	// See [Request.Reveal].
	Header http.Header
	// Status is the status of the response, or zero if there was none yet.
	Status int
	// Fault names the fault of the request: its [Kind]; or "answer" and the status,
	// if it replaced the response; or "edit", "delay" or "header". It is empty if
	// there was none.
	Fault string

	// sent returns the header and the body as received. It is a function so that
	// printing a Request cannot show them.
	sent func() (http.Header, []byte)
}

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

// contents returns the header and the body as received, or nil for a zero Request.
func (rq Request) contents() (http.Header, []byte) {
	if rq.sent == nil {
		return nil, nil
	}
	return rq.sent()
}

// Reveal returns the first value of a header as received, even if it is secret.
func (rq Request) Reveal(header string) string {
	h, _ := rq.contents()
	return h.Get(header)
}

// Body returns the first 64 KiB of the request's body. The caller owns the result.
func (rq Request) Body() []byte {
	_, body := rq.contents()
	return bytes.Clone(body)
}

// Carries reports whether the Authorization header is "Bearer <token>" or the token
// alone.
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

// SameBody reports whether the recorded bodies of both requests are equal.
func (rq Request) SameBody(other Request) bool {
	_, a := rq.contents()
	_, b := other.contents()
	return bytes.Equal(a, b)
}

// String returns one line without secrets, like
// "refresh #2: POST /ags/refresh → 200".
func (rq Request) String() string {
	status := "no answer"
	if rq.Status != 0 {
		status = strconv.Itoa(rq.Status)
	}
	line := fmt.Sprintf("%s #%d: %s %s → %s", string(rq.Op), rq.Serial, rq.Method, rq.Path, status)
	if rq.Fault != "" {
		line += " (" + rq.Fault + ")"
	}
	return line
}

// GoString returns the same as String.
func (rq Request) GoString() string { return rq.String() }

// Format writes the same as String for every verb.
func (rq Request) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, rq.String()) }
