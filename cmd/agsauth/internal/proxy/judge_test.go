package proxy_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/proxy"
)

// A refused request never reaches the API.
func TestProxy_JudgesRequests(t *testing.T) {
	const host = "Host: localhost\n"
	for name, tc := range map[string]struct {
		request string // without the empty line at its end
		code    string // of the problem; empty if the request passes
		status  int
	}{
		"host localhost":          {"GET / HTTP/1.1\nHost: localhost", "", 200},
		"host localhost:port":     {"GET / HTTP/1.1\nHost: localhost:8080", "", 200},
		"host in upper case":      {"GET / HTTP/1.1\nHost: LOCALHOST", "", 200},
		"host with trailing dot":  {"GET / HTTP/1.1\nHost: localhost.", "", 200},
		"host 127.0.0.1:port":     {"GET / HTTP/1.1\nHost: 127.0.0.1:8080", "", 200},
		"host [::1]:port":         {"GET / HTTP/1.1\nHost: [::1]:8080", "", 200},
		"host allowed":            {"GET / HTTP/1.1\nHost: Proxy.Example.com.", "", 200},
		"host allowed with port":  {"GET / HTTP/1.1\nHost: ported.example.com:8080", "", 200},
		"host with another port":  {"GET / HTTP/1.1\nHost: ported.example.com:8081", "host_refused", 403},
		"host foreign":            {"GET / HTTP/1.1\nHost: evil.com", "host_refused", 403},
		"host below localhost":    {"GET / HTTP/1.1\nHost: evil.localhost", "host_refused", 403},
		"host above localhost":    {"GET / HTTP/1.1\nHost: localhost.evil.com", "host_refused", 403},
		"host with 127.0.0.1":     {"GET / HTTP/1.1\nHost: 127.0.0.1.evil.com", "host_refused", 403},
		"host of another machine": {"GET / HTTP/1.1\nHost: 192.0.2.1", "host_refused", 403},
		"host 0.0.0.0":            {"GET / HTTP/1.1\nHost: 0.0.0.0", "host_refused", 403},
		"host with user":          {"GET / HTTP/1.1\nHost: localhost@evil.com", "", 400},
		"host with Kelvin sign":   {"GET / HTTP/1.1\nHost: localhost\u212a", "", 400},
		"host empty":              {"GET / HTTP/1.1\nHost:", "host_refused", 403},
		"host absent in HTTP/1.1": {"GET / HTTP/1.1", "", 400},
		"host absent in HTTP/1.0": {"GET / HTTP/1.0", "host_refused", 403},
		"host twice":              {"GET / HTTP/1.1\nHost: localhost\nHost: evil.com", "", 400},
		"host before the rest":    {"OPTIONS * HTTP/1.1\nHost: evil.com", "host_refused", 403},

		"CONNECT":                    {"CONNECT localhost:443 HTTP/1.1\n" + host, "target_refused", 400},
		"CONNECT to another machine": {"CONNECT evil.com:443 HTTP/1.1\nHost: evil.com:443", "host_refused", 403},
		"CONNECT with a path":        {"CONNECT /x HTTP/1.1\n" + host, "target_refused", 400},
		"absolute form":              {"GET http://localhost/x HTTP/1.1\n" + host, "target_refused", 400},
		"absolute form, https":       {"GET https://127.0.0.1/x HTTP/1.1\n" + host, "target_refused", 400},
		"absolute form, foreign":     {"GET http://evil.com/x HTTP/1.1\n" + host, "host_refused", 403},
		"asterisk":                   {"OPTIONS * HTTP/1.1\n" + host, "target_refused", 400},
		"TRACE":                      {"TRACE / HTTP/1.1\n" + host, "method_refused", 501},
		"TRACE in lower case":        {"trace / HTTP/1.1\n" + host, "method_refused", 501},

		"path ..":             {"GET /../x HTTP/1.1\n" + host, "path_refused", 400},
		"path .. inside":      {"GET /a/../../x HTTP/1.1\n" + host, "path_refused", 400},
		"path .. at the end":  {"GET /a/.. HTTP/1.1\n" + host, "path_refused", 400},
		"path %2e%2e":         {"GET /%2e%2e/x HTTP/1.1\n" + host, "path_refused", 400},
		"path .%2E":           {"GET /.%2E/x HTTP/1.1\n" + host, "path_refused", 400},
		"path ..%2f":          {"GET /..%2fx HTTP/1.1\n" + host, "path_refused", 400},
		"path a%2f..%2f":      {"GET /a%2F..%2Fx HTTP/1.1\n" + host, "path_refused", 400},
		"path encoded twice":  {"GET /%252e%252e/x HTTP/1.1\n" + host, "path_refused", 400},
		"path encoded deeply": {"GET /%2525252525252e%252525252e HTTP/1.1\n" + host, "path_refused", 400},
		"path after 100%":     {"GET /100%25/%252e%252e%252fx HTTP/1.1\n" + host, "path_refused", 400},
		"path with backslash": {"GET /a\\..\\x HTTP/1.1\n" + host, "path_refused", 400},
		"path ..;":            {"GET /..;a=b/x HTTP/1.1\n" + host, "path_refused", 400},
		"path ..%3f":          {"GET /..%3fx HTTP/1.1\n" + host, "path_refused", 400},
		"path ..%2523":        {"GET /..%2523x HTTP/1.1\n" + host, "path_refused", 400},
		"path .%00.":          {"GET /.%00./x HTTP/1.1\n" + host, "path_refused", 400},
		"path .%09.":          {"GET /.%09./x HTTP/1.1\n" + host, "path_refused", 400},
		"path overlong dots":  {"GET /%c0%ae%c0%ae/x HTTP/1.1\n" + host, "path_refused", 400},
		"path overlong slash": {"GET /..%c0%afx HTTP/1.1\n" + host, "path_refused", 400},
		"path with NUL":       {"GET /..%00/x HTTP/1.1\n" + host, "path_refused", 400},
		"path not decodable":  {"GET /%zz HTTP/1.1\n" + host, "", 400},
		"path //host":         {"GET //evil.com/x HTTP/1.1\n" + host, "", 200},
		"path with %2f":       {"GET /a%2fb HTTP/1.1\n" + host, "", 200},
		"path with dots":      {"GET /a..b/..c/d../... HTTP/1.1\n" + host, "", 200},
		"path with 100%":      {"GET /100%25/%25zz HTTP/1.1\n" + host, "", 200},

		"origin null":              {"GET / HTTP/1.1\nOrigin: null\n" + host, "origin_refused", 403},
		"origin null, POST":        {"POST / HTTP/1.1\nOrigin: null\nContent-Length: 0\n" + host, "origin_refused", 403},
		"origin foreign":           {"GET / HTTP/1.1\nOrigin: https://evil.com\n" + host, "origin_refused", 403},
		"origin foreign, POST":     {"POST / HTTP/1.1\nOrigin: https://evil.com\nContent-Length: 0\n" + host, "origin_refused", 403},
		"origin another port":      {"GET / HTTP/1.1\nOrigin: http://localhost:3000\n" + host, "origin_refused", 403},
		"origin another scheme":    {"GET / HTTP/1.1\nOrigin: https://localhost\n" + host, "origin_refused", 403},
		"origin twice":             {"GET / HTTP/1.1\nOrigin: https://app.example.com\nOrigin: null\n" + host, "origin_refused", 403},
		"origin empty":             {"GET / HTTP/1.1\nOrigin:\n" + host, "origin_refused", 403},
		"origin of a subdomain":    {"GET / HTTP/1.1\nOrigin: https://app.example.com.evil.com\n" + host, "origin_refused", 403},
		"origin own":               {"GET / HTTP/1.1\nOrigin: http://localhost\n" + host, "", 200},
		"origin own, POST":         {"POST / HTTP/1.1\nOrigin: http://localhost\nContent-Length: 0\n" + host, "", 200},
		"origin allowed":           {"GET / HTTP/1.1\nOrigin: https://app.example.com\n" + host, "", 200},
		"origin allowed, POST":     {"POST / HTTP/1.1\nOrigin: https://APP.example.com\nContent-Length: 0\n" + host, "", 200},
		"origin allowed, by fetch": {"GET / HTTP/1.1\nSec-Fetch-Site: cross-site\nOrigin: https://app.example.com\n" + host, "", 200},
		"site cross-site":          {"GET / HTTP/1.1\nSec-Fetch-Site: cross-site\n" + host, "origin_refused", 403},
		"site same-site":           {"GET / HTTP/1.1\nSec-Fetch-Site: same-site\n" + host, "origin_refused", 403},
		"site unknown":             {"GET / HTTP/1.1\nSec-Fetch-Site: near-site\n" + host, "origin_refused", 403},
		"site twice":               {"GET / HTTP/1.1\nSec-Fetch-Site: none\nSec-Fetch-Site: cross-site\n" + host, "origin_refused", 403},
		"site same-origin":         {"GET / HTTP/1.1\nSec-Fetch-Site: same-origin\n" + host, "", 200},
		"site none":                {"GET / HTTP/1.1\nSec-Fetch-Site: none\n" + host, "", 200},
		"own origin, cross-site":   {"GET / HTTP/1.1\nOrigin: http://localhost\nSec-Fetch-Site: cross-site\n" + host, "origin_refused", 403},
		"WebSocket, foreign":       {"GET / HTTP/1.1\nConnection: Upgrade\nUpgrade: websocket\nOrigin: https://evil.com\n" + host, "origin_refused", 403},
		"preflight, foreign":       {"OPTIONS / HTTP/1.1\nOrigin: https://evil.com\nAccess-Control-Request-Method: PUT\n" + host, "origin_refused", 403},
		"preflight, no origin":     {"OPTIONS / HTTP/1.1\nAccess-Control-Request-Method: PUT\n" + host, "preflight_refused", 403},
		"OPTIONS, no preflight":    {"OPTIONS / HTTP/1.1\n" + host, "", 200},
	} {
		t.Run(name, func(t *testing.T) {
			api := newUpstream(t, nil)
			p := startProxy(t, api.URL+"/base", func(cfg *proxy.Config) {
				cfg.AllowHosts = []string{"proxy.example.com", "ported.example.com:8080"}
				cfg.AllowOrigins = []string{"https://app.example.com"}
			})
			resp, body := p.raw(t, strings.TrimSuffix(tc.request, "\n")+"\nConnection: close\n\n")
			assert.Equal(t, tc.status, resp.StatusCode)
			if tc.status == http.StatusOK {
				require.Len(t, api.received(), 1)
				assert.Equal(t, "Bearer ours", api.received()[0].Header.Get("Authorization"))
				assert.True(t, strings.HasPrefix(api.received()[0].RequestURI, "/base/"), api.received()[0].RequestURI)
				return
			}
			assert.Empty(t, api.received())
			if tc.code != "" {
				assertProblem(t, resp, body, tc.status, tc.code)
			}
		})
	}
}

