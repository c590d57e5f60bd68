package agstest_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
)

func TestDiscovery_AnnouncesServicesAndTheirParameters(t *testing.T) {
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

func TestDiscovery_HasOneServiceByDefault(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	r := send(t.Context(), srv, http.MethodGet, "/ags/servicediscovery", "")
	services, _ := r.field(t, "availableServices").([]any)
	require.Len(t, services, 1)
	assert.Contains(t, services[0], "authServiceName")
	assert.Equal(t, 1, srv.Count(agstest.Discovery))
}

func TestGateway_RefusesWhatIsMalformed(t *testing.T) {
	password := `{"name":"password","value":"open sesame"}`
	tests := []struct {
		name       string
		path, body string
		header     []string
		want       int
	}{
		{"no service", "/ags/signOn", firstTime, []string{"x-auth-service-id", ""}, 400},
		{"no tenant", "/ags/signOn", firstTime, []string{"nv-tenant-id", ""}, 400},
		{"no correlation", "/ags/signOn", firstTime, []string{"x-correlation-id", ""}, 400},
		{"no content type", "/ags/signOn", firstTime, []string{"Content-Type", ""}, 400},
		{"a form", "/ags/signOn", firstTime, []string{"Content-Type", "application/x-www-form-urlencoded"}, 400},
		{"a charset is no mistake", "/ags/signOn", firstTime, []string{"Content-Type", "application/json; charset=utf-8"}, 201},
		{"no body", "/ags/signOn", ``, nil, 400},
		{"null", "/ags/signOn", `null`, nil, 400},
		{"an array", "/ags/signOn", `[]`, nil, 400},
		{"two objects", "/ags/signOn", firstTime + `{}`, nil, 400},
		{"no parameters", "/ags/signOn", `{"deviceInformation":{}}`, nil, 400},
		{"parameters null", "/ags/signOn", `{"parameters":null,"deviceInformation":{}}`, nil, 400},
		{"parameters in another case", "/ags/refresh", `{"Parameters":[]}`, nil, 400},
		{"parameters an object", "/ags/signOn", `{"parameters":{"username":"dave"},"deviceInformation":{}}`, nil, 400},
		{"parameter without a name", "/ags/signOn", `{"parameters":[{"value":"dave"}],"deviceInformation":{}}`, nil, 400},
		{"parameter of an empty name", "/ags/signOn", `{"parameters":[{"name":"","value":"v"}],"deviceInformation":{}}`, nil, 400},
		{"parameter without a value", "/ags/signOn", `{"parameters":[{"name":"username"}],"deviceInformation":{}}`, nil, 400},
		{"value a number", "/ags/signOn", `{"parameters":[{"name":"username","value":1}],"deviceInformation":{}}`, nil, 400},
		{"no password", "/ags/signOn", `{"parameters":[{"name":"username","value":"dave"}],"deviceInformation":{}}`, nil, 400},
		{"no username", "/ags/signOn", `{"parameters":[` + password + `],"deviceInformation":{}}`, nil, 400},
		{"no device", "/ags/signOn", `{"parameters":[{"name":"username","value":"dave"},` + password + `]}`, nil, 400},
		{"both device and client", "/ags/signOn", `{"parameters":[],"deviceInformation":{},"clientId":"PUB_1"}`, nil, 400},
		{"client empty", "/ags/signOn", `{"parameters":[],"clientId":""}`, nil, 400},
		{"client a number", "/ags/signOn", `{"parameters":[],"clientId":1}`, nil, 400},
		{"device a text", "/ags/signOn", `{"parameters":[],"deviceInformation":"box"}`, nil, 400},
		{"device null", "/ags/signOn", `{"parameters":[],"deviceInformation":null}`, nil, 400},
		{"no user token", "/ags/subsequentSignOn", `{"parameters":[]}`, nil, 400},
		{"no session token", "/ags/signOnWithSessionToken", `{"parameters":[],"deviceInformation":{}}`, nil, 400},
		{"session token without a device", "/ags/signOnWithSessionToken", `{"parameters":[{"name":"sessionToken","value":"v"}]}`, nil, 400},
		{"head-end names nobody", "/ags/getSessionToken", `{"parameters":[]}`, nil, 400},
		{"refresh without parameters", "/ags/refresh", `{}`, nil, 400},
		{"sign-out without parameters", "/ags/signOut", `{}`, nil, 400},
		{"a path there is not", "/ags/renew", `{"parameters":[]}`, nil, 404},
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
			assert.Equal(t, 1, total(srv))
		})
	}
}

