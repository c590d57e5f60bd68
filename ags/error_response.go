package ags

import (
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter is the longest Retry-After that is honoured.
const maxRetryAfter = 5 * time.Minute

// toError returns the error for a response with a status of 400 or more. A
// transient status may have any body, such as a proxy's page. Any other status is
// a decision of the gateway only if the body is JSON or empty.
func (r *response) toError(redactor redactor, now time.Time) *Error {
	e := &Error{Status: r.status, RetryAfter: retryAfter(r.header, now)}
	// A 425 or a 429 was not processed, whoever sent it.
	e.NotFromGateway = r.status == http.StatusRequestTimeout || r.status >= http.StatusInternalServerError
	if err := r.checkComplete(); err != nil {
		e.Message, e.Malformed = err.Error(), !isTransient(r.status)
		return e
	}
	body := r.trimmedBody()
	if len(body) > 0 && !json.Valid(body) {
		e.Message, e.Malformed = r.notJSON(), !isTransient(r.status)
		return e
	}
	var o object
	_ = json.Unmarshal(body, &o) // a JSON value that is not an object has no code
	var message string
	e.Code, message = o.codeAndMessage()
	e.NotFromGateway = e.NotFromGateway && e.Code == 0 && message == ""
	e.Refusal = r.refusals && !o.has("access_token") && isRefusal(r.status, e.Code, message)
	e.Message = redactor.text(message)
	return e
}

// codeAndMessage returns the code and the message of an error body. They may be in
// the object itself or in one of its members, as in {"error":{"code":20003}}.
func (o object) codeAndMessage() (code int, message string) {
	code, message = o.ownCodeAndMessage()
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if code != 0 && message != "" {
			break
		}
		var inner object
		if json.Unmarshal(o[name], &inner) != nil {
			continue
		}
		innerCode, innerMessage := inner.ownCodeAndMessage()
		code, message = cmp.Or(code, innerCode), cmp.Or(message, innerMessage)
	}
	return code, message
}

// ownCodeAndMessage knows the member names of the platform's documentation and of
// the responses that public clients read.
func (o object) ownCodeAndMessage() (code int, message string) {
	for _, name := range []string{"errorCode", "code", "resultCode"} {
		if code = parseCode(o[name]); code != 0 {
			break
		}
	}
	for _, name := range []string{
		"message", "errorMessage", "result", "localeMessage", "error_description", "description", "error",
	} {
		// The platform sends "none" for an empty message.
		if s, err := o.text(name); err == nil && strings.TrimSpace(s) != "" && s != "none" {
			return code, s
		}
	}
	return code, ""
}

// deviceDeletedName is sent instead of codeDeviceDeleted by some front ends.
const deviceDeletedName = "DEVICE_DELETED"

// parseCode returns a code, 0 if there is none. It may be a number or a string; in
// a string a letter may precede it, and a colon may follow it: 20003, "20003",
// "N20003", "99999:403".
func parseCode(raw json.RawMessage) int {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		s, _, _ = strings.Cut(s, ":")
		s = strings.TrimSpace(s)
		if s == deviceDeletedName {
			return codeDeviceDeleted
		}
		if len(s) > 1 && isLetter(s[0]) && isDigit(s[1]) {
			s = s[1:]
		}
		if n, err := strconv.ParseInt(s, 10, 32); err == nil {
			return int(n)
		}
		return 0
	}
	v, ok := parseNumber(raw)
	if !ok || v != math.Trunc(v) || math.Abs(v) > math.MaxInt32 {
		return 0
	}
	return int(v)
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// retryAfter returns the wait of a Retry-After header (RFC 9110, section 10.2.3),
// at most maxRetryAfter. A date is compared with the response's own Date, because
// the two clocks may differ, or with now if there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value != "" && strings.Trim(value, "0123456789") == "" {
		seconds, _ := strconv.ParseFloat(value, 64) // infinite if it is too large
		return time.Duration(min(seconds, maxRetryAfter.Seconds()) * float64(time.Second))
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}
