package endtoend_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// inDialect returns options for a platform and a client of a dialect.
func inDialect(d ags.Dialect, opts options) options {
	change := opts.gateway
	opts.platform.Dialect = agstest.Dialect(d)
	opts.gateway = func(cfg *ags.Config) {
		cfg.Dialect = d
		if d == ags.IASv2 {
			cfg.AuthServiceID, cfg.DeviceInformation = "", newDevice().DeviceInformation
		}
		if change != nil {
			change(cfg)
		}
	}
	return opts
}

// Callers notice nothing of the dialect in which their tokens are refreshed.
func TestDialect_ThreeLives(t *testing.T) {
	for d, path := range map[ags.Dialect]string{
		ags.AGS: "/ags/refresh", ags.IASv3: "/ias/v3/token/actions/refresh", ags.IASv2: "/ias/v2/token",
	} {
		t.Run("dialect "+string(d), func(t *testing.T) {
			inBubble(t, inDialect(d, options{}), func(t *testing.T, s *stack) {
				s.srv.Always(agstest.Refresh, agstest.Fault{Delay: 5 * time.Second})
				stats := s.poll(20, time.Minute, 3*time.Hour)
				assert.Empty(t, stats.errs)
				assert.Zero(t, stats.slowest)
				assert.Equal(t, stats.calls, s.srv.Count(agstest.API))
				s.wantCount(agstest.Refresh, 3)
				for _, rq := range s.srv.Requests(agstest.Refresh) {
					assert.Equal(t, path, rq.Path)
				}

				// A live token that the API rejects is replaced within the call.
				s.srv.RejectNext(1)
				s.wantServed(5)
				s.wantCount(agstest.Refresh, 4)
				s.wantCount(agstest.SignOn, 1)
				s.wantCount(agstest.Other, 0)
				s.wantNoOverlap()

				required := s.src.LoginRequired()
				s.srv.RevokeSessions()
				sleep(time.Hour)
				e := s.wantEnded(tokensource.RefreshRejected, required)
				require.ErrorIs(t, e.Err, ags.ErrUnauthorized)
				assert.Equal(t, "PUB_1", e.ClientID)
				s.wantCount(agstest.Refresh, 5)
			})
		})
	}
}

// The refusals of IASv2 have no status of their own.
func TestDialect_RefusalOfAnyStatusEndsTheSession(t *testing.T) {
	for _, status := range []int{200, 201, 400, 401, 403, 409, 422} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			opts := options{platform: agstest.Config{Quirks: agstest.Quirks{RefusalStatus: status}}}
			inBubble(t, inDialect(ags.IASv2, opts), func(t *testing.T, s *stack) {
				required := s.src.LoginRequired()
				s.srv.RevokeSessions()
				sleep(time.Hour)
				e := s.wantEnded(tokensource.RefreshRejected, required)
				refusal, ok := errors.AsType[*ags.Error](e.Err)
				require.True(t, ok)
				assert.True(t, refusal.Refusal)
				assert.Equal(t, status, refusal.Status)
				assert.False(t, e.OutcomeUnknown)
				s.wantCount(agstest.Refresh, 1)
			})
		})
	}
}

// Only the gateway speaks for the gateway.
func TestDialect_OtherAnswersDoNotEndTheSession(t *testing.T) {
	for name, fault := range map[string]agstest.Fault{
		"a sign-in page":      {Kind: agstest.HTML, Status: 200},
		"a firewall's 401":    {Kind: agstest.HTML, Status: 401},
		"a firewall's 403":    {Kind: agstest.HTML},
		"a text":              {Status: 401, Body: "Unauthorized"},
		"an empty answer":     {Kind: agstest.Empty},
		"an empty object":     {Status: 200, Body: "{}"},
		"half of a refusal":   {Status: 401, Body: `{"message":"unauthor`},
		"a route not found":   {Status: 404, Body: `{"message":"no route matched"}`},
		"maintenance":         {Status: 503, Body: `{"message":"maintenance"}`},
		"too many requests":   {Status: 429, Body: `{"message":"slow down"}`},
		"a suspended account": {Status: 200, Code: 20002},
		"a blocked location":  {Code: 20019},
		"a redirect":          {Kind: agstest.Redirect},
		"nothing":             {Kind: agstest.Lost},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, inDialect(ags.IASv2, options{platform: agstest.Config{ReusableRefreshTokens: true}}), func(_ *testing.T, s *stack) {
				s.srv.Always(agstest.Refresh, fault)
				sleep(time.Hour)
				s.wantUnavailable()
				sleep(10 * time.Minute)
				s.wantUnavailable()
				s.srv.Clear()
				sleep(10 * time.Minute)
				s.wantServed(2)
				s.wantCount(agstest.SignOn, 1)
				s.wantCount(agstest.Other, 0)
			})
		})
	}
}

// A source with a login lives on, with the same device.
func TestDialect_Login(t *testing.T) {
	for _, d := range []ags.Dialect{ags.IASv3, ags.IASv2} {
		t.Run(string(d), func(t *testing.T) {
			opts := options{platform: agstest.Config{AccessLifetime: 10 * time.Minute, FixedLifetime: 25 * time.Minute, DeviceLimit: 1}, source: withLogin}
			inBubble(t, inDialect(d, opts), func(t *testing.T, s *stack) {
				stats := s.poll(20, 2*time.Minute, 80*time.Minute)
				assert.Empty(t, stats.errs)
				s.wantCount(agstest.SignOn, 4)
				s.srv.RevokeSessions()
				s.srv.RejectNext(1)
				require.NoError(t, s.get(t.Context()).asError())
				s.wantCount(agstest.SignOn, 5)
				assert.Equal(t, 1, s.srv.Stats().Devices)
				s.wantNoOverlap()
			})
		})
	}
}

