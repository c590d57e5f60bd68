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

// tenYears is the longest span that is believed.
const tenYears = 10 * 365 * 24 * time.Hour

// object is a JSON object whose members are not looked into yet. Names are taken
// exactly as they are written, which encoding/json by itself does not do.
type object map[string]json.RawMessage

// decodeObject returns the object that is all of data. A name that stands twice
// is an error: which of two tokens is meant cannot be told. No error quotes the
// data, as those of encoding/json do.
func decodeObject(data []byte) (object, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	first, err := dec.Token()
	if err != nil {
		return nil, syntaxError(err)
	}
	if first != json.Delim('{') {
		return nil, malformed("what should be a JSON object is none")
	}
	o := object{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, syntaxError(err)
		}
		key, _ := name.(string) // the decoder allows no other
		if _, ok := o[key]; ok {
			return nil, malformed("a name stands twice in a JSON object")
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
		return nil, malformed("something follows the JSON object")
	}
	return o, nil
}

// syntaxError returns the error for what the decoder found. An end where there
// should be none is a cut: not every connection tells that there is more to come.
func syntaxError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return cutOff(io.ErrUnexpectedEOF)
	}
	return malformed("the answer is not valid JSON")
}

// has reports whether there is a member of this name that is not null.
func (o object) has(name string) bool {
	raw, ok := o[name]
	return ok && string(raw) != "null"
}

// text returns a member that is a string, and "" where there is none.
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

// credential returns a member that is a token, and the empty secret where there
// is none.
func (o object) credential(name string) (Secret, error) {
	s, err := o.text(name)
	if err != nil {
		return Secret{}, err
	}
	if s != "" && !isCredential(s) {
		return Secret{}, malformed(name + " has characters that a token cannot have")
	}
	return NewSecret(s), nil
}

// span returns a member that is a number of seconds, and zero where there is
// none.
func (o object) span(name string) (time.Duration, error) {
	if !o.has(name) {
		return 0, nil
	}
	seconds, ok := parseNumber(o[name])
	switch {
	case !ok:
		return 0, malformed(name + " is not a number")
	case seconds < 0:
		return 0, malformed(name + " is negative")
	case seconds > tenYears.Seconds():
		return 0, malformed(name + " is above ten years")
	default:
		return time.Duration(seconds * float64(time.Second)), nil
	}
}

// parseNumber reads a number, or a string that holds one. What is too large for
// a float64 is infinite.
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

// isNumber reports whether s is a number as JSON writes it, which strconv alone
// does not tell: it also reads "inf" and "0x10".
func isNumber(s string) bool {
	return s != "" && (s[0] == '-' || s[0] >= '0' && s[0] <= '9') && json.Valid([]byte(s))
}
