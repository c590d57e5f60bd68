package ags_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

// whole answers each of the seven calls, in the order of everyCall.
func whole() []step {
	return []step{
		reply(200, `{"availableServices":[]}`), reply(201, pair()), reply(201, pair()),
		reply(200, `{"sessionToken":"s"}`), reply(201, pair()), reply(200, pair()), reply(200, ""),
	}
}

func TestClient_MandatoryHeadersAreAlwaysSent(t *testing.T) {
	c, w := client(t, nil, whole()...)
	everyCall(t, c)
	require.Len(t, w.requests, 7)
	for i, r := range w.requests {
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
	assert.NotEqual(t, w.requests[1].header.Get("X-Correlation-Id"), w.requests[2].header.Get("X-Correlation-Id"))
}

func TestClient_CredentialsAreSentWhereTheyBelong(t *testing.T) {
	c, w := client(t, nil, whole()...)
	everyCall(t, c)
	for _, r := range w.requests {
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

func TestClient_ConfiguredHeaderIsSentButOverridesNothing(t *testing.T) {
	c, w := client(t, func(c *ags.Config) {
		c.Header = http.Header{
			"nagra-target": {"a", "b"}, "Authorization": {"Basic x"}, "nv-tenant-id": {"other"}, "accept": {"text/html"},
			"content-type": {"text/plain"}, "x-auth-service-id": {"other"}, "X-CORRELATION-ID": {"other"}, "user-token": {"other"},
		}
	}, whole()...)
	everyCall(t, c)
	require.Len(t, w.requests, 7)
	for i, r := range w.requests {
		assert.Equal(t, []string{"a", "b"}, r.header["Nagra-Target"], r.url)
		assert.Equal(t, []string{"nagra"}, r.header["Nv-Tenant-Id"], r.url)
		assert.Equal(t, []string{"application/json"}, r.header["Accept"], r.url)
		assert.NotEqual(t, "other", r.header.Get("X-Correlation-Id"), r.url)
		if i > 0 {
			assert.Equal(t, []string{"Customer Auth Service"}, r.header["X-Auth-Service-Id"], r.url)
			assert.Equal(t, []string{"application/json"}, r.header["Content-Type"], r.url)
		}
	}
	assert.Equal(t, []string{"Basic x"}, w.requests[1].header["Authorization"], "a sign-on has no Authorization of its own")
	assert.Equal(t, []string{userMark}, w.requests[2].header["User-Token"])
	assert.Equal(t, []string{"Bearer " + refreshMark}, w.requests[5].header["Authorization"])
	assert.Equal(t, []string{"Bearer " + accessMark}, w.requests[6].header["Authorization"])
}

func TestWithCorrelationID(t *testing.T) {
	for _, tc := range []struct {
		id   string
		kept bool
	}{{"flow-42", true}, {"", false}, {"a\r\nX-Evil: 1", false}, {"a b", false}} {
		c, w := client(t, nil, reply(404, ""))
		_, err := c.Discover(ags.WithCorrelationID(t.Context(), tc.id))
		sent := w.only().header.Get("X-Correlation-Id")
		assert.Equal(t, tc.kept, sent == tc.id, "%q", tc.id)
		assert.NotEmpty(t, sent)
		assert.Equal(t, sent, asError(t, err).CorrelationID)
		assert.Contains(t, err.Error(), sent)
	}
}

func TestRefresh_BareTokenByOption(t *testing.T) {
	c, w := client(t, func(c *ags.Config) { c.BareRefreshToken = true }, reply(200, pair()), reply(200, ""))
	_, err := c.Refresh(t.Context(), held())
	require.NoError(t, err)
	require.NoError(t, c.SignOut(t.Context(), held()))
	require.Len(t, w.requests, 2)
	assert.Equal(t, refreshMark, w.requests[0].header.Get("Authorization"))
	assert.Equal(t, "Bearer "+accessMark, w.requests[1].header.Get("Authorization"), "the option is the refresh token's")
}

func TestParameters(t *testing.T) {
	configured := []ags.Parameter{{Name: "b", Value: "2"}, {Name: "a", Value: "<1>&"}, {Name: "b", Value: ""}}
	const written = `{"parameters":[{"name":"b","value":"2"},{"name":"a","value":"<1>&"},{"name":"b","value":""}]}`
	for _, tc := range []struct {
		name                            string
		configured, given               []ags.Parameter
		omit                            bool
		wantRefresh, wantSessionRequest string
	}{
		{"none at all", nil, nil, false, `{"parameters":[]}`, `{"parameters":[]}`},
		{"configured, in order", configured, nil, false, written, written},
		{"given in their place", configured, []ags.Parameter{{Name: "c", Value: "3"}}, false, written, `{"parameters":[{"name":"c","value":"3"}]}`},
		{"given as none", configured, []ags.Parameter{}, false, written, `{"parameters":[]}`},
		{"omitted", configured, nil, true, `{}`, written},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, w := client(t, func(c *ags.Config) { c.Parameters, c.OmitParameters = tc.configured, tc.omit },
				reply(200, pair()), reply(204, ""), reply(200, `{"sessionToken":"s"}`))
			_, err := c.Refresh(t.Context(), held())
			require.NoError(t, err)
			require.NoError(t, c.SignOut(t.Context(), held()))
			_, err = c.SessionToken(t.Context(), tc.given)
			require.NoError(t, err)
			require.Len(t, w.requests, 3)
			assert.Equal(t, tc.wantRefresh, w.requests[0].body)
			assert.Equal(t, tc.wantRefresh, w.requests[1].body)
			assert.Equal(t, tc.wantSessionRequest, w.requests[2].body)
		})
	}
}

func TestSignOn_ClientIDKeepsDeviceInformationBack(t *testing.T) {
	info := json.RawMessage(`{ "deviceType": "STB", "n": [1] }`)
	for _, tc := range []struct{ clientID, want string }{
		{"", `{"parameters":[],"deviceInformation":{"deviceType":"STB","n":[1]}}`},
		{"PUB_989", `{"parameters":[],"clientId":"PUB_989"}`},
	} {
		c, w := client(t, nil, reply(201, pair()))
		_, err := c.SignOn(t.Context(), ags.SignOnRequest{
			Parameters: []ags.Parameter{}, ClientID: tc.clientID, DeviceInformation: info,
		})
		require.NoError(t, err)
		assert.Equal(t, tc.want, w.only().body)
	}
}

func TestClient_FaultyCallsAreNotSent(t *testing.T) {
	noService := func(c *ags.Config) { c.AuthServiceID = "" }
	for name, tc := range map[string]struct {
		change func(*ags.Config)
		call   func(*ags.Client) error
	}{
		"no service":                 {noService, func(c *ags.Client) error { _, err := c.SignOn(t.Context(), ags.SignOnRequest{}); return err }},
		"no service to refresh with": {noService, func(c *ags.Client) error { _, err := c.Refresh(t.Context(), held()); return err }},
		"no service to sign out of":  {noService, func(c *ags.Client) error { return c.SignOut(t.Context(), held()) }},
		"no token":                   {nil, func(c *ags.Client) error { _, err := c.Refresh(t.Context(), nil); return err }},
		"no refresh token":           {nil, func(c *ags.Client) error { _, err := c.Refresh(t.Context(), &ags.Token{}); return err }},
		"token with a line break": {nil, func(c *ags.Client) error {
			_, err := c.Refresh(t.Context(), &ags.Token{RefreshToken: ags.NewSecret(refreshMark + "\r\nX: y")})
			return err
		}},
		"no access token":     {nil, func(c *ags.Client) error { return c.SignOut(t.Context(), &ags.Token{}) }},
		"nothing to sign out": {nil, func(c *ags.Client) error { return c.SignOut(t.Context(), nil) }},
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
		"subsequent parameter unnamed": {nil, func(c *ags.Client) error {
			_, err := c.SubsequentSignOn(t.Context(), ags.NewSecret(userMark), ags.SignOnRequest{Parameters: make([]ags.Parameter, 1)})
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c, w := client(t, tc.change)
			err := tc.call(c)
			require.Error(t, err)
			assert.Empty(t, w.requests)
			assert.NotErrorIs(t, err, ags.ErrUnavailable, "what is at fault here does not pass")
			assert.Regexp(t, "^ags: [a-z ]+: ", err.Error())
			for _, mark := range []string{refreshMark, passwordMark} {
				assert.NotContains(t, err.Error(), mark)
			}
		})
	}
}

func TestDiscover_NeedsNoService(t *testing.T) {
	c, w := client(t, func(c *ags.Config) { c.AuthServiceID = "" }, reply(200, `{"availableServices":[]}`))
	d, err := c.Discover(t.Context())
	require.NoError(t, err)
	assert.Empty(t, d.Services)
	w.only()
}

func TestSessionToken(t *testing.T) {
	c, w := client(t, nil, reply(200, `{"sessionToken":"st-1"}`))
	s, err := c.SessionToken(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, "st-1", s.Reveal())
	w.only()
	c, w = client(t, nil, reply(201, `{"sessionToken":"st-2"}`))
	s, err = c.SessionToken(t.Context(), nil)
	require.NoError(t, err, "created, as well as found")
	assert.Equal(t, "st-2", s.Reveal())
	w.only()
	for _, body := range []string{`{}`, `{"sessionToken":""}`, `{"sessionToken":7}`, `{"sessionToken":null}`, `[]`} {
		c, w := client(t, nil, reply(200, body))
		s, err := c.SessionToken(t.Context(), nil)
		require.ErrorIs(t, err, ags.ErrProtocol, body)
		assert.True(t, s.IsZero(), body)
		w.only()
	}
}

func TestClient_UnexpectedStatusIsAProtocolError(t *testing.T) {
	// Nothing is wrong with the body.
	body := pair("sessionToken", "st-1")
	for _, status := range []int{202, 204, 206, 300, 301, 302, 304, 307, 308} {
		c, w := client(t, nil, reply(status, body, "Location", "https://other.example.com/"), reply(status, body), reply(status, body))
		_, err := c.Refresh(t.Context(), held())
		require.ErrorIs(t, err, ags.ErrProtocol, "%d", status)
		assert.Equal(t, status, asError(t, err).Status)
		assert.True(t, asError(t, err).Malformed)
		_, err = c.SubsequentSignOn(t.Context(), ags.NewSecret(userMark), ags.SignOnRequest{})
		require.ErrorIs(t, err, ags.ErrProtocol, "%d", status)
		_, err = c.SessionToken(t.Context(), nil)
		require.ErrorIs(t, err, ags.ErrProtocol, "%d", status)
		assert.Len(t, w.requests, 3)
	}
	c, w := client(t, nil, reply(302, ""), reply(201, `{"availableServices":[]}`))
	require.ErrorIs(t, c.SignOut(t.Context(), held()), ags.ErrProtocol)
	_, err := c.Discover(t.Context())
	require.ErrorIs(t, err, ags.ErrProtocol)
	assert.Len(t, w.requests, 2)
}

// Keeps G5.
func TestClient_FollowsNoRedirectAndKeepsNoCookie(t *testing.T) {
	var strangers, requests atomic.Int32
	stranger := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strangers.Add(1) }))
	t.Cleanup(stranger.Close)
	locations := []string{stranger.URL, "/ags/elsewhere", "http://[::1"}
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Empty(t, r.Cookies())
		assert.Equal(t, "/ags/refresh", r.URL.Path)
		n := requests.Add(1)
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		w.Header().Set("Location", locations[int(n-1)%len(locations)])
		w.WriteHeader(http.StatusTemporaryRedirect)
	}))
	t.Cleanup(gateway.Close)
	jar := &countingJar{}
	c, err := ags.New(ags.Config{
		BaseURL: gateway.URL, AuthServiceID: "s", TenantID: "t",
		HTTPClient: &http.Client{Jar: jar, Timeout: 1, Transport: http.DefaultTransport},
	})
	require.NoError(t, err)
	for range locations {
		_, err = c.Refresh(t.Context(), held())
		require.ErrorIs(t, err, ags.ErrProtocol)
		assert.Equal(t, http.StatusTemporaryRedirect, asError(t, err).Status)
	}
	assert.EqualValues(t, len(locations), requests.Load())
	assert.Zero(t, strangers.Load())
	assert.Zero(t, jar.calls)
}

