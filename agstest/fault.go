package agstest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Kind is a way in which a response goes wrong.
type Kind string

// The kinds of a [Fault]. The first group replaces the response, so the server does
// not do what the request asks for, unless the fault sets AfterWork. The second group
// changes how a response is sent: the server's own, or the one that the fault's
// Status, Code and Body describe.
const (
	Lost     Kind = "lost"     // the connection closes without a response
	Garbage  Kind = "garbage"  // invalid JSON, sent as application/json
	HTML     Kind = "html"     // an HTML page like a firewall's; the default Status is 403
	Empty    Kind = "empty"    // no body
	Redirect Kind = "redirect" // a redirect to Location; the default Status is 307

	Cut        Kind = "cut"         // the connection closes after half of the body; the Content-Length announces more
	CutChunked Kind = "cut chunked" // the same without a Content-Length
	Drip       Kind = "drip"        // the body in eight pieces, with a Pause between them
	Oversized  Kind = "oversized"   // an extra JSON field of two MiB
)

const (
	dripPieces   = 8
	oversize     = 2 << 20 // bytes
	paddingField = "padding"
	strangerHost = "stranger.example"
)

// Fault describes what goes wrong with a request. Its fields combine: one fault can
// delay a request, answer it with an error and send half of that answer. The zero
// value changes nothing.
//
// A fault with a Status, a Code or a Body answers the request with those, and the
// server does not do what the request asks for unless AfterWork is set. A Code alone
// implies status 403, a Body alone status 200. For an error object with status 200,
// use Fault{Status: 200, Code: 20020}.
//
// The functions of a fault are called by the goroutines that serve the requests,
// concurrently if the fault applies to several. They may call the server's methods.
type Fault struct {
	// Kind is how the response goes wrong. It may be empty.
	Kind Kind

	// Delay is how long the server waits, on its clock, before it does anything, or,
	// with AfterWork, before it responds. If the client gives up or the server is
	// closed in that time, there is no response.
	Delay time.Duration
	// AfterWork makes the server do what the request asks for before the fault takes
	// effect. For example, the server consumes a refresh token and issues a new pair,
	// but the client receives an error.
	AfterWork bool

	// Status is the status of the response. Zero means the status that the other
	// fields imply.
	Status int
	// Code is the platform's error code, sent as errorCode in an error object. Zero
	// means that the error object has none.
	Code int
	// Body replaces the default body of the response.
	Body string
	// Header replaces response headers by name. A name without values removes the
	// header; this also works for Date.
	Header http.Header
	// RetryAfter is sent in the Retry-After header: in seconds, rounded up, or, with
	// RetryAfterDate, as a date on the server's clock. Zero means no header.
	RetryAfter     time.Duration
	RetryAfterDate bool

	// Location is the target of a Redirect. Empty means the same path on another
	// host, which [Server.Client] also connects to this server.
	Location string
	// Pause is the time between the pieces of a Drip, on the server's clock.
	Pause time.Duration
	// Edit changes the response if it is a JSON object.
	Edit func(fields map[string]any)

	// If reports whether the fault applies to a request. Nil means that it applies to
	// all.
	If func(Request) bool
	// Times is how many requests a fault of [Server.Script] applies to. Zero means
	// one. [Server.Always] ignores it.
	Times int
}

func (f Fault) appliesTo(rq Request) bool { return f.If == nil || f.If(rq) }

// replaces reports whether the fault has a response of its own.
func (f Fault) replaces() bool {
	switch f.Kind {
	case Lost, Garbage, HTML, Empty, Redirect:
		return true
	case Cut, CutChunked, Drip, Oversized:
	}
	return f.Status != 0 || f.Code != 0 || f.Body != ""
}

// name returns the value of [Request].Fault.
func (f Fault) name() string {
	switch {
	case f.Kind != "":
		return string(f.Kind)
	case f.replaces():
		return "answer " + strconv.Itoa(f.status())
	case f.Edit != nil:
		return "edit"
	case f.Delay > 0:
		return "delay"
	case len(f.Header) > 0 || f.RetryAfter > 0:
		return "header"
	default:
		return ""
	}
}

// status returns the status of the fault's own response.
func (f Fault) status() int {
	switch {
	case f.Status != 0:
		return f.Status
	case f.Kind == HTML, f.Code != 0:
		return http.StatusForbidden
	case f.Kind == Redirect:
		return http.StatusTemporaryRedirect
	default:
		return http.StatusOK
	}
}

// response returns the fault's own response. Elsewhere is the default Location of a
// Redirect.
func (f Fault) response(elsewhere string) response {
	switch {
	case f.Kind == Redirect:
		rs := newResponse(f.status(), "text/plain; charset=utf-8", []byte(f.Body))
		rs.header.Set("Location", f.Location)
		if f.Location == "" {
			rs.header.Set("Location", elsewhere)
		}
		return rs
	case f.Kind == Empty:
		return response{status: f.status(), header: http.Header{}}
	case f.Kind == HTML:
		page := f.Body
		if page == "" {
			page = "<!DOCTYPE html><html><head><title>Request blocked</title></head>" +
				"<body><h1>Request blocked</h1><p>Incident 0badc0de</p></body></html>\n"
		}
		return newResponse(f.status(), "text/html; charset=utf-8", []byte(page))
	case f.Body != "":
		return newResponse(f.status(), "application/json", []byte(f.Body))
	case f.Kind == Garbage:
		return newResponse(f.status(), "application/json", []byte("\x00\xff{\"access_token\": nonsense"))
	default:
		return (&refusal{f.status(), f.Code, "scripted: " + http.StatusText(f.status())}).response()
	}
}

// edit applies Edit and Oversized to a JSON object. It returns any other body
// unchanged.
func (f Fault) edit(body []byte) []byte {
	if f.Edit == nil && f.Kind != Oversized {
		return body
	}
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

// retryAfter returns the value of the Retry-After header.
func (f Fault) retryAfter(now time.Time) string {
	if f.RetryAfterDate {
		return now.Add(f.RetryAfter).UTC().Format(http.TimeFormat)
	}
	return strconv.Itoa(int((f.RetryAfter + time.Second - 1) / time.Second))
}
