package proxy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/proxy"
)

// roundTripperFunc is a base that is a function.
type roundTripperFunc func(*http.Request) (*http.Response, error)

func (f roundTripperFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// However a server decodes and cleans the path of a request that was passed on, it is below
// the base path.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{
		"/", "/a/b", "/../b", "/a/../../b", "/%2e%2e/b", "/..%2fb", "/%252e%252e/b", "/..;x/b", "/a\\..\\..\\b", "//x", "/%", "/%zz/..", "/.%00./b", "/...", "/%25",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		parsed, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(target, "/") {
			t.Skip()
		}
		sent := ""
		p, err := proxy.New(proxy.Config{
			Upstream: &url.URL{Scheme: "https", Host: "api.example.com", Path: "/base"}, Source: newSource("ours"),
			Base: roundTripperFunc(func(req *http.Request) (*http.Response, error) {
				sent = req.URL.EscapedPath()
				if req.URL.Host != "api.example.com" {
					t.Errorf("sent to %q", req.URL.Host)
				}
				return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("")), Header: http.Header{}}, nil
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		req := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		req.Host, req.URL, req.RequestURI = "localhost", parsed, target
		p.ServeHTTP(httptest.NewRecorder(), req)
		if sent == "" {
			return
		}
		for range 4 {
			if cleaned := path.Clean(strings.ReplaceAll(sent, "\\", "/")); cleaned != "/base" && !strings.HasPrefix(cleaned, "/base/") {
				t.Fatalf("%q is passed on as %q, which is outside", target, cleaned)
			}
			if sent, err = url.PathUnescape(sent); err != nil {
				return
			}
		}
	})
}
