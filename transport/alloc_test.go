//go:build !race

package transport_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/transport"
)

// A request with a token allocates its copy and the copy's header.
func TestRoundTrip_Allocations(t *testing.T) {
	resp := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
	base := baseFunc(func(*http.Request) (*http.Response, error) { return resp, nil })
	source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "abc"})
	plain := &transport.Transport{Source: source, Base: base}
	named := &transport.Transport{Source: source, Base: base, AllowHosts: []string{"a.test", ".b.test:1", "API.example.com"}}
	for headers := range 8 {
		bare, withBody := get(t, urlAPI), get(t, urlAPI)
		for i := range headers {
			bare.withHeader(fmt.Sprintf("X-%d", i), "value")
			withBody.withHeader(fmt.Sprintf("X-%d", i), "value")
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, urlAPI, strings.NewReader("payload"))
		require.NoError(t, err)
		withBody.Body, withBody.GetBody, withBody.ContentLength = req.Body, req.GetBody, req.ContentLength
		for _, tr := range []*transport.Transport{plain, named} {
			for _, c := range []*call{bare, withBody} {
				allocs := testing.AllocsPerRun(100, func() { _, _ = tr.RoundTrip(c.Request) })
				assert.LessOrEqual(t, allocs, 3.0, "with %d headers", headers)
			}
		}
	}
}
