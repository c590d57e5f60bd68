package endtoend_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
)

// Deployments write the same values in different forms. With each of them a session
// lasts from its sign-on to its fixed expiry, where the gateway sends one.
func TestFormsOfAGoodResponse(t *testing.T) {
	lifetimes := []string{"expires_in", "refresh_expires_in", "fixed_refresh_expires_in"}
	for _, c := range []struct {
		name   string
		quirks agstest.Quirks
		// Values that the gateway never sends.
		noRefreshHorizon, noFixedHorizon, noIdentity bool
	}{
		{name: "as documented"},
		{name: "strings for numbers", quirks: agstest.Quirks{StringLifetimes: true}},
		{name: "milliseconds", quirks: agstest.Quirks{MillisecondClaims: true}},
		{name: "milliseconds alone", quirks: agstest.Quirks{MillisecondClaims: true, OmitFields: lifetimes}},
		{name: "no lifetimes", quirks: agstest.Quirks{OmitFields: lifetimes}},
		{name: "no expires_in", quirks: agstest.Quirks{OmitFields: lifetimes[:1]}},
		{name: "no expiry claims", quirks: agstest.Quirks{OmitClaims: []string{"exp", "fixed_exp"}}},
		{name: "no fixed_exp", quirks: agstest.Quirks{OmitClaims: []string{"fixed_exp"}}},
		{name: "no fixed lifetime", quirks: agstest.Quirks{OmitFields: lifetimes[2:]}},
		{
			name:           "no fixed expiry at all",
			quirks:         agstest.Quirks{OmitFields: lifetimes[2:], OmitClaims: []string{"fixed_exp"}},
			noFixedHorizon: true,
		},
		{name: "opaque tokens", quirks: agstest.Quirks{OpaqueTokens: true}},
		{
			name:             "opaque tokens and expires_in alone",
			quirks:           agstest.Quirks{OpaqueTokens: true, OmitFields: lifetimes[1:]},
			noRefreshHorizon: true, noFixedHorizon: true,
		},
		{
			name:   "a fixed lifetime in the sign-on response only",
			quirks: agstest.Quirks{OpaqueTokens: true, OmitOnRefresh: lifetimes[2:]},
		},
		{
			name:   "the full fixed lifetime in every response",
			quirks: agstest.Quirks{RepeatFixedLifetime: true},
		},
		{
			name:   "the full fixed lifetime in every response, and opaque tokens",
			quirks: agstest.Quirks{RepeatFixedLifetime: true, OpaqueTokens: true},
		},
		{name: "lifetimes that are capped by the session", quirks: agstest.Quirks{CapLifetimes: true}},
		{name: "no identity at a refresh", quirks: agstest.Quirks{OmitOnRefresh: []string{"client_id", "accountId", "token_type"}}},
		{
			name:       "no identity at all",
			quirks:     agstest.Quirks{OmitFields: []string{"client_id", "accountId"}, OpaqueTokens: true},
			noIdentity: true,
		},
		{name: "no new refresh token", quirks: agstest.Quirks{OmitOnRefresh: []string{"refresh_token"}}},
		{name: "other statuses", quirks: agstest.Quirks{SignOnStatus: http.StatusOK, RefreshStatus: http.StatusCreated}},
		{name: "another case of the type", quirks: agstest.Quirks{TokenType: "BEARER"}},
		{name: "no type", quirks: agstest.Quirks{OmitFields: []string{"token_type"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			opts := options{platform: agstest.Config{FixedLifetime: 4 * time.Hour, Quirks: c.quirks}}
			inBubble(t, opts, func(t *testing.T, s *stack) {
				stats := s.poll(2, 8*time.Minute, 4*time.Hour-5*time.Second)
				assert.Empty(t, stats.errs)
				assert.Zero(t, stats.slowest)
				assert.Zero(t, s.rejectedCalls())
				st := s.src.Status()
				assert.Equal(t, c.noIdentity, st.ClientID != "PUB_1")
				assert.Equal(t, c.noIdentity, st.AccountID != agstest.DefaultAccountID)
				assert.Equal(t, c.noRefreshHorizon, st.RefreshExpiresAt.IsZero())
				assert.Equal(t, c.noFixedHorizon, st.FixedExpiresAt.IsZero())
				s.wantCount(agstest.Refresh, 4)
				s.wantNoOverlap()
				if c.noFixedHorizon {
					return
				}
				sleep(6 * time.Second)
				e := s.wantLoginRequired(tokensource.FixedExpired)
				assert.WithinDuration(t, s.token.IssuedAt.Add(4*time.Hour), e.At, time.Second)
				s.wantCount(agstest.Refresh, 4)
			})
		})
	}
}

// A token of unknown lifetime is served until the API rejects it, and is then
// replaced without a failed call.
func TestTokenOfUnknownLifetime(t *testing.T) {
	opts := options{platform: agstest.Config{Quirks: agstest.Quirks{OpaqueTokens: true, OmitFields: []string{"expires_in"}}}}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		require.True(t, s.token.ExpiresAt.IsZero())
		stats := s.poll(10, 5*time.Minute, 3*time.Hour+10*time.Minute)
		assert.Empty(t, stats.errs)
		s.wantCount(agstest.Refresh, 3)
		assert.Equal(t, 3, s.rejectedCalls())
		s.wantNoOverlap()
	})
}

