package ags_test

import (
	"maps"
	"time"

	"github.com/agsauth/agsauth/ags"
)

// The lifetimes of the published example.
const (
	hour       = time.Hour
	twoDays    = 48 * time.Hour
	thirtyDays = 720 * time.Hour
)

// granted is the answer of the published example, changed by change.
func granted(change func(*wireToken)) wireAnswer {
	t := wireToken{
		access: hour, refresh: twoDays, fixed: thirtyDays, fixedClaim: true,
		tokenType: "bearer", client: "PUB_989", account: "1663",
	}
	if change != nil {
		change(&t)
	}
	return wireAnswer{token: &t}
}

// opaque is the same of tokens without claims.
func opaque(change func(*wireToken)) wireAnswer {
	return granted(func(t *wireToken) {
		t.fixedClaim = false
		if change != nil {
			change(t)
		}
	})
}

func denied(class string, status, code int, message string) wireAnswer {
	return wireAnswer{refusal: &wireRefusal{class: class, status: status, code: code, message: message}}
}

// busy is a passing failure, with what is asked for in Retry-After.
func busy(status int, message string, retryAfter time.Duration) wireAnswer {
	a := denied("unavailable", status, 0, message)
	a.refusal.retryAfter = retryAfter
	return a
}

// malformed is an answer that is not the gateway's.
func malformed(status, code int, message string) wireAnswer {
	a := denied("protocol", status, code, message)
	a.refusal.malformed = true
	return a
}

func chosen(accounts ...wireAccount) wireAnswer { return wireAnswer{accounts: accounts} }

func wireAnswers() map[string]wireAnswer {
	all := map[string]wireAnswer{}
	for _, part := range []map[string]wireAnswer{
		signOnAnswers(), otherAnswers(), grantAnswers(), brokenAnswers(), refusalAnswers(), codeAnswers(),
	} {
		maps.Copy(all, part)
	}
	return all
}

func signOnAnswers() map[string]wireAnswer {
	return map[string]wireAnswer{
		"sign-on-201": granted(nil),
		"sign-on-200": granted(nil),
		"sign-on-300": chosen(
			wireAccount{"ut-1", `{"accountId":"1663","owner":"Dave"}`}, wireAccount{"ut-1", `{"accountId":"1664"}`}),
		"sign-on-300-token-in-accounts": chosen(
			wireAccount{"ut-1", `{"accountId":"1663"}`}, wireAccount{"ut-2", `{"accountId":"1664"}`}),
		"sign-on-300-token-in-information":     chosen(wireAccount{"ut-1", `{"accountId":"1663"}`}),
		"sign-on-300-information-is-an-object": chosen(wireAccount{"ut-1", `{"accountId":"1663"}`}),
		"sign-on-300-without-accounts":         malformed(300, 0, "the response has no accounts to choose from"),
		"sign-on-400":                          denied("", 400, 0, "unknown parameter"),
		"sign-on-401":                          denied("unauthorized", 401, 0, "wrong username or password"),
		"sign-on-403-20007-device-limit":       denied("forbidden", 403, 20007, "device limit reached"),
		"sign-on-404":                          denied("", 404, 0, "account not found"),

		"subsequent-sign-on-201":                 granted(nil),
		"subsequent-sign-on-403-20002-suspended": denied("forbidden", 403, 20002, "account suspended"),

		"sign-on-with-session-token-201":                   granted(nil),
		"sign-on-with-session-token-403-20019-geo-blocked": denied("forbidden", 403, 20019, "geo-blocked location"),
	}
}

func otherAnswers() map[string]wireAnswer {
	return map[string]wireAnswer{
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
		"discover-404":      denied("", 404, 0, "no services"),

		"session-token-200": {session: "st-1"},
		"session-token-401": denied("unauthorized", 401, 0, "unauthorised"),

		"sign-out-200":                      {signedOut: true},
		"sign-out-200-body":                 {signedOut: true},
		"sign-out-204":                      {signedOut: true},
		"sign-out-400":                      denied("", 400, 0, "malformed request"),
		"sign-out-403-20003-device-deleted": denied("unauthorized", 403, 20003, "device deleted"),
		"sign-out-404":                      denied("", 404, 0, "not found"),
	}
}

