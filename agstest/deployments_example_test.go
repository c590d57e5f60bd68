package agstest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
)

// This file has the code of docs/deployments.md. Another test compares the two.

// A deployment whose tokens come from the older version of IAS.
func ExampleDialect() {
	srv := agstest.NewServer(agstest.Config{Dialect: agstest.IASv2})
	defer srv.Close()
	gateway, err := newIASClient(srv.URL, srv.Client())
	if err != nil {
		log.Fatal(err)
	}
	token, err := gateway.SignOn(context.Background(), ags.SignOnRequest{Parameters: []ags.Parameter{
		{Name: "username", Value: agstest.DefaultUsername}, {Name: "password", Value: agstest.DefaultPassword},
	}})
	if err != nil {
		log.Fatal(err)
	}
	if _, err = gateway.Refresh(context.Background(), token); err != nil {
		log.Fatal(err)
	}
	fmt.Println(srv.Requests(agstest.SignOn)[0].Query)
	fmt.Println(srv.Requests(agstest.Refresh)[0])
	// Output:
	// grant_type=password&username=[redacted]&password=[redacted]
	// refresh #1: POST /ias/v2/token → 200
}

func newIASClient(baseURL string, client *http.Client) (*ags.Client, error) {
	gateway, err := ags.New(ags.Config{
		BaseURL:           baseURL,
		TenantID:          "nagra",
		Dialect:           ags.IASv2,
		DeviceInformation: json.RawMessage(`{"device":{"hardware":{"type":"STB"},"OS":{"type":"Linux","version":"6"}}}`),
		HTTPClient:        client,
	})
	return gateway, err
}