// An account identifier may be a number. A lifetime of null or zero counts as
// absent.
func TestUnusualFieldTypes(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		s.srv.Always(agstest.Refresh, agstest.Fault{Edit: func(fields map[string]any) {
			fields["accountId"] = 1663
			fields["expires_in"] = "3600"
			fields["refresh_expires_in"] = nil
			fields["fixed_refresh_expires_in"] = 0
			fields["scope"] = []string{"unheard of"}
		}})
		stats := s.poll(5, 5*time.Minute, 3*time.Hour)
		assert.Empty(t, stats.errs)
		assert.Zero(t, stats.slowest)
		st := s.src.Status()
		assert.Equal(t, agstest.DefaultAccountID, st.AccountID)
		assert.WithinDuration(t, s.token.FixedExpiresAt, st.FixedExpiresAt, time.Second)
		assert.WithinDuration(t, st.IssuedAt.Add(48*time.Hour), st.RefreshExpiresAt, time.Second, "from the claim")
		s.wantCount(agstest.Refresh, 3)
	})
}

// badResponses are responses to a refresh without tokens that do not end the session.
func badResponses() []badResponse {
	html := http.Header{"Content-Type": {"text/html"}}
	tokens := `{"access_token":"a.b.c","refresh_token":"d.e.f","client_id":"PUB_1","token_type":"bearer",`
	return []badResponse{
		{name: "no access_token", fault: agstest.Fault{Body: `{"refresh_token":"r","expires_in":3600}`}, class: ags.ErrProtocol},
		{name: "an empty access_token", fault: agstest.Fault{Body: `{"access_token":"","expires_in":3600}`}, class: ags.ErrProtocol},
		{name: "an access_token that is a number", fault: agstest.Fault{Body: `{"access_token":7,"expires_in":3600}`}, class: ags.ErrProtocol},
		{name: "expires_in of zero", fault: agstest.Fault{Body: tokens + `"expires_in":0}`}, class: ags.ErrProtocol},
		{name: "a negative expires_in", fault: agstest.Fault{Body: tokens + `"expires_in":-5}`}, class: ags.ErrProtocol},
		{name: "an expires_in of eleven years", fault: agstest.Fault{Body: tokens + `"expires_in":346896000}`}, class: ags.ErrProtocol},
		{name: "an expires_in of words", fault: agstest.Fault{Body: tokens + `"expires_in":"soon"}`}, class: ags.ErrProtocol},
		{name: "a negative fixed lifetime", fault: agstest.Fault{Body: tokens + `"expires_in":9,"fixed_refresh_expires_in":-1}`}, class: ags.ErrProtocol},
		{name: "an error object under 200", fault: agstest.Fault{Status: 200, Code: 20020}, class: ags.ErrProtocol},
		{name: "a list", fault: agstest.Fault{Body: `["access_token"]`}, class: ags.ErrProtocol},
		{name: "null", fault: agstest.Fault{Body: `null`}, class: ags.ErrProtocol},
		{name: "no body", fault: agstest.Fault{Kind: agstest.Empty}, class: ags.ErrProtocol},
		{name: "garbage", fault: agstest.Fault{Kind: agstest.Garbage}, class: ags.ErrProtocol},
		{name: "an HTML page under 200", fault: agstest.Fault{Kind: agstest.HTML, Status: 200}, class: ags.ErrProtocol},
		{name: "a firewall's page under 403", fault: agstest.Fault{Kind: agstest.HTML}, class: ags.ErrProtocol},
		{name: "a firewall's page under 401", fault: agstest.Fault{Kind: agstest.HTML, Status: 401}, class: ags.ErrProtocol},
		{name: "text under 401", fault: agstest.Fault{Status: 401, Body: "go away", Header: html}, class: ags.ErrProtocol},
		{name: "an HTML page under 502", fault: agstest.Fault{Kind: agstest.HTML, Status: 502}, class: ags.ErrUnavailable},
		{name: "a redirect to another host", fault: agstest.Fault{Kind: agstest.Redirect}, class: ags.ErrProtocol},
		{name: "a redirect by 302", fault: agstest.Fault{Kind: agstest.Redirect, Status: 302}, class: ags.ErrProtocol},
		{name: "a body of megabytes", fault: agstest.Fault{Body: `{"access_token":"` + strings.Repeat("x", 3<<20) + `"}`}, class: ags.ErrProtocol},
		{name: "429", fault: agstest.Fault{Status: 429}, class: ags.ErrUnavailable},
		{name: "500", fault: agstest.Fault{Status: 500}, class: ags.ErrUnavailable},
		{name: "503", fault: agstest.Fault{Status: 503}, class: ags.ErrUnavailable},
		{name: "403 without a code", fault: agstest.Fault{Status: 403}, class: ags.ErrForbidden, refusal: true},
		{name: "account cancelled", fault: agstest.Fault{Code: 20001}, class: ags.ErrForbidden, refusal: true},
		{name: "account suspended", fault: agstest.Fault{Code: 20002}, class: ags.ErrForbidden, refusal: true},
		{name: "device disabled", fault: agstest.Fault{Code: 20004}, class: ags.ErrForbidden, refusal: true},
		{name: "a VPN or proxy", fault: agstest.Fault{Code: 20018}, class: ags.ErrForbidden, refusal: true},
		{name: "a blocked location", fault: agstest.Fault{Code: 20019}, class: ags.ErrForbidden, refusal: true},
		{name: "malformed", fault: agstest.Fault{Status: 400}, refusal: true},
		{name: "not found", fault: agstest.Fault{Status: 404}, refusal: true},
	}
}

