package transport_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/transport"
)

func Example() {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s, sent with %q", r.URL.Path, r.Header.Get("Authorization"))
	}))
	defer api.Close()

	client := &http.Client{Transport: &transport.Transport{
		Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "an-access-token"}),
		Header: http.Header{"nv-tenant-id": {"nagra"}},
	}}
	defer client.CloseIdleConnections()

	resp, err := client.Get(api.URL + "/v1/profile")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	fmt.Println(string(text), err)
	// Output: /v1/profile, sent with "Bearer an-access-token" <nil>
}

// The token goes to the listed host only.
func ExampleTransport_hosts() {
	greet := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Printf("%s: %q\n", r.URL.Path, r.Header.Get("Authorization"))
	})
	api, other := httptest.NewServer(greet), httptest.NewServer(greet)
	defer api.Close()
	defer other.Close()

	client := &http.Client{Transport: &transport.Transport{
		Source:     oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "an-access-token"}),
		AllowHosts: []string{api.Listener.Addr().String()}, // usually "api.example.com"
	}}
	defer client.CloseIdleConnections()

	for _, url := range []string{api.URL + "/api", other.URL + "/other"} {
		resp, err := client.Get(url)
		if err != nil {
			fmt.Println(err)
			return
		}
		resp.Body.Close()
	}
	// Output:
	// /api: "Bearer an-access-token"
	// /other: ""
}
