package ags

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"time"
)

// answerLimit is how much of an answer is read. One with two tokens is a few
// KiB; what is longer is not from the gateway.
const answerLimit = 1 << 20

// answer is what came back for one attempt.
type answer struct {
	op, correlationID string
	sentAt            time.Time // just before the request was sent

	received bool // there is an answer, whatever its status
	status   int
	header   http.Header
	body     []byte
	tooLarge bool  // the body is longer than answerLimit
	cut      error // what ended the body before its end
}

// receive takes a response in, and closes it. The body is read here, within the
// attempt, as one that is cut off makes the attempt one to repeat.
func (a *answer) receive(resp *http.Response) {
	a.received, a.status, a.header = true, resp.StatusCode, resp.Header
	if resp.Body == nil {
		return
	}
	defer resp.Body.Close()
	var buf bytes.Buffer
	_, a.cut = buf.ReadFrom(io.LimitReader(resp.Body, answerLimit+1))
	a.body = buf.Bytes()
	a.tooLarge = len(a.body) > answerLimit
}

// answerError is an error about an answer that is not one of the gateway's. Its
// text quotes nothing of the answer.
type answerError struct {
	text string
	code int // the platform's, if there is one all the same
	// rejection is set when it is the platform's own way to reject a token after all.
	rejection bool
	cut       error // not nil: the answer was cut off on the way, by this
}

// Error returns the text.
func (e *answerError) Error() string { return e.text }

func malformed(text string) error { return &answerError{text: text} }

func cutOff(by error) error { return &answerError{text: "the answer was cut off", cut: by} }

// hasStatus reports whether the answer has a status that HTTP knows. What a garbled
// line, or a middleware's empty response, is read as has none.
func (a *answer) hasStatus() bool { return a.status >= 100 && a.status <= 599 }

// unexpected is the error for a status that the call never has.
func (a *answer) unexpected() error {
	return malformed("this is no status of the gateway's for this call")
}

// whole returns an error unless the body is there as it was sent.
func (a *answer) whole() error {
	switch {
	case a.tooLarge:
		return malformed("the answer is longer than 1 MiB")
	case a.cut != nil:
		return cutOff(a.cut)
	default:
		return nil
	}
}

// trimmed returns the body without a byte order mark before it, and without the white
// space around it: that which JSON has, of which bytes.TrimSpace knows more.
func (a *answer) trimmed() []byte {
	return bytes.Trim(bytes.TrimPrefix(a.body, []byte(byteOrderMark)), " \t\r\n")
}

// byteOrderMark is that of UTF-8. RFC 8259, section 8.1, lets a reader of JSON ignore
// one.
const byteOrderMark = "\ufeff"

// object returns the JSON object that the body is.
func (a *answer) object() (object, error) {
	if err := a.whole(); err != nil {
		return nil, err
	}
	body := a.trimmed()
	switch {
	case len(body) == 0:
		return nil, malformed("the answer is empty")
	case body[0] == '{':
		return decodeObject(body)
	case json.Valid(body):
		return nil, malformed("the answer is JSON, but not an object")
	default:
		return nil, malformed(a.notJSON())
	}
}

// notJSON says that the body is not, and what it is instead, if that is a thing
// that proxies send.
func (a *answer) notJSON() string {
	mediaType, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	switch mediaType {
	case "text/html", "text/plain", "text/xml", "application/xml":
		return "the answer is " + mediaType + ", not JSON"
	default:
		return "the answer is not JSON"
	}
}
