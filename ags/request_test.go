package ags_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

func TestRequest_MandatoryHeaders(t *testing.T) {
	requests := makeAllCalls(t, nil)
	for i, r := range requests {
		assert.Equal(t, []string{"nagra"}, r.header["Nv-Tenant-Id"], r.url)
		assert.Equal(t, []string{"application/json"}, r.header["Accept"], r.url)
		require.Len(t, r.header["X-Correlation-Id"], 1, r.url)
		_, err := uuid.Parse(r.header.Get("X-Correlation-Id"))
		require.NoError(t, err, r.url)
		if i == 0 { // discovery
			assert.Equal(t, http.MethodGet, r.method)
			assert.NotContains(t, r.header, "X-Auth-Service-Id")
			assert.NotContains(t, r.header, "Content-Type")
			assert.Empty(t, r.body)
			continue
		}
		assert.Equal(t, http.MethodPost, r.method, r.url)
		assert.Equal(t, []string{"Customer Auth Service"}, r.header["X-Auth-Service-Id"], r.url)
		assert.Equal(t, []string{"application/json"}, r.header["Content-Type"], r.url)
		assert.True(t, json.Valid([]byte(r.body)), r.url)
	}
	assert.NotEqual(t, requests[1].header.Get("X-Correlation-Id"), requests[2].header.Get("X-Correlation-Id"))
}

func TestRequest_Credentials(t *testing.T) {
	requests := makeAllCalls(t, nil)
	for _, r := range requests {
		var authorization, userToken string
		switch {
		case strings.HasSuffix(r.url, "/ags/refresh"):
			authorization = "Bearer " + refreshMark
		case strings.HasSuffix(r.url, "/ags/signOut"):
			authorization = "Bearer " + accessMark
		case strings.HasSuffix(r.url, "/ags/subsequentSignOn"):
			userToken = userMark
		}
		assert.Equal(t, authorization, r.header.Get("Authorization"), r.url)
		assert.Equal(t, userToken, r.header.Get("User-Token"), r.url)
	}
}

func TestRequest_ConfiguredHeader(t *testing.T) {
	requests := makeAllCalls(t, func(c *ags.Config) {
		c.Header = http.Header{
			"nagra-target": {"a", "b"}, "Authorization": {"Basic x"}, "nv-tenant-id": {"other"}, "accept": {"text/html"},
			"content-type": {"text/plain"}, "x-auth-service-id": {"other"}, "X-CORRELATION-ID": {"other"}, "user-token": {"other"},
		}
	})
	for i, r := range requests {
		assert.Equal(t, []string{"a", "b"}, r.header["Nagra-Target"], r.url)
		assert.Equal(t, []string{"nagra"}, r.header["Nv-Tenant-Id"], r.url)
		assert.Equal(t, []string{"application/json"}, r.header["Accept"], r.url)
		assert.NotEqual(t, "other", r.header.Get("X-Correlation-Id"), r.url)
		if i > 0 {
			assert.Equal(t, []string{"Customer Auth Service"}, r.header["X-Auth-Service-Id"], r.url)
			assert.Equal(t, []string{"application/json"}, r.header["Content-Type"], r.url)
		}
	}
	assert.Equal(t, []string{"Basic x"}, requests[1].header["Authorization"], "a sign-on has no Authorization of its own")
	assert.Equal(t, []string{userMark}, requests[2].header["User-Token"])
	assert.Equal(t, []string{"Bearer " + refreshMark}, requests[5].header["Authorization"])
	assert.Equal(t, []string{"Bearer " + accessMark}, requests[6].header["Authorization"])
}

func TestRefresh_BareRefreshToken(t *testing.T) {
	c, tr := newClient(t, func(c *ags.Config) { c.BareRefreshToken = true }, respond(200, tokenJSON()), respond(200, ""))
	_, err := c.Refresh(t.Context(), testToken())
	require.NoError(t, err)
	require.NoError(t, c.SignOut(t.Context(), testToken()))
	require.Len(t, tr.requests, 2)
	assert.Equal(t, refreshMark, tr.requests[0].header.Get("Authorization"))
	assert.Equal(t, "Bearer "+accessMark, tr.requests[1].header.Get("Authorization"), "the option is for the refresh token only")
}

