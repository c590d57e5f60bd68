package ags_test

import (
	"maps"
	"time"

	"github.com/agsauth/agsauth/ags"
)

// The lifetimes in the documentation's example.
const (
	hour       = time.Hour
	twoDays    = 48 * time.Hour
	thirtyDays = 720 * time.Hour
)

// tokenResult is the token of the documentation's example with a change.
func tokenResult(change func(*wireToken)) wireResult {
	t := wireToken{
		access: hour, refresh: twoDays, fixed: thirtyDays, fixedClaim: true,
		tokenType: "bearer", client: "PUB_989", account: "1663",
	}
	if change != nil {
		change(&t)
	}
	return wireResult{token: &t}
}

// opaqueTokenResult is the same for tokens that are not JWTs.
func opaqueTokenResult(change func(*wireToken)) wireResult {
	return tokenResult(func(t *wireToken) {
		t.fixedClaim = false
		if change != nil {
			change(t)
		}
	})
}

func refusedResult(class string, status, code int, message string) wireResult {
	return wireResult{err: &wireError{class: class, status: status, code: code, message: message}}
}

// unavailableResult is a transient failure with a Retry-After.
func unavailableResult(status int, message string, retryAfter time.Duration) wireResult {
	a := refusedResult("unavailable", status, 0, message)
	a.err.retryAfter = retryAfter
	return a
}

// malformedResult is a response that is not the gateway's.
func malformedResult(status, code int, message string) wireResult {
	a := refusedResult("protocol", status, code, message)
	a.err.malformed = true
	return a
}

func choiceResult(accounts ...wireAccount) wireResult { return wireResult{accounts: accounts} }

func wireResults() map[string]wireResult {
	all := map[string]wireResult{}
	for _, part := range []map[string]wireResult{
		signOnResults(), otherResults(), tokenResults(), malformedResults(), errorResults(), codeResults(), dialectResults(),
	} {
		maps.Copy(all, part)
	}
	return all
}

func signOnResults() map[string]wireResult {
	return map[string]wireResult{
		"sign-on-201": tokenResult(nil),
		"sign-on-200": tokenResult(nil),
		"sign-on-300": choiceResult(
			wireAccount{"ut-1", `{"accountId":"1663","owner":"Dave"}`}, wireAccount{"ut-1", `{"accountId":"1664"}`}),
		"sign-on-300-token-in-accounts": choiceResult(
			wireAccount{"ut-1", `{"accountId":"1663"}`}, wireAccount{"ut-2", `{"accountId":"1664"}`}),
		"sign-on-300-token-in-information":     choiceResult(wireAccount{"ut-1", `{"accountId":"1663"}`}),
		"sign-on-300-information-is-an-object": choiceResult(wireAccount{"ut-1", `{"accountId":"1663"}`}),
		"sign-on-300-without-accounts":         malformedResult(300, 0, "the response has no accounts to choose from"),
		"sign-on-400":                          refusedResult("", 400, 0, "unknown parameter"),
		"sign-on-401":                          refusedResult("unauthorized", 401, 0, "wrong username or password"),
		"sign-on-403-20007-device-limit":       refusedResult("forbidden", 403, 20007, "device limit reached"),
		"sign-on-404":                          refusedResult("", 404, 0, "account not found"),

		"subsequent-sign-on-201":                 tokenResult(nil),
		"subsequent-sign-on-403-20002-suspended": refusedResult("forbidden", 403, 20002, "account suspended"),

		"sign-on-with-session-token-201":                   tokenResult(nil),
		"sign-on-with-session-token-403-20019-geo-blocked": refusedResult("forbidden", 403, 20019, "geo-blocked location"),
	}
}

func otherResults() map[string]wireResult {
	return map[string]wireResult{
		"discover-200": {discovery: &ags.Discovery{Services: []ags.Service{{
			AuthServiceName: "Customer Auth Service",
			DisplayAttributes: map[string]string{
				"logo": "http://logos.example.com/auth.jpg", "name": "Customer Authentication",
			},
			Endpoints: []ags.Endpoint{{
				Name: "SIGNON", Path: "/signOn", ParameterProperties: []ags.ParameterProperty{{Name: "Username"}},
			}},
		}}}},
		"discover-200-loose": {discovery: &ags.Discovery{Services: []ags.Service{{
			AuthServiceName:   "SMS",
			DisplayAttributes: map[string]string{"order": "3"},
			Endpoints: []ags.Endpoint{{Name: "SIGNON", ParameterProperties: []ags.ParameterProperty{
				{Name: "pin", Mandatory: true, IsPassword: true}, {Name: "phone"},
			}}},
		}, {AuthServiceName: "None"}}}},
		"discover-200-none": {discovery: &ags.Discovery{Services: []ags.Service{}}},
		"discover-404":      refusedResult("", 404, 0, "no services"),

		"session-token-200": {session: "st-1"},
		"session-token-401": refusedResult("unauthorized", 401, 0, "unauthorised"),

		"sign-out-200":                      {signedOut: true},
		"sign-out-200-body":                 {signedOut: true},
		"sign-out-204":                      {signedOut: true},
		"sign-out-400":                      refusedResult("", 400, 0, "malformed request"),
		"sign-out-403-20003-device-deleted": refusedResult("unauthorized", 403, 20003, "device deleted"),
		"sign-out-404":                      refusedResult("", 404, 0, "not found"),
	}
}

