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

func TestSignOn_ReturnsTokens(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	r := post(t, srv, "/ags/signOn", newDeviceSignOn)
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

func TestSignOn_ParameterNamesIgnoreCase(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	post(t, srv, "/ags/signOn", `{"parameters":[{"name":"Username","value":"dave"},{"name":"username","value":"second"},
		{"name":"PASSWORD","value":"open sesame"},{"name":"more","value":""}],"deviceInformation":{},"unknown":[1]}`).
		tokens(t, http.StatusCreated)
	assert.Equal(t, 1, srv.Count(agstest.SignOn))
}

func TestSignOn_WrongCredentials(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	r := post(t, srv, "/ags/signOn", `{"parameters":[{"name":"username","value":"dave"},{"name":"password","value":"x"}],"deviceInformation":{}}`)
	assertRefused(t, 401, 0, r)
	assert.Zero(t, srv.Stats())
	assert.Equal(t, 1, srv.Count(agstest.SignOn))
}

func TestSignOn_RegistersADeviceOnce(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	first := signOn(t, srv)
	again := signOnAgain(t, srv, first.ClientID).tokens(t, http.StatusCreated)
	assert.Equal(t, first.ClientID, again.ClientID)
	assert.Equal(t, 1, srv.Stats().Devices)
	assert.Equal(t, 2, srv.Stats().Sessions)
	assert.Equal(t, "PUB_2", signOn(t, srv).ClientID, "deviceInformation always registers a new device")
	assert.Equal(t, 3, srv.Count(agstest.SignOn))
}

func TestSignOn_DeviceLimit(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{DeviceLimit: 2})
	first := signOn(t, srv)
	signOn(t, srv)
	assertRefused(t, 403, 20007, post(t, srv, "/ags/signOn", newDeviceSignOn))
	assert.Equal(t, 2, srv.Stats().Devices)
	signOnAgain(t, srv, first.ClientID).tokens(t, http.StatusCreated)

	require.True(t, srv.DeleteDevice(first.ClientID))
	assert.Equal(t, "PUB_3", signOn(t, srv).ClientID, "a deleted device does not count")
	assert.Equal(t, 5, srv.Count(agstest.SignOn))
}

func TestSignOn_DefaultDeviceLimitAndNone(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	for range 5 {
		signOn(t, srv)
	}
	assertRefused(t, 403, 20007, post(t, srv, "/ags/signOn", newDeviceSignOn))
	assert.Equal(t, 6, srv.Count(agstest.SignOn))

	srv, _ = startServer(t, agstest.Config{DeviceLimit: -1})
	for range 7 {
		signOn(t, srv)
	}
	assert.Equal(t, 7, srv.Stats().Devices)
	assert.Equal(t, 7, srv.Count(agstest.SignOn))
}

func TestSignOn_UnknownDevice(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{Accounts: []agstest.Account{
		{Username: "dave", Password: "open sesame"}, {Username: "eve", Password: "x"},
	}})
	assertRefused(t, 403, 20003, signOnAgain(t, srv, "PUB_989"))
	eve := post(t, srv, "/ags/signOn", `{"parameters":[{"name":"username","value":"eve"},{"name":"password","value":"x"}],"deviceInformation":{}}`).
		tokens(t, http.StatusCreated)
	assert.Equal(t, "1664", eve.Account)
	assertRefused(t, 403, 20003, signOnAgain(t, srv, eve.ClientID), "another account's device")
	assert.Equal(t, 3, srv.Count(agstest.SignOn))
}

// threeAccounts returns accounts of which the first two have the same credentials.
func threeAccounts() []agstest.Account {
	return []agstest.Account{
		{ID: "home", Username: "dave", Password: "open sesame"},
		{ID: "work", Username: "dave", Password: "open sesame"},
		{ID: "else", Username: "eve", Password: "x"},
	}
}

