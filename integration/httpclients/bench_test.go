package httpclients_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	restyv2 "github.com/go-resty/resty/v2"
	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/transport"
)

// BenchmarkResty measures a GET and a POST of resty, whose requests are answered in
// memory.
func BenchmarkResty(b *testing.B) {
	source := harness.LiveSource(b)
	for _, of := range []struct {
		name string
		rt   http.RoundTripper
	}{
		{"agsauth", &transport.Transport{Source: source, Base: inMemory{}}},
		{"oauth2", &oauth2.Transport{Source: source, Base: inMemory{}}},
		{"none", inMemory{}},
	} {
		client := restyv2.New().SetTransport(of.rt)
		b.Run("of="+of.name+"/GET", func(b *testing.B) {
			benchmarkResty(b, func() (*restyv2.Response, error) { return client.R().Get("https://api.test/") })
		})
		b.Run("of="+of.name+"/POST", func(b *testing.B) {
			benchmarkResty(b, func() (*restyv2.Response, error) { return client.R().SetBody("a body").Post("https://api.test/") })
		})
	}
}

func benchmarkResty(b *testing.B, send func() (*restyv2.Response, error)) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		if resp, err := send(); err != nil || resp.StatusCode() != http.StatusOK {
			b.Fatal(resp.Status(), err)
		}
	}
}

// inMemory answers every request without sending it.
type inMemory struct{}

// RoundTrip implements [http.RoundTripper].
func (inMemory) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return nil, err
		}
		_ = req.Body.Close()
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("ok")), Request: req}, nil
}
