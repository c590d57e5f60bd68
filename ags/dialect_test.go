package ags_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

func TestNew_Dialect(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*ags.Config)
		valid  bool
	}{
		"unknown":               {func(c *ags.Config) { c.Dialect = "ias-v4" }, false},
		"IASv3":                 {func(c *ags.Config) { c.Dialect = ags.IASv3 }, true},
		"IASv3, bare":           {func(c *ags.Config) { c.Dialect, c.BareRefreshToken = ags.IASv3, true }, true},
		"IASv2":                 {func(c *ags.Config) { c.Dialect, c.DeviceInformation = ags.IASv2, deviceDocument }, true},
		"IASv2, bare":           {func(c *ags.Config) { c.Dialect, c.BareRefreshToken = ags.IASv2, true }, false},
		"IASv2, no JSON":        {func(c *ags.Config) { c.Dialect, c.DeviceInformation = ags.IASv2, []byte("hunter22") }, false},
		"IASv2, no JSON object": {func(c *ags.Config) { c.Dialect, c.DeviceInformation = ags.IASv2, []byte(" []") }, false},
		"AGS with a device":     {func(c *ags.Config) { c.DeviceInformation = deviceDocument }, false},
		"IASv3 with a device":   {func(c *ags.Config) { c.Dialect, c.DeviceInformation = ags.IASv3, deviceDocument }, false},
	} {
		cfg := testConfig(&fakeTransport{tb: t})
		tc.change(&cfg)
		_, err := ags.New(cfg)
		assert.Equal(t, tc.valid, err == nil, "%s: %v", name, err)
		if err != nil {
			assert.Regexp(t, "^ags: config: ", err.Error(), name)
			assert.NotContains(t, err.Error(), "hunter22", name)
		}
	}
}

// A sign-on service has no part in the calls of IAS.
func TestDialect_NeedsNoAuthServiceID(t *testing.T) {
	for _, d := range []ags.Dialect{ags.IASv3, ags.IASv2} {
		c, tr := newClient(t, func(c *ags.Config) { c.Dialect, c.AuthServiceID = d, "" }, respond(200, tokenJSON()))
		_, err := c.Refresh(t.Context(), testToken())
		require.NoError(t, err)
		assert.NotContains(t, tr.only().header, "X-Auth-Service-Id")
	}
	c, tr := newClient(t, func(c *ags.Config) { c.Dialect, c.AuthServiceID = ags.IASv3, "" })
	_, err := c.SignOn(t.Context(), ags.SignOnRequest{})
	require.ErrorContains(t, err, "no AuthServiceID")
	assert.Empty(t, tr.requests)
}

func TestDialect_ConfiguredHeader(t *testing.T) {
	header := http.Header{
		"content-type": {"text/plain"}, "x-auth-service-id": {"other"}, "tenantid": {"other"}, "nv-tenant-id": {"other"},
		"nagra-target": {"tv"}, "X-Correlation-Id": {"other"},
	}
	for d, want := range map[ags.Dialect]http.Header{
		ags.IASv3: {
			"Accept": {"application/json"}, "Authorization": {"Bearer " + refreshMark}, "Nagra-Target": {"tv"},
			"Nv-Tenant-Id": {"nagra"}, "Tenantid": {"other"}, "X-Correlation-Id": {"flow-1"},
		},
		ags.IASv2: {
			"Accept": {"application/json"}, "Content-Type": {"application/json"}, "Nagra-Target": {"tv"},
			"Tenantid": {"nagra"}, "X-Correlation-Id": {"flow-1"},
		},
	} {
		c, tr := newClient(t, func(c *ags.Config) { c.Dialect, c.Header = d, header }, respond(200, tokenJSON()))
		_, err := c.Refresh(ags.WithCorrelationID(t.Context(), "flow-1"), testToken())
		require.NoError(t, err)
		assert.Equal(t, want, tr.only().header, "%s", d)
	}
}

func TestDialect_UnsupportedCalls(t *testing.T) {
	for op, call := range allCalls() {
		if op == "sign on" || op == "refresh" {
			continue
		}
		c, tr := newClient(t, func(c *ags.Config) { c.Dialect = ags.IASv2 })
		err := call(t.Context(), c)
		require.ErrorIs(t, err, errors.ErrUnsupported, op)
		require.EqualError(t, err, "ags: "+op+": the dialect ias-v2 has no such call")
		for _, class := range classes {
			require.NotErrorIs(t, err, class, op)
		}
		assert.True(t, asError(t, err).NotSent)
		assert.Empty(t, tr.requests)
	}
}

