package endtoend_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// The probe calls the whole exported API with marked secrets and every kind of
// failure. No secret appears in any output, and a function that the probe does not
// call fails the test. Package clock has no secrets, redisstore has a test of its own,
// and the records of agstest are covered by TestNoSecretIsPrinted.
func TestInvariant09_NothingSecretComesOutOfAnything(t *testing.T) {
	p := newProbe(t)
	inBubble(t, options{noSignOn: true, platform: markedPlatform()}, func(t *testing.T, s *stack) {
		p.t = t
		p.configs(s)
		p.client(s)
		p.source(s)
		p.gate(s)
		p.panics(s)
		p.requests(s)
		p.records(t.TempDir())
		p.keys()
	})
	p.t = t
	p.check("ags", "tokensource", "transport", "store")
}

// markedPlatform configures a platform whose user has a marked password.
func markedPlatform() agstest.Config {
	return agstest.Config{Accounts: []agstest.Account{{ID: "1663", Username: "dave", Password: marked("password")}}}
}

// markedToken returns a token pair that is valid for an hour.
func markedToken() *ags.Token {
	now := time.Now()
	return &ags.Token{
		AccessToken: ags.NewSecret(marked("access")), RefreshToken: ags.NewSecret(marked("refresh")), TokenType: "bearer",
		ClientID: "PUB_1", AccountID: "1663", IssuedAt: now, ExpiresAt: now.Add(time.Hour),
		RefreshExpiresAt: now.Add(48 * time.Hour), FixedExpiresAt: now.Add(26 * time.Hour),
	}
}

func markedSignOn() ags.SignOnRequest {
	return ags.SignOnRequest{
		Parameters:        []ags.Parameter{{Name: "username", Value: "dave"}, {Name: "password", Value: marked("password")}},
		DeviceInformation: json.RawMessage(`{"deviceType":"STB"}`),
	}
}

// markedGateway returns a client whose configuration is full of marked secrets.
func (p *probe) markedGateway(s *stack, base http.RoundTripper) *ags.Client {
	p.t.Helper()
	c, err := ags.New(ags.Config{
		BaseURL: s.srv.URL, AuthServiceID: "s", TenantID: "t", HTTPClient: &http.Client{Transport: base},
		Header: http.Header{"Token": {marked("discovery")}}, Parameters: []ags.Parameter{{Name: "client_secret", Value: marked("client")}},
		Retry: ags.Retry{Max: -1},
	})
	require.NoError(p.t, err)
	return c
}

// configs covers the configurations, valid and invalid.
func (p *probe) configs(s *stack) {
	for _, change := range []func(*ags.Config){
		func(c *ags.Config) { c.BaseURL = "https://dave:" + marked("userinfo") + "@gateway.example" },
		func(c *ags.Config) { c.BaseURL = "https://gateway.example?key=" + marked("query") },
		func(c *ags.Config) { c.BaseURL = "https://gateway.example/%zz" + marked("escape") },
		func(c *ags.Config) { c.BaseURL = "http://gateway.example/" + marked("path") },
		func(c *ags.Config) { c.Header = http.Header{"Token": {marked("discovery") + "\n"}} },
		func(c *ags.Config) { c.Parameters = []ags.Parameter{{Value: marked("parameter")}} },
		func(c *ags.Config) {
			c.Parameters = []ags.Parameter{{Name: "pin", Value: marked("parameter") + "\xff"}}
		},
		func(c *ags.Config) { c.Retry.Min = -1 },
	} {
		p.call("ags.New", func() []any {
			cfg := ags.Config{BaseURL: s.srv.URL, AuthServiceID: "s", TenantID: "t"}
			change(&cfg)
			c, err := ags.New(cfg)
			require.Error(p.t, err)
			return []any{c, err}
		})
	}
	p.record(ags.Config{Parameters: markedSignOn().Parameters}, ags.Paths{}, ags.Retry{}, markedSignOn())
	p.call("tokensource.New", func() []any {
		_, err := tokensource.New(tokensource.Config{Token: markedToken()})
		return []any{err, tokensource.Config{Token: markedToken(), Store: &store.Memory{}}}
	})
	secret, parameter := ags.NewSecret(marked("secret")), ags.Parameter{Name: "pin", Value: marked("value")}
	cfg := ags.Config{
		BaseURL: "https://dave:" + marked("password") + "@gw.example.com", Parameters: []ags.Parameter{parameter},
		Header: http.Header{"Token": {marked("header")}},
	}
	for name, v := range map[string]any{
		"ags.Secret": secret, "ags.Parameter": parameter, "ags.SignOnRequest": markedSignOn(), "ags.Config": cfg,
	} {
		p.call(name+".String", func() []any { return []any{v.(fmt.Stringer).String()} })
		p.call(name+".GoString", func() []any { return []any{v.(fmt.GoStringer).GoString()} })
		p.call(name+".Format", func() []any { return []any{fmt.Sprintf("%s", v), v} })
		p.call(name+".MarshalText", func() []any {
			text, err := json.Marshal(v)
			return []any{string(text), err}
		})
	}
	client, err := ags.New(ags.Config{BaseURL: s.srv.URL, TenantID: "t", Parameters: cfg.Parameters, Header: cfg.Header})
	require.NoError(p.t, err)
	p.call("ags.Client.String", func() []any { return []any{client.String(), client, *client} })
	p.call("ags.Client.GoString", func() []any { return []any{client.GoString()} })
	p.cover("ags.Client.CloseIdleConnections", client.CloseIdleConnections)
	p.call("ags.NewSecret", func() []any { return []any{secret, &secret} })
	p.call("ags.Secret.IsZero", func() []any { return []any{secret.IsZero()} })
	p.cover("ags.Secret.Reveal", func() { require.Contains(p.t, secret.Reveal(), secretMark) })
}