func total(srv *agstest.Server) int {
	n := 0
	for _, op := range []agstest.Op{
		agstest.Discovery, agstest.SignOn, agstest.SubsequentSignOn, agstest.SessionToken,
		agstest.SignOnWithSessionToken, agstest.Refresh, agstest.SignOut, agstest.API, agstest.Other,
	} {
		n += srv.Count(op)
	}
	return n
}

func TestGateway_RefusesAnotherMethod(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	r := send(t.Context(), srv, http.MethodGet, "/ags/refresh", "")
	assert.Equal(t, [2]int{405, 0}, r.refusal(t))
	assert.Equal(t, http.MethodPost, r.header.Get("Allow"))
	r = post(t, srv, "/ags/servicediscovery", "{}")
	assert.Equal(t, [2]int{405, 0}, r.refusal(t))
	assert.Equal(t, http.MethodGet, r.header.Get("Allow"))
	assert.Equal(t, 2, total(srv))
}

func TestGateway_KnowsItsTenantAndServices(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{TenantID: "nagra", AuthServiceIDs: []string{"sso", "Customer Auth Service"}})
	signOn(t, srv)
	assert.Equal(t, [2]int{404, 0}, post(t, srv, "/ags/signOn", firstTime, "nv-tenant-id", "other").refusal(t))
	assert.Equal(t, [2]int{404, 0}, post(t, srv, "/ags/signOn", firstTime, "x-auth-service-id", "other").refusal(t))
	assert.Equal(t, 3, srv.Count(agstest.SignOn))
}

func TestSignOn_AnswersTokens(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	r := post(t, srv, "/ags/signOn", firstTime)
	tok := r.tokens(t, http.StatusCreated)
	assert.NotEmpty(t, tok.Access)
	assert.NotEmpty(t, tok.Refresh)
	assert.NotEqual(t, tok.Access, tok.Refresh)
	assert.Equal(t, "PUB_1", tok.ClientID)
	assert.Equal(t, agstest.DefaultAccountID, tok.Account)
	assert.Equal(t, "bearer", r.field(t, "token_type"))
	assert.EqualValues(t, 3600, tok.ExpiresIn)
	assert.EqualValues(t, 172800, tok.RefreshExpiresIn)
	assert.EqualValues(t, 2592000, tok.FixedExpiresIn)
	assert.Equal(t, "application/json", r.header.Get("Content-Type"))
	assert.Equal(t, agstest.Stats{Sessions: 1, LiveSessions: 1, Devices: 1}, srv.Stats())
	assert.Equal(t, 1, srv.Count(agstest.SignOn))
}

func TestSignOn_ParameterNamesAreTakenInAnyCase(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	post(t, srv, "/ags/signOn", `{"parameters":[{"name":"Username","value":"dave"},{"name":"username","value":"second"},
		{"name":"PASSWORD","value":"open sesame"},{"name":"more","value":""}],"deviceInformation":{},"unknown":[1]}`).
		tokens(t, http.StatusCreated)
	assert.Equal(t, 1, srv.Count(agstest.SignOn))
}

func TestSignOn_WrongCredentials(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	r := post(t, srv, "/ags/signOn", `{"parameters":[{"name":"username","value":"dave"},{"name":"password","value":"x"}],"deviceInformation":{}}`)
	assert.Equal(t, [2]int{401, 0}, r.refusal(t))
	assert.Zero(t, srv.Stats())
	assert.Equal(t, 1, srv.Count(agstest.SignOn))
}

func TestSignOn_ADeviceIsRegisteredOnceAndRemembered(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	first := signOn(t, srv)
	again := signOnAgain(t, srv, first.ClientID).tokens(t, http.StatusCreated)
	assert.Equal(t, first.ClientID, again.ClientID)
	assert.Equal(t, 1, srv.Stats().Devices)
	assert.Equal(t, 2, srv.Stats().Sessions)
	assert.Equal(t, "PUB_2", signOn(t, srv).ClientID, "the same hardware, but a new device")
	assert.Equal(t, 3, srv.Count(agstest.SignOn))
}

