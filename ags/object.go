package ags

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxLifetime is the longest lifetime that is accepted: ten years.
const maxLifetime = 10 * 365 * 24 * time.Hour

// object is a JSON object with undecoded members. Unlike the structs of
// encoding/json it distinguishes names that differ in case.
type object map[string]json.RawMessage

// decodeObject decodes data, which must be one JSON object. A duplicate name is an
// error, because it is not known which of two tokens is meant. Errors do not quote
// the data, as those of encoding/json do.
func decodeObject(data []byte) (object, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	first, err := dec.Token()
	if err != nil {
		return nil, syntaxError(err)
	}
	if first != json.Delim('{') {
		return nil, malformed("a JSON object is expected")
	}
	o := object{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, syntaxError(err)
		}
		key, _ := name.(string) // the decoder accepts nothing else
		if _, ok := o[key]; ok {
			return nil, malformed("a JSON object has a duplicate name")
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, syntaxError(err)
		}
		o[key] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, syntaxError(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed("there is data after the JSON object")
	}
	return o, nil
}

// syntaxError returns the error for an error of the decoder. An unexpected end
// means that the response is truncated, which not every connection reports.
func syntaxError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return truncated(io.ErrUnexpectedEOF)
	}
	return malformed("the response is not valid JSON")
}

// has reports whether there is a member of this name that is not null.
func (o object) has(name string) bool {
	raw, ok := o[name]
	return ok && string(raw) != "null"
}

// text returns a string member, "" if there is none.
func (o object) text(name string) (string, error) {
	if !o.has(name) {
		return "", nil
	}
	var s string
	if json.Unmarshal(o[name], &s) != nil {
		return "", malformed(name + " is not a string")
	}
	return s, nil
}

// identifier returns a member that is a string or a number, as text.
func (o object) identifier(name string) (string, error) {
	if isNumber(string(o[name])) {
		return string(o[name]), nil
	}
	return o.text(name)
}

// credential returns a member that is a token, the empty secret if there is none.
func (o object) credential(name string) (Secret, error) {
	s, err := o.text(name)
	if err != nil {
		return Secret{}, err
	}
	if s != "" && !isCredential(s) {
		return Secret{}, malformed(name + " has characters that are not valid in a token")
	}
	return NewSecret(s), nil
}

// lifetime returns a member that is a number of seconds, zero if there is none.
func (o object) lifetime(name string) (time.Duration, error) {
	if !o.has(name) {
		return 0, nil
	}
	seconds, ok := parseNumber(o[name])
	switch {
	case !ok:
		return 0, malformed(name + " is not a number")
	case seconds < 0:
		return 0, malformed(name + " is negative")
	case seconds > maxLifetime.Seconds():
		return 0, malformed(name + " is above ten years")
	default:
		return time.Duration(seconds * float64(time.Second)), nil
	}
}

// parseNumber parses a number, or a string that contains one. A number that is too
// large for a float64 is infinite.
func parseNumber(raw json.RawMessage) (float64, bool) {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		s = string(raw)
	}
	s = strings.TrimSpace(s)
	if !isNumber(s) {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil || math.IsInf(v, 0)
}

// isNumber reports whether s is a JSON number. strconv also accepts others, such
// as "inf" and "0x10".
func isNumber(s string) bool {
	return s != "" && (s[0] == '-' || s[0] >= '0' && s[0] <= '9') && json.Valid([]byte(s))
}