// faultResponses are responses that repeat the secrets of the request, or have secrets
// of their own.
func faultResponses() map[string]func(agstest.Request) agstest.Fault {
	all := map[string]func(agstest.Request) agstest.Fault{}
	for _, status := range []int{200, 201, 300, 302, 400, 401, 403, 404, 429, 500, 503} {
		all[fmt.Sprint(status)] = echoRequest(status)
	}
	for _, kind := range []agstest.Kind{agstest.Lost, agstest.Garbage, agstest.HTML, agstest.Empty, agstest.Redirect} {
		all[string(kind)] = func(agstest.Request) agstest.Fault { return agstest.Fault{Kind: kind} }
	}
	choice := fmt.Sprintf(`{"userAccountToken":%q,"accounts":[{"accountInformation":"{\"pin\":\"%s\"}"}]}`, marked("user"), marked("info"))
	all["a choice"] = func(agstest.Request) agstest.Fault { return agstest.Fault{Status: 300, Body: choice} }
	for name, body := range map[string]string{
		"a pair":          pairAnswer(3600),
		"no expiry":       `{"access_token":"` + marked("access") + `","refresh_token":"` + marked("refresh") + `","expires_in":-1}`,
		"odd types":       `{"access_token":{"` + marked("access") + `":1},"sessionToken":["` + marked("session") + `"]}`,
		"a control":       `{"access_token":"` + marked("access") + `\u0000","expires_in":1}`,
		"half":            pairAnswer(3600)[:150],
		"a session token": `{"sessionToken":"` + marked("session") + `"}`,
		"discovery":       `{"availableServices":[{"authServiceName":"s","endpoints":[{"name":"SIGNON","parameterProperties":[{"name":"pin"}]}]}]}`,
	} {
		all[name] = func(agstest.Request) agstest.Fault { return agstest.Fault{Status: 200, Body: body} }
	}
	return all
}

func pairAnswer(seconds int) string {
	return fmt.Sprintf(`{"access_token":%q,"refresh_token":%q,"client_id":"PUB_1","expires_in":%d,"refresh_expires_in":172800}`,
		marked("access"), marked("refresh"), seconds)
}

// client calls every method of the gateway's client, with every response.
func (p *probe) client(s *stack) {
	ctx := s.t.Context()
	c := p.markedGateway(s, s.srv.Client().Transport)
	p.record(c, *c)
	for _, respond := range faultResponses() {
		for _, op := range []agstest.Op{
			agstest.Discovery, agstest.SignOn, agstest.SubsequentSignOn, agstest.SessionToken,
			agstest.SignOnWithSessionToken, agstest.Refresh, agstest.SignOut,
		} {
			s.srv.AlwaysFunc(op, respond)
		}
		p.calls(ctx, c)
	}
	s.srv.Clear()
	p.calls(ctx, p.markedGateway(s, roundTrip(leakyTransport)))
	p.calls(ctx, p.markedGateway(s, roundTrip(func(*http.Request) (*http.Response, error) { panic("of its own") })))
	p.record(s.srv.Requests(agstest.Refresh)[:3], s.srv.Requests(agstest.SignOn)[:3])
}

