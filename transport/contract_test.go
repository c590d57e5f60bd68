package transport_test

import (
	"context"
	"io"
	"net/http"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// contractChecker asserts the contract of http.RoundTripper for each request: the request is not
// modified, every body is closed once, there is a response or an error, and the response has
// the request. It is for bases that have closed a body when they return. It can be the
// transport of an http.Client.
type contractChecker struct {
	t    *testing.T
	rt   http.RoundTripper
	call *call // whose bodies the requests have
}

func (c contractChecker) RoundTrip(req *http.Request) (*http.Response, error) {
	c.t.Helper()
	was, given, closed := snapshot(req), len(c.call.bodies), closings(req.Body)
	// deferred, to check also after a panic
	defer func() {
		c.t.Helper()
		assert.Equal(c.t, was, snapshot(req), "the caller's request")
		if _, counts := req.Body.(*countingBody); counts {
			assert.EqualValues(c.t, closed+1, closings(req.Body), "times the body was closed")
		}
		for i, b := range c.call.bodies[given:] {
			assert.EqualValues(c.t, 1, b.closed.Load(), "times the body of GetBody %d was closed", i+1)
		}
	}()
	resp, err := c.rt.RoundTrip(req)
	assert.False(c.t, resp != nil && err != nil, "a response and an error")
	if resp != nil {
		assert.Same(c.t, req, resp.Request, "the response's request")
	}
	return resp, err
}

// closings returns how many times a countingBody was closed, 0 for another body.
func closings(rc io.ReadCloser) int64 {
	if b, ok := rc.(*countingBody); ok {
		return b.closed.Load()
	}
	return 0
}

// call is a request with all its bodies.
type call struct {
	*http.Request
	bodies []*countingBody // including those of GetBody
}

func get(t *testing.T, url string) *call {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	return &call{Request: req}
}

// payload is the body of every call that has one.
const payload = "payload"

// post returns a call with a body that has GetBody.
func post(t *testing.T, url string) *call {
	t.Helper()
	c := get(t, url)
	c.Method = http.MethodPost
	c.ContentLength = int64(len(payload))
	c.GetBody = func() (io.ReadCloser, error) {
		b := newBody(payload)
		c.bodies = append(c.bodies, b)
		return b, nil
	}
	c.Body, _ = c.GetBody()
	return c
}

func (c *call) withContext(ctx context.Context) *call {
	c.Request = c.WithContext(ctx)
	return c
}

func (c *call) withHeader(name string, values ...string) *call {
	c.Header[name] = values
	return c
}

// through sends the request and checks the contract.
func (c *call) through(t *testing.T, rt http.RoundTripper) (*http.Response, error) {
	t.Helper()
	return contractChecker{t, rt, c}.RoundTrip(c.Request)
}

// snapshot returns all fields of a request, also unexported ones. For shared objects it contains
// the address, and for the request's own also the content, up to the capacity of slices.
func snapshot(req *http.Request) map[string]any { return fields(reflect.ValueOf(req).Elem()) }

func fields(v reflect.Value) map[string]any {
	all := map[string]any{}
	for i := range v.NumField() {
		all[v.Type().Field(i).Name] = frozen(v.Field(i))
	}
	return all
}

// own is the address and the content of an object of the request's own.
type own struct {
	where   uintptr
	content any
}

func frozen(v reflect.Value) any {
	switch kind := v.Kind(); {
	case v.CanInt():
		return v.Int()
	case kind == reflect.Bool:
		return v.Bool()
	case kind == reflect.String:
		return v.String()
	case kind == reflect.Struct:
		return fields(v)
	case kind == reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return map[string]any{v.Elem().Type().String(): frozen(v.Elem())}
	case kind == reflect.Map:
		content := map[string]any{}
		for entries := v.MapRange(); entries.Next(); {
			content[entries.Key().String()] = frozen(entries.Value())
		}
		return own{v.Pointer(), content}
	case kind == reflect.Slice:
		content := []any{v.Len()}
		for all, i := v.Slice(0, v.Cap()), 0; i < v.Cap(); i++ {
			content = append(content, frozen(all.Index(i)))
		}
		return own{v.Pointer(), content}
	case kind == reflect.Pointer:
		if elem := v.Type().Elem(); !v.IsNil() && elem.PkgPath() == "net/url" {
			return own{v.Pointer(), fields(v.Elem())}
		}
		return v.Pointer()
	case kind == reflect.Func, kind == reflect.Chan:
		return v.Pointer()
	default:
		panic("a request has a " + v.Type().String() + " that is not seen to")
	}
}

func TestSnapshot_DetectsEveryChange(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"method":                  func(r *http.Request) { r.Method = "PUT" },
		"URL's path":              func(r *http.Request) { r.URL.Path = "/other" },
		"URL's user":              func(r *http.Request) { r.URL.User = nil },
		"an equal URL":            func(r *http.Request) { u := *r.URL; r.URL = &u },
		"header":                  func(r *http.Request) { r.Header.Set("X-One", "1") },
		"header's value":          func(r *http.Request) { r.Header["X-Two"][1] = "3" },
		"header's spare capacity": func(r *http.Request) { _ = append(r.Header["X-Two"], "3") },
		"an equal header":         func(r *http.Request) { r.Header = r.Header.Clone() },
		"header without value":    func(r *http.Request) { delete(r.Header, "X-None") },
		"body":                    func(r *http.Request) { r.Body = newBody(payload) },
		"no body":                 func(r *http.Request) { r.Body = http.NoBody },
		"GetBody":                 func(r *http.Request) { r.GetBody = nil },
		"length":                  func(r *http.Request) { r.ContentLength++ },
		"transfer encoding":       func(r *http.Request) { r.TransferEncoding = []string{"chunked"} },
		"close":                   func(r *http.Request) { r.Close = true },
		"host":                    func(r *http.Request) { r.Host = "other" },
		"form":                    func(r *http.Request) { r.Form = map[string][]string{} },
		"trailer":                 func(r *http.Request) { r.Trailer = http.Header{} },
		"response":                func(r *http.Request) { r.Response = &http.Response{} },
		"context":                 func(r *http.Request) { *r = *r.WithContext(context.WithoutCancel(r.Context())) },
		"path value":              func(r *http.Request) { r.SetPathValue("a", "b") },
	} {
		t.Run(name, func(t *testing.T) {
			c := post(t, "https://user@api.example.com/v1").withHeader("X-Two", make([]string, 2, 4)...).withHeader("X-None")
			c.Header["X-Two"] = append(make([]string, 0, 4), "1", "2")
			was := snapshot(c.Request)
			assert.Equal(t, was, snapshot(c.Request))
			change(c.Request)
			assert.NotEqual(t, was, snapshot(c.Request))
		})
	}
}