// countingJar counts what is asked of it.
type countingJar struct{ calls int }

func (j *countingJar) SetCookies(*url.URL, []*http.Cookie) { j.calls++ }

func (j *countingJar) Cookies(*url.URL) []*http.Cookie {
	j.calls++
	return []*http.Cookie{{Name: "a", Value: "b"}}
}

func TestClient_OwnTransportByDefault(t *testing.T) {
	var requests atomic.Int32
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		_, _ = w.Write([]byte(pair()))
	}))
	for _, given := range []*http.Client{nil, {}} {
		c, err := ags.New(ags.Config{BaseURL: gateway.URL, AuthServiceID: "s", TenantID: "t", HTTPClient: given})
		require.NoError(t, err)
		token, err := c.Refresh(t.Context(), held())
		require.NoError(t, err)
		assert.Equal(t, "new-access", token.AccessToken.Reveal())
	}
	gateway.Close()
	assert.EqualValues(t, 2, requests.Load())
}

// closable counts how often it is told to close its connections.
type closable struct {
	wire
	closed int
}

func (c *closable) CloseIdleConnections() { c.closed++ }

func TestClient_DoesNotCloseConnections(t *testing.T) {
	rt := &closable{wire: wire{tb: t, steps: []step{reply(401, ""), fails(assert.AnError), fails(assert.AnError)}}}
	c, err := ags.New(config(rt))
	require.NoError(t, err)
	for range 2 {
		_, err = c.Refresh(t.Context(), held())
		require.Error(t, err)
	}
	assert.Len(t, rt.requests, 3)
	assert.Zero(t, rt.closed)
}

func TestClient_IsSafeForConcurrentUse(t *testing.T) {
	steps := make([]step, 40)
	for i := range steps {
		steps[i] = reply(200, pair())
	}
	c, w := client(t, nil, steps...)
	shared := held()
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			_, err := c.Refresh(t.Context(), shared)
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	ids := map[string]bool{}
	for _, r := range w.requests {
		ids[r.header.Get("X-Correlation-Id")] = true
	}
	assert.Len(t, ids, 40)
}

func TestClient_BaseThatGivesNoBody(t *testing.T) {
	// Against the rules of a RoundTripper, but not a reason to panic.
	c, w := client(t, nil, func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 200}, nil })
	_, err := c.Refresh(t.Context(), held())
	require.ErrorIs(t, err, ags.ErrProtocol)
	assert.Contains(t, err.Error(), "the response is empty")
	w.only()
}