func TestSignOn_DeviceLimit(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{DeviceLimit: 2})
	first := signOn(t, srv)
	signOn(t, srv)
	assert.Equal(t, [2]int{403, 20007}, post(t, srv, "/ags/signOn", firstTime).refusal(t))
	assert.Equal(t, 2, srv.Stats().Devices)
	signOnAgain(t, srv, first.ClientID).tokens(t, http.StatusCreated)

	require.True(t, srv.DeleteDevice(first.ClientID))
	assert.Equal(t, "PUB_3", signOn(t, srv).ClientID, "a deleted device does not count")
	assert.Equal(t, 5, srv.Count(agstest.SignOn))
}

func TestSignOn_DeviceLimitDefaultsToFiveAndCanBeOff(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	for range 5 {
		signOn(t, srv)
	}
	assert.Equal(t, [2]int{403, 20007}, post(t, srv, "/ags/signOn", firstTime).refusal(t))
	assert.Equal(t, 6, srv.Count(agstest.SignOn))

	srv, _ = startServer(t, agstest.Config{DeviceLimit: -1})
	for range 7 {
		signOn(t, srv)
	}
	assert.Equal(t, 7, srv.Stats().Devices)
	assert.Equal(t, 7, srv.Count(agstest.SignOn))
}

func TestSignOn_AnUnknownDeviceIsADeletedOne(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{Accounts: []agstest.Account{
		{Username: "dave", Password: "open sesame"}, {Username: "eve", Password: "x"},
	}})
	assert.Equal(t, [2]int{403, 20003}, signOnAgain(t, srv, "PUB_989").refusal(t))
	eve := post(t, srv, "/ags/signOn", `{"parameters":[{"name":"username","value":"eve"},{"name":"password","value":"x"}],"deviceInformation":{}}`).
		tokens(t, http.StatusCreated)
	assert.Equal(t, "1664", eve.Account)
	assert.Equal(t, [2]int{403, 20003}, signOnAgain(t, srv, eve.ClientID).refusal(t), "another account's device")
	assert.Equal(t, 3, srv.Count(agstest.SignOn))
}

// twins are two accounts that the same credentials open.
func twins() []agstest.Account {
	return []agstest.Account{
		{ID: "home", Username: "dave", Password: "open sesame"},
		{ID: "work", Username: "dave", Password: "open sesame"},
		{ID: "else", Username: "eve", Password: "x"},
	}
}

func TestSignOn_SeveralAccountsAreAChoice(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{Accounts: twins()})
	r := post(t, srv, "/ags/signOn", firstTime)
	require.NoError(t, r.err)
	require.Equal(t, http.StatusMultipleChoices, r.status)
	userToken, _ := r.field(t, "userAccountToken").(string)
	require.NotEmpty(t, userToken)
	accounts, _ := r.field(t, "accounts").([]any)
	require.Len(t, accounts, 2)
	info, _ := accounts[1].(map[string]any)["accountInformation"].(string)
	assert.JSONEq(t, `{"accountId":"work","username":"dave"}`, info)
	assert.Zero(t, srv.Stats(), "nothing is registered before the choice")

	choose := func(account string) reply {
		return post(t, srv, "/ags/subsequentSignOn",
			`{"parameters":[{"name":"accountId","value":"`+account+`"}]}`, "User-Token", userToken)
	}
	assert.Equal(t, [2]int{404, 0}, choose("else").refusal(t))
	assert.Equal(t, [2]int{400, 0}, post(t, srv, "/ags/subsequentSignOn", `{"parameters":[]}`, "User-Token", userToken).refusal(t))
	tok := choose("work").tokens(t, http.StatusCreated)
	assert.Equal(t, "work", tok.Account)
	assert.Equal(t, "PUB_1", tok.ClientID, "the device of the first call")
	assert.Equal(t, [2]int{401, 0}, choose("work").refusal(t), "good once")
	assert.Equal(t, 1, srv.Count(agstest.SignOn))
	assert.Equal(t, 4, srv.Count(agstest.SubsequentSignOn))
}

