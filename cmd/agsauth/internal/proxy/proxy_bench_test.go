package proxy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/proxy"
)

// discardResponse is a [http.ResponseWriter] that keeps nothing.
type discardResponse struct{ header http.Header }

func (w *discardResponse) Header() http.Header       { return w.header }
func (*discardResponse) Write(p []byte) (int, error) { return len(p), nil }
func (*discardResponse) WriteHeader(int)             {}

// BenchmarkServeHTTP measures what the handler adds, without a network.
func BenchmarkServeHTTP(b *testing.B) {
	target := &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	base := roundTripperFunc(func(req *http.Request) (*http.Response, error) {
		header := http.Header{"Content-Type": {"application/json"}, "Content-Length": {"2"}, "Date": {"Sat, 28 Nov 2026 00:00:00 GMT"}}
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("{}")), ContentLength: 2, Header: header, Request: req}, nil
	})
	ours, err := proxy.New(proxy.Config{Upstream: target, Source: newSource("ours"), Base: base})
	if err != nil {
		b.Fatal(err)
	}
	bare := &httputil.ReverseProxy{Transport: base, Rewrite: func(pr *httputil.ProxyRequest) {
		pr.SetURL(target)
		pr.Out.Header.Set("Authorization", "Bearer fixed")
	}}
	for name, handler := range map[string]http.Handler{"of=bare": bare, "of=agsauth": ours} {
		b.Run(name, func(b *testing.B) {
			req := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/small?page=1", nil)
			req.Host = "127.0.0.1:8180"
			req.Header = http.Header{"User-Agent": {"bench"}, "Accept": {"application/json"}, "Accept-Encoding": {"identity"}}
			w := &discardResponse{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				handler.ServeHTTP(w, req)
			}
		})
	}
}