// IASv2 has no sign-out: the session ends here, the error says that nobody else was told,
// and no token is kept to tell later.
func TestDialect_SignOutThatDoesNotExist(t *testing.T) {
	disk := &store.Memory{}
	opts := options{source: func(_ *stack, cfg *tokensource.Config) { cfg.Store = disk }}
	inBubble(t, inDialect(ags.IASv2, opts), func(t *testing.T, s *stack) {
		s.wantServed(1)
		err := s.src.SignOut(t.Context())
		require.ErrorIs(t, err, errors.ErrUnsupported)
		assert.ErrorContains(t, err, "the dialect ias-v2 has no such call")
		s.wantLoginRequired(tokensource.SignedOut)
		record, err := disk.Load(t.Context())
		require.NoError(t, err)
		for _, token := range []ags.Secret{s.token.AccessToken, s.token.RefreshToken} {
			assert.NotContains(t, string(record), token.Reveal())
		}
		sleep(time.Hour)
		s.wantLoginRequired(tokensource.SignedOut)
		s.wantCount(agstest.Other, 0)
		s.wantCount(agstest.SignOut, 0)
	})
}

// quotingBase is a transport that can be made to fail with an error that quotes the request.
type quotingBase struct {
	base  http.RoundTripper
	fails atomic.Bool
}

func (q *quotingBase) RoundTrip(r *http.Request) (*http.Response, error) {
	if q.fails.Load() {
		return nil, &url.Error{Op: "Post " + r.URL.String(), URL: r.URL.String(), Err: fmt.Errorf("%+v", r.URL)}
	}
	return q.base.RoundTrip(r)
}

// echoQuery answers with the query of the request, as it was sent and decoded.
func echoQuery(status int) func(agstest.Request) agstest.Fault {
	return func(rq agstest.Request) agstest.Fault {
		sent := url.Values{"password": {rq.RevealQuery("password")}, "refresh_token": {rq.RevealQuery("refresh_token")}}
		text := fmt.Sprintf("no %s, %s, %s", sent.Encode(), sent["password"], sent["refresh_token"])
		return agstest.Fault{Status: status, Body: fmt.Sprintf(`{"errorCode":77,"message":%q}`, text)}
	}
}

// The secrets are in the query, and in nothing that a program prints.
func TestDialect_NoSecretOfTheQueryIsPrinted(t *testing.T) {
	var v secretSet
	var out printer
	var quoting quotingBase
	v.secrets = []string{agstest.DefaultPassword, url.QueryEscape(agstest.DefaultPassword), url.PathEscape(agstest.DefaultPassword)}
	opts := options{noSignOn: true, source: withLogin, gateway: func(cfg *ags.Config) {
		quoting.base = cfg.HTTPClient.Transport
		cfg.HTTPClient = &http.Client{Transport: &quoting}
	}}
	opts.platform.ReusableRefreshTokens = true
	inBubble(t, inDialect(ags.IASv2, opts), func(t *testing.T, s *stack) {
		ask := func(ctx context.Context) {
			sleep(16 * time.Minute)
			r := s.get(ctx)
			out.print(r.echo, s.src.Status())
			if r.err != nil {
				out.printError(r.err)
				out.printError(&url.Error{Op: "Get", URL: s.srv.URL, Err: r.err})
			}
		}
		failures := func(op agstest.Op) {
			quoting.fails.Store(true)
			ask(t.Context())
			quoting.fails.Store(false)
			for _, status := range []int{200, 400, 404, 429, 500, 503} {
				s.srv.AlwaysFunc(op, echoQuery(status))
				ask(t.Context())
			}
			for _, kind := range []agstest.Kind{agstest.Lost, agstest.Garbage, agstest.HTML, agstest.Redirect, agstest.Cut} {
				s.srv.Always(op, agstest.Fault{Kind: kind, Edit: v.collect})
				ask(t.Context())
			}
			s.srv.Always(op, agstest.Fault{Edit: v.collect})
			ask(t.Context())
		}
		failures(agstest.SignOn)
		require.Equal(t, tokensource.Fresh, s.src.Status().Phase)
		sleep(time.Hour)
		failures(agstest.Refresh)
		for _, e := range s.events.all() {
			out.print(e)
			if e.Err != nil {
				out.printError(e.Err)
			}
		}
		out.print(s.gw, s.src, s.client, newDevice())
		for _, op := range []agstest.Op{agstest.SignOn, agstest.Refresh, agstest.Other} {
			out.print(s.srv.Requests(op))
		}
		assert.Greater(t, s.srv.Count(agstest.SignOn), 12)
		assert.Greater(t, s.srv.Count(agstest.Refresh), 6)
		assert.Greater(t, len(v.all()), 5)
		s.wantCount(agstest.Other, 0)
		s.wantNoSecret(&v, strings.ReplaceAll(out.String()+s.logs.String(), `\u0026`, "&"))
	})
}
