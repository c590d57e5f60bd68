package endtoend_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
	"github.com/agsauth/agsauth/transport"
)

// markedSource is a session with a Login at a gateway that grants what is asked,
// and a store that may fail.
func (q *inquiry) markedSource(h *house, set func(*tokensource.Config)) *tokensource.Source {
	q.t.Helper()
	gw := q.markedGateway(h, h.srv.Client().Transport)
	cfg := tokensource.Config{
		Refresher: gw, OnEvent: q.tell, Logger: q.logger(), Rand: func() float64 { return 0 },
		Login: tokensource.SignOnWith(gw, markedSignOn()),
	}
	if set != nil {
		set(&cfg)
	}
	src, err := tokensource.New(cfg)
	require.NoError(q.t, err)
	q.say(cfg)
	return src
}

// grant has the gateway grant what is asked of it.
func (h *house) grant() {
	for _, op := range []agstest.Op{agstest.SignOn, agstest.Refresh, agstest.SignOut} {
		h.srv.Always(op, agstest.Fault{Status: 200, Body: pairAnswer(3600)})
	}
}

// look asks a session for a token, after whatever is remembered of a failure. What
// is handed out is for the caller.
func (q *inquiry) look(ctx context.Context, src *tokensource.Source) {
	sleep(16 * time.Minute)
	q.ask("tokensource.Source.TokenContext", func() []any {
		token, err := src.TokenContext(ctx)
		if token != nil {
			require.Empty(q.t, token.RefreshToken)
			src.Invalidate("another than " + token.AccessToken)
		}
		return []any{err}
	})
	q.ask("tokensource.Source.Token", func() []any { _, err := src.Token(); return []any{err} })
	sleep(0)
	q.ask("tokensource.Source.Status", func() []any { return []any{src.Status(), src.Status().Phase} })
}

// lifecycle asks a session for everything, in every trouble that it can be in.
func (q *inquiry) lifecycle(h *house) {
	ctx := h.t.Context()
	disk := &fickle{Memory: &store.Memory{}}
	src := q.markedSource(h, func(cfg *tokensource.Config) { cfg.Store = disk })
	for _, op := range []agstest.Op{agstest.SignOn, agstest.Refresh} {
		for _, trouble := range troubles() {
			h.srv.AlwaysFunc(op, trouble)
			q.look(ctx, src)
		}
		h.grant()
		q.look(ctx, src)
		sleep(2 * time.Hour)
	}
	q.storeTrouble(ctx, h, src, disk)
	q.ask("tokensource.Source.SetToken", func() []any { return []any{src.SetToken(ctx, markedToken()), src.SetToken(ctx, nil)} })
	token, err := src.TokenContext(ctx)
	require.NoError(q.t, err)
	q.use("tokensource.Source.Invalidate", func() { src.Invalidate(token.AccessToken) })
	q.look(ctx, src)
	stopped := h.run(src)
	sleep(27 * time.Hour) // Run tells of the end ahead of time
	h.srv.AlwaysFunc(agstest.SignOut, echoing(400))
	q.ask("tokensource.Source.SignOut", func() []any { return []any{src.SignOut(ctx)} })
	q.look(ctx, src)
	q.use("tokensource.Source.LoginRequired", func() { require.True(q.t, isClosed(src.LoginRequired())) })
	q.ask("tokensource.Source.Run", func() []any { return []any{src.Run(ctx)} })
	q.ask("tokensource.Source.Close", func() []any { return []any{src.Close(), <-stopped} })
	q.ask("tokensource.Source.Sync", func() []any { return []any{src.Sync(ctx)} })
	q.say(src, disk.Memory)
	h.srv.Clear()
	q.words()
}

