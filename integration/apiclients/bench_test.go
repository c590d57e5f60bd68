package apiclients_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/transport"
)

// BenchmarkGitHub measures a call of go-github whose requests are answered in memory.
func BenchmarkGitHub(b *testing.B) {
	source := harness.LiveSource(b)
	for _, of := range []struct {
		name string
		rt   http.RoundTripper
	}{
		{"agsauth", &transport.Transport{Source: source, Base: roundTripperFunc(answerInMemory)}},
		{"oauth2", &oauth2.Transport{Source: source, Base: roundTripperFunc(answerInMemory)}},
		{"none", roundTripperFunc(answerInMemory)},
	} {
		client := newGitHub(b, &http.Client{Transport: of.rt}, "https://api.test")
		b.Run("of="+of.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if user, _, err := client.Users.Get(b.Context(), ""); err != nil || user.GetLogin() != "dave" {
					b.Fatal(user, err)
				}
			}
		})
	}
}

func answerInMemory(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"login":"dave"}`)), Request: req,
	}, nil
}
