package ags_test

import (
	"context"
	"encoding/json"
	"time"

	"github.com/agsauth/agsauth/ags"
)

// deviceDocument is the body of the calls of IASv2.
var deviceDocument = json.RawMessage(`{"device": {"hardware": {"formFactor": "TV", "type": "STB"}, "OS": {"type": "Linux", "version": "6"},
	"screen": {"density": 1, "height": 1080, "width": 1920}}}`)

// dialectRequests are the requests of the dialects but AGS.
func dialectRequests() map[string]wireRequest {
	in := func(d ags.Dialect) func(*ags.Config) { return func(c *ags.Config) { c.Dialect = d } }
	described := func(c *ags.Config) { c.Dialect, c.DeviceInformation = ags.IASv2, deviceDocument }
	signOn := func(r ags.SignOnRequest) func(context.Context, *ags.Client) error {
		return func(ctx context.Context, c *ags.Client) error { _, err := c.SignOn(ctx, r); return err }
	}
	refresh, signOut := allCalls()["refresh"], allCalls()["sign out"]
	return map[string]wireRequest{
		"ias-v3-refresh": {
			"seen by public clients in the field: no body, no Content-Type and no X-Auth-Service-Id", in(ags.IASv3), refresh,
		},
		"ias-v3-sign-on": {
			"seen by public clients in the field: the sign-on is AGS's",
			in(ags.IASv3), signOn(ags.SignOnRequest{Parameters: credentials, DeviceInformation: description}),
		},
		"ias-v3-sign-out": {"our own decision: the sign-out is AGS's, as the sign-on", in(ags.IASv3), signOut},
		"ias-v2-sign-on": {
			"seen by public clients in the field: the credentials in the query, and a device as the body",
			in(ags.IASv2), signOn(ags.SignOnRequest{Parameters: credentials, DeviceInformation: deviceDocument}),
		},
		"ias-v2-sign-on-without-device": {
			"seen by public clients in the field: an empty object as the body",
			in(ags.IASv2), signOn(ags.SignOnRequest{Parameters: credentials}),
		},
		"ias-v2-sign-on-later": {
			"our own decision: a client identifier has no place, and the configured device is the default",
			described, signOn(ags.SignOnRequest{Parameters: credentials, ClientID: "PUB_989"}),
		},
		"ias-v2-refresh": {
			"seen by public clients in the field: the refresh token in the query, and the device as the body", described, refresh,
		},
		"ias-v2-refresh-without-device": {"our own decision: as with a sign-on", in(ags.IASv2), refresh},
		"ias-v2-sign-out-by-path": {
			"our own decision: a call that has been given a path has AGS's form",
			func(c *ags.Config) { c.Dialect, c.Paths.SignOut = ags.IASv2, "/ags/signOut" }, signOut,
		},
	}
}

// refusalResult is a refusal of IASv2.
func refusalResult(class string, status, code int, message string) wireResult {
	r := refusedResult(class, status, code, message)
	r.err.refusal = true
	return r
}

// dialectResults are the results of the responses in the dialects but AGS.
func dialectResults() map[string]wireResult {
	opaque := opaqueTokenResult(func(t *wireToken) { t.client = "5f2b8c1e9a7d4c3b2a1f0e9d" })
	return map[string]wireResult{
		"ias-v3-refresh-200": opaque,
		"ias-v3-refresh-400": refusedResult("", 400, 0, "refresh token unknown"),
		"ias-v3-refresh-401": refusedResult("unauthorized", 401, 0, "unauthorised"),

		"ias-v2-sign-on-200": opaque,
		"ias-v2-refresh-200": opaque,
		"ias-v2-refresh-200-opaque-no-refresh-token": opaqueTokenResult(func(t *wireToken) {
			t.refresh, t.fixed, t.keptRefresh, t.client, t.account = 0, 0, true, "PUB_1", "7"
		}),

		"ias-v2-sign-on-401":         refusalResult("unauthorized", 401, 0, "Unauthorized"),
		"ias-v2-sign-on-200-refused": refusalResult("unauthorized", 200, 0, "Unauthorized"),
		"ias-v2-refresh-401":         refusalResult("unauthorized", 401, 0, "Unauthorized"),
		"ias-v2-refresh-200-refused": refusalResult("unauthorized", 200, 0, "the refresh token is not known"),
		"ias-v2-refresh-400":         refusalResult("unauthorized", 400, 0, "invalid_grant"),
		"ias-v2-refresh-403-no-code": refusalResult("unauthorized", 403, 0, "the refresh token has expired"),
		"ias-v2-refresh-400-echo": refusalResult("unauthorized", 400, 0,
			"cannot serve /ias/v2/token?grant_type=refresh_token&refresh_token=[redacted]"),
		"ias-v2-sign-on-400-echo":                 refusalResult("unauthorized", 400, 0, "cannot serve ?grant_type=password&password=[redacted]"),
		"ias-v2-refresh-500-unauthorized":         refusalResult("unauthorized", 500, 0, "unauthorized: the token is not known"),
		"ias-v2-refresh-404-20003-device-deleted": refusalResult("unauthorized", 404, 20003, "device deleted"),
		"ias-v2-refresh-200-20002-suspended":      refusalResult("forbidden", 200, 20002, "account suspended"),
		"ias-v2-refresh-403-20019-geo-blocked":    refusalResult("forbidden", 403, 20019, "geo-blocked location"),
		"ias-v2-refresh-400-letter":               refusalResult("forbidden", 400, 1020, "device limit reached"),

		"ias-v2-refresh-500":              refusedResult("unavailable", 500, 0, "internal error"),
		"ias-v2-refresh-503":              unavailableResult(503, "maintenance", 30*time.Second),
		"ias-v2-refresh-404":              refusedResult("", 404, 0, "no route matched"),
		"ias-v2-refresh-200-empty-object": malformedResult(200, 0, "the response has no access_token"),
		"ias-v2-refresh-403-empty-object": refusedResult("forbidden", 403, 0, ""),
		"ias-v2-refresh-200-html":         malformedResult(200, 0, "the response is text/html, not JSON"),
		"ias-v2-refresh-401-html":         malformedResult(401, 0, "the response is text/html, not JSON"),
		"ias-v2-refresh-400-text":         malformedResult(400, 0, "the response is text/plain, not JSON"),
	}
}