// storeTrouble has the disk be full, and away, and holds records in it that are no
// good.
func (q *inquiry) storeTrouble(ctx context.Context, h *house, src *tokensource.Source, disk *fickle) {
	h.grant()
	for _, fails := range []*atomic.Bool{&disk.saveFails, &disk.loadFails} {
		sleep(2 * time.Hour)
		fails.Store(true)
		q.ask("tokensource.Source.SetToken", func() []any { return []any{src.SetToken(ctx, markedToken())} })
		sleep(2 * time.Hour)
		for range 3 {
			q.look(ctx, src)
		}
		fails.Store(false)
		q.look(ctx, src)
	}
	disk.repaired.Store(true)
	for _, record := range []string{
		`{"version":1,"generation":99999999,"access_token":"` + marked("access"),
		`{"version":99,"access_token":"` + marked("access") + `"}`,
		`{"version":1,"generation":"` + marked("type") + `"}`,
		`{"version":1,"generation":99999999,"access_token":{"` + marked("access") + `":1}}`,
		marked("no JSON at all"),
		`agsauth-sealed` + marked("sealed"),
		`{"version":1,"generation":99999999,"access_token":"` + marked("adopted") + `","refresh_token":"` + marked("refresh") + `","expires_at":"` +
			time.Now().Add(90*time.Minute).Format(time.RFC3339) + `","issued_at":"` + time.Now().Format(time.RFC3339) + `"}`,
	} {
		peer := disk.Peer()
		_, _ = peer.Load(ctx)
		require.NoError(q.t, peer.Save(ctx, []byte(record)))
		q.ask("tokensource.Source.Sync", func() []any { return []any{src.Sync(ctx)} })
		q.look(ctx, src)
		require.NoError(q.t, peer.Delete(ctx))
		q.look(ctx, src)
	}
}

// words says all that there is a word for.
func (q *inquiry) words() {
	q.ask("tokensource.Kind.String", func() []any { return []any{tokensource.EventSaved.String(), tokensource.EventSaved} })
	q.ask("tokensource.Phase.String", func() []any { return []any{tokensource.Ageing.String(), tokensource.Ageing} })
	q.ask("tokensource.Reason.String", func() []any { return []any{tokensource.SignedOut.String(), tokensource.SignedOut} })
	q.ask("tokensource.SignOnWith", func() []any { return []any{tokensource.SignOnWith(nil, markedSignOn())} })
	inner := &ags.Error{Op: "refresh", Status: 503}
	ended := &tokensource.LoginRequiredError{Reason: tokensource.RefreshRejected, Err: inner}
	q.ask("tokensource.LoginRequiredError.Error", func() []any { return []any{ended.Error(), ended, *ended} })
	q.ask("tokensource.LoginRequiredError.Is", func() []any { return []any{ended.Is(tokensource.ErrLoginRequired)} })
	q.ask("tokensource.LoginRequiredError.Unwrap", func() []any { return []any{ended.Unwrap()} })
	passing := &tokensource.UnavailableError{Err: inner}
	q.ask("tokensource.UnavailableError.Error", func() []any { return []any{passing.Error(), passing, *passing} })
	q.ask("tokensource.UnavailableError.Unwrap", func() []any { return []any{passing.Unwrap()} })
}

