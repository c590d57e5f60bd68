package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/internal/leak"
	"github.com/agsauth/agsauth/pool"
	"github.com/agsauth/agsauth/tokensource"
)

func TestMain(m *testing.M) { leak.Main(m) }

// browser is a user's browser, with a back end for it.
type browser struct {
	t        *testing.T
	platform *agstest.Server
	backend  *backend
	server   *httptest.Server
	client   *http.Client
}

// newBrowser starts a platform, a back end and a browser.
func newBrowser(t *testing.T, cfg agstest.Config) *browser {
	t.Helper()
	b := &browser{t: t, platform: agstest.NewServer(cfg)}
	var err error
	b.backend, err = newBackend(ags.Config{BaseURL: b.platform.URL, AuthServiceID: "Customer Auth Service", TenantID: "nagra"}, b.platform.URL+"/api", false)
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- b.backend.sessions.Run(context.WithoutCancel(t.Context())) }()
	b.server = httptest.NewServer(b.backend.handler())
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	b.client = b.server.Client()
	b.client.Jar = jar
	t.Cleanup(func() {
		b.server.Close()
		assert.NoError(t, b.backend.sessions.Drain(context.Background()))
		assert.ErrorIs(t, <-ended, pool.ErrClosed)
		b.backend.client.CloseIdleConnections()
		b.platform.Close()
	})
	return b
}

// do makes a request, and returns its last answer.
func (b *browser) do(method, path string, form url.Values, header ...string) (status int, body string, final *url.URL) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.server.URL+path, strings.NewReader(form.Encode()))
	require.NoError(b.t, err)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := b.client.Do(req)
	require.NoError(b.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	return resp.StatusCode, string(text), resp.Request.URL
}

// signOn sends the form.
func (b *browser) signOn() (status int, body string, final *url.URL) {
	b.t.Helper()
	return b.do(http.MethodPost, "/sign-on", url.Values{"username": {agstest.DefaultUsername}, "password": {agstest.DefaultPassword}})
}

// cookies returns the values of the browser's cookies by name.
func (b *browser) cookies() map[string]string {
	b.t.Helper()
	base, err := url.Parse(b.server.URL)
	require.NoError(b.t, err)
	values := map[string]string{}
	for _, c := range b.client.Jar.Cookies(base) {
		values[c.Name] = c.Value
	}
	return values
}

func TestBackend(t *testing.T) {
	b := newBrowser(t, agstest.Config{AccessEndsWithSession: true})

	_, body, at := b.do(http.MethodGet, "/", nil)
	assert.Equal(t, "/sign-on", at.Path)
	assert.Contains(t, body, `type="password"`)
	status, _, _ := b.do(http.MethodGet, "/profile", nil)
	assert.Equal(t, http.StatusUnauthorized, status)

	_, body, at = b.signOn()
	assert.Equal(t, "/", at.Path)
	assert.Contains(t, body, "Account "+agstest.DefaultAccountID)
	assert.NotContains(t, body, "This session ends", "it has 30 days")
	first := b.cookies()
	status, body, _ = b.do(http.MethodGet, "/profile", nil)
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, `"session":1`)

	require.Equal(t, 1, b.platform.RevokeSessions(first["device"]))
	status, _, _ = b.do(http.MethodGet, "/profile", nil)
	assert.Equal(t, http.StatusUnauthorized, status, "the API rejects the token, and the gateway the refresh")
	_, _, at = b.do(http.MethodGet, "/", nil)
	assert.Equal(t, "/sign-on", at.Path)

	_, _, at = b.signOn()
	assert.Equal(t, "/", at.Path)
	second := b.cookies()
	assert.NotEqual(t, first["session"], second["session"], "a new cookie at each sign-on")
	_, body, _ = b.do(http.MethodGet, "/profile", nil)
	assert.Contains(t, body, `"session":2`)
	assert.Equal(t, 1, b.platform.Stats().Devices, "the browser is the same device")

	_, _, at = b.do(http.MethodPost, "/sign-out", url.Values{})
	assert.Equal(t, "/sign-on", at.Path)
	assert.NotContains(t, b.cookies(), "session")
	assert.Equal(t, 1, b.platform.Count(agstest.SignOut))
	assert.Zero(t, b.platform.Stats().LiveSessions)
	_, _, at = b.do(http.MethodGet, "/", nil)
	assert.Equal(t, "/sign-on", at.Path)
}