func TestSignOn_AChoiceWithATokenInEachAccount(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{Accounts: twins(), Quirks: agstest.Quirks{UserTokenInAccounts: true}})
	r := post(t, srv, "/ags/signOn", firstTime)
	require.NoError(t, r.err)
	var choice struct {
		Top      *string `json:"userAccountToken"`
		Accounts []struct {
			Token string `json:"userAccountToken"`
		} `json:"accounts"`
	}
	require.NoError(t, json.Unmarshal(r.body, &choice))
	assert.Nil(t, choice.Top)
	require.Len(t, choice.Accounts, 2)
	tok := post(t, srv, "/ags/subsequentSignOn", `{"parameters":[]}`, "User-Token", choice.Accounts[1].Token).
		tokens(t, http.StatusCreated)
	assert.Equal(t, "work", tok.Account)
	assert.Equal(t, 1, srv.Count(agstest.SubsequentSignOn))
}

func TestSubsequentSignOn_ADeviceOfItsOwnGoesBeforeThatOfTheFirstCall(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{Accounts: twins()})
	choose := func(body string) tokens {
		userToken, _ := post(t, srv, "/ags/signOn", firstTime).field(t, "userAccountToken").(string)
		return post(t, srv, "/ags/subsequentSignOn", body, "User-Token", userToken).tokens(t, http.StatusCreated)
	}
	first := choose(`{"parameters":[{"name":"accountId","value":"home"}]}`)
	again := choose(`{"parameters":[{"name":"accountId","value":"home"}],"clientId":"` + first.ClientID + `"}`)
	assert.Equal(t, first.ClientID, again.ClientID)
	assert.Equal(t, 1, srv.Stats().Devices)
	assert.Equal(t, 2, srv.Count(agstest.SubsequentSignOn))
}

func TestSubsequentSignOn_ATokenRunsOut(t *testing.T) {
	srv, fake := startServer(t, agstest.Config{Accounts: twins()})
	userToken, _ := post(t, srv, "/ags/signOn", firstTime).field(t, "userAccountToken").(string)
	fake.Advance(10 * time.Minute)
	r := post(t, srv, "/ags/subsequentSignOn", `{"parameters":[{"name":"accountId","value":"home"}]}`, "User-Token", userToken)
	assert.Equal(t, [2]int{401, 0}, r.refusal(t))
	assert.Equal(t, 1, srv.Count(agstest.SubsequentSignOn))
}

func TestSessionToken_BuysOneSignOn(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	r := post(t, srv, "/ags/getSessionToken", seedParameters)
	assert.Equal(t, http.StatusOK, r.status)
	token, _ := r.field(t, "sessionToken").(string)
	require.NotEmpty(t, token)
	body := `{"parameters":[{"name":"sessionToken","value":"` + token + `"}],"deviceInformation":{}}`
	tok := post(t, srv, "/ags/signOnWithSessionToken", body).tokens(t, http.StatusCreated)
	assert.Equal(t, "PUB_1", tok.ClientID)
	assert.Equal(t, [2]int{401, 0}, post(t, srv, "/ags/signOnWithSessionToken", body).refusal(t))
	assert.Equal(t, 1, srv.Count(agstest.SessionToken))
	assert.Equal(t, 2, srv.Count(agstest.SignOnWithSessionToken))
}

func TestSessionToken_IsForUsersThereAre(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	r := post(t, srv, "/ags/getSessionToken", `{"parameters":[{"name":"username","value":"mallory"}]}`)
	assert.Equal(t, [2]int{401, 0}, r.refusal(t))
	r = post(t, srv, "/ags/getSessionToken", `{"parameters":[{"name":"username","value":"dave"},{"name":"password","value":"wrong"}]}`)
	assert.Equal(t, [2]int{401, 0}, r.refusal(t))
	assert.Equal(t, 2, srv.Count(agstest.SessionToken))
}

