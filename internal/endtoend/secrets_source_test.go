package endtoend_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
	"github.com/agsauth/agsauth/transport"
)

// markedSource returns a source with a Login, at a gateway client full of marked
// secrets.
func (p *probe) markedSource(s *stack, set func(*tokensource.Config)) *tokensource.Source {
	p.t.Helper()
	gw := p.markedGateway(s, s.srv.Client().Transport)
	cfg := tokensource.Config{
		Refresher: gw, OnEvent: p.onEvent, Logger: p.logger(), Rand: func() float64 { return 0 },
		Login: tokensource.SignOnWith(gw, markedSignOn()),
	}
	if set != nil {
		set(&cfg)
	}
	src, err := tokensource.New(cfg)
	require.NoError(p.t, err)
	p.record(cfg)
	return src
}

// grantAll makes the gateway grant every request.
func (s *stack) grantAll() {
	for _, op := range []agstest.Op{agstest.SignOn, agstest.Refresh, agstest.SignOut} {
		s.srv.Always(op, agstest.Fault{Status: 200, Body: pairAnswer(3600)})
	}
}

// fetchToken asks the source for a token after any back-off has passed. It does not
// record the token, which is for the caller.
func (p *probe) fetchToken(ctx context.Context, src *tokensource.Source) {
	sleep(16 * time.Minute)
	p.call("tokensource.Source.TokenContext", func() []any {
		token, err := src.TokenContext(ctx)
		if token != nil {
			require.Empty(p.t, token.RefreshToken)
			src.Invalidate("another than " + token.AccessToken)
		}
		return []any{err}
	})
	p.call("tokensource.Source.TokenValidFor", func() []any {
		_, err := src.TokenValidFor(ctx, 100*24*time.Hour)
		return []any{err}
	})
	p.call("tokensource.Source.Token", func() []any { _, err := src.Token(); return []any{err} })
	sleep(0)
	p.call("tokensource.Source.Status", func() []any { return []any{src.Status(), src.Status().Phase} })
}

// gate calls every method of a gate and of a family, with a member that waits.
func (p *probe) gate(s *stack) {
	ctx, gw := s.t.Context(), p.markedGateway(s, s.srv.Client().Transport)
	cfg := tokensource.GateConfig{PerSecond: 1.0 / 3600, Concurrent: 1}
	gate := tokensource.NewGate(cfg)
	p.call("tokensource.NewGate", func() []any { return []any{gate, cfg} })
	p.call("tokensource.Gate.SetLimits", func() []any { gate.SetLimits(1.0/3600, 1); return []any{gate} })
	var family *tokensource.Family
	p.call("tokensource.NewFamily", func() (recorded []any) {
		var err error
		_, refused := tokensource.NewFamily(tokensource.Config{Refresher: gw, Token: markedToken()})
		family, err = tokensource.NewFamily(tokensource.Config{Refresher: gw, Gate: gate})
		return []any{family, err, refused}
	})
	for range 2 {
		member := tokensource.Member{Token: markedToken(), Store: &store.Memory{}}
		member.Token.ExpiresAt = member.Token.IssuedAt
		p.call("tokensource.Family.New", func() []any {
			src, err := family.New(member)
			require.NoError(p.t, err)
			p.call("tokensource.Source.Poll", func() []any {
				next, keep := src.Poll(ctx, tokensource.KeepToken), tokensource.KeepSession
				synctest.Wait()
				src.Poll(ctx, tokensource.KeepToken)
				synctest.Wait()
				return []any{next, keep, src.Status(), gate.Status()}
			})
			return []any{member, src, src.Close()} // nothing waits while it is printed
		})
	}
	synctest.Wait()
	p.call("tokensource.Gate.Status", func() []any { return []any{gate.Status(), gate} })
}