func assertProblem(t *testing.T, resp *http.Response, body string, status int, code string) map[string]any {
	t.Helper()
	assert.Equal(t, status, resp.StatusCode)
	assert.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
	var fields map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &fields), body)
	assert.Equal(t, code, fields["code"])
	assert.EqualValues(t, status, fields["status"])
	assert.NotEmpty(t, fields["title"])
	return fields
}

func TestProxy_Key(t *testing.T) {
	for name, tc := range map[string]struct {
		fields []string
		status int
	}{
		"right":    {[]string{"X-Agsauth-Key", "k-1234"}, 200},
		"any case": {[]string{"x-agsauth-KEY", "k-1234"}, 200},
		"absent":   {nil, 403},
		"empty":    {[]string{"X-Agsauth-Key", ""}, 403},
		"wrong":    {[]string{"X-Agsauth-Key", "k-1235"}, 403},
		"prefix":   {[]string{"X-Agsauth-Key", "k-123"}, 403},
		"twice":    {[]string{"X-Agsauth-Key", "k-1234", "X-Agsauth-Key", "k-1234"}, 403},
		"as token": {[]string{"Authorization", "Bearer k-1234"}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			api := newUpstream(t, nil)
			p := startProxy(t, api.URL, func(cfg *proxy.Config) { cfg.Key = ags.NewSecret("k-1234") })
			resp, body := do(t, client(t), "GET", p.url+"/x", nil, tc.fields...)
			assert.Equal(t, tc.status, resp.StatusCode)
			if tc.status != http.StatusOK {
				assertProblem(t, resp, body, 403, "key_refused")
				assert.Empty(t, api.received())
				return
			}
			require.Len(t, api.received(), 1)
			assert.NotContains(t, api.received()[0].Header, "X-Agsauth-Key")
			assert.NotContains(t, p.log.String(), "k-1234")
		})
	}
}

func TestProxy_PreflightOfAnAllowedOrigin(t *testing.T) {
	api := newUpstream(t, nil)
	p := startProxy(t, api.URL, func(cfg *proxy.Config) {
		cfg.AllowOrigins = []string{"https://app.example.com"}
		cfg.Key = ags.NewSecret("k-1234")
	})
	resp, _ := do(t, client(t), "OPTIONS", p.url+"/x", nil, "Origin", "https://app.example.com",
		"Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "content-type,x-agsauth-key",
		"Access-Control-Request-Private-Network", "true")
	assert.Equal(t, http.StatusNoContent, resp.StatusCode)
	assert.Equal(t, "https://app.example.com", resp.Header.Get("Access-Control-Allow-Origin"))
	assert.Equal(t, "PUT", resp.Header.Get("Access-Control-Allow-Methods"))
	assert.Equal(t, "content-type,x-agsauth-key", resp.Header.Get("Access-Control-Allow-Headers"))
	assert.Equal(t, "true", resp.Header.Get("Access-Control-Allow-Private-Network"))
	assert.Empty(t, resp.Header.Get("Access-Control-Allow-Credentials"))
	assert.Empty(t, api.received())
}