type badResponse struct {
	name    string
	fault   agstest.Fault
	class   error // nil for none
	refusal bool  // the next attempt is a minute later
}

// While the access token is valid, callers do not notice a bad response to a
// refresh. It neither ends the session nor causes a login, and the next good
// response is used.
func TestBadResponseWithALiveToken(t *testing.T) {
	for _, c := range badResponses() {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, options{source: withLogin}, func(t *testing.T, s *stack) {
				sleep(56 * time.Minute)
				s.srv.Script(agstest.Refresh, c.fault)
				s.wantServed(1)
				sleep(0)
				s.wantCount(agstest.Refresh, 1)
				assertClass(t, c.class, s.src.Status().Err)
				if c.refusal {
					sleep(59 * time.Second)
					s.wantServed(1)
					sleep(0)
					s.wantCount(agstest.Refresh, 1)
				}
				sleep(time.Second)
				s.wantServed(1)
				sleep(0)
				s.wantServed(2)
				s.wantCount(agstest.Refresh, 2)
				s.wantCount(agstest.SignOn, 1)
				assert.Zero(t, s.rejectedCalls())
				assert.Zero(t, s.srv.Count(agstest.Other), "no redirect was followed")
				assert.Empty(t, s.events.ofKind(tokensource.EventEnded))
				s.wantNoOverlap()
			})
		})
	}
}

