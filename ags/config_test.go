package ags_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

func TestNew_BaseURL(t *testing.T) {
	for _, tc := range []struct {
		url      string
		insecure bool
		want     string // the URL of a refresh, empty for an error
	}{
		{url: "https://gw.example.com", want: "https://gw.example.com/ags/refresh"},
		{url: "https://gw.example.com:8443/", want: "https://gw.example.com:8443/ags/refresh"},
		{url: "https://gw.example.com/edge/v1", want: "https://gw.example.com/edge/v1/ags/refresh"},
		{url: "https://gw.example.com/edge%20x/", want: "https://gw.example.com/edge%20x/ags/refresh"},
		{url: "http://localhost:8080", want: "http://localhost:8080/ags/refresh"},
		{url: "http://LocalHost"}, // net/http sends it to a proxy
		{url: "http://localhost."},
		{url: "https://LocalHost", want: "https://LocalHost/ags/refresh"},
		{url: "http://127.8.9.10", want: "http://127.8.9.10/ags/refresh"},
		{url: "http://[::1]:80", want: "http://[::1]:80/ags/refresh"},
		{url: "http://gw.example.com"},
		{url: "http://localhost.example.com"},
		{url: "http://10.0.0.1"},
		{url: "http://gw.example.com", insecure: true, want: "http://gw.example.com/ags/refresh"},
		{url: "ftp://gw.example.com", insecure: true},
		{url: "https://user:hunter22@gw.example.com"},
		{url: "https://gw.example.com?q=hunter22"},
		{url: "https://gw.example.com?"},
		{url: "https://gw.example.com#hunter22"},
		{url: "https://gw.example.com/#"},
		{url: "https://user:hunter22@gw.example.com:port"},
		{url: "https://:443"},
		{url: "http://[::1%25\xec]"},
		{url: "gw.example.com"},
		{url: ""},
	} {
		t.Run(tc.url, func(t *testing.T) {
			tr := &fakeTransport{tb: t, responders: []responder{respond(200, tokenJSON())}}
			cfg := testConfig(tr)
			cfg.BaseURL, cfg.AllowInsecure = tc.url, tc.insecure
			c, err := ags.New(cfg)
			if tc.want == "" {
				require.Error(t, err)
				assert.NotContains(t, err.Error(), "hunter22")
				return
			}
			require.NoError(t, err)
			_, err = c.Refresh(t.Context(), testToken())
			require.NoError(t, err)
			assert.Equal(t, tc.want, tr.only().url)
		})
	}
}

func TestNew_InvalidConfig(t *testing.T) {
	for name, change := range map[string]func(*ags.Config){
		"no tenant":                  func(c *ags.Config) { c.TenantID = "" },
		"tenant not a header value":  func(c *ags.Config) { c.TenantID = "na\ngra" },
		"service not a header value": func(c *ags.Config) { c.AuthServiceID = "a\x00b" },
		"header name":                func(c *ags.Config) { c.Header = http.Header{"no name": {"v"}} },
		"empty header name":          func(c *ags.Config) { c.Header = http.Header{"": {"v"}} },
		"header value":               func(c *ags.Config) { c.Header = http.Header{"X": {"hunter22\r\n"}} },
		"framing header":             func(c *ags.Config) { c.Header = http.Header{"accept-encoding": {"br"}} },
		"host header":                func(c *ags.Config) { c.Header = http.Header{"Host": {"other.example.com"}} },
		"path with host":             func(c *ags.Config) { c.Paths.Refresh = "//other.example.com/refresh" },
		"path with scheme":           func(c *ags.Config) { c.Paths.SignOn = "https://other.example.com/" },
		"path with query":            func(c *ags.Config) { c.Paths.SignOut = "/out?all=1" },
		"path with bad %":            func(c *ags.Config) { c.Paths.Discovery = "/%zz" },
		"negative wait":              func(c *ags.Config) { c.Retry.Min = -1 },
		"negative cap":               func(c *ags.Config) { c.Retry.Cap = -1 },
		"cap below min":              func(c *ags.Config) { c.Retry = ags.Retry{Min: time.Second, Cap: time.Millisecond} },
		"parameter without name":     func(c *ags.Config) { c.Parameters = []ags.Parameter{{Value: "hunter22"}} },
		"parameter not UTF-8":        func(c *ags.Config) { c.Parameters = []ags.Parameter{{Name: "n", Value: "hunter22\xff"}} },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(&fakeTransport{tb: t})
			change(&cfg)
			_, err := ags.New(cfg)
			require.Error(t, err)
			assert.NotContains(t, err.Error(), "hunter22")
			assert.Regexp(t, "^ags: config: ", err.Error())
		})
	}
}

// RFC 9110, section 5.6.2.
func TestNew_HeaderNamesAreTokens(t *testing.T) {
	const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for c := range rune(0x100) {
		cfg := testConfig(&fakeTransport{tb: t})
		cfg.Header = http.Header{"X-" + string(c): {"v"}}
		_, err := ags.New(cfg)
		assert.Equal(t, strings.ContainsRune(token, c), err == nil, "%q: %v", c, err)
	}
}

func TestNew_CopiesConfig(t *testing.T) {
	tr := &fakeTransport{tb: t, responders: []responder{respond(200, tokenJSON())}}
	cfg := testConfig(tr)
	cfg.Header = http.Header{"Nagra-Device-Type": {"STB"}}
	c, err := ags.New(cfg)
	require.NoError(t, err)
	cfg.Header.Set("Nagra-Device-Type", "changed")
	cfg.Parameters[0].Value = "changed"
	cfg.HTTPClient.Transport = nil
	_, err = c.Refresh(t.Context(), testToken())
	require.NoError(t, err)
	assert.Equal(t, "STB", tr.only().header.Get("Nagra-Device-Type"))
	assert.NotContains(t, tr.only().body, "changed")
}

func TestNew_Paths(t *testing.T) {
	requests := makeAllCalls(t, func(c *ags.Config) {
		c.BaseURL += "/base"
		c.Paths = ags.Paths{
			Discovery: "/a", SignOn: "b", SubsequentSignOn: "/c/", SessionToken: "/d%2Fd",
			SignOnWithSessionToken: "/e", Refresh: "/f", SignOut: "/g",
		}
	})
	var urls []string
	for _, r := range requests {
		urls = append(urls, r.url)
	}
	const base = "https://gateway.example.com/base"
	assert.Equal(t, []string{
		base + "/a", base + "/b", base + "/c/", base + "/d%2Fd", base + "/e", base + "/f", base + "/g",
	}, urls)
}
