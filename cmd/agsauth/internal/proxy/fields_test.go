package proxy_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/proxy"
)

// The API must see our token alone, and nothing that only a trusted proxy may say.
func TestProxy_CleansRequests(t *testing.T) {
	for name, fields := range map[string]string{
		"a placeholder":            "Authorization: Bearer placeholder",
		"two of them":              "Authorization: Basic a\nauthorization: Bearer b",
		"named in Connection":      "Connection: Authorization, X-Agsauth-Key\nAuthorization: Bearer placeholder",
		"for a proxy":              "Proxy-Authorization: Basic eDp5\nProxy-Connection: keep-alive",
		"the key":                  "X-Agsauth-Key: k",
		"forwarded":                "Forwarded: for=192.0.2.1\nX-Forwarded-For: 192.0.2.1\nX-Forwarded-Host: evil.com\nX-Forwarded-Proto: https\nX-Real-IP: 192.0.2.1",
		"forwarded by other names": "X-Forwarded-Prefix: /admin\nX-Forwarded-Port: 1\nX-Forwarded-User: root\nX-Forwarded-Access-Token: placeholder",
		"another path":             "X-Original-URL: /admin\nX-Rewrite-URL: /admin",
		"with underscores":         "X_Forwarded_For: 192.0.2.1\nX_Forwarded-Host: evil.com\nProxy_Authorization: Basic eDp5",
		"an upgrade to h2c":        "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__",
	} {
		t.Run(name, func(t *testing.T) {
			api := newUpstream(t, nil)
			p := startProxy(t, api.URL, nil)
			resp, _ := p.raw(t, "GET /x HTTP/1.1\nHost: localhost\nUser-Agent: test\nX-Kept: kept\n"+fields+"\n\n")
			assert.Equal(t, http.StatusOK, resp.StatusCode)
			require.Len(t, api.received(), 1)
			got := api.received()[0]
			assert.Equal(t, http.Header{"Authorization": {"Bearer ours"}, "User-Agent": {"test"}, "X-Kept": {"kept"}}, got.Header)
			assert.Equal(t, strings.TrimPrefix(api.URL, "http://"), got.Host)
		})
	}
}

func TestProxy_Forwarded(t *testing.T) {
	api := newUpstream(t, nil)
	p := startProxy(t, api.URL, func(cfg *proxy.Config) { cfg.Forwarded = true })
	_, _ = p.raw(t, "GET /x HTTP/1.1\nHost: localhost:99\nX-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: https\nX-Forwarded-Port: 1\n\n")
	require.Len(t, api.received(), 1)
	got := api.received()[0].Header
	assert.Equal(t, []string{"127.0.0.1"}, got["X-Forwarded-For"])
	assert.Equal(t, []string{"localhost:99"}, got["X-Forwarded-Host"])
	assert.Equal(t, []string{"http"}, got["X-Forwarded-Proto"])
	assert.NotContains(t, got, "X-Forwarded-Port")
}

// The path and the query arrive as they were sent, below the base path.
func TestProxy_Target(t *testing.T) {
	for _, tc := range []struct{ base, sent, want string }{
		{"", "/", "/"},
		{"/", "/", "/"},
		{"", "/x/y?a=1", "/x/y?a=1"},
		{"/v1", "/", "/v1/"},
		{"/v1", "/x", "/v1/x"},
		{"/v1/", "/x", "/v1/x"},
		{"/v1", "//evil.com/x", "/v1//evil.com/x"},
		{"", "//evil.com/x", "//evil.com/x"},
		{"/v1", "/a%2Fb", "/v1/a%2Fb"},
		{"/v%201", "/a%2fb", "/v%201/a%2fb"},
		{"/v1", "/%C3%A9?q=%zz;b=c&d", "/v1/%C3%A9?q=%zz;b=c&d"},
		{"/v1", "/x?", "/v1/x?"},
		{"/v1", "/x?u=http://evil.com/../..", "/v1/x?u=http://evil.com/../.."},
	} {
		t.Run(tc.base+" "+tc.sent, func(t *testing.T) {
			api := newUpstream(t, nil)
			p := startProxy(t, api.URL+tc.base, nil)
			_, _ = p.raw(t, "GET "+tc.sent+" HTTP/1.1\nHost: localhost\n\n")
			require.Len(t, api.received(), 1)
			assert.Equal(t, tc.want, api.received()[0].RequestURI)
		})
	}
}

