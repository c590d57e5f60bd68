package ags

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// retryAfterLimit is how much of a Retry-After is believed.
const retryAfterLimit = 5 * time.Minute

// refusal returns the error for an answer whose status is 400 or more. With one
// of passing trouble any body will do, a proxy's page too. Any other is a
// decision, about a session perhaps, and to be the gateway's it has to have a
// body of JSON, or none.
func (a *answer) refusal(clean scrubber, now time.Time) *Error {
	e := &Error{Status: a.status, RetryAfter: retryAfter(a.header, now)}
	decision := a.status != http.StatusTooManyRequests && a.status < http.StatusInternalServerError
	if err := a.whole(); err != nil {
		e.Message, e.Malformed = err.Error(), decision
		return e
	}
	body := a.trimmed()
	if len(body) > 0 && !json.Valid(body) {
		e.Message, e.Malformed = a.notJSON(), decision
		return e
	}
	var o object
	_ = json.Unmarshal(body, &o) // JSON of another shape says nothing more
	var message string
	e.Code, message = o.refusal()
	e.Message = clean.text(message)
	return e
}

// refusal returns the code and the message of a body that has them.
func (o object) refusal() (code int, message string) {
	for _, name := range []string{"errorCode", "code", "resultCode"} {
		if code = parseCode(o[name]); code != 0 {
			break
		}
	}
	for _, name := range []string{
		"message", "errorMessage", "result", "localeMessage", "error_description", "description", "error",
	} {
		// The platform writes "none" where it has no text.
		if s, err := o.text(name); err == nil && strings.TrimSpace(s) != "" && s != "none" {
			return code, s
		}
	}
	return code, ""
}

// parseCode reads a code that is a number, a string that holds one, or one that
// begins with one and a colon, as "99999:403" does. Zero is none.
func parseCode(raw json.RawMessage) int {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		s, _, _ = strings.Cut(s, ":")
		if n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 32); err == nil {
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

// retryAfter returns how long a Retry-After asks to be left alone: seconds, or a
// date, which is read against the answer's own Date, because the two clocks may
// differ. Without a Date it is read against now.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value != "" && strings.Trim(value, "0123456789") == "" {
		seconds, _ := strconv.ParseFloat(value, 64) // infinite, if too large
		return time.Duration(min(seconds, retryAfterLimit.Seconds()) * float64(time.Second))
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), retryAfterLimit)
}
