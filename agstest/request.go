package agstest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
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
	// its operation, and Number among all of the server, both from 1. Only Serial
	// starts again after [Server.Reset].
	Op             Op
	Serial, Number int
	// At is when the server had received the request, on the server's clock.
	At time.Time
	// Method, Host, Path and Query are those of the request. Query is the raw query,
	// with "[redacted]" in place of secret values: those of the parameters that
	// usually are secret and, if there is a grant_type, of all others. See
	// [Request.RevealQuery].
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

	updated int64 // the number of its latest update in the journal

	// sent returns the secret parts of the request as received. It is a function so
	// that printing a Request cannot show them.
	sent func() received
}

// received are the parts of a request that may be secret. The zero value is that of a
// zero Request.
type received struct {
	header http.Header
	query  string
	body   []byte
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
	query := r.URL.RawQuery
	return &Request{
		Op: op, At: at, Method: r.Method, Host: r.Host, Path: r.URL.Path, Query: shownQuery(query), Header: shown,
		sent: func() received { return received{header: sent, query: query, body: body} },
	}
}

// copied returns a copy of which the caller may change all fields.
func (rq *Request) copied() Request {
	c := *rq
	c.Header = rq.Header.Clone()
	return c
}

// contents returns the secret parts of the request.
func (rq Request) contents() received {
	if rq.sent == nil {
		return received{}
	}
	return rq.sent()
}

// Reveal returns the first value of a header as received, even if it is secret.
func (rq Request) Reveal(header string) string {
	return rq.contents().header.Get(header)
}

// RevealQuery returns the first value of a query parameter as received, even if it is
// secret.
func (rq Request) RevealQuery(name string) string {
	query, _ := url.ParseQuery(rq.contents().query) // it has the pairs that are valid
	return query.Get(name)
}

// Body returns the first 64 KiB of the request's body. The caller owns the result.
func (rq Request) Body() []byte {
	return bytes.Clone(rq.contents().body)
}

// Carries reports whether the Authorization header is "Bearer <token>" or the token
// alone, or the query has it as the refresh_token.
func (rq Request) Carries(token string) bool {
	sent, _ := credential(rq.contents().header)
	return token != "" && (sent == token || rq.RevealQuery(refreshGrant) == token)
}

// SameAuthorization reports whether both requests have the same Authorization
// header, or none.
func (rq Request) SameAuthorization(other Request) bool {
	a, b := rq.contents().header, other.contents().header
	return slices.Equal(a.Values("Authorization"), b.Values("Authorization"))
}

// SameBody reports whether the recorded bodies of both requests are equal.
func (rq Request) SameBody(other Request) bool {
	return bytes.Equal(rq.contents().body, other.contents().body)
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