func TestDialect_Paths(t *testing.T) {
	paths := ags.Paths{
		Discovery: "/a", SignOn: "/b", SubsequentSignOn: "/c", SessionToken: "/d", SignOnWithSessionToken: "/e", Refresh: "/f", SignOut: "/g",
	}
	for d, defaults := range map[ags.Dialect][]string{
		ags.AGS: {
			"/ags/servicediscovery", "/ags/signOn", "/ags/subsequentSignOn", "/ags/getSessionToken", "/ags/signOnWithSessionToken",
			"/ags/refresh", "/ags/signOut",
		},
		ags.IASv3: {
			"/ags/servicediscovery", "/ags/signOn", "/ags/subsequentSignOn", "/ags/getSessionToken", "/ags/signOnWithSessionToken",
			"/ias/v3/token/actions/refresh", "/ags/signOut",
		},
		ags.IASv2: {"/a", "/ias/v2/token", "/c", "/d", "/e", "/ias/v2/token", "/g"},
	} {
		var some ags.Paths // IASv2 has no other defaults
		if d == ags.IASv2 {
			some = paths
			some.SignOn, some.Refresh = "", ""
		}
		assert.Equal(t, defaults, requestPaths(t, d, some))
		assert.Equal(t, []string{"/a", "/b", "/c", "/d", "/e", "/f", "/g"}, requestPaths(t, d, paths))
	}
}

// requestPaths makes every call, and returns the paths of the requests.
func requestPaths(t *testing.T, d ags.Dialect, paths ags.Paths) (called []string) {
	t.Helper()
	for _, r := range makeAllCalls(t, func(c *ags.Config) { c.Dialect, c.Paths = d, paths }) {
		u, err := url.Parse(r.url)
		require.NoError(t, err)
		called = append(called, u.Path)
	}
	return called
}

func TestIASv2_ParametersOfASignOn(t *testing.T) {
	parameters := []ags.Parameter{{Name: "b c", Value: "ü&=+/ ?#%"}, {Name: "a", Value: ""}, {Name: "b c", Value: "2"}}
	const query = "grant_type=password&b%20c=%C3%BC%26%3D%2B%2F%20%3F%23%25&a=&b%20c=2"
	for name, r := range map[string]ags.SignOnRequest{"given": {Parameters: parameters}, "configured": {}} {
		c, tr := newClient(t, func(c *ags.Config) {
			c.Dialect = ags.IASv2
			if name == "configured" {
				c.Parameters = parameters
			}
		}, respond(200, tokenJSON()))
		_, err := c.SignOn(t.Context(), r)
		require.NoError(t, err)
		assert.Equal(t, "https://gateway.example.com/ias/v2/token?"+query, tr.only().url, name)
	}
}

func TestIASv2_InvalidSignOnsAreNotSent(t *testing.T) {
	for name, r := range map[string]ags.SignOnRequest{
		"grant_type":    {Parameters: []ags.Parameter{{Name: "grant_type", Value: passwordMark}}},
		"refresh_token": {Parameters: []ags.Parameter{{Name: "refresh_token", Value: passwordMark}}},
		"no name":       {Parameters: []ags.Parameter{{Value: passwordMark}}},
		"not UTF-8":     {Parameters: []ags.Parameter{{Name: "pin", Value: passwordMark + "\xff"}}},
		"no JSON":       {DeviceInformation: json.RawMessage(passwordMark)},
		"no object":     {DeviceInformation: json.RawMessage(`"` + userMark + `"`)},
	} {
		c, tr := newClient(t, func(c *ags.Config) { c.Dialect = ags.IASv2 })
		_, err := c.SignOn(t.Context(), r)
		require.Error(t, err, name)
		assert.Regexp(t, "^ags: sign on: ", err.Error(), name)
		checkError(t, err)
		assert.Empty(t, tr.requests, name)
	}
}

// A 300 is a choice in the dialects with a second call only.
func TestIASv2_NoAccountChoice(t *testing.T) {
	c, tr := newClient(t, func(c *ags.Config) { c.Dialect = ags.IASv2 }, respond(300, `{"userAccountToken":"u","accounts":[{}]}`))
	_, err := c.SignOn(t.Context(), ags.SignOnRequest{})
	require.ErrorIs(t, err, ags.ErrProtocol)
	tr.only()
}

