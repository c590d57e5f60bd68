package agstest_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
)

func TestDiscovery_ListsServices(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{AuthServiceIDs: []string{"One", "Two words"}})
	r := send(t.Context(), srv, http.MethodGet, "/ags/servicediscovery", "", "x-auth-service-id", "")
	require.NoError(t, r.err)
	assert.Equal(t, http.StatusOK, r.status)
	endpoints := `[{"name":"SIGNON","path":"/signOn","parameterProperties":[
		{"name":"username","mandatory":true,"isPassword":false},
		{"name":"password","mandatory":true,"isPassword":true}]}]`
	assert.JSONEq(t, `{"availableServices":[
		{"authServiceName":"One","displayAttributes":{"name":"One","logo":"`+srv.URL+`/auth.jpg"},"endpoints":`+endpoints+`},
		{"authServiceName":"Two words","displayAttributes":{"name":"Two words","logo":"`+srv.URL+`/auth.jpg"},"endpoints":`+endpoints+`}
		]}`, string(r.body))
	assert.Equal(t, 1, srv.Count(agstest.Discovery))
}

func TestDiscovery_DefaultService(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	r := send(t.Context(), srv, http.MethodGet, "/ags/servicediscovery", "")
	services, _ := r.field(t, "availableServices").([]any)
	require.Len(t, services, 1)
	assert.Contains(t, services[0], "authServiceName")
	assert.Equal(t, 1, srv.Count(agstest.Discovery))
}

func TestGateway_RejectsMalformedRequests(t *testing.T) {
	password := `{"name":"password","value":"open sesame"}`
	tests := []struct {
		name       string
		path, body string
		header     []string
		want       int
	}{
		{"no service header", "/ags/signOn", newDeviceSignOn, []string{"x-auth-service-id", ""}, 400},
		{"no tenant header", "/ags/signOn", newDeviceSignOn, []string{"nv-tenant-id", ""}, 400},
		{"no correlation header", "/ags/signOn", newDeviceSignOn, []string{"x-correlation-id", ""}, 400},
		{"no content type", "/ags/signOn", newDeviceSignOn, []string{"Content-Type", ""}, 400},
		{"a form", "/ags/signOn", newDeviceSignOn, []string{"Content-Type", "application/x-www-form-urlencoded"}, 400},
		{"content type with a charset is valid", "/ags/signOn", newDeviceSignOn, []string{"Content-Type", "application/json; charset=utf-8"}, 201},
		{"no body", "/ags/signOn", ``, nil, 400},
		{"null", "/ags/signOn", `null`, nil, 400},
		{"an array", "/ags/signOn", `[]`, nil, 400},
		{"two objects", "/ags/signOn", newDeviceSignOn + `{}`, nil, 400},
		{"no parameters", "/ags/signOn", `{"deviceInformation":{}}`, nil, 400},
		{"parameters null", "/ags/signOn", `{"parameters":null,"deviceInformation":{}}`, nil, 400},
		{"parameters in another case", "/ags/refresh", `{"Parameters":[]}`, nil, 400},
		{"parameters an object", "/ags/signOn", `{"parameters":{"username":"dave"},"deviceInformation":{}}`, nil, 400},
		{"parameter without a name", "/ags/signOn", `{"parameters":[{"value":"dave"}],"deviceInformation":{}}`, nil, 400},
		{"parameter with an empty name", "/ags/signOn", `{"parameters":[{"name":"","value":"v"}],"deviceInformation":{}}`, nil, 400},
		{"parameter without a value", "/ags/signOn", `{"parameters":[{"name":"username"}],"deviceInformation":{}}`, nil, 400},
		{"value a number", "/ags/signOn", `{"parameters":[{"name":"username","value":1}],"deviceInformation":{}}`, nil, 400},
		{"no password", "/ags/signOn", `{"parameters":[{"name":"username","value":"dave"}],"deviceInformation":{}}`, nil, 400},
		{"no username", "/ags/signOn", `{"parameters":[` + password + `],"deviceInformation":{}}`, nil, 400},
		{"no device", "/ags/signOn", `{"parameters":[{"name":"username","value":"dave"},` + password + `]}`, nil, 400},
		{"both device and client", "/ags/signOn", `{"parameters":[],"deviceInformation":{},"clientId":"PUB_1"}`, nil, 400},
		{"client empty", "/ags/signOn", `{"parameters":[],"clientId":""}`, nil, 400},
		{"client a number", "/ags/signOn", `{"parameters":[],"clientId":1}`, nil, 400},
		{"device a string", "/ags/signOn", `{"parameters":[],"deviceInformation":"box"}`, nil, 400},
		{"device null", "/ags/signOn", `{"parameters":[],"deviceInformation":null}`, nil, 400},
		{"no user token", "/ags/subsequentSignOn", `{"parameters":[]}`, nil, 400},
		{"no session token", "/ags/signOnWithSessionToken", `{"parameters":[],"deviceInformation":{}}`, nil, 400},
		{"session token without a device", "/ags/signOnWithSessionToken", `{"parameters":[{"name":"sessionToken","value":"v"}]}`, nil, 400},
		{"head-end names no user", "/ags/getSessionToken", `{"parameters":[]}`, nil, 400},
		{"refresh without parameters", "/ags/refresh", `{}`, nil, 400},
		{"sign-out without parameters", "/ags/signOut", `{}`, nil, 400},
		{"unknown path", "/ags/renew", `{"parameters":[]}`, nil, 404},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			srv, _ := startServer(t, agstest.Config{})
			r := post(t, srv, test.path, test.body, test.header...)
			require.NoError(t, r.err)
			assert.Equal(t, test.want, r.status)
			if test.want >= 400 {
				assert.NotEmpty(t, r.field(t, "message"))
				assert.Zero(t, srv.Stats())
			}
			assert.Equal(t, 1, totalCount(srv))
		})
	}
}

func TestGateway_RejectsOtherMethods(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	r := send(t.Context(), srv, http.MethodGet, "/ags/refresh", "")
	assertRefused(t, 405, 0, r)
	assert.Equal(t, http.MethodPost, r.header.Get("Allow"))
	r = post(t, srv, "/ags/servicediscovery", "{}")
	assertRefused(t, 405, 0, r)
	assert.Equal(t, http.MethodGet, r.header.Get("Allow"))
	assert.Equal(t, 2, totalCount(srv))
}

func TestGateway_RejectsOtherTenantsAndServices(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{TenantID: "nagra", AuthServiceIDs: []string{"sso", "Customer Auth Service"}})
	signOn(t, srv)
	assertRefused(t, 404, 0, post(t, srv, "/ags/signOn", newDeviceSignOn, "nv-tenant-id", "other"))
	assertRefused(t, 404, 0, post(t, srv, "/ags/signOn", newDeviceSignOn, "x-auth-service-id", "other"))
	assert.Equal(t, 3, srv.Count(agstest.SignOn))
}