// Once the access token has expired, all callers get the failure at once, with the
// time of the next attempt. The gateway is not called before that time.
func TestBadResponseWithAnExpiredToken(t *testing.T) {
	for _, c := range badResponses() {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, options{source: withLogin}, func(t *testing.T, s *stack) {
				sleep(90 * time.Minute)
				s.srv.Script(agstest.Refresh, c.fault)
				begin := time.Now()
				var later *tokensource.UnavailableError
				for _, r := range s.burst(20) {
					require.ErrorAs(t, r.err, &later)
					assertClass(t, c.class, r.err)
				}
				assert.Zero(t, time.Since(begin))
				s.wantCount(agstest.Refresh, 1)
				s.wantCount(agstest.API, 0)
				wait := time.Until(later.NextAt)
				if c.refusal {
					assert.Equal(t, time.Minute, wait)
				} else {
					assert.InDelta(t, 250, wait.Milliseconds(), 63)
				}
				sleep(wait - time.Millisecond)
				s.wantUnavailable()
				s.wantCount(agstest.Refresh, 1)
				sleep(time.Millisecond)
				s.wantServed(2)
				s.wantCount(agstest.Refresh, 2)
				s.wantCount(agstest.SignOn, 1)
				s.wantNoOverlap()
			})
		})
	}
}

// assertClass asserts that err is of exactly this class of errors.
func assertClass(t *testing.T, want, err error) {
	t.Helper()
	var e *ags.Error
	require.ErrorAs(t, err, &e)
	for _, class := range []error{ags.ErrUnauthorized, ags.ErrForbidden, ags.ErrUnavailable, ags.ErrProtocol} {
		assert.Equal(t, errors.Is(class, want) && want != nil, errors.Is(err, class), "%v is %v", err, class)
	}
}

// Deployments expect the refresh token, and the body of the request, in different
// forms. Each form has its option, and the wrong form is an error.
func TestFormsOfARefreshRequest(t *testing.T) {
	for _, c := range []struct {
		name     string
		platform agstest.Config
		bare     bool
		omit     bool
		taken    bool
	}{
		{name: "bearer, as by default", platform: agstest.Config{Quirks: agstest.Quirks{RequireBearer: true}}, taken: true},
		{name: "bare", platform: agstest.Config{Quirks: agstest.Quirks{RequireBare: true}}, bare: true, taken: true},
		{name: "bearer where bare is wanted", platform: agstest.Config{Quirks: agstest.Quirks{RequireBare: true}}},
		{name: "no parameters", platform: agstest.Config{OptionalParameters: true}, omit: true, taken: true},
		{name: "no parameters where some are wanted", omit: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			opts := options{platform: c.platform, gateway: func(cfg *ags.Config) {
				cfg.BareRefreshToken, cfg.OmitParameters = c.bare, c.omit
			}}
			inBubble(t, opts, func(t *testing.T, s *stack) {
				sleep(90 * time.Minute)
				if r := s.get(t.Context()); c.taken {
					require.NoError(t, r.asError())
					require.NoError(t, s.src.SignOut(t.Context()))
					assert.Zero(t, s.srv.Stats().LiveSessions)
				} else {
					require.Error(t, r.err)
				}
				s.wantCount(agstest.Refresh, 1)
				s.wantNoOverlap()
			})
		})
	}
}