// leakyTransport returns an error with everything that it was given.
func leakyTransport(r *http.Request) (*http.Response, error) {
	var body bytes.Buffer
	if r.Body != nil {
		_, _ = body.ReadFrom(r.Body)
	}
	return nil, fmt.Errorf("cannot send %v: %w", r.Header, &url.Error{Op: r.Header.Get("Authorization"), Err: errors.New(body.String())})
}

func (p *probe) calls(ctx context.Context, c *ags.Client) {
	ctx = ags.WithoutRetry(ags.WithCorrelationID(ctx, "id"))
	p.cover("ags.WithCorrelationID", func() {})
	p.call("ags.CorrelationHeader", func() []any { return []any{ags.CorrelationHeader(ags.WithCorrelationID(p.t.Context(), "flow-1"))} })
	p.cover("ags.WithoutRetry", func() {})
	p.call("ags.Client.Discover", func() []any { d, err := c.Discover(ctx); return []any{d, err} })
	p.call("ags.Client.SignOn", func() []any {
		token, err := c.SignOn(ctx, markedSignOn())
		return append(p.errorsOf(err), token, err, ags.DeviceDeleted(err))
	})
	p.call("ags.Client.SubsequentSignOn", func() []any {
		token, err := c.SubsequentSignOn(ctx, ags.NewSecret(marked("user")), markedSignOn())
		return []any{token, err}
	})
	p.call("ags.Client.SessionToken", func() []any { s, err := c.SessionToken(ctx, nil); return []any{s, err} })
	p.call("ags.Client.SignOnWithSessionToken", func() []any {
		token, err := c.SignOnWithSessionToken(ctx, ags.SignOnRequest{ClientID: "PUB_1", Parameters: []ags.Parameter{
			{Name: "sessionToken", Value: marked("session")},
		}})
		return append(p.errorsOf(err), token, err)
	})
	p.call("ags.Client.Refresh", func() []any { token, err := c.Refresh(ctx, markedToken()); return []any{token, err} })
	p.call("ags.Client.SignOut", func() []any { return []any{c.SignOut(ctx, markedToken())} })
	unsendable := &ags.Token{AccessToken: ags.NewSecret(marked("access") + "\n"), RefreshToken: ags.NewSecret(marked("refresh") + "\n")}
	p.call("ags.Client.Refresh", func() []any { token, err := c.Refresh(ctx, unsendable); return []any{token, err} })
	p.call("ags.Client.SignOut", func() []any { return []any{c.SignOut(ctx, unsendable)} })
	p.call("ags.Client.SubsequentSignOn", func() []any {
		token, err := c.SubsequentSignOn(ctx, ags.NewSecret(marked("user")+"\n"), markedSignOn())
		return []any{token, err}
	})
	p.call("ags.Token.HasFixedClaim", func() []any { return []any{markedToken().HasFixedClaim(), markedToken(), *markedToken()} })
	p.cover("ags.DeviceDeleted", func() {})
}

// errorsOf covers the methods of the error types, and returns the values to record.
// The account information itself is for the caller, and is not recorded.
func (p *probe) errorsOf(err error) []any {
	if e, ok := errors.AsType[*ags.Error](err); ok {
		p.call("ags.Error.Error", func() []any { return []any{e.Error(), *e} })
		p.call("ags.Error.Is", func() []any { return []any{errors.Is(e, ags.ErrUnauthorized)} })
		p.call("ags.Error.Unwrap", func() []any { return []any{e.Unwrap()} })
	}
	e, ok := errors.AsType[*ags.AccountChoiceError](err)
	if !ok || len(e.Accounts) == 0 {
		return nil
	}
	p.cover("ags.Account.Information", func() { require.Contains(p.t, string(e.Accounts[0].Information()), secretMark) })
	p.cover("ags.Account.Fields", func() { require.NotEmpty(p.t, e.Accounts[0].Fields()) })
	p.call("ags.AccountChoiceError.Error", func() []any { return []any{e.Error()} })
	return []any{e, *e, e.Accounts, e.Accounts[0], e.UserToken}
}

// roundTrip is a function as a RoundTripper.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
