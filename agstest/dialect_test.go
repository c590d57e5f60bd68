package agstest_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
)

const (
	grantPath     = "/ias/v2/token"
	iasRefresh    = "/ias/v3/token/actions/refresh"
	passwordGrant = "?grant_type=password&username=dave&password=open%20sesame"
	deviceBody    = `{"device":{"OS":{"type":"Linux"}}}`
)

// grant sends a request of IASv2.
func grant(t *testing.T, srv *agstest.Server, query, body string, header ...string) reply {
	t.Helper()
	header = append([]string{"tenantid", "nagra", "nv-tenant-id", "", "x-auth-service-id", "", "x-correlation-id", ""}, header...)
	return post(t, srv, grantPath+query, body, header...)
}

func refreshGrant(token string) string {
	return "?grant_type=refresh_token&refresh_token=" + url.QueryEscape(token)
}

// bareRefresh sends the refresh of IASv3.
func bareRefresh(t *testing.T, srv *agstest.Server, token string, header ...string) reply {
	t.Helper()
	header = append([]string{
		"Authorization", "Bearer " + token, "Content-Type", "", "x-auth-service-id", "", "x-correlation-id", "",
	}, header...)
	return post(t, srv, iasRefresh, "", header...)
}

func TestNewServer_UnknownDialect(t *testing.T) {
	assert.Panics(t, func() { agstest.NewServer(agstest.Config{Dialect: "ias-v4"}) })
}

func TestIASv3_Refresh(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{Dialect: agstest.IASv3})
	first := signOn(t, srv)
	second := bareRefresh(t, srv, first.Refresh).tokens(t, http.StatusOK)
	assert.NotEqual(t, first.Refresh, second.Refresh)
	assert.Equal(t, first.ClientID, second.ClientID)
	assert.True(t, accepted(t, srv, second.Access))
	assert.Equal(t, http.StatusOK, signOut(t, srv, second.Access).status)
	assertRefused(t, 401, 0, bareRefresh(t, srv, second.Refresh))
	assert.Equal(t, 2, srv.Count(agstest.Refresh))
}

func TestIASv3_RefusesOtherRefreshes(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{Dialect: agstest.IASv3, TenantID: "nagra"})
	tok := signOn(t, srv)
	bearer := []string{"Authorization", "Bearer " + tok.Refresh, "x-auth-service-id", ""}
	for name, tc := range map[string]struct {
		status int
		reply  reply
	}{
		"a Content-Type": {400, bareRefresh(t, srv, tok.Refresh, "Content-Type", "application/json")},
		"a service":      {400, bareRefresh(t, srv, tok.Refresh, "x-auth-service-id", "s")},
		"a body":         {400, post(t, srv, iasRefresh, "{}", append(bearer, "Content-Type", "")...)},
		"a query":        {400, post(t, srv, iasRefresh+"?x=1", "", append(bearer, "Content-Type", "")...)},
		"no tenant":      {400, bareRefresh(t, srv, tok.Refresh, "nv-tenant-id", "")},
		"another tenant": {404, bareRefresh(t, srv, tok.Refresh, "nv-tenant-id", "other")},
		"v2's tenant":    {400, bareRefresh(t, srv, tok.Refresh, "nv-tenant-id", "", "tenantid", "nagra")},
		"a bare token":   {401, bareRefresh(t, srv, tok.Refresh, "Authorization", tok.Refresh)},
		"no token":       {401, bareRefresh(t, srv, tok.Refresh, "Authorization", "")},
		"AGS's path":     {404, refresh(t, srv, tok.Refresh)},
		"v2's path":      {404, grant(t, srv, refreshGrant(tok.Refresh), "{}")},
	} {
		assertRefused(t, tc.status, 0, tc.reply, name)
	}
	assert.Equal(t, http.StatusMethodNotAllowed, send(t.Context(), srv, http.MethodGet, iasRefresh, "").status)
	assertRefused(t, 403, 20020, bareRefresh(t, srv, tok.Access), "an access token")
	bareRefresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
	assert.Equal(t, 12, srv.Count(agstest.Refresh))
	assert.Equal(t, 2, srv.Count(agstest.Other))
}

func TestIASv2_Grants(t *testing.T) {
	srv, fake := startServer(t, agstest.Config{Dialect: agstest.IASv2})
	first := grant(t, srv, passwordGrant, deviceBody).tokens(t, http.StatusOK)
	assert.Equal(t, agstest.DefaultAccountID, first.Account)
	second := grant(t, srv, refreshGrant(first.Refresh), deviceBody).tokens(t, http.StatusOK)
	assert.NotEqual(t, first.Refresh, second.Refresh)
	assert.True(t, accepted(t, srv, second.Access))
	fake.Advance(time.Hour)
	assert.False(t, accepted(t, srv, second.Access))
	assertRefused(t, 401, 0, grant(t, srv, refreshGrant(first.Refresh), "{}"), "used")
	assertRefused(t, 401, 0, grant(t, srv, refreshGrant(second.Refresh), "{}"), "the session has ended")
	assert.Equal(t, 1, srv.Count(agstest.SignOn))
	assert.Equal(t, 3, srv.Count(agstest.Refresh))
	assert.Equal(t, agstest.Stats{Sessions: 1, Devices: 1, Refreshes: 1, Reuses: 1}, srv.Stats())
}

