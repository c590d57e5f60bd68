package gateway_test

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/gateway"
)

func TestPage_IsServedUnderAStrictPolicy(t *testing.T) {
	g := startWeb(t, gateway.Default())
	kinds := map[string]string{
		".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
		".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	}
	files, err := fs.Glob(os.DirFS("web"), "*")
	require.NoError(t, err)
	require.Contains(t, files, "main.js")
	for _, name := range files {
		resp := g.get(t, g.Web+strings.TrimPrefix(name, "index.html"))
		assert.Equal(t, http.StatusOK, resp.StatusCode, name)
		assert.Equal(t, kinds[path.Ext(name)], resp.Header.Get("Content-Type"), name)
		policy := resp.Header.Get("Content-Security-Policy")
		for _, rule := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
			assert.Contains(t, policy, rule, name)
		}
		assert.NotContains(t, policy, "unsafe", name)
	}
	assert.Equal(t, http.StatusNotFound, g.get(t, g.Web+"web.go").StatusCode)
	status, _ := g.send(t, http.MethodPost, g.Web, "")
	assert.Equal(t, http.StatusMethodNotAllowed, status)
}

// The policy makes a browser refuse what is foreign or inline; here it is an error before
// anyone looks at the page.
func TestPage_HasNothingForeignOrInline(t *testing.T) {
	files := os.DirFS("web")
	names, err := fs.Glob(files, "*")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	forbidden := regexp.MustCompile(`(?i)https?://|//[a-z0-9.-]+\.[a-z]{2,}/|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|` +
		`<style|<script[^>]*>[^<]|\son[a-z]+=|\sstyle=|javascript:|@import|localStorage`)
	for _, name := range names {
		content, err := fs.ReadFile(files, name)
		require.NoError(t, err)
		text := strings.ReplaceAll(string(content), `xmlns="http://www.w3.org/2000/svg"`, "")
		assert.Empty(t, forbidden.FindAllString(text, -1), name)
		assert.LessOrEqual(t, strings.Count(text, "\n"), 300, name)
	}
}

func TestPage_IsGuardedAsTheAdminInterface(t *testing.T) {
	s := gateway.Default()
	s.AdminHosts = []string{"gateway.test"}
	g := startWeb(t, s)
	for _, test := range []struct {
		name    string
		header  []string
		allowed bool
	}{
		{"no browser", nil, true},
		{"a name that was given", []string{"Host", "gateway.test"}, true},
		{"its own page", []string{"Origin", g.Admin, "Sec-Fetch-Site", "same-origin"}, true},
		{"typed by hand", []string{"Sec-Fetch-Site", "none"}, true},
		{"a name that resolves to loopback", []string{"Host", "evil.example"}, false},
		{"a page elsewhere", []string{"Origin", "https://evil.example"}, false},
		{"a sandboxed page", []string{"Origin", "null"}, false},
		{"an image of another site", []string{"Sec-Fetch-Site", "cross-site"}, false},
		{"an image of another port", []string{"Sec-Fetch-Site", "same-site"}, false},
	} {
		for _, url := range []string{g.Web, g.Web + "main.js", g.Admin + "/health"} {
			status, body := g.send(t, http.MethodGet, url, "", test.header...)
			if test.allowed {
				assert.Equal(t, http.StatusOK, status, "%s: %s", test.name, url)
				continue
			}
			assert.Equal(t, http.StatusForbidden, status, "%s: %s", test.name, url)
			assert.Contains(t, body, `{"error":`, test.name)
			assert.True(t, json.Valid([]byte(body)), "%s: nothing of the page", test.name)
		}
	}
}

func TestPage_NeedsTheAdminInterface(t *testing.T) {
	s := gateway.Default()
	s.AdminListen = "off"
	_, err := s.Page()
	require.ErrorContains(t, err, "leave out --web")
	assert.Equal(t, exit.Usage, exit.StatusOf(err))
}

// get returns the answer to a request, without its body.
func (g *webGateway) get(t *testing.T, url string) *http.Response {
	t.Helper()
	resp, err := g.client.Get(url)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp
}