func tokenResults() map[string]wireResult {
	noAccess := func(t *wireToken) { t.access = 0 }
	noRefresh := func(t *wireToken) { t.refresh = 0 }
	noFixed := func(t *wireToken) { t.fixed = 0 }
	neither := func(t *wireToken) { t.refresh, t.fixed = 0, 0 }
	tenDays := func(t *wireToken) { t.fixed = 240 * time.Hour }
	return map[string]wireResult{
		"refresh-200":                 tokenResult(nil),
		"refresh-200-byte-order-mark": tokenResult(nil),
		"refresh-201":                 tokenResult(nil),
		"refresh-200-milliseconds":    tokenResult(nil),
		"refresh-200-milliseconds-alone": tokenResult(func(t *wireToken) {
			const ms = 680 * time.Millisecond
			t.access, t.refresh, t.fixed = hour+ms, twoDays+ms, thirtyDays+ms
		}),
		"refresh-200-numbers-as-strings":                 tokenResult(nil),
		"refresh-200-identifiers-as-numbers":             opaqueTokenResult(func(t *wireToken) { t.client = "989" }),
		"refresh-200-no-expires-in":                      tokenResult(nil),
		"refresh-200-no-refresh-expires-in":              tokenResult(nil),
		"refresh-200-no-fixed-refresh-expires-in":        tokenResult(nil),
		"refresh-200-no-lifetimes":                       tokenResult(nil),
		"refresh-200-opaque":                             opaqueTokenResult(nil),
		"refresh-200-opaque-no-expires-in":               opaqueTokenResult(noAccess),
		"refresh-200-opaque-no-refresh-expires-in":       opaqueTokenResult(noRefresh),
		"refresh-200-opaque-no-fixed-refresh-expires-in": opaqueTokenResult(noFixed),
		"refresh-200-zero-lifetimes":                     opaqueTokenResult(neither),
		"refresh-200-null-lifetimes":                     opaqueTokenResult(neither),
		"refresh-200-fixed-constant-repeated":            tokenResult(tenDays),
		"refresh-200-fixed-constant-repeated-opaque":     opaqueTokenResult(nil),
		"refresh-200-fixed-exp-in-one":                   tokenResult(tenDays),
		"refresh-200-token-type-capitalised":             opaqueTokenResult(func(t *wireToken) { t.tokenType = "Bearer" }),
		"refresh-200-token-type-in-capitals":             opaqueTokenResult(func(t *wireToken) { t.tokenType = "BEARER" }),
		"refresh-200-no-token-type":                      opaqueTokenResult(nil),
		"refresh-200-no-client-id":                       opaqueTokenResult(func(t *wireToken) { t.client, t.account = "PUB_1", "7" }),
		"refresh-200-no-refresh-token":                   opaqueTokenResult(func(t *wireToken) { t.keptRefresh = true }),
		"refresh-200-unknown-fields":                     tokenResult(nil),
	}
}

// Responses to a refresh that are neither tokens nor errors.
func malformedResults() map[string]wireResult {
	return map[string]wireResult{
		"refresh-200-zero-expires-in":            malformedResult(200, 0, "expires_in is zero"),
		"refresh-200-negative-expires-in":        malformedResult(200, 0, "expires_in is negative"),
		"refresh-200-endless-refresh-expires-in": malformedResult(200, 0, "refresh_expires_in is above ten years"),
		"refresh-200-token-type-mac":             malformedResult(200, 0, "token_type is not bearer"),
		"refresh-200-no-access-token":            malformedResult(200, 0, "the response has no access_token"),
		"refresh-200-access-token-twice":         malformedResult(200, 0, "a JSON object has a duplicate name"),
		"refresh-200-error-object":               malformedResult(200, 20020, "the response has no access_token"),
		"refresh-200-html":                       malformedResult(200, 0, "the response is text/html, not JSON"),
		"refresh-200-empty":                      malformedResult(200, 0, "the response is empty"),
		"refresh-200-cut-off":                    malformedResult(200, 0, "the response is truncated"),
		"refresh-200-cut-off-before-the-brace":   malformedResult(200, 0, "the response is truncated"),
		"refresh-200-cut-off-unnoticed":          malformedResult(200, 0, "the response is truncated"),
		"refresh-300":                            malformedResult(300, 0, "the status is not one of the gateway's for this call"),
		"refresh-302":                            malformedResult(302, 0, "the status is not one of the gateway's for this call"),
		"refresh-401-html":                       malformedResult(401, 0, "the response is text/html, not JSON"),
		"refresh-401-text":                       malformedResult(401, 0, "the response is text/plain, not JSON"),
		"refresh-403-html":                       malformedResult(403, 0, "the response is text/html, not JSON"),
		"refresh-403-cut-off":                    malformedResult(403, 0, "the response is truncated"),
	}
}