// panics has each piece of the user's code panic, with a secret.
func (q *inquiry) panics(h *house) {
	h.grant()
	boom := func() { panic(fmt.Errorf("panic with %s", marked("panic"))) }
	met := 0
	for name, set := range map[string]func(*tokensource.Config){
		"Refresher": func(c *tokensource.Config) { c.Refresher = panicking{boom} },
		"Login": func(c *tokensource.Config) {
			c.Login = func(context.Context, *tokensource.LoginRequiredError) (*ags.Token, error) {
				boom()
				return nil, nil
			}
		},
		"Store":   func(c *tokensource.Config) { c.Store = panicking{boom} },
		"OnEvent": func(c *tokensource.Config) { c.OnEvent = func(tokensource.Event) { met++; boom() } },
		"Logger":  func(c *tokensource.Config) { c.Logger = slog.New(panicking{boom}) },
		"base RoundTripper": func(c *tokensource.Config) {
			c.Refresher = q.markedGateway(h, roundTrip(func(*http.Request) (*http.Response, error) { boom(); return nil, nil }))
			c.Login = nil
			c.Token = markedToken()
		},
	} {
		src := q.markedSource(h, set)
		for range 4 {
			q.look(h.t.Context(), src)
			sleep(2 * time.Hour)
		}
		q.ask("tokensource.Source.SignOut", func() []any { return []any{src.SignOut(h.t.Context())} })
		q.look(h.t.Context(), src)
		q.ask("tokensource.Source.Close", func() []any {
			err := src.Close()
			if name != "Store" { // which cannot save anything
				require.NoError(q.t, err, name)
			}
			return []any{err}
		})
	}
	require.Positive(q.t, met)
	require.Contains(q.t, q.said.String(), `"where":"Login"`, "that it panicked is logged")
	h.srv.Clear()
}

// panicking is each piece of a user's code, which panics.
type panicking struct{ boom func() }

func (p panicking) Refresh(context.Context, *ags.Token) (*ags.Token, error) {
	p.boom()
	return nil, nil
}

func (p panicking) Load(context.Context) ([]byte, error)       { p.boom(); return nil, nil }
func (p panicking) Save(context.Context, []byte) error         { p.boom(); return nil }
func (p panicking) Delete(context.Context) error               { p.boom(); return nil }
func (p panicking) Lock(context.Context) (func() error, error) { p.boom(); return nil, nil }
func (p panicking) Enabled(context.Context, slog.Level) bool   { return true }
func (p panicking) Handle(context.Context, slog.Record) error  { p.boom(); return nil }
func (p panicking) WithAttrs([]slog.Attr) slog.Handler         { return p }
func (p panicking) WithGroup(string) slog.Handler              { return p }

// requests sends requests, with a token that is good, and answered in every way.
func (q *inquiry) requests(h *house) {
	src := q.markedSource(h, func(c *tokensource.Config) { c.Token, c.Login = markedToken(), nil })
	tr := &transport.Transport{Source: src, Base: h.srv.Client().Transport}
	for _, trouble := range troubles() {
		h.srv.AlwaysFunc(agstest.API, trouble)
		h.srv.AlwaysFunc(agstest.Refresh, trouble)
		q.request(h, tr, h.srv.URL)
	}
	h.srv.Clear()
	q.request(h, tr, "http://stranger.example")
	for _, base := range []roundTrip{
		func(*http.Request) (*http.Response, error) { panic("of its own") },
		func(*http.Request) (*http.Response, error) { return nil, nil },
	} {
		q.request(h, &transport.Transport{Source: src, Base: base}, h.srv.URL)
	}
	q.request(h, &transport.Transport{}, h.srv.URL)
	q.ask("transport.Transport.String", func() []any { return []any{tr.String()} })
	q.ask("transport.Transport.GoString", func() []any { return []any{tr.GoString()} })
	q.ask("transport.Transport.Format", func() []any { return []any{fmt.Sprintf("%v %+v %#v", tr, tr, tr), tr} })
	q.ask("transport.Transport.CloseIdleConnections", func() []any { tr.CloseIdleConnections(); return []any{tr} })
	require.NoError(q.t, src.Close())
}

// request sends one with secrets of the caller's own. The answer is for the caller.
func (q *inquiry) request(h *house, tr *transport.Transport, to string) {
	q.ask("transport.Transport.RoundTrip", func() []any {
		target, body := to+"/api/x?key="+marked("query"), strings.NewReader(marked("body"))
		req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, target, body)
		require.NoError(q.t, err)
		resp, err := tr.RoundTrip(req)
		if resp == nil {
			return []any{err}
		}
		require.NoError(q.t, resp.Body.Close())
		return []any{err, resp.Status, resp.Request.Header}
	})
}
