package signon_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/signon"
)

// choiceOf returns the error of a client that gets a 300 with these accounts.
func choiceOf(t *testing.T, accounts string) *ags.AccountChoiceError {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusMultipleChoices)
		_, err := w.Write([]byte(`{"userAccountToken":"ut","accounts":` + accounts + `}`))
		assert.NoError(t, err)
	}))
	t.Cleanup(srv.Close)
	client, err := ags.New(ags.Config{BaseURL: srv.URL, AuthServiceID: "x", TenantID: "nagra"})
	require.NoError(t, err)
	_, err = client.SignOn(t.Context(), ags.SignOnRequest{Parameters: []ags.Parameter{{Name: "username"}}, DeviceInformation: []byte(`{}`)})
	var choice *ags.AccountChoiceError
	require.ErrorAs(t, err, &choice)
	return choice
}

func TestAccounts(t *testing.T) {
	for _, tt := range []struct{ name, account, id, text string }{
		{
			"information is a document", `{"accountInformation":"{\"accountId\":\"1663\",\"name\":\"Flat\",\"active\":true,\"n\":2}"}`,
			"1663", "1663  active=true  n=2  name=Flat",
		},
		{"identifier is a number", `{"accountInformation":"{\"Id\":1663}"}`, "1663", "1663"},
		{"identifier beside the information", `{"accountId":"1","accountInformation":"{\"name\":\"Flat\"}"}`, "1", "1  name=Flat"},
		{"information is a text", `{"accountInformation":"Flat"}`, "", "accountInformation=Flat"},
		{"nested members and null", `{"accountInformation":"{\"id\":7,\"a\":{\"b\":1},\"c\":[1],\"d\":null}"}`, "7", "7"},
		{"nothing", `{}`, "", "(the gateway does not describe this account)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := signon.Accounts(choiceOf(t, "["+tt.account+"]"))
			require.Len(t, got, 1)
			assert.Equal(t, tt.id, got[0].ID)
			assert.Equal(t, tt.text, got[0].String())
		})
	}
}