func TestBackend_SignOnAgainEndsTheOtherSession(t *testing.T) {
	b := newBrowser(t, agstest.Config{})
	b.signOn()
	b.signOn()
	assert.Equal(t, 1, b.platform.Stats().LiveSessions)
	status, body, _ := b.do(http.MethodGet, "/profile", nil)
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, `"session":2`)
}

func TestBackend_Cookies(t *testing.T) {
	for _, secure := range []bool{false, true} {
		b := &backend{secure: secure, cookieKey: []byte("of the test")}
		c := b.newCookie()
		assert.True(t, c.HttpOnly)
		assert.Equal(t, http.SameSiteLaxMode, c.SameSite)
		assert.Equal(t, secure, c.Secure)
		assert.NotEqual(t, c.Value, b.newCookie().Value)

		request := func(value string) *http.Request {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.AddCookie(&http.Cookie{Name: c.Name, Value: value})
			return r
		}
		key, ok := b.key(request(c.Value))
		assert.True(t, ok)
		assert.NotContains(t, key, c.Value[:20], "the key does not give the cookie away")
		for _, forged := range []string{"", ".", "x", "x" + c.Value, c.Value + "x", c.Value[:43] + "."} {
			_, ok := b.key(request(forged))
			assert.False(t, ok, forged)
		}
	}
}

// A cookie that was made up, or given to the browser by somebody else, never becomes that
// of a session.
func TestBackend_ForeignCookie(t *testing.T) {
	b := newBrowser(t, agstest.Config{})
	base, err := url.Parse(b.server.URL)
	require.NoError(t, err)
	b.client.Jar.SetCookies(base, []*http.Cookie{{Name: "session", Value: "chosen", Path: "/"}})
	status, _, _ := b.do(http.MethodGet, "/profile", nil)
	assert.Equal(t, http.StatusUnauthorized, status)
	assert.Zero(t, b.backend.sessions.Status().Resident)
	b.signOn()
	assert.NotEqual(t, "chosen", b.cookies()["session"])
}

func TestBackend_FormsOfOtherSitesAreRefused(t *testing.T) {
	b := newBrowser(t, agstest.Config{})
	b.signOn()
	for _, path := range []string{"/sign-on", "/sign-out"} {
		status, _, _ := b.do(http.MethodPost, path, url.Values{}, "Sec-Fetch-Site", "cross-site")
		assert.Equal(t, http.StatusForbidden, status, path)
	}
	status, _, _ := b.do(http.MethodGet, "/profile", nil)
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, 1, b.platform.Count(agstest.SignOn))
}

func TestBackend_RefusedAndUnavailable(t *testing.T) {
	b := newBrowser(t, agstest.Config{})
	status, body, _ := b.do(http.MethodPost, "/sign-on", url.Values{"username": {agstest.DefaultUsername}, "password": {"wrong"}})
	assert.Equal(t, http.StatusForbidden, status)
	assert.Contains(t, body, "The sign-on was refused.")
	assert.Empty(t, b.cookies())

	b.signOn()
	b.platform.Always(agstest.API, agstest.Fault{Status: http.StatusTeapot})
	status, body, _ = b.do(http.MethodGet, "/profile", nil)
	assert.Equal(t, http.StatusBadGateway, status)
	assert.NotContains(t, body, "418", "details are for the log")

	answer := httptest.NewRecorder()
	fail(answer, &tokensource.UnavailableError{NextAt: time.Now().Add(time.Hour), Err: errors.New("away")})
	assert.Equal(t, http.StatusServiceUnavailable, answer.Code)
	assert.Equal(t, "3599", answer.Header().Get("Retry-After"))
}

func TestBackend_Warning(t *testing.T) {
	b := newBrowser(t, agstest.Config{FixedLifetime: 4 * time.Minute})
	_, body, _ := b.signOn()
	assert.Contains(t, body, "This session ends in ")
}

func TestRun_EndsWithItsContext(t *testing.T) {
	t.Setenv("AGS_URL", "")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, "127.0.0.1:0", false) }()
	cancel()
	assert.NoError(t, <-ended)
}
