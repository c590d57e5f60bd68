package agstest

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Kind is a way in which an answer goes wrong.
type Kind string

// The kinds of a [Fault]. Those of the first group replace the answer, and so
// leave undone what the request asks for, unless the fault says AfterWork. Those
// of the second spoil an answer that is otherwise the true one, or the one that
// the fault's Status and Body give.
const (
	Lost     Kind = "lost"     // the connection is closed without an answer
	Garbage  Kind = "garbage"  // bytes that are no JSON, though they are said to be
	HTML     Kind = "html"     // the page of a firewall, status 403 unless Status is given
	Empty    Kind = "empty"    // no body at all
	Redirect Kind = "redirect" // to Location, status 307 unless Status is given

	Cut        Kind = "cut"         // half of the Content-Length announced, then the end of the connection
	CutChunked Kind = "cut chunked" // half of the body without a length announced, then the same end
	Drip       Kind = "drip"        // the body in eight pieces, Pause between them
	Oversized  Kind = "oversized"   // two MiB more of JSON, in a field of no meaning
)

// How much the faults are too much or too little.
const (
	dripPieces   = 8
	oversize     = 2 << 20
	paddingField = "padding"
	strangerURL  = "http://stranger.example"
)

// Fault is what goes wrong with a request. Its fields combine: a delay, then a
// refusal, of which half is sent, is one fault. The zero value is none.
//
// A Fault with a Status answers with it in place of the work, and so does one
// with the Code alone (status 403) or the Body alone (status 200). An error
// object under status 200 is Fault{Status: 200, Code: 20020}.
//
// Its functions are called by the goroutines that serve the requests, several at
// a time if the fault is for several. They may call the server's methods.
type Fault struct {
	// Kind is how the answer goes wrong. Empty means in no way of its own.
	Kind Kind

	// Delay is waited for on the server's clock before anything else is done, or
	// with AfterWork before anything is answered. The end of the request and
	// [Server.Close] end it too; then there is no answer.
	Delay time.Duration
	// AfterWork has the server do what the request asks for before anything goes
	// wrong: tokens are spent and issued, and what is answered is not what
	// happened.
	AfterWork bool

	// Status is what is answered. Zero means what the rest of the fault implies.
	Status int
	// Code is the platform's code, written as errorCode in an error object. Zero
	// means that the object has none.
	Code int
	// Body is the body in place of an error object.
	Body string
	// Header is added to the answer's, replacing what is there by the same names.
	// A name without values is left out of the answer: nil for "Date" is an answer
	// without one.
	Header http.Header
	// RetryAfter is announced in whole seconds, rounded up, or with
	// RetryAfterDate as an instant by the server's clock. Zero means not at all.
	RetryAfter     time.Duration
	RetryAfterDate bool

	// Location is where a Redirect leads. Empty means to the same path of another
	// host, which the client made by [Server.Client] takes to be this server too.
	Location string
	// Pause is what lies between the pieces of a Drip, on the server's clock.
	Pause time.Duration
	// Edit changes an answer that is a JSON object, before it is written.
	Edit func(fields map[string]any)

	// If says which requests the fault is for. Nil means all.
	If func(Request) bool
	// Times is for how many requests the fault is, once it is the next in a
	// script. Zero means one. [Server.Always] does not look at it.
	Times int
}

// wants reports whether the fault is for this request.
func (f Fault) wants(rq Request) bool { return f.If == nil || f.If(rq) }

// replaces reports whether the fault answers by itself.
func (f Fault) replaces() bool {
	switch f.Kind {
	case Lost, Garbage, HTML, Empty, Redirect:
		return true
	case Cut, CutChunked, Drip, Oversized:
	}
	return f.Status != 0 || f.Code != 0 || f.Body != ""
}

// name is what a record says of the fault, empty for none.
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

// status is that of an answer of the fault's own.
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

// answer is the fault's own, for one that replaces.
func (f Fault) answer(path string) answer {
	switch {
	case f.Kind == Redirect:
		a := typedAnswer(f.status(), "text/plain; charset=utf-8", []byte(f.Body))
		a.header.Set("Location", f.Location)
		if f.Location == "" {
			a.header.Set("Location", strangerURL+path)
		}
		return a
	case f.Kind == Empty:
		return answer{status: f.status(), header: http.Header{}}
	case f.Kind == HTML:
		page := f.Body
		if page == "" {
			page = "<!DOCTYPE html><html><head><title>Request blocked</title></head>" +
				"<body><h1>Request blocked</h1><p>Incident 0badc0de</p></body></html>\n"
		}
		return typedAnswer(f.status(), "text/html; charset=utf-8", []byte(page))
	case f.Body != "":
		return typedAnswer(f.status(), "application/json", []byte(f.Body))
	case f.Kind == Garbage:
		return typedAnswer(f.status(), "application/json", []byte("\x00\xff{\"access_token\": nonsense"))
	default:
		message := http.StatusText(f.status())
		return (&refusal{f.status(), f.Code, fmt.Sprintf("scripted: %s", message)}).answer()
	}
}