func TestRefresh_ReissuesBothTokens(t *testing.T) {
	for _, path := range []string{"/ags/refresh", "/ias/v3/token/actions/refresh"} {
		t.Run(path, func(t *testing.T) {
			srv, _ := startServer(t, agstest.Config{})
			old := signOn(t, srv)
			tok := post(t, srv, path, seedParameters, "Authorization", "Bearer "+old.Refresh).tokens(t, http.StatusOK)
			assert.NotEqual(t, old.Access, tok.Access)
			assert.NotEqual(t, old.Refresh, tok.Refresh)
			assert.Equal(t, old.ClientID, tok.ClientID)
			assert.Equal(t, old.Account, tok.Account)
			assert.Equal(t, 1, srv.Stats().Refreshes)
			assert.Equal(t, 1, srv.Count(agstest.Refresh))
		})
	}
}

func TestRefresh_FormsOfAuthorization(t *testing.T) {
	tests := []struct {
		name   string
		quirks agstest.Quirks
		scheme string
		want   int
	}{
		{"bearer", agstest.Quirks{}, "Bearer ", 200},
		{"bearer in small letters", agstest.Quirks{}, "bearer ", 200},
		{"bare", agstest.Quirks{}, "", 200},
		{"another scheme", agstest.Quirks{}, "Basic ", 401},
		{"bearer where it is wanted", agstest.Quirks{RequireBearer: true}, "Bearer ", 200},
		{"bare where bearer is wanted", agstest.Quirks{RequireBearer: true}, "", 401},
		{"bare where it is wanted", agstest.Quirks{RequireBare: true}, "", 200},
		{"bearer where bare is wanted", agstest.Quirks{RequireBare: true}, "Bearer ", 401},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			srv, _ := startServer(t, agstest.Config{Quirks: test.quirks})
			tok := signOn(t, srv)
			r := post(t, srv, "/ags/refresh", seedParameters, "Authorization", test.scheme+tok.Refresh)
			require.NoError(t, r.err)
			assert.Equal(t, test.want, r.status)
			assert.Equal(t, 1, srv.Count(agstest.Refresh))
		})
	}
}

func TestRefresh_RefusesWhatIsNoRefreshToken(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	tok := signOn(t, srv)
	assert.Equal(t, [2]int{401, 0}, post(t, srv, "/ags/refresh", seedParameters).refusal(t), "none")
	assert.Equal(t, [2]int{403, 20020}, refresh(t, srv, tok.Access).refusal(t), "an access token")
	assert.Equal(t, [2]int{403, 20020}, refresh(t, srv, tok.Refresh+"x").refusal(t), "a forged one")
	assert.Equal(t, 3, srv.Count(agstest.Refresh))
	refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
}

func TestOptionalParameters_AcceptsAnEmptyObject(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{OptionalParameters: true})
	tok := signOn(t, srv)
	next := post(t, srv, "/ags/refresh", `{}`, "Authorization", tok.Refresh).tokens(t, http.StatusOK)
	r := post(t, srv, "/ags/signOut", `{}`, "Authorization", "Bearer "+next.Access)
	assert.Equal(t, http.StatusOK, r.status)
	assert.Equal(t, 1, srv.Count(agstest.Refresh))
	assert.Equal(t, 1, srv.Count(agstest.SignOut))
}

func TestSignOut_EndsTheSession(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	tok := signOn(t, srv)
	r := signOut(t, srv, tok.Access)
	require.NoError(t, r.err)
	assert.Equal(t, http.StatusOK, r.status)
	assert.Equal(t, [2]int{401, 0}, refresh(t, srv, tok.Refresh).refusal(t))
	assert.Equal(t, [2]int{404, 0}, signOut(t, srv, tok.Access).refusal(t))
	assert.Equal(t, 0, srv.Stats().LiveSessions)
	assert.Equal(t, 2, srv.Count(agstest.SignOut))
}

func TestSignOut_TakesLiveAccessTokensOnly(t *testing.T) {
	srv, fake := startServer(t, agstest.Config{})
	tok := signOn(t, srv)
	assert.Equal(t, [2]int{403, 20020}, signOut(t, srv, tok.Refresh).refusal(t))
	fake.Advance(time.Hour)
	assert.Equal(t, [2]int{403, 20020}, signOut(t, srv, tok.Access).refusal(t))
	assert.Equal(t, 1, srv.Stats().LiveSessions)
	assert.Equal(t, 2, srv.Count(agstest.SignOut))
}
