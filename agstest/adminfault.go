package agstest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

func (a *admin) faultRoutes() []route {
	return []route{
		{"GET /faults", nil, a.faults},
		{"POST /faults", nil, a.addFaults},
		{"DELETE /faults", []string{"op"}, a.clearFaults},
		{"GET /rejections", nil, a.rejections},
		{"PUT /rejections", nil, a.setRejections},
		{"GET /geoblock", nil, a.geoBlock},
		{"PUT /geoblock", nil, a.setGeoBlock},
	}
}

// faultJSON is a [Fault] of an operation.
type faultJSON struct {
	Op             string            `json:"op"`
	Kind           string            `json:"kind,omitempty"`
	Delay          json.RawMessage   `json:"delay,omitempty"`
	AfterWork      bool              `json:"afterWork,omitempty"`
	Status         int               `json:"status,omitempty"`
	Code           int               `json:"code,omitempty"`
	Body           string            `json:"body,omitempty"`
	Header         map[string]values `json:"header,omitempty"`
	RetryAfter     json.RawMessage   `json:"retryAfter,omitempty"`
	RetryAfterDate bool              `json:"retryAfterDate,omitempty"`
	Location       string            `json:"location,omitempty"`
	Pause          json.RawMessage   `json:"pause,omitempty"`
	Times          int               `json:"times,omitempty"`
	Always         bool              `json:"always,omitempty"`
}

// values are the values of a header, or the only one.
type values []string

// UnmarshalJSON implements [json.Unmarshaler].
func (v *values) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*v = values{one}
		return nil
	}
	if json.Unmarshal(b, (*[]string)(v)) != nil {
		return errors.New(`field "header": a value is neither a string nor an array of strings`)
	}
	return nil
}

// fault returns the operation and the fault that j describes.
func (j faultJSON) fault() (Op, Fault, error) {
	op, err := opNamed(j.Op)
	if j.Op == "" {
		err = errors.New(`field "op" is missing`)
	}
	f := Fault{
		Kind: Kind(strings.ReplaceAll(j.Kind, "-", " ")), AfterWork: j.AfterWork, Status: j.Status, Code: j.Code,
		Body: j.Body, RetryAfterDate: j.RetryAfterDate, Location: j.Location, Times: j.Times,
	}
	for name, v := range j.Header {
		if f.Header == nil {
			f.Header = http.Header{}
		}
		f.Header[name] = v
	}
	for _, d := range []struct {
		field string
		raw   json.RawMessage
		to    *time.Duration
	}{{"delay", j.Delay, &f.Delay}, {"retryAfter", j.RetryAfter, &f.RetryAfter}, {"pause", j.Pause, &f.Pause}} {
		var bad error
		if *d.to, bad = span(d.field, d.raw); bad == nil && *d.to < 0 {
			bad = fmt.Errorf("field %q is negative", d.field)
		}
		err = cmp.Or(err, bad)
	}
	return op, f, cmp.Or(err, j.check(f.Kind))
}

// check returns an error if a value of j makes no sense.
func (j faultJSON) check(kind Kind) error {
	kinds := []Kind{Lost, Garbage, HTML, Empty, Redirect, Cut, CutChunked, Drip, Oversized}
	switch {
	case kind != "" && !slices.Contains(kinds, kind):
		return fmt.Errorf(`field "kind": there is no %q; use one of %s`, j.Kind, hyphenated(kinds))
	case j.Status != 0 && (j.Status < 200 || j.Status > 599):
		return fmt.Errorf(`field "status": %d is not from 200 to 599`, j.Status)
	case j.Code < 0:
		return errors.New(`field "code" is negative`)
	case j.Times < 0:
		return errors.New(`field "times" is negative`)
	case j.Always && j.Times > 0:
		return errors.New(`fields "always" and "times" exclude each other`)
	}
	for name, v := range j.Header {
		if name == "" || strings.ContainsFunc(name, notInName) || strings.ContainsAny(strings.Join(v, ""), "\r\n\x00") {
			return fmt.Errorf(`field "header": %q or its value cannot be sent`, name)
		}
	}
	return nil
}

// notInName reports whether a header's name cannot have a character (RFC 9110, 5.6.2).
func notInName(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}

