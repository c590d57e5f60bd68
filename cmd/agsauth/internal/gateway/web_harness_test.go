package gateway_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/gateway"
)

// webPatience is how long a test waits for something on the page.
const webPatience = 30 * time.Second

// browser returns the context of a new tab of Chromium.
type browser func() (context.Context, context.CancelFunc)

// startBrowser starts Chromium, which ends when the test does. It skips the test if there
// is none and in short mode, unless AGSAUTH_REQUIRE_CHROMIUM is set.
func startBrowser(t *testing.T) browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	switch {
	case os.Getenv("AGSAUTH_REQUIRE_CHROMIUM") == "1":
		require.NoError(t, err)
	case testing.Short():
		t.Skip("starts a browser")
	case err != nil:
		t.Skip("there is no chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WSURLReadTimeout(webPatience),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	first, closeBrowser := chromedp.NewContext(allocator)
	t.Cleanup(closeBrowser)
	require.NoError(t, chromedp.Do(first))
	return func() (context.Context, context.CancelFunc) { return chromedp.NewContext(first) }
}

// webGateway is a gateway with the page, and a client of both.
type webGateway struct {
	URL, Admin, Web string

	client          http.Client
	access, refresh string // the newest pair
	stop            func()
}

// startWeb starts a gateway with the page, which ends when the test does.
func startWeb(t *testing.T, s gateway.Settings) *webGateway {
	t.Helper()
	page, err := s.Page()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	in, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := gateway.Run(ctx, s, gateway.Options{Out: out, Web: page})
		_ = out.CloseWithError(err)
		ended <- err
	}()
	g := &webGateway{client: http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	g.stop = sync.OnceFunc(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
	t.Cleanup(g.stop)
	line, err := bufio.NewReader(in).ReadBytes('\n')
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(line, g))
	return g
}

// send sends a request, and returns the status, 0 if there was no answer, and the body.
func (g *webGateway) send(t *testing.T, method, url, body string, header ...string) (int, string) {
	t.Helper()
	status, content, err := g.sendUntil(t.Context(), method, url, body, header...)
	if err != nil {
		return 0, ""
	}
	return status, content
}

// sendUntil sends a request, unless ctx ends before there is an answer.
func (g *webGateway) sendUntil(ctx context.Context, method, url, body string, header ...string) (int, string, error) {
	rq, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	rq.Header.Set("nv-tenant-id", "nagra")
	rq.Header.Set("x-auth-service-id", "Customer Auth Service")
	rq.Header.Set("x-correlation-id", "flow-1")
	rq.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		if rq.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			rq.Host = header[i+1]
		}
	}
	resp, err := g.client.Do(rq)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(content), err
}

// post sends a request to the gateway with a token, and keeps the pair of the answer.
func (g *webGateway) post(t *testing.T, path, body, token string) int {
	t.Helper()
	status, content := g.send(t, http.MethodPost, g.URL+path, body, "Authorization", "Bearer "+token)
	var pair struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	_ = json.Unmarshal([]byte(content), &pair)
	g.access, g.refresh = cmp.Or(pair.Access, g.access), cmp.Or(pair.Refresh, g.refresh)
	return status
}

func (g *webGateway) signOn(t *testing.T) {
	t.Helper()
	require.Equal(t, http.StatusCreated, g.post(t, "/ags/signOn", `{"parameters":[{"name":"username","value":"dave"},`+
		`{"name":"password","value":"open sesame"}],"deviceInformation":{"name":"box"}}`, ""))
}

// onlyUsername is the body of a refresh.
const onlyUsername = `{"parameters":[{"name":"username","value":"dave"}]}`

// refreshes returns the status of a refresh.
func (g *webGateway) refreshes(t *testing.T) int {
	t.Helper()
	return g.post(t, "/ags/refresh", onlyUsername, g.refresh)
}

// calls returns the status of a call of the API.
func (g *webGateway) calls(t *testing.T) int {
	t.Helper()
	return g.post(t, "/api/profile", "{}", g.access)
}