func TestRequest_Parameters(t *testing.T) {
	configured := []ags.Parameter{{Name: "b", Value: "2"}, {Name: "a", Value: "<1>&"}, {Name: "b", Value: ""}}
	const written = `{"parameters":[{"name":"b","value":"2"},{"name":"a","value":"<1>&"},{"name":"b","value":""}]}`
	for _, tc := range []struct {
		name                            string
		configured, given               []ags.Parameter
		omit                            bool
		wantRefresh, wantSessionRequest string
	}{
		{"none", nil, nil, false, `{"parameters":[]}`, `{"parameters":[]}`},
		{"configured, in order", configured, nil, false, written, written},
		{"given", configured, []ags.Parameter{{Name: "c", Value: "3"}}, false, written, `{"parameters":[{"name":"c","value":"3"}]}`},
		{"given as empty", configured, []ags.Parameter{}, false, written, `{"parameters":[]}`},
		{"omitted", configured, nil, true, `{}`, written},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, tr := newClient(t, func(c *ags.Config) { c.Parameters, c.OmitParameters = tc.configured, tc.omit },
				respond(200, tokenJSON()), respond(204, ""), respond(200, `{"sessionToken":"s"}`))
			_, err := c.Refresh(t.Context(), testToken())
			require.NoError(t, err)
			require.NoError(t, c.SignOut(t.Context(), testToken()))
			_, err = c.SessionToken(t.Context(), tc.given)
			require.NoError(t, err)
			require.Len(t, tr.requests, 3)
			assert.Equal(t, tc.wantRefresh, tr.requests[0].body)
			assert.Equal(t, tc.wantRefresh, tr.requests[1].body)
			assert.Equal(t, tc.wantSessionRequest, tr.requests[2].body)
		})
	}
}

func TestSignOn_ClientIDReplacesDeviceInformation(t *testing.T) {
	info := json.RawMessage(`{ "deviceType": "STB", "n": [1] }`)
	for _, tc := range []struct{ clientID, want string }{
		{"", `{"parameters":[],"deviceInformation":{"deviceType":"STB","n":[1]}}`},
		{"PUB_989", `{"parameters":[],"clientId":"PUB_989"}`},
	} {
		c, tr := newClient(t, nil, respond(201, tokenJSON()))
		_, err := c.SignOn(t.Context(), ags.SignOnRequest{
			Parameters: []ags.Parameter{}, ClientID: tc.clientID, DeviceInformation: info,
		})
		require.NoError(t, err)
		assert.Equal(t, tc.want, tr.only().body)
	}
}

func TestRequest_InvalidArgumentsAreNotSent(t *testing.T) {
	noService := func(c *ags.Config) { c.AuthServiceID = "" }
	for name, tc := range map[string]struct {
		change func(*ags.Config)
		call   func(*ags.Client) error
	}{
		"sign-on without service":  {noService, func(c *ags.Client) error { _, err := c.SignOn(t.Context(), ags.SignOnRequest{}); return err }},
		"refresh without service":  {noService, func(c *ags.Client) error { _, err := c.Refresh(t.Context(), testToken()); return err }},
		"sign-out without service": {noService, func(c *ags.Client) error { return c.SignOut(t.Context(), testToken()) }},
		"no token":                 {nil, func(c *ags.Client) error { _, err := c.Refresh(t.Context(), nil); return err }},
		"no refresh token":         {nil, func(c *ags.Client) error { _, err := c.Refresh(t.Context(), &ags.Token{}); return err }},
		"token with a line break": {nil, func(c *ags.Client) error {
			_, err := c.Refresh(t.Context(), &ags.Token{RefreshToken: ags.NewSecret(refreshMark + "\r\nX: y")})
			return err
		}},
		"no access token":      {nil, func(c *ags.Client) error { return c.SignOut(t.Context(), &ags.Token{}) }},
		"no token to sign out": {nil, func(c *ags.Client) error { return c.SignOut(t.Context(), nil) }},
		"no user token": {nil, func(c *ags.Client) error {
			_, err := c.SubsequentSignOn(t.Context(), ags.Secret{}, ags.SignOnRequest{})
			return err
		}},
		"device information not JSON": {nil, func(c *ags.Client) error {
			_, err := c.SignOn(t.Context(), ags.SignOnRequest{DeviceInformation: json.RawMessage(passwordMark)})
			return err
		}},
		"client identifier not UTF-8": {nil, func(c *ags.Client) error {
			_, err := c.SignOnWithSessionToken(t.Context(), ags.SignOnRequest{ClientID: "\xff"})
			return err
		}},
		"parameter not UTF-8": {nil, func(c *ags.Client) error {
			_, err := c.SessionToken(t.Context(), []ags.Parameter{{Name: "pin", Value: passwordMark + "\xff"}})
			return err
		}},
		"subsequent parameter without name": {nil, func(c *ags.Client) error {
			_, err := c.SubsequentSignOn(t.Context(), ags.NewSecret(userMark), ags.SignOnRequest{Parameters: make([]ags.Parameter, 1)})
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c, tr := newClient(t, tc.change)
			err := tc.call(c)
			require.Error(t, err)
			assert.Empty(t, tr.requests)
			assert.NotErrorIs(t, err, ags.ErrUnavailable, "the error is not transient")
			assert.Regexp(t, "^ags: [a-z ]+: ", err.Error())
			for _, mark := range []string{refreshMark, passwordMark} {
				assert.NotContains(t, err.Error(), mark)
			}
		})
	}
}
