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

// Deployments write the same things differently: through all of them a session
// lives from its sign-on to its fixed horizon, where that is told.
func TestEndToEnd_EveryShapeOfAGoodAnswer(t *testing.T) {
	lifetimes := []string{"expires_in", "refresh_expires_in", "fixed_refresh_expires_in"}
	for _, c := range []struct {
		name   string
		quirks agstest.Quirks
		// What no answer tells, in whatever way.
		noRefreshHorizon, noFixedHorizon, noIdentity bool
	}{
		{name: "as documented"},
		{name: "strings for numbers", quirks: agstest.Quirks{StringLifetimes: true}},
		{name: "milliseconds", quirks: agstest.Quirks{MillisecondClaims: true}},
		{name: "milliseconds alone", quirks: agstest.Quirks{MillisecondClaims: true, OmitFields: lifetimes}},
		{name: "no lifetimes", quirks: agstest.Quirks{OmitFields: lifetimes}},
		{name: "no expires_in", quirks: agstest.Quirks{OmitFields: lifetimes[:1]}},
		{name: "no claims of time", quirks: agstest.Quirks{OmitClaims: []string{"exp", "fixed_exp"}}},
		{name: "no fixed_exp", quirks: agstest.Quirks{OmitClaims: []string{"fixed_exp"}}},
		{name: "no fixed lifetime", quirks: agstest.Quirks{OmitFields: lifetimes[2:]}},
		{
			name:           "no fixed horizon at all",
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
			name:   "a fixed lifetime told by the sign-on alone",
			quirks: agstest.Quirks{OpaqueTokens: true, OmitOnRefresh: lifetimes[2:]},
		},
		{
			name:   "the whole fixed lifetime every time",
			quirks: agstest.Quirks{RepeatFixedLifetime: true},
		},
		{
			name:   "the whole fixed lifetime every time, and opaque tokens",
			quirks: agstest.Quirks{RepeatFixedLifetime: true, OpaqueTokens: true},
		},
		{name: "lifetimes that end with the session", quirks: agstest.Quirks{CapLifetimes: true}},
		{name: "no identity at a refresh", quirks: agstest.Quirks{OmitOnRefresh: []string{"client_id", "accountId", "token_type"}}},
		{
			name:       "no identity at all",
			quirks:     agstest.Quirks{OmitFields: []string{"client_id", "accountId"}, OpaqueTokens: true},
			noIdentity: true,
		},
		{name: "no other refresh token", quirks: agstest.Quirks{OmitOnRefresh: []string{"refresh_token"}}},
		{name: "other statuses", quirks: agstest.Quirks{SignOnStatus: http.StatusOK, RefreshStatus: http.StatusCreated}},
		{name: "another case of the type", quirks: agstest.Quirks{TokenType: "BEARER"}},
		{name: "no type", quirks: agstest.Quirks{OmitFields: []string{"token_type"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := plan{platform: agstest.Config{FixedLifetime: 4 * time.Hour, Quirks: c.quirks}}
			bubble(t, p, func(t *testing.T, h *house) {
				y := h.crowd(2, 8*time.Minute, 4*time.Hour-5*time.Second)
				assert.Empty(t, y.errs)
				assert.Zero(t, y.slowest)
				assert.Zero(t, h.rejections())
				st := h.src.Status()
				assert.Equal(t, c.noIdentity, st.ClientID != "PUB_1")
				assert.Equal(t, c.noIdentity, st.AccountID != agstest.DefaultAccountID)
				assert.Equal(t, c.noRefreshHorizon, st.RefreshExpiresAt.IsZero())
				assert.Equal(t, c.noFixedHorizon, st.FixedExpiresAt.IsZero())
				h.wantCount(agstest.Refresh, 4)
				h.wantSound()
				if c.noFixedHorizon {
					return
				}
				sleep(6 * time.Second)
				e := h.ended(tokensource.FixedExpired)
				assert.WithinDuration(t, h.token.IssuedAt.Add(4*time.Hour), e.At, time.Second)
				h.wantCount(agstest.Refresh, 4)
			})
		})
	}
}

// A token of which nobody says how long it lives is served until the API rejects
// it, and then replaced unseen.
func TestEndToEnd_TokenOfUnknownLife(t *testing.T) {
	p := plan{platform: agstest.Config{Quirks: agstest.Quirks{OpaqueTokens: true, OmitFields: []string{"expires_in"}}}}
	bubble(t, p, func(t *testing.T, h *house) {
		require.True(t, h.token.ExpiresAt.IsZero())
		y := h.crowd(10, 5*time.Minute, 3*time.Hour+10*time.Minute)
		assert.Empty(t, y.errs)
		h.wantCount(agstest.Refresh, 3)
		assert.Equal(t, 3, h.rejections())
		h.wantSound()
	})
}

// An account identifier may be a number, and a lifetime that is null or zero is
// none.
func TestEndToEnd_OddButGoodFields(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		h.srv.Always(agstest.Refresh, agstest.Fault{Edit: func(fields map[string]any) {
			fields["accountId"] = 1663
			fields["expires_in"] = "3600"
			fields["refresh_expires_in"] = nil
			fields["fixed_refresh_expires_in"] = 0
			fields["scope"] = []string{"unheard of"}
		}})
		y := h.crowd(5, 5*time.Minute, 3*time.Hour)
		assert.Empty(t, y.errs)
		assert.Zero(t, y.slowest)
		st := h.src.Status()
		assert.Equal(t, agstest.DefaultAccountID, st.AccountID)
		assert.WithinDuration(t, h.token.FixedExpiresAt, st.FixedExpiresAt, time.Second)
		assert.WithinDuration(t, st.IssuedAt.Add(48*time.Hour), st.RefreshExpiresAt, time.Second, "the claim tells it")
		h.wantCount(agstest.Refresh, 3)
	})
}