// ask returns the answer of the admin interface.
func (g *webGateway) ask(t *testing.T, path string) string {
	t.Helper()
	status, body := g.send(t, http.MethodGet, g.Admin+path, "")
	require.Equal(t, http.StatusOK, status)
	return body
}

// tab is a tab of the browser with the page.
type tab struct {
	bounded func() (context.Context, context.CancelFunc) // for what is done in it
	mu      sync.Mutex
	errors  []string // what went to the console as an error
}

// openPage opens the page of a gateway in a tab, which is closed when the test ends.
func openPage(t *testing.T, open browser, g *webGateway) *tab {
	t.Helper()
	ctx, closeTab := open()
	t.Cleanup(closeTab)
	p := &tab{bounded: func() (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, webPatience) }}
	require.NoError(t, chromedp.Do(ctx))
	messages := chromedp.Console(ctx)
	go p.record(messages)
	p.do(t, chromedp.Navigate(g.Web))
	p.shows(t, "#connection", "Live")
	return p
}

// record keeps what is an error or a warning.
func (p *tab) record(messages iter.Seq2[chromedp.ConsoleMessage, error]) {
	for m, err := range messages {
		if err != nil {
			return // the tab is closed
		}
		if m.IsException() || m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleWarning {
			p.mu.Lock()
			p.errors = append(p.errors, strings.TrimSpace(m.Source+" "+m.String()))
			p.mu.Unlock()
		}
	}
}

func (p *tab) consoleErrors() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.errors
}

func (p *tab) do(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := p.bounded()
	defer cancel()
	require.NoError(t, chromedp.Do(ctx, actions...))
}

// value returns the result of an action.
func value[T any](t *testing.T, p *tab, action chromedp.Action[T]) T {
	t.Helper()
	ctx, cancel := p.bounded()
	defer cancel()
	result, err := chromedp.Run(ctx, action)
	require.NoError(t, err)
	return result
}

// text returns the visible text of the first element that a selector matches, "" if there
// is none.
func (p *tab) text(t *testing.T, selector string) string {
	t.Helper()
	return value(t, p, chromedp.Evaluate[string](fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector)))
}

// shows waits until an element has each of the texts.
func (p *tab) shows(t *testing.T, selector string, texts ...string) {
	t.Helper()
	var got string
	p.until(t, func() bool {
		got = p.text(t, selector)
		for _, text := range texts {
			if !strings.Contains(got, text) {
				return false
			}
		}
		return true
	}, func() string { return fmt.Sprintf("%s has %q, not %q", selector, got, texts) })
}

// until waits until a condition holds.
func (p *tab) until(t *testing.T, holds func() bool, message func() string) {
	t.Helper()
	for deadline := time.Now().Add(webPatience); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			require.Fail(t, message(), p.consoleErrors())
		}
	}
}

// press clicks a button, and waits until the page says what it did.
func (p *tab) press(t *testing.T, selector, outcome string) {
	t.Helper()
	p.do(t, chromedp.Click(selector, chromedp.NodeVisible))
	p.shows(t, "#outcome", outcome)
}

// choose selects an option.
func (p *tab) choose(t *testing.T, selector, value string) {
	t.Helper()
	p.do(t, chromedp.SetValue(selector, value))
}

// look sets the width of the window and the colours.
func (p *tab) look(t *testing.T, width int64, scheme string) {
	t.Helper()
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
	p.do(t, chromedp.EmulateViewport(width, 900), chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
		return err
	}))
}

// picture writes a picture of the whole page, if AGSAUTH_PICTURES names a folder.
func (p *tab) picture(t *testing.T, name string) {
	t.Helper()
	folder := os.Getenv("AGSAUTH_PICTURES")
	if folder == "" {
		return
	}
	p.do(t, chromedp.Evaluate[chromedp.Void]("scrollTo(0, 0)"))
	content := value(t, p, chromedp.FullScreenshot(100))
	require.True(t, bytes.HasPrefix(content, []byte("\x89PNG")))
	require.NoError(t, os.WriteFile(folder+"/"+name+".png", content, 0o600))
}
