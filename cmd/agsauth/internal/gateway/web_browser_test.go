package gateway_test

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/gateway"
)

//go:embed testdata/contrast.js
var contrastScript string

func TestPage_InABrowser(t *testing.T) {
	open := startBrowser(t)
	for name, test := range map[string]func(*testing.T, browser){
		"shows what happens":        pageShowsWhatHappens,
		"has a button a fault":      pageHasAButtonAFault,
		"has buttons for the state": pageHasButtonsForTheState,
		"works by keyboard":         pageWorksByKeyboard,
		"has the right words":       pageHasTheRightWords,
		"connects again":            pageConnectsAgain,
		"can be read":               pageCanBeRead,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

func pageShowsWhatHappens(t *testing.T, open browser) {
	g := startWeb(t, gateway.Default())
	p := openPage(t, open, g)
	p.shows(t, "#url", g.URL)
	p.shows(t, "main", "None yet", "No client has signed on.", "There is no live session.", "The gateway answers normally.")

	g.signOn(t)
	p.shows(t, "#last", "sign on: 201")
	p.shows(t, "#sessions", "Session 1", "live", "account 1663, device PUB_1, not refreshed yet", "59 min", "29 d 23 h")
	p.shows(t, "#next", "in 59 min")
	before := p.text(t, "#next")
	p.until(t, func() bool { return p.text(t, "#next") != before }, func() string { return "the deadline does not come nearer" })
	require.Equal(t, http.StatusOK, g.refreshes(t))
	require.Equal(t, http.StatusOK, g.calls(t))
	require.Equal(t, http.StatusForbidden, g.post(t, "/ags/refresh", onlyUsername, "forged"))
	p.shows(t, "#sessions", "refreshed once")
	p.shows(t, "#last", "refresh: 403")
	p.shows(t, "#requests", "POST /ags/signOn", "POST /ags/refresh", "POST /api/profile", "flow-1")

	p.choose(t, "#filter", "refresh")
	p.until(t, func() bool { return !strings.Contains(p.text(t, "#requests"), "/api/") }, func() string { return "the filter does nothing" })
	p.shows(t, "#requests", "POST /ags/refresh")

	second := openPage(t, open, g) // with what was before
	second.shows(t, "#requests", "POST /ags/signOn", "POST /api/profile")
	for _, tab := range []*tab{p, second} {
		content := value(t, tab, chromedp.OuterHTML("html"))
		for _, secret := range []string{g.access, g.refresh, "open sesame", "forged"} {
			assert.NotContains(t, content, secret)
		}
		assert.Empty(t, tab.consoleErrors())
	}
}

func pageHasAButtonAFault(t *testing.T, open browser) {
	g := startWeb(t, gateway.Default())
	g.signOn(t)
	p := openPage(t, open, g)

	p.press(t, "[data-act=refuse]", "The next refresh request will get a 503.")
	p.shows(t, "#pending", "The next refresh request: status 503")
	assert.Equal(t, http.StatusServiceUnavailable, g.refreshes(t))
	p.shows(t, "#last", "refresh: 503")
	p.shows(t, "#last-detail", "answer 503")
	p.shows(t, "main", "The gateway answers normally.")
	assert.Equal(t, http.StatusOK, g.refreshes(t))

	p.choose(t, "#delay", "60s")
	p.press(t, "[data-act=slow]", "The next refresh request will be answered 60 s late.")
	ctx, giveUp := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, _, err := g.sendUntil(ctx, http.MethodPost, g.URL+"/ags/refresh", onlyUsername, "Authorization", "Bearer "+g.refresh)
		ended <- err
	}()
	p.shows(t, "#last", "refresh: no answer yet")
	giveUp()
	require.ErrorIs(t, <-ended, context.Canceled)
	p.until(t, func() bool { return p.text(t, "#last") == "refresh: no answer" }, func() string { return p.text(t, "#last") })
	assert.Equal(t, http.StatusOK, g.refreshes(t), "the token was not spent")

	p.press(t, "[data-act=rejectNext]", "The API rejects the next valid access token.")
	p.shows(t, "#pending", "rejected")
	assert.Equal(t, http.StatusForbidden, g.calls(t))
	assert.Equal(t, http.StatusOK, g.calls(t))
	p.press(t, "[data-act=rejectAll]", "The API rejects every access token.")
	assert.Equal(t, http.StatusForbidden, g.calls(t))
	assert.Equal(t, http.StatusForbidden, g.calls(t))
	p.press(t, "[data-act=rejectAll][aria-pressed=true]", "The API accepts valid access tokens.")
	assert.Equal(t, http.StatusOK, g.calls(t))

	p.choose(t, "#op", "api")
	p.choose(t, "#times", "always")
	p.press(t, "[data-act=refuse]", "Every API request will get a 503.")
	p.press(t, "[data-act=geoBlock]", "The location is blocked.")
	assert.Equal(t, http.StatusForbidden, g.refreshes(t))
	p.shows(t, "#pending", "Every API request: status 503", "The location: blocked")
	p.press(t, "#clear", "The gateway answers normally.")
	assert.Equal(t, http.StatusOK, g.calls(t))
	assert.Equal(t, http.StatusOK, g.refreshes(t))

	p.choose(t, "#op", "refresh")
	p.choose(t, "#times", "3")
	p.press(t, "[data-act=lose]", "The next 3 refresh requests will get no answer.")
	spent := g.refresh
	assert.Zero(t, g.refreshes(t))
	p.shows(t, "#last", "refresh: no answer")
	p.press(t, "#clear", "The gateway answers normally.")
	assert.Equal(t, spent, g.refresh)
	assert.Equal(t, http.StatusUnauthorized, g.refreshes(t), "the token was spent")
	p.shows(t, "#sessions", "token reused")
	assert.Empty(t, p.consoleErrors())
}

func pageHasButtonsForTheState(t *testing.T, open browser) {
	s := gateway.Default()
	s.UserAccounts = 1
	g := startWeb(t, s)
	g.signOn(t)
	p := openPage(t, open, g)

	p.press(t, "#accounts button", "is suspended")
	p.shows(t, "#sessions", "blocked")
	p.shows(t, "#pending", "suspended")
	assert.Equal(t, http.StatusForbidden, g.refreshes(t))
	p.press(t, "#accounts button", "is restored")
	assert.Equal(t, http.StatusOK, g.refreshes(t))

	p.choose(t, "#advance", "1h")
	p.press(t, "[data-act=advance]", "The clock was advanced by 1 hour.")
	p.shows(t, "#skew", "1 h ahead")
	p.shows(t, "#sessions", "expired")
	assert.Equal(t, http.StatusForbidden, g.calls(t))
	p.press(t, "[data-act=setBack]", "The clock is right again.")
	assert.Contains(t, g.ask(t, "/clock"), `"skew":"0s"`)
	assert.Equal(t, http.StatusOK, g.calls(t))
	p.press(t, "#skip", "The access token of session 1 has expired.")
	assert.Equal(t, http.StatusForbidden, g.calls(t))
	p.shows(t, "#next-detail", "Refresh token of session 1")

	p.press(t, ".revoke", "Session 1 is revoked.")
	p.shows(t, "#sessions", "revoked")
	assert.Equal(t, http.StatusUnauthorized, g.refreshes(t))

	g.signOn(t)
	p.shows(t, "#sessions", "Session 2")
	p.press(t, "[data-act=rotate]", "All sessions have ended.")
	p.shows(t, "#sessions", "keys rotated")
	assert.Equal(t, http.StatusForbidden, g.refreshes(t))
	p.press(t, "[data-act=reset]", "The gateway is as at the start.")
	p.shows(t, "main", "No client has signed on.", "No requests yet.")
	assert.JSONEq(t, `{"sessions":[]}`, g.ask(t, "/sessions"))
	assert.Empty(t, p.consoleErrors())
}

func pageWorksByKeyboard(t *testing.T, open browser) {
	g := startWeb(t, gateway.Default())
	g.signOn(t)
	p := openPage(t, open, g)
	p.shows(t, "#sessions", "Session 1")
	focused := func() string {
		return value(t, p, chromedp.Evaluate[string]("document.activeElement.dataset.act ?? ''"))
	}
	for range 40 {
		p.do(t, chromedp.KeyEvent(kb.Tab))
		if focused() == "refuse" {
			break
		}
	}
	require.Equal(t, "refuse", focused())
	p.do(t, chromedp.KeyEvent(kb.Enter))
	p.shows(t, "#outcome", "The next refresh request will get a 503.")
	assert.Equal(t, http.StatusServiceUnavailable, g.refreshes(t))
	p.shows(t, "#last", "refresh: 503")
	assert.Equal(t, "refuse", focused(), "it keeps the focus when the page changes")

	unnamed := value(t, p, chromedp.Evaluate[[]string](`[...document.querySelectorAll('button, select')]
		.filter((e) => !e.hidden && !(e.innerText || e.labels?.[0]?.innerText).trim()).map((e) => e.outerHTML)`))
	assert.Empty(t, unnamed, "each control has a name")
	assert.Empty(t, p.consoleErrors())
}

func pageConnectsAgain(t *testing.T, open browser) {
	s := gateway.Default()
	g := startWeb(t, s)
	g.signOn(t)
	p := openPage(t, open, g)
	p.shows(t, "#sessions", "Session 1")
	g.stop()
	p.shows(t, "#connection", "Connection lost")
	p.shows(t, "#notice", "does not answer")
	p.do(t, chromedp.Click("[data-act=rotate]"))
	p.shows(t, "#outcome", "Not done: the gateway does not answer.")

	s.AdminListen = strings.TrimPrefix(g.Admin, "http://")
	again := startWeb(t, s)
	p.shows(t, "#connection", "Live")
	p.shows(t, "#notice", "The gateway was restarted")
	p.shows(t, "#url", again.URL)
	p.shows(t, "main", "No client has signed on.")
	again.signOn(t)
	p.shows(t, "#sessions", "Session 1")
	for _, text := range p.consoleErrors() {
		assert.Contains(t, text, "network error: ", "but for the connection itself")
	}
}

func pageCanBeRead(t *testing.T, open browser) {
	s := gateway.Default()
	require.NoError(t, s.AccessLifetime.Set("12m"))
	g := startWeb(t, s)
	p := openPage(t, open, g)
	busy(t, g, p)
	for _, width := range []int64{380, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			p.look(t, width, scheme)
			overflow := value(t, p, chromedp.Evaluate[int]("document.documentElement.scrollWidth - window.innerWidth"))
			assert.LessOrEqual(t, overflow, 0, "scrolls sideways at %d", width)
			assert.Empty(t, value(t, p, chromedp.Evaluate[[]string](contrastScript)), "%s, %d", scheme, width)
			p.picture(t, fmt.Sprintf("web-%s-%d", scheme, width))
		}
	}
	assert.Empty(t, p.consoleErrors())
}

// busy makes the page show something of everything.
func busy(t *testing.T, g *webGateway, p *tab) {
	t.Helper()
	g.signOn(t)
	g.refreshes(t)
	p.shows(t, "#sessions", "refreshed once")
	p.press(t, "[data-act=rotate]", "The keys are new.")
	g.signOn(t)
	g.refreshes(t)
	g.signOn(t)
	g.refreshes(t)
	g.calls(t)
	p.press(t, "[data-act=rejectNext]", "The API rejects")
	g.calls(t)
	g.calls(t)
	g.send(t, http.MethodGet, g.URL+"/api/"+strings.Repeat("a-long-path/", 12), "", "Authorization", "Bearer "+g.access)
	p.press(t, "[data-act=advance]", "The clock was advanced by 10 min.")
	g.calls(t)
	p.press(t, "[data-act=refuse]", "will get a 503")
	g.refreshes(t)
	p.press(t, "[data-act=lose]", "will get no answer")
	p.choose(t, "#op", "sign on")
	p.choose(t, "#times", "3")
	p.press(t, "[data-act=slow]", "late")
	p.shows(t, "#pending", "answer lost", "5 s late")
	p.shows(t, "#last", "refresh: 503")
}
