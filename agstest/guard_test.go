package agstest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
)

func TestAdmin_RefusesForeignRequests(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	admin := httptest.NewServer(srv.Admin("Gateway.test"))
	defer admin.Close()
	port := admin.URL[strings.LastIndex(admin.URL, ":"):]
	tests := []struct {
		name    string
		header  []string
		allowed bool
	}{
		{"no browser", nil, true},
		{"localhost", []string{"Host", "localhost" + port}, true},
		{"localhost without a port", []string{"Host", "LOCALHOST"}, true},
		{"IPv6", []string{"Host", "[::1]" + port}, true},
		{"another loopback address", []string{"Host", "127.9.9.9"}, true},
		{"a name that was given", []string{"Host", "gateway.TEST:8080"}, true},
		{"a name that resolves to loopback", []string{"Host", "evil.example" + port}, false},
		{"a name that begins like a loopback address", []string{"Host", "127.0.0.1.evil.example"}, false},
		{"a name below localhost", []string{"Host", "evil.localhost"}, false},
		{"an address of the network", []string{"Host", "192.0.2.1" + port}, false},
		{"its own page", []string{"Origin", admin.URL, "Sec-Fetch-Site", "same-origin"}, true},
		{"typed by hand", []string{"Sec-Fetch-Site", "none"}, true},
		{"a page elsewhere", []string{"Origin", "https://evil.example"}, false},
		{"a page of another port", []string{"Origin", "http://127.0.0.1:1"}, false},
		{"a page of another name", []string{"Origin", "http://localhost" + port}, false},
		{"a sandboxed page", []string{"Origin", "null"}, false},
		{"an Origin that is no URL", []string{"Origin", "http://[:"}, false},
		{"an image of another site", []string{"Sec-Fetch-Site", "cross-site"}, false},
		{"an image of another port", []string{"Sec-Fetch-Site", "same-site"}, false},
	}
	for _, test := range tests {
		for _, method := range []string{http.MethodGet, http.MethodPut} {
			r := ask(t, admin, method, "/clock", `{"advance":1}`, test.header...)
			if test.allowed {
				assert.Equal(t, http.StatusOK, r.status, test.name)
				continue
			}
			assert.Equal(t, http.StatusForbidden, r.status, test.name)
			assert.NotEmpty(t, r.field(t, "error"), test.name)
		}
	}
	allowed := 0
	for _, test := range tests {
		if test.allowed {
			allowed++
		}
	}
	require.Equal(t, allowed, int(srv.Skew().Seconds()), "a refused request does nothing")
}
