package ags_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/agsauth/agsauth/ags"
)

// A device signs on once and then refreshes its tokens.
func Example() {
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ags/signOn" {
			w.WriteHeader(http.StatusCreated)
		}
		_, _ = io.WriteString(w, `{"access_token":"a","refresh_token":"r","client_id":"PUB_989","accountId":"1663",
			"token_type":"bearer","expires_in":3600,"refresh_expires_in":172800,"fixed_refresh_expires_in":2592000}`)
	}))
	defer gateway.Close()

	client, err := ags.New(ags.Config{
		BaseURL:       gateway.URL,
		AuthServiceID: "Customer Auth Service",
		TenantID:      "nagra",
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	token, err := client.SignOn(ctx, ags.SignOnRequest{
		Parameters:        []ags.Parameter{{Name: "username", Value: "dave"}, {Name: "password", Value: "open sesame"}},
		DeviceInformation: json.RawMessage(`{"deviceType":"STB"}`),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("signed on as", token.ClientID, "for", token.ExpiresAt.Sub(token.IssuedAt))

	token, err = client.Refresh(ctx, token)
	switch {
	case errors.Is(err, ags.ErrUnauthorized):
		fmt.Println("sign on again:", err)
	case err != nil:
		fmt.Println("try later:", err)
	default:
		fmt.Println("refreshed:", token.AccessToken, token.RefreshToken)
	}
	// Output:
	// signed on as PUB_989 for 1h0m0s
	// refreshed: [redacted] [redacted]
}

// If several accounts match, the user chooses one for a second sign-on.
func ExampleAccountChoiceError() {
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ags/signOn" {
			w.WriteHeader(http.StatusMultipleChoices)
			_, _ = io.WriteString(w, `{"userAccountToken":"u","accounts":[
				{"accountInformation":"{\"accountId\":\"1663\",\"name\":\"Living room\"}"},
				{"accountInformation":"{\"accountId\":\"1664\",\"name\":\"Holiday home\"}"}]}`)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"access_token":"a","refresh_token":"r","accountId":"1664","expires_in":3600}`)
	}))
	defer gateway.Close()

	client, err := ags.New(ags.Config{BaseURL: gateway.URL, AuthServiceID: "Customer Auth Service", TenantID: "nagra"})
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx := ags.WithCorrelationID(context.Background(), "sign-on-of-dave")
	_, err = client.SignOn(ctx, ags.SignOnRequest{
		Parameters:        []ags.Parameter{{Name: "username", Value: "dave"}, {Name: "password", Value: "open sesame"}},
		DeviceInformation: json.RawMessage(`{"deviceType":"STB"}`),
	})
	var choice *ags.AccountChoiceError
	if !errors.As(err, &choice) {
		fmt.Println(err)
		return
	}
	fmt.Println(err)

	var info struct{ AccountID, Name string }
	for _, account := range choice.Accounts {
		if err := json.Unmarshal(account.Information(), &info); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("-", info.Name)
	}
	chosen := choice.Accounts[1]
	token, err := client.SubsequentSignOn(ctx, chosen.UserToken, ags.SignOnRequest{
		Parameters: []ags.Parameter{{Name: "accountId", Value: info.AccountID}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("signed on to", token.AccountID)
	// Output:
	// ags: sign on: 2 accounts match, choose one (correlation id sign-on-of-dave)
	// - Living room
	// - Holiday home
	// signed on to 1664
}