// The same description from the same account is the same device.
func TestIASv2_Devices(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{Dialect: agstest.IASv2, DeviceLimit: 2})
	first := grant(t, srv, passwordGrant, deviceBody).tokens(t, http.StatusOK)
	again := grant(t, srv, passwordGrant, " "+deviceBody).tokens(t, http.StatusOK)
	assert.Equal(t, first.ClientID, again.ClientID)
	other := grant(t, srv, passwordGrant, "{}").tokens(t, http.StatusOK)
	assert.NotEqual(t, first.ClientID, other.ClientID)
	assertRefused(t, 403, 20007, grant(t, srv, passwordGrant, `{"device":{}}`))
	require.True(t, srv.DisableDevice(first.ClientID))
	assertRefused(t, 403, 20004, grant(t, srv, passwordGrant, deviceBody))
	require.True(t, srv.DeleteDevice(first.ClientID))
	registered := grant(t, srv, passwordGrant, deviceBody).tokens(t, http.StatusOK)
	assert.NotEqual(t, first.ClientID, registered.ClientID, "a deleted device is registered again")
	assert.Equal(t, 6, srv.Count(agstest.SignOn))
}

func TestIASv2_SignOn(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{Dialect: agstest.IASv2, Accounts: []agstest.Account{
		{ID: "17", Username: "dave", Password: "open sesame"}, {ID: "42", Username: "dave", Password: "open sesame"},
	}})
	assert.Equal(t, "17", grant(t, srv, passwordGrant, "{}").tokens(t, http.StatusOK).Account, "the first of several")
	wrong := grant(t, srv, "?grant_type=password&username=dave&password=x", "{}")
	assertRefused(t, 401, 0, wrong)
	assert.Equal(t, "unauthorized", wrong.field(t, "message"))
	srv.GeoBlock(true)
	assertRefused(t, 403, 20019, grant(t, srv, passwordGrant, "{}"))
	srv.GeoBlock(false)
	srv.SuspendAccount("17")
	assertRefused(t, 403, 20002, grant(t, srv, passwordGrant, "{}"))
	assert.Equal(t, 4, srv.Count(agstest.SignOn))
}

func TestIASv2_RefusesOtherRequests(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{Dialect: agstest.IASv2, TenantID: "nagra"})
	for name, tc := range map[string]struct {
		status int
		reply  reply
	}{
		"no tenant":         {400, grant(t, srv, passwordGrant, "{}", "tenantid", "")},
		"AGS's tenant":      {400, grant(t, srv, passwordGrant, "{}", "tenantid", "", "nv-tenant-id", "nagra")},
		"another tenant":    {404, grant(t, srv, passwordGrant, "{}", "tenantid", "other")},
		"no Content-Type":   {400, grant(t, srv, passwordGrant, "{}", "Content-Type", "")},
		"a form":            {400, grant(t, srv, passwordGrant, "a=b", "Content-Type", "application/x-www-form-urlencoded")},
		"no body":           {400, grant(t, srv, passwordGrant, "")},
		"no JSON object":    {400, grant(t, srv, passwordGrant, "[]")},
		"no query":          {400, grant(t, srv, "", "{}")},
		"no grant_type":     {400, grant(t, srv, "?username=dave&password=x", "{}")},
		"an unknown grant":  {400, grant(t, srv, "?grant_type=client_credentials", "{}")},
		"two grants":        {400, grant(t, srv, passwordGrant+"&grant_type=password", "{}")},
		"no username":       {400, grant(t, srv, "?grant_type=password&password=x", "{}")},
		"an empty password": {400, grant(t, srv, "?grant_type=password&username=dave&password=", "{}")},
		"two passwords":     {400, grant(t, srv, passwordGrant+"&password=x", "{}")},
		"a bad escape":      {400, grant(t, srv, passwordGrant+"&x=%zz", "{}")},
		"a semicolon":       {400, grant(t, srv, passwordGrant+";x", "{}")},
		"no refresh token":  {400, grant(t, srv, "?grant_type=refresh_token", "{}")},
		"AGS's sign-on":     {404, post(t, srv, "/ags/signOn", newDeviceSignOn)},
		"AGS's refresh":     {404, refresh(t, srv, "any")},
		"discovery":         {404, send(t.Context(), srv, http.MethodGet, "/ags/servicediscovery", "")},
		"a sign-out":        {404, signOut(t, srv, "any")},
		"v3's path":         {404, bareRefresh(t, srv, "any")},
	} {
		assertRefused(t, tc.status, 0, tc.reply, name)
	}
	assert.Equal(t, http.StatusMethodNotAllowed, send(t.Context(), srv, http.MethodGet, grantPath+passwordGrant, "").status)
	assertRefused(t, 403, 20020, grant(t, srv, refreshGrant("any"), "{}"))
	assert.Equal(t, agstest.Stats{}, srv.Stats())
	assert.Equal(t, 17, srv.Count(agstest.SignOn))
	assert.Equal(t, 5, srv.Count(agstest.Other))
}

func TestIASv2_RefusalStatus(t *testing.T) {
	quirks := agstest.Quirks{RefusalStatus: 200, SignOnStatus: 201}
	srv, _ := startServer(t, agstest.Config{Dialect: agstest.IASv2, Quirks: quirks})
	tok := grant(t, srv, passwordGrant, "{}").tokens(t, http.StatusCreated)
	assertRefused(t, 200, 20020, grant(t, srv, refreshGrant(tok.Access), "{}"))
	assertRefused(t, 200, 0, grant(t, srv, "?grant_type=x", "{}"))
	grant(t, srv, refreshGrant(tok.Refresh), "{}").tokens(t, http.StatusOK)
	assert.Equal(t, 2, srv.Count(agstest.Refresh))
}

// The dialect AGS does not have the paths of IAS v2.
func TestAGS_HasNoGrants(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	assertRefused(t, 404, 0, grant(t, srv, passwordGrant, "{}"))
	assert.Equal(t, 1, srv.Count(agstest.Other))
}