// badAnswers are answers to a refresh that bring no tokens and are no end of a
// session.
func badAnswers() []badAnswer {
	html := http.Header{"Content-Type": {"text/html"}}
	tokens := `{"access_token":"a.b.c","refresh_token":"d.e.f","client_id":"PUB_1","token_type":"bearer",`
	return []badAnswer{
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
		{name: "a page under 200", fault: agstest.Fault{Kind: agstest.HTML, Status: 200}, class: ags.ErrProtocol},
		{name: "a firewall's page under 403", fault: agstest.Fault{Kind: agstest.HTML}, class: ags.ErrProtocol},
		{name: "a firewall's page under 401", fault: agstest.Fault{Kind: agstest.HTML, Status: 401}, class: ags.ErrProtocol},
		{name: "text under 401", fault: agstest.Fault{Status: 401, Body: "go away", Header: html}, class: ags.ErrProtocol},
		{name: "a page under 502", fault: agstest.Fault{Kind: agstest.HTML, Status: 502}, class: ags.ErrUnavailable},
		{name: "a redirect to a stranger", fault: agstest.Fault{Kind: agstest.Redirect}, class: ags.ErrProtocol},
		{name: "a redirect by 302", fault: agstest.Fault{Kind: agstest.Redirect, Status: 302}, class: ags.ErrProtocol},
		{name: "a body of megabytes", fault: agstest.Fault{Body: `{"access_token":"` + strings.Repeat("x", 3<<20) + `"}`}, class: ags.ErrProtocol},
		{name: "429", fault: agstest.Fault{Status: 429}, class: ags.ErrUnavailable},
		{name: "500", fault: agstest.Fault{Status: 500}, class: ags.ErrUnavailable},
		{name: "503", fault: agstest.Fault{Status: 503}, class: ags.ErrUnavailable},
		{name: "403 without a code", fault: agstest.Fault{Status: 403}, class: ags.ErrForbidden, refusal: true},
		{name: "account cancelled", fault: agstest.Fault{Code: 20001}, class: ags.ErrForbidden, refusal: true},
		{name: "account suspended", fault: agstest.Fault{Code: 20002}, class: ags.ErrForbidden, refusal: true},
		{name: "device disabled", fault: agstest.Fault{Code: 20004}, class: ags.ErrForbidden, refusal: true},
		{name: "a proxy at work", fault: agstest.Fault{Code: 20018}, class: ags.ErrForbidden, refusal: true},
		{name: "a blocked location", fault: agstest.Fault{Code: 20019}, class: ags.ErrForbidden, refusal: true},
		{name: "malformed", fault: agstest.Fault{Status: 400}, refusal: true},
		{name: "not found", fault: agstest.Fault{Status: 404}, refusal: true},
	}
}

