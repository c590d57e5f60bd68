package ags

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"time"
)

// maxBody is how much of a body is read. A response with two tokens has a few KiB.
const maxBody = 1 << 20

// byteOrderMark is that of UTF-8. A JSON parser may ignore it (RFC 8259, section
// 8.1).
const byteOrderMark = "\ufeff"

// response is the gateway's response to one attempt.
type response struct {
	op, correlationID string
	refusals          bool      // see [call]
	sentAt            time.Time // just before the request was sent

	received bool // false if there is no response
	status   int
	header   http.Header
	body     []byte
	tooLarge bool  // the body is longer than maxBody
	readErr  error // ended the body early
}

// read reads resp and closes it. It belongs to the attempt, because a truncated
// body may be a reason to retry.
func (r *response) read(resp *http.Response) {
	r.received, r.status, r.header = true, resp.StatusCode, resp.Header
	if resp.Body == nil {
		return
	}
	defer resp.Body.Close()
	var buf bytes.Buffer
	_, r.readErr = buf.ReadFrom(io.LimitReader(resp.Body, maxBody+1))
	r.body = buf.Bytes()
	r.tooLarge = len(r.body) > maxBody
}

// responseError reports a response that is not valid. Its text does not quote it.
type responseError struct {
	text      string
	code      int    // the platform's code, if there is one
	rejection bool   // the response is the platform's rejection of a token
	refusal   bool   // see [Error.Refusal]
	message   string // the gateway's, which may quote the request
	truncated error  // the reason, if the response is truncated
}

// Error returns the text.
func (e *responseError) Error() string { return e.text }

func malformed(text string) error { return &responseError{text: text} }

func truncated(err error) error {
	return &responseError{text: "the response is truncated", truncated: err}
}

// hasValidStatus reports whether HTTP has the status. A malformed status line or an
// empty http.Response of a middleware may have another.
func (r *response) hasValidStatus() bool { return r.status >= 100 && r.status <= 599 }

// unexpectedStatus returns the error for a status that the call does not have.
func (r *response) unexpectedStatus() error {
	return malformed("the status is not one of the gateway's for this call")
}

// checkComplete returns an error unless the whole body was read.
func (r *response) checkComplete() error {
	switch {
	case r.tooLarge:
		return malformed("the response is longer than 1 MiB")
	case r.readErr != nil:
		return truncated(r.readErr)
	default:
		return nil
	}
}

// trimmedBody returns the body without a byte order mark and without the white
// space of JSON around it, which is less than that of bytes.TrimSpace.
func (r *response) trimmedBody() []byte {
	return bytes.Trim(bytes.TrimPrefix(r.body, []byte(byteOrderMark)), " \t\r\n")
}

// object returns the body's JSON object.
func (r *response) object() (object, error) {
	if err := r.checkComplete(); err != nil {
		return nil, err
	}
	body := r.trimmedBody()
	switch {
	case len(body) == 0:
		return nil, malformed("the response is empty")
	case body[0] == '{':
		return decodeObject(body)
	case json.Valid(body):
		return nil, malformed("the response is JSON, but not an object")
	default:
		return nil, malformed(r.notJSON())
	}
}

// notJSON returns the error text for a body that is not JSON. It names the media
// types that proxies send.
func (r *response) notJSON() string {
	mediaType, _, _ := mime.ParseMediaType(r.header.Get("Content-Type"))
	switch mediaType {
	case "text/html", "text/plain", "text/xml", "application/xml":
		return "the response is " + mediaType + ", not JSON"
	default:
		return "the response is not JSON"
	}
}

func readSessionToken(r *response) (Secret, error) {
	if r.status != http.StatusOK && r.status != http.StatusCreated {
		return Secret{}, r.unexpectedStatus()
	}
	o, err := r.object()
	if err != nil {
		return Secret{}, err
	}
	token, err := o.text("sessionToken")
	if err == nil && token == "" {
		err = malformed("the response has no sessionToken")
	}
	return NewSecret(token), err
}

// readSignOut needs only the status, and so accepts a truncated body.
func readSignOut(r *response) (struct{}, error) {
	if r.status/100 != 2 {
		return struct{}{}, r.unexpectedStatus()
	}
	return struct{}{}, nil
}