func TestProxy_CleansResponses(t *testing.T) {
	api := newUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Set("Access-Control-Expose-Headers", "X-Secret")
		h.Set("Alt-Svc", `h3=":443"`)
		h.Set("Strict-Transport-Security", "max-age=1")
		h.Set("Www-Authenticate", "Bearer")
		h.Add("Set-Cookie", "a=domain; Domain=example.com; Path=/; Secure; HttpOnly")
		h.Add("Set-Cookie", "b=2;domain = .example.com;SameSite=Lax")
		h.Add("Set-Cookie", "c=3; Path=/domain; Max-Age=1")
		w.WriteHeader(http.StatusTeapot)
	})
	p := startProxy(t, api.URL, func(cfg *proxy.Config) { cfg.AllowOrigins = []string{"https://app.example.com"} })
	resp, _ := do(t, client(t), "GET", p.url, nil)
	assert.Equal(t, http.StatusTeapot, resp.StatusCode)
	for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers", "Alt-Svc", "Strict-Transport-Security"} {
		assert.NotContains(t, resp.Header, name)
	}
	assert.Equal(t, "Bearer", resp.Header.Get("Www-Authenticate"))
	assert.Equal(t, []string{"a=domain; Path=/; Secure; HttpOnly", "b=2;SameSite=Lax", "c=3; Path=/domain; Max-Age=1"}, resp.Header["Set-Cookie"])

	resp, _ = do(t, client(t), "GET", p.url, nil, "Origin", "https://app.example.com")
	assert.Equal(t, []string{"https://app.example.com"}, resp.Header["Access-Control-Allow-Origin"])
	assert.NotContains(t, resp.Header, "Access-Control-Allow-Credentials")
	assert.Contains(t, resp.Header["Vary"], "Origin")
}

// Redirects are left to the client. One on the API leads through the proxy.
func TestProxy_Location(t *testing.T) {
	const self = "http://self"
	for _, tc := range []struct{ location, want string }{
		{"{api}/v1/y?a=%2f#f", self + "/y?a=%2f#f"},
		{"{api}/v1", self + "/"},
		{"{api}/v1//evil.com/x", self + "//evil.com/x"},
		{"/v1/y", self + "/y"},
		{"y", self + "/dir/y"},
		{"?next=1", self + "/dir/x?next=1"},
		{"//{host}/v1/y", self + "/y"},
		{"/login", "{api}/login"},
		{"{api}/login", "{api}/login"},
		{"{api}/v10/y", "{api}/v10/y"},
		{"/v1/../login", "{api}/login"},
		{"https://{host}/v1/y", "https://{host}/v1/y"},
		{"https://login.example.com/v1/?return={api}/v1", "https://login.example.com/v1/?return={api}/v1"},
		{"//login.example.com/v1", "//login.example.com/v1"},
		{"http://user@{host}/v1/y", "http://user@{host}/v1/y"},
		{"app:callback", "app:callback"},
		{"http://[broken", "http://[broken"},
	} {
		t.Run(tc.location, func(t *testing.T) {
			var fill *strings.Replacer
			api := newUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", fill.Replace(tc.location))
				w.WriteHeader(http.StatusCreated)
			})
			parsed, err := url.Parse(api.URL)
			require.NoError(t, err)
			fill = strings.NewReplacer("{api}", api.URL, "{host}", parsed.Host)
			p := startProxy(t, api.URL+"/v1", nil)
			resp, _ := do(t, client(t), "GET", p.url+"/dir/x", nil)
			assert.Equal(t, http.StatusCreated, resp.StatusCode)
			want := fill.Replace(strings.ReplaceAll(tc.want, self, p.url))
			assert.Equal(t, want, resp.Header.Get("Location"))
			assert.Len(t, api.received(), 1)
		})
	}
}