// newFaultJSON describes a fault, without its functions.
func newFaultJSON(op Op, f Fault) faultJSON {
	j := faultJSON{
		Op: string(op), Kind: string(f.Kind), AfterWork: f.AfterWork, Status: f.Status, Code: f.Code, Body: f.Body,
		RetryAfterDate: f.RetryAfterDate, Location: f.Location,
	}
	for name, v := range f.Header {
		if j.Header == nil {
			j.Header = map[string]values{}
		}
		j.Header[name] = v
	}
	j.Delay, j.RetryAfter, j.Pause = spanJSON(f.Delay), spanJSON(f.RetryAfter), spanJSON(f.Pause)
	return j
}

func spanJSON(d time.Duration) json.RawMessage {
	if d == 0 {
		return nil
	}
	return mustJSON(d.String())
}

// faultsBody is the answer of GET /faults.
type faultsBody struct {
	Queued []faultJSON `json:"queued"`
	Always []faultJSON `json:"always"`
}

func (a *admin) faults(*http.Request) (any, error) {
	sc := a.s.script
	sc.mu.Lock()
	defer sc.mu.Unlock()
	body := faultsBody{Queued: []faultJSON{}, Always: []faultJSON{}}
	for _, op := range allOps() {
		for _, q := range sc.queues[op] {
			j := newFaultJSON(op, q.fault)
			j.Times = q.left
			body.Queued = append(body.Queued, j)
		}
		if p, ok := sc.always[op]; ok {
			j := newFaultJSON(op, p.fault)
			j.Always = true
			body.Always = append(body.Always, j)
		}
	}
	return body, nil
}

func (a *admin) addFaults(r *http.Request) (any, error) {
	b, err := readAdminBody(r)
	if err != nil {
		return nil, err
	}
	list := []json.RawMessage{b}
	if bytes.HasPrefix(b, []byte("[")) {
		if err := json.Unmarshal(b, &list); err != nil {
			return nil, errors.New("the body is neither a JSON object nor an array of them")
		}
	}
	var add []func()
	for _, raw := range list {
		var j faultJSON
		if err := decodeStrict(raw, &j); err != nil {
			return nil, err
		}
		op, f, err := j.fault()
		if err != nil {
			return nil, err
		}
		if j.Always {
			add = append(add, func() { a.s.Always(op, f) })
		} else {
			add = append(add, func() { a.s.Script(op, f) })
		}
	}
	for _, f := range add {
		f()
	}
	return a.faults(r)
}

func (a *admin) clearFaults(r *http.Request) (any, error) {
	ops, err := opsOf(r)
	if err == nil {
		err = noBody(r)
	}
	if err != nil {
		return nil, err
	}
	a.s.Clear(ops...)
	return a.faults(r)
}

// rejectionsJSON are the valid access tokens that the API rejects.
type rejectionsJSON struct {
	All  *bool `json:"all"`
	Next *int  `json:"next"`
}

func (a *admin) rejections(*http.Request) (any, error) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	all, next := a.s.state.rejections.all, a.s.state.rejections.next
	return rejectionsJSON{&all, &next}, nil
}

func (a *admin) setRejections(r *http.Request) (any, error) {
	var j rejectionsJSON
	if err := decodeBodyOf(r, &j); err != nil {
		return nil, err
	}
	switch {
	case j.All == nil && j.Next == nil:
		return nil, errors.New(`neither "all" nor "next" is set`)
	case j.Next != nil && *j.Next < 0:
		return nil, errors.New(`field "next" is negative`)
	}
	if j.All != nil {
		a.s.RejectAll(*j.All)
	}
	if j.Next != nil {
		a.s.RejectNext(*j.Next)
	}
	return a.rejections(r)
}

// geoBlockJSON says whether all clients are in a blocked location.
type geoBlockJSON struct {
	On *bool `json:"on"`
}

func (a *admin) geoBlock(*http.Request) (any, error) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	on := a.s.state.geoBlocked
	return geoBlockJSON{&on}, nil
}

func (a *admin) setGeoBlock(r *http.Request) (any, error) {
	var j geoBlockJSON
	if err := decodeBodyOf(r, &j); err != nil {
		return nil, err
	}
	if j.On == nil {
		return nil, errors.New(`field "on" is missing`)
	}
	a.s.GeoBlock(*j.On)
	return a.geoBlock(r)
}