func grantAnswers() map[string]wireAnswer {
	noAccess := func(t *wireToken) { t.access = 0 }
	noRefresh := func(t *wireToken) { t.refresh = 0 }
	noFixed := func(t *wireToken) { t.fixed = 0 }
	neither := func(t *wireToken) { t.refresh, t.fixed = 0, 0 }
	tenDays := func(t *wireToken) { t.fixed = 240 * time.Hour }
	return map[string]wireAnswer{
		"refresh-200":                 granted(nil),
		"refresh-200-byte-order-mark": granted(nil),
		"refresh-201":                 granted(nil),
		"refresh-200-milliseconds":    granted(nil),
		"refresh-200-milliseconds-alone": granted(func(t *wireToken) {
			const ms = 680 * time.Millisecond
			t.access, t.refresh, t.fixed = hour+ms, twoDays+ms, thirtyDays+ms
		}),
		"refresh-200-numbers-as-strings":                 granted(nil),
		"refresh-200-identifiers-as-numbers":             opaque(func(t *wireToken) { t.client = "989" }),
		"refresh-200-no-expires-in":                      granted(nil),
		"refresh-200-no-refresh-expires-in":              granted(nil),
		"refresh-200-no-fixed-refresh-expires-in":        granted(nil),
		"refresh-200-no-lifetimes":                       granted(nil),
		"refresh-200-opaque":                             opaque(nil),
		"refresh-200-opaque-no-expires-in":               opaque(noAccess),
		"refresh-200-opaque-no-refresh-expires-in":       opaque(noRefresh),
		"refresh-200-opaque-no-fixed-refresh-expires-in": opaque(noFixed),
		"refresh-200-zero-lifetimes":                     opaque(neither),
		"refresh-200-null-lifetimes":                     opaque(neither),
		"refresh-200-fixed-constant-repeated":            granted(tenDays),
		"refresh-200-fixed-constant-repeated-opaque":     opaque(nil),
		"refresh-200-fixed-exp-in-one":                   granted(tenDays),
		"refresh-200-token-type-capitalised":             opaque(func(t *wireToken) { t.tokenType = "Bearer" }),
		"refresh-200-token-type-in-capitals":             opaque(func(t *wireToken) { t.tokenType = "BEARER" }),
		"refresh-200-no-token-type":                      opaque(nil),
		"refresh-200-no-client-id":                       opaque(func(t *wireToken) { t.client, t.account = "PUB_1", "7" }),
		"refresh-200-no-refresh-token":                   opaque(func(t *wireToken) { t.keptRefresh = true }),
		"refresh-200-unknown-fields":                     granted(nil),
	}
}

// What a refresh may be answered with that is no token, and no refusal either.
func brokenAnswers() map[string]wireAnswer {
	return map[string]wireAnswer{
		"refresh-200-zero-expires-in":            malformed(200, 0, "expires_in is zero"),
		"refresh-200-negative-expires-in":        malformed(200, 0, "expires_in is negative"),
		"refresh-200-endless-refresh-expires-in": malformed(200, 0, "refresh_expires_in is above ten years"),
		"refresh-200-token-type-mac":             malformed(200, 0, "token_type is not bearer"),
		"refresh-200-no-access-token":            malformed(200, 0, "the response has no access_token"),
		"refresh-200-access-token-twice":         malformed(200, 0, "a JSON object has a duplicate name"),
		"refresh-200-error-object":               malformed(200, 20020, "the response has no access_token"),
		"refresh-200-html":                       malformed(200, 0, "the response is text/html, not JSON"),
		"refresh-200-empty":                      malformed(200, 0, "the response is empty"),
		"refresh-200-cut-off":                    malformed(200, 0, "the response is truncated"),
		"refresh-200-cut-off-before-the-brace":   malformed(200, 0, "the response is truncated"),
		"refresh-200-cut-off-unnoticed":          malformed(200, 0, "the response is truncated"),
		"refresh-300":                            malformed(300, 0, "the status is not one of the gateway's for this call"),
		"refresh-302":                            malformed(302, 0, "the status is not one of the gateway's for this call"),
		"refresh-401-html":                       malformed(401, 0, "the response is text/html, not JSON"),
		"refresh-401-text":                       malformed(401, 0, "the response is text/plain, not JSON"),
		"refresh-403-html":                       malformed(403, 0, "the response is text/html, not JSON"),
		"refresh-403-cut-off":                    malformed(403, 0, "the response is truncated"),
	}
}