func TestSignOn_SeveralAccounts(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{Accounts: threeAccounts()})
	r := post(t, srv, "/ags/signOn", newDeviceSignOn)
	require.NoError(t, r.err)
	require.Equal(t, http.StatusMultipleChoices, r.status)
	userToken, _ := r.field(t, "userAccountToken").(string)
	require.NotEmpty(t, userToken)
	accounts, _ := r.field(t, "accounts").([]any)
	require.Len(t, accounts, 2)
	info, _ := accounts[1].(map[string]any)["accountInformation"].(string)
	assert.JSONEq(t, `{"accountId":"work","username":"dave"}`, info)
	assert.Zero(t, srv.Stats(), "nothing is registered before the client chooses an account")

	choose := func(account string) reply {
		return post(t, srv, "/ags/subsequentSignOn",
			`{"parameters":[{"name":"accountId","value":"`+account+`"}]}`, "User-Token", userToken)
	}
	assertRefused(t, 404, 0, choose("else"))
	assertRefused(t, 400, 0, post(t, srv, "/ags/subsequentSignOn", `{"parameters":[]}`, "User-Token", userToken))
	tok := choose("work").tokens(t, http.StatusCreated)
	assert.Equal(t, "work", tok.Account)
	assert.Equal(t, "PUB_1", tok.ClientID, "the device of the first request")
	assertRefused(t, 401, 0, choose("work"), "the token can be used once")
	assert.Equal(t, 1, srv.Count(agstest.SignOn))
	assert.Equal(t, 4, srv.Count(agstest.SubsequentSignOn))
}

func TestSignOn_SeveralAccountsWithATokenEach(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{Accounts: threeAccounts(), Quirks: agstest.Quirks{UserTokenInAccounts: true}})
	r := post(t, srv, "/ags/signOn", newDeviceSignOn)
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

func TestSubsequentSignOn_OwnDeviceTakesPrecedence(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{Accounts: threeAccounts()})
	choose := func(body string) tokens {
		userToken, _ := post(t, srv, "/ags/signOn", newDeviceSignOn).field(t, "userAccountToken").(string)
		return post(t, srv, "/ags/subsequentSignOn", body, "User-Token", userToken).tokens(t, http.StatusCreated)
	}
	first := choose(`{"parameters":[{"name":"accountId","value":"home"}]}`)
	again := choose(`{"parameters":[{"name":"accountId","value":"home"}],"clientId":"` + first.ClientID + `"}`)
	assert.Equal(t, first.ClientID, again.ClientID)
	assert.Equal(t, 1, srv.Stats().Devices)
	assert.Equal(t, 2, srv.Count(agstest.SubsequentSignOn))
}

func TestSubsequentSignOn_TokenExpires(t *testing.T) {
	srv, fake := startServer(t, agstest.Config{Accounts: threeAccounts()})
	userToken, _ := post(t, srv, "/ags/signOn", newDeviceSignOn).field(t, "userAccountToken").(string)
	fake.Advance(10 * time.Minute)
	r := post(t, srv, "/ags/subsequentSignOn", `{"parameters":[{"name":"accountId","value":"home"}]}`, "User-Token", userToken)
	assertRefused(t, 401, 0, r)
	assert.Equal(t, 1, srv.Count(agstest.SubsequentSignOn))
}

func TestSessionToken_IsValidForOneSignOn(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	r := post(t, srv, "/ags/getSessionToken", usernameOnly)
	assert.Equal(t, http.StatusOK, r.status)
	token, _ := r.field(t, "sessionToken").(string)
	require.NotEmpty(t, token)
	body := `{"parameters":[{"name":"sessionToken","value":"` + token + `"}],"deviceInformation":{}}`
	tok := post(t, srv, "/ags/signOnWithSessionToken", body).tokens(t, http.StatusCreated)
	assert.Equal(t, "PUB_1", tok.ClientID)
	assertRefused(t, 401, 0, post(t, srv, "/ags/signOnWithSessionToken", body))
	assert.Equal(t, 1, srv.Count(agstest.SessionToken))
	assert.Equal(t, 2, srv.Count(agstest.SignOnWithSessionToken))
}

func TestSessionToken_UnknownUserOrWrongPassword(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	r := post(t, srv, "/ags/getSessionToken", `{"parameters":[{"name":"username","value":"mallory"}]}`)
	assertRefused(t, 401, 0, r)
	r = post(t, srv, "/ags/getSessionToken", `{"parameters":[{"name":"username","value":"dave"},{"name":"password","value":"wrong"}]}`)
	assertRefused(t, 401, 0, r)
	assert.Equal(t, 2, srv.Count(agstest.SessionToken))
}