func errorResults() map[string]wireResult {
	return map[string]wireResult{
		"refresh-400":         refusedResult("", 400, 0, "unknown parameter"),
		"refresh-401":         refusedResult("unauthorized", 401, 0, "unauthorised"),
		"refresh-401-empty":   refusedResult("unauthorized", 401, 0, ""),
		"refresh-403-no-code": refusedResult("forbidden", 403, 0, "forbidden"),
		"refresh-403-empty":   refusedResult("forbidden", 403, 0, ""),
		"refresh-404":         refusedResult("", 404, 0, "device not found"),
		"refresh-429-seconds": unavailableResult(429, "slow down", 30*time.Second),
		"refresh-429-date":    unavailableResult(429, "slow down", 90*time.Second),
		"refresh-429-long":    unavailableResult(429, "", 5*time.Minute),
		"refresh-500":         unavailableResult(500, "internal error", 0),
		"refresh-502":         unavailableResult(502, "the response is text/html, not JSON", 0),
		"refresh-408":         unavailableResult(408, "the response is text/plain, not JSON", 0),
		"refresh-425":         unavailableResult(425, "too early", 0),
		"refresh-503-proxy":   unavailableResult(503, "the response is text/plain, not JSON", 0),
		"refresh-524":         unavailableResult(524, "the response is text/plain, not JSON", 0),
		"refresh-503":         unavailableResult(503, "", 2*time.Minute),
		"refresh-503-cut-off": unavailableResult(503, "the response is truncated", 0),
		"refresh-504":         unavailableResult(504, "the response is text/plain, not JSON", 0),
	}
}

func codeResults() map[string]wireResult {
	const invalid = "token validity check failed"
	return map[string]wireResult{
		"refresh-403-20001-account-cancelled": refusedResult("forbidden", 403, 20001, "account cancelled"),
		"refresh-403-20002-account-suspended": refusedResult("forbidden", 403, 20002, "account suspended"),
		"refresh-403-20003-device-deleted":    refusedResult("unauthorized", 403, 20003, "device deleted"),
		"refresh-403-20004-device-disabled":   refusedResult("forbidden", 403, 20004, "device disabled"),
		"refresh-403-20007-device-limit":      refusedResult("forbidden", 403, 20007, "device limit reached"),
		"refresh-403-20018-vpn":               refusedResult("forbidden", 403, 20018, "VPN or proxy"),
		"refresh-403-20019-geo-blocked":       refusedResult("forbidden", 403, 20019, "geo-blocked location"),
		"refresh-403-20020-token-invalid":     refusedResult("unauthorized", 403, 20020, invalid),
		"refresh-403-20021-vpn":               refusedResult("forbidden", 403, 20021, "VPN or proxy"),
		"refresh-403-20022-geo-blocked":       refusedResult("forbidden", 403, 20022, "geo-blocked location"),
		"refresh-403-20066-geo-blocked":       refusedResult("forbidden", 403, 20066, "geo-blocked location"),
		"refresh-403-errorCode-number":        refusedResult("unauthorized", 403, 20020, invalid),
		"refresh-403-errorCode-string":        refusedResult("unauthorized", 403, 20020, invalid),
		"refresh-403-code-number":             refusedResult("unauthorized", 403, 20020, invalid),
		"refresh-403-code-string":             refusedResult("unauthorized", 403, 20020, invalid),
		"refresh-403-resultCode-number":       refusedResult("unauthorized", 403, 20020, invalid),
		"refresh-403-resultCode-string":       refusedResult("unauthorized", 403, 20020, invalid),
		"refresh-403-first-code-wins":         refusedResult("forbidden", 403, 20007, "device limit reached"),
		"refresh-403-front-door":              refusedResult("unauthorized", 403, 99999, "Bearer Token Expired"),
		"refresh-403-letter":                  refusedResult("unauthorized", 403, 20003, "device deleted"),
		"refresh-403-nested":                  refusedResult("unauthorized", 403, 20003, "device deleted"),
		"refresh-403-in-words":                refusedResult("unauthorized", 403, 20003, "device deleted"),
		"refresh-403-1016":                    refusedResult("unauthorized", 403, 1016, "device deleted"),
		"refresh-403-20006":                   refusedResult("unauthorized", 403, 20006, "device deleted"),
		"refresh-403-1024":                    refusedResult("unauthorized", 403, 1024, "token expired"),
		"refresh-200-rejection":               refusedResult("unauthorized", 200, 99999, "the response has no access_token"),
		"refresh-403-echo": refusedResult("unauthorized", 403, 20020,
			"Bearer [redacted] is not valid for [redacted]"),
	}
}