type badAnswer struct {
	name    string
	fault   agstest.Fault
	class   error // nil for none
	refusal bool  // it is not asked again for a minute
}

// A bad answer is seen by nobody while there is a token to serve, is no end of
// the session and no reason for a login, and the next good one is taken.
func TestEndToEnd_BadAnswersAreSeenByNobody(t *testing.T) {
	for _, c := range badAnswers() {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, plan{source: withLogin}, func(t *testing.T, h *house) {
				sleep(56 * time.Minute)
				h.srv.Script(agstest.Refresh, c.fault)
				h.served(1)
				sleep(0)
				h.wantCount(agstest.Refresh, 1)
				assertClass(t, c.class, h.src.Status().Err)
				if c.refusal {
					sleep(59 * time.Second)
					h.served(1)
					sleep(0)
					h.wantCount(agstest.Refresh, 1)
				}
				sleep(time.Second)
				h.served(1)
				sleep(0)
				h.served(2)
				h.wantCount(agstest.Refresh, 2)
				h.wantCount(agstest.SignOn, 1)
				assert.Zero(t, h.rejections())
				assert.Zero(t, h.srv.Count(agstest.Other), "no redirect was followed")
				assert.Empty(t, h.events.of(tokensource.EventEnded))
				h.wantSound()
			})
		})
	}
}

// With no token to serve it is told at once to all who ask, with what it was and
// when to come back, and the gateway is left alone until then.
func TestEndToEnd_BadAnswersAreToldOnceTheTokenIsDead(t *testing.T) {
	for _, c := range badAnswers() {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, plan{source: withLogin}, func(t *testing.T, h *house) {
				sleep(90 * time.Minute)
				h.srv.Script(agstest.Refresh, c.fault)
				begin := time.Now()
				var later *tokensource.UnavailableError
				for _, r := range h.rush(20) {
					require.ErrorAs(t, r.err, &later)
					assertClass(t, c.class, r.err)
				}
				assert.Zero(t, time.Since(begin))
				h.wantCount(agstest.Refresh, 1)
				h.wantCount(agstest.API, 0)
				wait := time.Until(later.NextAt)
				if c.refusal {
					assert.Equal(t, time.Minute, wait)
				} else {
					assert.InDelta(t, 250, wait.Milliseconds(), 63)
				}
				sleep(wait - time.Millisecond)
				h.unavailable()
				h.wantCount(agstest.Refresh, 1)
				sleep(time.Millisecond)
				h.served(2)
				h.wantCount(agstest.Refresh, 2)
				h.wantCount(agstest.SignOn, 1)
				h.wantSound()
			})
		})
	}
}

// assertClass asserts that err is of this class of the gateway's failures and of
// no other.
func assertClass(t *testing.T, want, err error) {
	t.Helper()
	var e *ags.Error
	require.ErrorAs(t, err, &e)
	for _, class := range []error{ags.ErrUnauthorized, ags.ErrForbidden, ags.ErrUnavailable, ags.ErrProtocol} {
		assert.Equal(t, errors.Is(class, want) && want != nil, errors.Is(err, class), "%v is %v", err, class)
	}
}
