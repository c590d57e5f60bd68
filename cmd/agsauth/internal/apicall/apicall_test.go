package apicall_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/apicall"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	require.NoError(t, err)
	return u
}

func TestTarget(t *testing.T) {
	for _, tt := range []struct{ api, arg, want string }{
		{"https://api.example/v1", "/profile", "https://api.example/v1/profile"},
		{"https://api.example/v1/", "profile?a=b&c", "https://api.example/v1/profile?a=b&c"},
		{"https://api.example", "/a%2fb", "https://api.example/a%2fb"},
		{"https://api.example", "https://api.example/other", "https://api.example/other"},
		{"https://api.example", "https://API.example:443/other", "https://API.example:443/other"},
		{"http://127.0.0.1:8080", "http://127.0.0.1:8080/x", "http://127.0.0.1:8080/x"},
		// Refused.
		{"https://api.example", "https://other.example/", ""},
		{"https://api.example", "http://api.example/", ""},
		{"https://api.example", "https://api.example:8443/", ""},
		{"https://api.example", "//other.example/x", ""},
		{"https://api.example", "https://api.example@other.example/", ""},
		{"https://api.example", "https://user@api.example/", ""},
		{"https://api.example", "https://api.example.other.example/", ""},
		{"https://api.example", "ftp:x", ""},
		{"https://api.example", "%zz", ""},
	} {
		got, err := apicall.Target(parse(t, tt.api), tt.arg)
		if tt.want == "" {
			assert.Equal(t, exit.Usage, exit.StatusOf(err), tt.arg)
		} else if assert.NoError(t, err, tt.arg) {
			assert.Equal(t, tt.want, got.String())
		}
	}
	_, err := apicall.Target(nil, "/x")
	assert.ErrorContains(t, err, "no API is set; use --api URL")
}

func read(t *testing.T, body func() (io.ReadCloser, error)) string {
	t.Helper()
	r, err := body()
	require.NoError(t, err)
	content, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	return string(content)
}

func TestRequest_HTTP(t *testing.T) {
	file := filepath.Join(t.TempDir(), "body")
	require.NoError(t, os.WriteFile(file, []byte("from a file"), 0o600))
	long := strings.Repeat("x", 1<<20+1)
	for _, tt := range []struct {
		name       string
		call       apicall.Request
		method     string
		body       string
		repeatable bool
	}{
		{"get", apicall.Request{}, "GET", "", false},
		{"post", apicall.Request{Data: "{}", HasData: true}, "POST", "{}", true},
		{"an empty body", apicall.Request{HasData: true}, "POST", "", true},
		{"a method", apicall.Request{Method: "PUT", Data: "x", HasData: true}, "PUT", "x", true},
		{"a file", apicall.Request{Data: "@" + file, HasData: true}, "POST", "from a file", true},
		{"standard input", apicall.Request{Data: "@-", HasData: true, Stdin: strings.NewReader("typed")}, "POST", "typed", true},
		{"a long standard input", apicall.Request{Data: "@-", HasData: true, Stdin: strings.NewReader(long)}, "POST", long, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.call.URL = parse(t, "https://api.example/x")
			rq, err := tt.call.HTTP(t.Context())
			require.NoError(t, err)
			assert.Equal(t, tt.method, rq.Method)
			if tt.call.HasData {
				assert.Equal(t, "application/json", rq.Header.Get("Content-Type"))
				assert.True(t, tt.body == read(t, func() (io.ReadCloser, error) { return rq.Body, nil }), "the body")
			}
			assert.Equal(t, tt.repeatable, rq.GetBody != nil)
			if tt.repeatable {
				assert.Equal(t, int64(len(tt.body)), rq.ContentLength)
				assert.Equal(t, tt.body, read(t, rq.GetBody))
			}
		})
	}
}

func TestRequest_HTTP_Refuses(t *testing.T) {
	for name, call := range map[string]apicall.Request{
		"a header without a colon":        {Header: []string{"Accept"}},
		"a header without a name":         {Header: []string{": x"}},
		"a header of two lines":           {Header: []string{"A: x\r\nB: y"}},
		"an Authorization of one's own":   {Header: []string{"authorization: Bearer x"}},
		"a method with a space":           {Method: "GET IT"},
		"a file that is not there":        {Data: "@/nowhere/x", HasData: true},
		"a folder in place of a file":     {Data: "@" + t.TempDir(), HasData: true},
		"a name with a space in a header": {Header: []string{"A B: x"}},
	} {
		call.URL = parse(t, "https://api.example/x")
		_, err := call.HTTP(t.Context())
		assert.Equal(t, exit.Usage, exit.StatusOf(err), name)
	}
}

// broken is a body that breaks off.
type broken struct{ io.Reader }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func response(status int, body io.Reader) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1",
		Header: http.Header{"B": {"2"}, "A": {"1"}}, Body: io.NopCloser(body),
	}
}

func TestOutput_Write(t *testing.T) {
	for _, tt := range []struct {
		name         string
		out          apicall.Output
		status       int
		out1, errOut string
		want         int
	}{
		{"an answer", apicall.Output{}, 200, "body", "", exit.OK},
		{"with its header", apicall.Output{Header: true}, 200, "HTTP/1.1 OK\r\nA: 1\r\nB: 2\r\n\r\nbody", "", exit.OK},
		{"an error", apicall.Output{}, 404, "", "body\n", exit.OK},
		{"an error that fails", apicall.Output{Fail: true}, 404, "", "body\n", exit.Failure},
		{"an answer that need not fail", apicall.Output{Fail: true}, 200, "body", "", exit.OK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out, errOut bytes.Buffer
			tt.out.Out, tt.out.Err = &out, &errOut
			err := tt.out.Write(response(tt.status, strings.NewReader("body")))
			assert.Equal(t, tt.want, exit.StatusOf(err))
			assert.Equal(t, tt.out1, out.String())
			assert.Equal(t, tt.errOut, errOut.String())
		})
	}
}

func TestOutput_WriteFile_ReplacesItWhenComplete(t *testing.T) {
	file := filepath.Join(t.TempDir(), "answer")
	out := apicall.Output{File: file, Err: io.Discard}
	require.NoError(t, out.Write(response(200, strings.NewReader("first"))))

	err := out.Write(response(200, broken{strings.NewReader("second")}))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NoError(t, out.Write(response(500, strings.NewReader("an error"))))

	content, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "first", string(content))
	entries, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	assert.Len(t, entries, 1, "no temporary file is left")

	out.File = os.DevNull
	require.NoError(t, out.Write(response(200, strings.NewReader("x"))))
	out.File = filepath.Join(t.TempDir(), "missing", "answer")
	err = out.Write(response(200, strings.NewReader("x")))
	assert.True(t, errors.Is(err, os.ErrNotExist), err)
}