func refusalAnswers() map[string]wireAnswer {
	return map[string]wireAnswer{
		"refresh-400":         denied("", 400, 0, "unknown parameter"),
		"refresh-401":         denied("unauthorized", 401, 0, "unauthorised"),
		"refresh-401-empty":   denied("unauthorized", 401, 0, ""),
		"refresh-403-no-code": denied("forbidden", 403, 0, "forbidden"),
		"refresh-403-empty":   denied("forbidden", 403, 0, ""),
		"refresh-404":         denied("", 404, 0, "device not found"),
		"refresh-429-seconds": busy(429, "slow down", 30*time.Second),
		"refresh-429-date":    busy(429, "slow down", 90*time.Second),
		"refresh-429-long":    busy(429, "", 5*time.Minute),
		"refresh-500":         busy(500, "internal error", 0),
		"refresh-502":         busy(502, "the response is text/html, not JSON", 0),
		"refresh-408":         busy(408, "the response is text/plain, not JSON", 0),
		"refresh-425":         busy(425, "too early", 0),
		"refresh-503-proxy":   busy(503, "the response is text/plain, not JSON", 0),
		"refresh-524":         busy(524, "the response is text/plain, not JSON", 0),
		"refresh-503":         busy(503, "", 2*time.Minute),
		"refresh-503-cut-off": busy(503, "the response is truncated", 0),
		"refresh-504":         busy(504, "the response is text/plain, not JSON", 0),
	}
}

func codeAnswers() map[string]wireAnswer {
	const invalid = "token validity check failed"
	return map[string]wireAnswer{
		"refresh-403-20001-account-cancelled": denied("forbidden", 403, 20001, "account cancelled"),
		"refresh-403-20002-account-suspended": denied("forbidden", 403, 20002, "account suspended"),
		"refresh-403-20003-device-deleted":    denied("unauthorized", 403, 20003, "device deleted"),
		"refresh-403-20004-device-disabled":   denied("forbidden", 403, 20004, "device disabled"),
		"refresh-403-20007-device-limit":      denied("forbidden", 403, 20007, "device limit reached"),
		"refresh-403-20018-vpn":               denied("forbidden", 403, 20018, "VPN or proxy"),
		"refresh-403-20019-geo-blocked":       denied("forbidden", 403, 20019, "geo-blocked location"),
		"refresh-403-20020-token-invalid":     denied("unauthorized", 403, 20020, invalid),
		"refresh-403-20021-vpn":               denied("forbidden", 403, 20021, "VPN or proxy"),
		"refresh-403-20022-geo-blocked":       denied("forbidden", 403, 20022, "geo-blocked location"),
		"refresh-403-20066-geo-blocked":       denied("forbidden", 403, 20066, "geo-blocked location"),
		"refresh-403-errorCode-number":        denied("unauthorized", 403, 20020, invalid),
		"refresh-403-errorCode-string":        denied("unauthorized", 403, 20020, invalid),
		"refresh-403-code-number":             denied("unauthorized", 403, 20020, invalid),
		"refresh-403-code-string":             denied("unauthorized", 403, 20020, invalid),
		"refresh-403-resultCode-number":       denied("unauthorized", 403, 20020, invalid),
		"refresh-403-resultCode-string":       denied("unauthorized", 403, 20020, invalid),
		"refresh-403-first-code-wins":         denied("forbidden", 403, 20007, "device limit reached"),
		"refresh-403-front-door":              denied("unauthorized", 403, 99999, "Bearer Token Expired"),
		"refresh-403-letter":                  denied("unauthorized", 403, 20003, "device deleted"),
		"refresh-403-nested":                  denied("unauthorized", 403, 20003, "device deleted"),
		"refresh-403-in-words":                denied("unauthorized", 403, 20003, "device deleted"),
		"refresh-403-1016":                    denied("unauthorized", 403, 1016, "device deleted"),
		"refresh-403-20006":                   denied("unauthorized", 403, 20006, "device deleted"),
		"refresh-403-1024":                    denied("unauthorized", 403, 1024, "token expired"),
		"refresh-200-rejection":               denied("unauthorized", 200, 99999, "the response has no access_token"),
		"refresh-403-echo": denied("unauthorized", 403, 20020,
			"Bearer [redacted] is not valid for [redacted]"),
	}
}