// source calls every method of a source, with every response and every fault of the
// store.
func (p *probe) source(s *stack) {
	ctx := s.t.Context()
	disk := &faultyStore{Memory: &store.Memory{}}
	src := p.markedSource(s, func(cfg *tokensource.Config) { cfg.Store = disk })
	for _, op := range []agstest.Op{agstest.SignOn, agstest.Refresh} {
		for _, respond := range faultResponses() {
			s.srv.AlwaysFunc(op, respond)
			p.fetchToken(ctx, src)
		}
		s.grantAll()
		p.fetchToken(ctx, src)
		sleep(2 * time.Hour)
	}
	p.storeFaults(ctx, s, src, disk)
	p.call("tokensource.Source.SetToken", func() []any { return []any{src.SetToken(ctx, markedToken()), src.SetToken(ctx, nil)} })
	token, err := src.TokenContext(ctx)
	require.NoError(p.t, err)
	p.cover("tokensource.Source.Invalidate", func() { src.Invalidate(token.AccessToken) })
	p.fetchToken(ctx, src)
	stopped := s.run(src)
	sleep(27 * time.Hour) // Run emits EventEnding
	s.srv.AlwaysFunc(agstest.SignOut, echoRequest(400))
	p.call("tokensource.Source.SignOut", func() []any { return []any{src.SignOut(ctx)} })
	p.fetchToken(ctx, src)
	p.cover("tokensource.Source.LoginRequired", func() { require.True(p.t, isClosed(src.LoginRequired())) })
	p.call("tokensource.Source.Run", func() []any { return []any{src.Run(ctx)} })
	p.call("tokensource.Source.Close", func() []any { return []any{src.Close(), <-stopped} })
	p.call("tokensource.Source.Sync", func() []any { return []any{src.Sync(ctx)} })
	p.record(src, disk.Memory)
	s.srv.Clear()
	p.stringers()
}

// storeFaults makes the store fail, and puts invalid records into it.
func (p *probe) storeFaults(ctx context.Context, s *stack, src *tokensource.Source, disk *faultyStore) {
	s.grantAll()
	for _, fails := range []*atomic.Bool{&disk.saveFails, &disk.loadFails} {
		sleep(2 * time.Hour)
		fails.Store(true)
		p.call("tokensource.Source.SetToken", func() []any { return []any{src.SetToken(ctx, markedToken())} })
		sleep(2 * time.Hour)
		for range 3 {
			p.fetchToken(ctx, src)
		}
		fails.Store(false)
		p.fetchToken(ctx, src)
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
		require.NoError(p.t, peer.Save(ctx, []byte(record)))
		p.call("tokensource.Source.Sync", func() []any { return []any{src.Sync(ctx)} })
		p.fetchToken(ctx, src)
		require.NoError(p.t, peer.Delete(ctx))
		p.fetchToken(ctx, src)
	}
}

// stringers covers the String methods and the error types.
func (p *probe) stringers() {
	p.call("tokensource.Kind.String", func() []any { return []any{tokensource.EventSaved.String(), tokensource.EventSaved} })
	p.call("tokensource.Phase.String", func() []any { return []any{tokensource.Ageing.String(), tokensource.Ageing} })
	p.call("tokensource.Reason.String", func() []any { return []any{tokensource.SignedOut.String(), tokensource.SignedOut} })
	p.call("tokensource.ErrorClass.String", func() []any { return []any{tokensource.ClassStore.String(), tokensource.ClassStore} })
	p.call("tokensource.SignOnWith", func() []any { return []any{tokensource.SignOnWith(nil, markedSignOn())} })
	inner := &ags.Error{Op: "refresh", Status: 503}
	ended := &tokensource.LoginRequiredError{Reason: tokensource.RefreshRejected, Err: inner}
	p.call("tokensource.ClassOf", func() []any { return []any{tokensource.ClassOf(ended)} })
	p.call("tokensource.IsFinal", func() []any { return []any{tokensource.IsFinal(ended)} })
	p.call("tokensource.LoginRequiredError.Error", func() []any { return []any{ended.Error(), ended, *ended} })
	p.call("tokensource.LoginRequiredError.Is", func() []any { return []any{ended.Is(tokensource.ErrLoginRequired)} })
	p.call("tokensource.LoginRequiredError.Unwrap", func() []any { return []any{ended.Unwrap()} })
	passing := &tokensource.UnavailableError{Err: inner}
	short := &tokensource.ValidityError{}
	p.call("tokensource.ValidityError.Error", func() []any { return []any{short.Error(), short, *short} })
	p.call("tokensource.UnavailableError.Error", func() []any { return []any{passing.Error(), passing, *passing} })
	p.call("tokensource.UnavailableError.Unwrap", func() []any { return []any{passing.Unwrap()} })
}