// Keeps G6. A refusal is what the gateway itself says, whatever the status; what others say is
// none.
func TestRefusal_Class(t *testing.T) {
	const ending, blocked, worded, silent, html = `{"errorCode":20020}`, `{"code":"N20007"}`, `{"message":"no"}`, `{"a":1}`, `<html>`
	for _, tc := range []struct {
		body     string
		statuses []int
		refusal  bool
		want     error
	}{
		{ending, []int{200, 201, 400, 401, 403, 404, 405, 409, 429, 500, 503}, true, ags.ErrUnauthorized},
		{`{"message":"Unauthorized"}`, []int{200, 400, 401, 403, 404, 429, 500, 502}, true, ags.ErrUnauthorized},
		{`{"error":{"code":"DEVICE_DELETED"}}`, []int{200, 400, 403, 500}, true, ags.ErrUnauthorized},
		{blocked, []int{200, 201, 400, 401, 403, 404, 429, 500}, true, ags.ErrForbidden},
		{`{"code":"U1010"}`, []int{200, 403}, true, ags.ErrForbidden},
		{worded, []int{200, 201, 400, 401, 403, 409, 410, 422}, true, ags.ErrUnauthorized},
		{`{"errorCode":30001}`, []int{200, 400, 401, 403}, true, ags.ErrUnauthorized},
		{`{"access_token":"","message":"no"}`, []int{400}, false, nil},
		{`{"access_token":null,"message":"no"}`, []int{200, 400}, true, ags.ErrUnauthorized},
		{worded, []int{404, 405}, false, nil},
		{worded, []int{408, 425, 429, 500, 502, 503, 504, 599}, false, ags.ErrUnavailable},
		{worded, []int{202, 204, 302, 307}, false, ags.ErrProtocol},
		{silent, []int{200, 201}, false, ags.ErrProtocol},
		{silent, []int{401}, false, ags.ErrUnauthorized},
		{silent, []int{403}, false, ags.ErrForbidden},
		{silent, []int{400, 404}, false, nil},
		{html, []int{200, 302, 400, 401, 403, 404, 511 - 100}, false, ags.ErrProtocol},
		{html, []int{429, 500, 503, 511}, false, ags.ErrUnavailable},
		{ending + "x", []int{200, 400, 401, 403}, false, ags.ErrProtocol},
		{ending[:10], []int{200, 400, 401, 403}, false, ags.ErrProtocol},
		{`["Unauthorized"]`, []int{200}, false, ags.ErrProtocol},
		{`"Unauthorized"`, []int{400}, false, nil},
		{"", []int{200}, false, ags.ErrProtocol},
		{"", []int{401}, false, ags.ErrUnauthorized},
	} {
		for _, status := range tc.statuses {
			for _, op := range []string{"refresh", "sign on"} {
				c, tr := newClient(t, func(c *ags.Config) { c.Dialect = ags.IASv2 }, respond(status, tc.body))
				err := allCalls()[op](ags.WithoutRetry(t.Context()), c)
				tr.only()
				e := asError(t, err)
				assert.Equal(t, tc.refusal, e.Refusal, "%s: %d %s", op, status, tc.body)
				assert.Equal(t, errors.Is(tc.want, ags.ErrProtocol), e.Malformed, "%s: %d %s", op, status, tc.body)
				for _, class := range classes {
					assert.Equal(t, errors.Is(tc.want, class), errors.Is(e, class), "%s: %d %s Is %v", op, status, tc.body, class)
				}
			}
		}
	}
}

// A refusal is nobody else's, and is not asked for again.
func TestRefusal_IsAnAnswer(t *testing.T) {
	change := func(c *ags.Config) { c.Dialect = ags.IASv2 }
	requests, _, err := callInBubble(t, change, "refresh", respond(503, `{"errorCode":20003}`))
	e := asError(t, err)
	assert.Len(t, requests, 1)
	assert.False(t, e.NotFromGateway)
	assert.True(t, ags.DeviceDeleted(err))
	assert.False(t, ags.DeviceDeleted(&ags.Error{Status: 503, Code: 20003}))

	requests, _, err = callInBubble(t, change, "refresh", failWith(errLost), respond(200, `{"message":"used"}`))
	assert.Len(t, requests, 2)
	assert.True(t, asError(t, err).OutcomeUnknown)

	// Only a grant can be refused, and only in this dialect.
	change = func(c *ags.Config) { c.Dialect, c.Paths.SignOut = ags.IASv2, "/out" }
	_, _, err = callInBubble(t, change, "sign out", respond(400, `{"message":"no"}`))
	assert.False(t, asError(t, err).Refusal)
	for _, d := range []ags.Dialect{ags.AGS, ags.IASv3} {
		_, _, err = callInBubble(t, func(c *ags.Config) { c.Dialect = d }, "refresh", respond(400, `{"message":"no"}`))
		assert.False(t, asError(t, err).Refusal)
	}
}

// Keeps G4. The calls are retried as those of AGS are, with the same request.
func TestDialect_Retries(t *testing.T) {
	for _, d := range []ags.Dialect{ags.IASv3, ags.IASv2} {
		change := func(c *ags.Config) { c.Dialect = d }
		requests, _, err := callInBubble(t, change, "sign on", failWith(errLost))
		require.ErrorIs(t, err, ags.ErrUnavailable)
		assert.Len(t, requests, 1, "it may have registered a device")
		requests, waited, err := callInBubble(t, change, "refresh", failWith(errLost), failWith(errLost))
		require.ErrorIs(t, err, ags.ErrUnavailable)
		assert.Zero(t, waited)
		require.Len(t, requests, 2)
		assert.Equal(t, requests[0], requests[1])
		requests, _, err = callInBubble(t, change, "refresh", respond(503, ""), respond(503, ""), respond(200, tokenJSON()))
		require.NoError(t, err)
		assert.Len(t, requests, 3)
	}
}