func TestProxy_AccessLog(t *testing.T) {
	api := newUpstream(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("12345")) })
	p := startProxy(t, api.URL, nil)
	_, _ = do(t, client(t), "POST", p.url+"/a%20b?secret=query", strings.NewReader("secret body"), "X-Secret", "secret field")
	_, _ = p.raw(t, "GET /x?secret=query HTTP/1.1\nHost: evil.com\n\n")
	require.NoError(t, p.end())
	lines := strings.Split(strings.TrimSpace(p.log.String()), "\n")
	require.Len(t, lines, 2)
	assert.Regexp(t, `^time=\S+ level=INFO msg=request method=POST path="/a b" status=200 bytes=5 duration=\S+$`, lines[0])
	assert.Regexp(t, `^time=\S+ level=INFO msg=request method=GET path=/x status=403 bytes=\d+ duration=\S+$`, lines[1])
	assert.NotContains(t, p.log.String(), "secret")
}

func TestNew_RefusesWhatMakesNoSense(t *testing.T) {
	valid := func() proxy.Config {
		return proxy.Config{Upstream: &url.URL{Scheme: "https", Host: "api.example.com"}, Source: newSource("ours")}
	}
	_, err := proxy.New(valid())
	require.NoError(t, err)
	for want, change := range map[string]func(*proxy.Config){
		"Source is nil":                         func(c *proxy.Config) { c.Source = nil },
		"must be a URL such as":                 func(c *proxy.Config) { c.Upstream = nil },
		"upstream must be a URL such as":        func(c *proxy.Config) { c.Upstream.Scheme = "ftp" },
		"the upstream must be a URL such as":    func(c *proxy.Config) { c.Upstream.Host = "" },
		"must not have a user name":             func(c *proxy.Config) { c.Upstream.User = url.User("secret") },
		"must not have a query":                 func(c *proxy.Config) { c.Upstream.RawQuery = "key=secret" },
		"must not have a query or a fragment":   func(c *proxy.Config) { c.Upstream.Fragment = "secret" },
		`must not contain ".."`:                 func(c *proxy.Config) { c.Upstream.Path = "/a/../b" },
		"http://api.example.com: use https":     func(c *proxy.Config) { c.Upstream.Scheme = "http" },
		`"https://app.test" is not a host name`: func(c *proxy.Config) { c.AllowHosts = []string{"https://app.test"} },
		`"*" is not a host name`:                func(c *proxy.Config) { c.AllowHosts = []string{"*"} },
		`"app.test" is not an origin`:           func(c *proxy.Config) { c.AllowOrigins = []string{"app.test"} },
		`"https://app.test/" is not an origin`:  func(c *proxy.Config) { c.AllowOrigins = []string{"https://app.test/"} },
		`"*" is not an origin`:                  func(c *proxy.Config) { c.AllowOrigins = []string{"*"} },
		`"null" is not an origin`:               func(c *proxy.Config) { c.AllowOrigins = []string{"null"} },
	} {
		cfg := valid()
		change(&cfg)
		_, err := proxy.New(cfg)
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "secret")
	}
}

// A handler that is used without Serve is as strict as on a loopback listener.
func TestProxy_AsAHandler(t *testing.T) {
	api := newUpstream(t, nil)
	target, err := url.Parse(api.URL)
	require.NoError(t, err)
	base := proxy.NewTransport(nil)
	defer base.CloseIdleConnections()
	p, err := proxy.New(proxy.Config{Upstream: target, Source: newSource("ours"), Base: base, Key: ags.NewSecret("k")})
	require.NoError(t, err)
	req := httptest.NewRequestWithContext(t.Context(), "GET", "/x", nil)
	w := httptest.NewRecorder()
	p.ServeHTTP(w, req)
	assert.Equal(t, http.StatusForbidden, w.Code)
	req.Host = "localhost"
	req.Header.Set(proxy.KeyHeader, "k")
	w = httptest.NewRecorder()
	p.ServeHTTP(w, req)
	assert.Equal(t, http.StatusOK, w.Code)
}
