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

// retryAfterLimit is how much of a Retry-After is believed.
const retryAfterLimit = 5 * time.Minute

// refusal returns the error for an answer whose status is 400 or more. With a status
// of passing trouble any body will do, a proxy's page too. Any other status is a
// decision, about a session perhaps, and to be the gateway's it must have a body of
// JSON, or none.
func (a *answer) refusal(clean scrubber, now time.Time) *Error {
	e := &Error{Status: a.status, RetryAfter: retryAfter(a.header, now)}
	decision := !isPassing(a.status)
	// A 429 or a 425 turned the request away unlooked at, whoever wrote it.
	e.NotFromGateway = a.status == http.StatusRequestTimeout || a.status >= http.StatusInternalServerError
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
	e.NotFromGateway = e.NotFromGateway && e.Code == 0 && message == ""
	e.Message = clean.text(message)
	return e
}

// refusal returns the code and the message of a body that has them, itself or one
// level down, as {"error":{"code":20003}} has.
func (o object) refusal() (code int, message string) {
	code, message = o.codeAndMessage()
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if code != 0 && message != "" {
			break
		}
		var inner object
		if json.Unmarshal(o[name], &inner) != nil {
			continue
		}
		innerCode, innerMessage := inner.codeAndMessage()
		code, message = cmp.Or(code, innerCode), cmp.Or(message, innerMessage)
	}
	return code, message
}

func (o object) codeAndMessage() (code int, message string) {
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

// deviceDeletedName stands for codeDeviceDeleted in the answers of some front ends.
const deviceDeletedName = "DEVICE_DELETED"

// parseCode reads a code that is a number, or a string that begins with one, perhaps
// after a letter, and ends there or has a colon next: 20003, "20003", "N20003",
// "99999:403". Zero is none.
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