// panics makes each piece of user code panic with a secret.
func (p *probe) panics(s *stack) {
	s.grantAll()
	doPanic := func() { panic(fmt.Errorf("panic with %s", marked("panic"))) }
	met := 0
	for name, set := range map[string]func(*tokensource.Config){
		"Refresher": func(c *tokensource.Config) { c.Refresher = panicking{doPanic} },
		"Login": func(c *tokensource.Config) {
			c.Login = func(context.Context, *tokensource.LoginRequiredError) (*ags.Token, error) {
				doPanic()
				return nil, nil
			}
		},
		"Store":   func(c *tokensource.Config) { c.Store = panicking{doPanic} },
		"OnEvent": func(c *tokensource.Config) { c.OnEvent = func(tokensource.Event) { met++; doPanic() } },
		"Logger":  func(c *tokensource.Config) { c.Logger = slog.New(panicking{doPanic}) },
		"base RoundTripper": func(c *tokensource.Config) {
			c.Refresher = p.markedGateway(s, roundTrip(func(*http.Request) (*http.Response, error) { doPanic(); return nil, nil }))
			c.Login = nil
			c.Token = markedToken()
		},
	} {
		src := p.markedSource(s, set)
		for range 4 {
			p.fetchToken(s.t.Context(), src)
			sleep(2 * time.Hour)
		}
		p.call("tokensource.Source.SignOut", func() []any { return []any{src.SignOut(s.t.Context())} })
		p.fetchToken(s.t.Context(), src)
		p.call("tokensource.Source.Close", func() []any {
			err := src.Close()
			if name != "Store" { // its Save panics
				require.NoError(p.t, err, name)
			}
			return []any{err}
		})
	}
	require.Positive(p.t, met)
	require.Contains(p.t, p.output.String(), `"where":"Login"`, "the panic is logged")
	s.srv.Clear()
}

// panicking implements the interfaces of user code, with methods that panic.
type panicking struct{ doPanic func() }

func (p panicking) Refresh(context.Context, *ags.Token) (*ags.Token, error) {
	p.doPanic()
	return nil, nil
}

func (p panicking) Load(context.Context) ([]byte, error) { p.doPanic(); return nil, nil }

func (p panicking) Save(context.Context, []byte) error { p.doPanic(); return nil }

func (p panicking) Delete(context.Context) error { p.doPanic(); return nil }

func (p panicking) Lock(context.Context) (func() error, error) { p.doPanic(); return nil, nil }

func (p panicking) Enabled(context.Context, slog.Level) bool { return true }

func (p panicking) Handle(context.Context, slog.Record) error { p.doPanic(); return nil }

func (p panicking) WithAttrs([]slog.Attr) slog.Handler { return p }

func (p panicking) WithGroup(string) slog.Handler { return p }

// requests sends API requests, with every response.
func (p *probe) requests(s *stack) {
	src := p.markedSource(s, func(c *tokensource.Config) { c.Token, c.Login = markedToken(), nil })
	tr := &transport.Transport{Source: src, Base: s.srv.Client().Transport}
	for _, respond := range faultResponses() {
		s.srv.AlwaysFunc(agstest.API, respond)
		s.srv.AlwaysFunc(agstest.Refresh, respond)
		p.request(s, tr, s.srv.URL)
	}
	s.srv.Clear()
	p.request(s, tr, "http://stranger.example")
	for _, base := range []roundTrip{
		func(*http.Request) (*http.Response, error) { panic("of its own") },
		func(*http.Request) (*http.Response, error) { return nil, nil },
	} {
		p.request(s, &transport.Transport{Source: src, Base: base}, s.srv.URL)
	}
	p.request(s, &transport.Transport{}, s.srv.URL)
	p.call("transport.Transport.String", func() []any { return []any{tr.String()} })
	p.call("transport.Transport.GoString", func() []any { return []any{tr.GoString()} })
	p.call("transport.Transport.Format", func() []any { return []any{fmt.Sprintf("%v %+v %#v", tr, tr, tr), tr} })
	p.call("transport.Transport.WrappedRoundTripper", func() []any { return []any{tr.WrappedRoundTripper() != nil} })
	p.call("transport.NewClient", func() []any { return []any{transport.NewClient(src)} })
	p.call("transport.WithHeader", func() []any {
		resp, err := transport.WithHeader(p.t.Context(), src, func(http.Header) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusUnauthorized, Body: http.NoBody}, nil
		})
		return []any{resp, err}
	})
	p.call("transport.RejectionGRPC", func() []any {
		return []any{transport.RejectionGRPC(&http.Response{StatusCode: http.StatusUnauthorized})}
	})
	p.call("transport.RejectionGraphQL", func() []any {
		return []any{transport.RejectionGraphQL(&http.Response{StatusCode: http.StatusUnauthorized})}
	})
	p.call("transport.Transport.CloseIdleConnections", func() []any { tr.CloseIdleConnections(); return []any{tr} })
	require.NoError(p.t, src.Close())
}

// request sends one request that has secrets of the caller's own.
func (p *probe) request(s *stack, tr *transport.Transport, to string) {
	p.call("transport.Transport.RoundTrip", func() []any {
		target, body := to+"/api/x?key="+marked("query"), strings.NewReader(marked("body"))
		req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, target, body)
		require.NoError(p.t, err)
		resp, err := tr.RoundTrip(req)
		if resp == nil {
			return []any{err}
		}
		require.NoError(p.t, resp.Body.Close())
		return []any{err, resp.Status, resp.Request.Header}
	})
}
