package agstest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxAdminBody is the longest body of a request of the admin interface, in bytes.
const maxAdminBody = 1 << 20

// handle returns the handler of a route.
func (a *admin) handle(rt route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := knownParameters(r, rt.parameters); err != nil {
			writeError(w, err)
			return
		}
		answer, err := rt.handle(r)
		if err != nil {
			writeError(w, err)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			a.s.requests.note(r.Method + " " + r.URL.Path)
		}
		writeJSON(w, http.StatusOK, answer)
	}
}

func writeError(w http.ResponseWriter, err error) {
	status := http.StatusBadRequest
	if e, ok := errors.AsType[*adminError](err); ok {
		status = e.status
	}
	writeJSON(w, status, errorBody{err.Error()})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(mustJSON(v), '\n'))
}

// readAdminBody returns the body of a request, without the space around it.
func readAdminBody(r *http.Request) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r.Body, maxAdminBody+1))
	switch {
	case err != nil:
		return nil, errors.New("the body could not be read")
	case len(b) > maxAdminBody:
		return nil, errors.New("the body is longer than a MiB")
	}
	return bytes.TrimSpace(b), nil
}

// noBody returns an error if a request has a body other than {}.
func noBody(r *http.Request) error {
	b, err := readAdminBody(r)
	if err == nil && len(b) > 0 && string(b) != "{}" {
		return fmt.Errorf("%s %s takes no body", r.Method, r.URL.Path)
	}
	return err
}

// decodeBodyOf decodes the JSON object of a request into v.
func decodeBodyOf(r *http.Request, v any) error {
	b, err := readAdminBody(r)
	if err != nil {
		return err
	}
	return decodeStrict(b, v)
}

// decodeStrict decodes one JSON object, without unknown fields, into v.
func decodeStrict(b []byte, v any) error {
	if !bytes.HasPrefix(b, []byte("{")) {
		return errors.New("the body is not a JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("field %q: a JSON %s makes no sense here", wrong.Field, wrong.Value)
	}
	if err == nil && d.InputOffset() != int64(len(b)) {
		return errors.New("the body has more than one JSON value")
	}
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// knownParameters returns an error if the query has a parameter that is not in names.
func knownParameters(r *http.Request, names []string) error {
	for name := range r.URL.Query() {
		if !slices.Contains(names, name) {
			return fmt.Errorf("there is no parameter %q here", name)
		}
	}
	return nil
}

// allOps returns all operations.
func allOps() []Op {
	return []Op{
		Discovery, SignOn, SubsequentSignOn, SessionToken, SignOnWithSessionToken,
		Refresh, SignOut, API, Other,
	}
}

// opNamed returns the operation with this name, which may have hyphens.
func opNamed(name string) (Op, error) {
	op := Op(strings.ReplaceAll(name, "-", " "))
	if !slices.Contains(allOps(), op) {
		return "", fmt.Errorf("there is no operation %q; use one of %s", name, hyphenated(allOps()))
	}
	return op, nil
}

// hyphenated returns a list of names with hyphens in place of spaces.
func hyphenated[T ~string](names []T) string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = strings.ReplaceAll(string(name), " ", "-")
	}
	return strings.Join(list, ", ")
}

// opsOf returns the operations that the query names.
func opsOf(r *http.Request) ([]Op, error) {
	var ops []Op
	for _, name := range r.URL.Query()["op"] {
		op, err := opNamed(name)
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// countOf returns a parameter that is a number, 0 if it is missing.
func countOf(r *http.Request, name string) (int, error) {
	value := r.URL.Query().Get(name)
	if value == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("parameter %s: %q is not a number from 0", name, value)
	}
	return n, nil
}

// limitOf returns the parameter limit, the largest number if it is missing.
func limitOf(r *http.Request) (int, error) {
	limit, err := countOf(r, "limit")
	if err == nil && limit == 0 {
		limit = math.MaxInt
	}
	return limit, err
}

// latest returns the last items of a list.
func latest[T any](list []T, limit int) []T { return list[max(0, len(list)-limit):] }

// span returns the duration of a field, which is a string as in Go or a number of
// seconds; 0 if it is missing.
func span(field string, raw json.RawMessage) (time.Duration, error) {
	text := string(raw)
	if len(raw) > 0 && raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil || text == "" {
			return 0, fmt.Errorf("field %q: %s is not a duration", field, raw)
		}
	}
	d, err := parseSpan(field, text)
	if err != nil {
		return 0, fmt.Errorf("field %w", err)
	}
	return d, nil
}

// parseSpan returns the duration in text; 0 if it is empty.
func parseSpan(name, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return d, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(math.Abs(seconds) < math.MaxInt64/float64(time.Second)) {
		return 0, fmt.Errorf(`%q: %q is not a duration; use a string like "1m30s", or seconds`, name, text)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// requestJSON is a [Request] without secrets.
type requestJSON struct {
	Number int         `json:"number"`
	Op     Op          `json:"op"`
	Serial int         `json:"serial"`
	At     time.Time   `json:"at"`
	Method string      `json:"method"`
	Host   string      `json:"host"`
	Path   string      `json:"path"`
	Query  string      `json:"query,omitempty"`
	Header http.Header `json:"header"`
	Status int         `json:"status"` // 0 while there is none
	Fault  string      `json:"fault,omitempty"`
}

// harmlessHeaders returns the headers whose values an answer may show.
func harmlessHeaders() []string {
	return []string{
		"Accept", "Accept-Encoding", "Accept-Language", "Connection", "Content-Encoding", "Content-Length",
		"Content-Type", "Nv-Tenant-Id", "Tenantid", "Te", "Traceparent", "Transfer-Encoding", "Upgrade",
		"User-Agent", "X-Auth-Service-Id", "X-Correlation-Id",
	}
}

func newRequestJSON(rq Request) requestJSON {
	header := http.Header{}
	for name, values := range rq.Header {
		header[name] = values
		if !slices.Contains(harmlessHeaders(), name) {
			header[name] = []string{redacted}
		}
	}
	return requestJSON{
		rq.Number, rq.Op, rq.Serial, rq.At.UTC(), rq.Method, rq.Host, rq.Path, rq.Query, header, rq.Status, rq.Fault,
	}
}
