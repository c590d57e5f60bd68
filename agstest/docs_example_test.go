package agstest_test

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
	"github.com/agsauth/agsauth/transport"
)

// This file has the code of docs/testing.md. Another test compares the two.

// A client recovers from a lost answer and from a rejected token.
func ExampleServer_Script() {
	srv := agstest.NewServer(agstest.Config{})
	defer srv.Close()
	client := newClient(srv) // your program's own

	srv.Script(agstest.Refresh,
		agstest.Fault{Kind: agstest.Lost}, // the first refresh gets no answer,
		agstest.Fault{})                   // the second succeeds
	srv.RejectNext(1) // the API rejects the token of the next request

	resp, err := client.Get(srv.URL + "/api/profile")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status, srv.Count(agstest.API), srv.Count(agstest.Refresh))
	// Output: 200 OK 2 2
}

func TestServer_InABubbleWithASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := agstest.NewServer(agstest.Config{InMemory: true})
		defer srv.Close()
		session := newSession(srv)
		_, err := session.TokenContext(t.Context())
		require.NoError(t, err)

		time.Sleep(48 * time.Hour) // returns at once; the refresh token expires, so Login is called
		_, err = session.TokenContext(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 2, srv.Count(agstest.SignOn))
		require.NoError(t, session.Close())
	})
}

func newClient(srv *agstest.Server) *http.Client {
	return &http.Client{Transport: &transport.Transport{Source: newSession(srv), Base: srv.Client().Transport}}
}

func newSession(srv *agstest.Server) *tokensource.Source {
	gateway, err := ags.New(ags.Config{BaseURL: srv.URL, AuthServiceID: "s", TenantID: "t", HTTPClient: srv.Client()})
	if err != nil {
		log.Fatal(err)
	}
	login := tokensource.SignOnWith(gateway, ags.SignOnRequest{
		Parameters: []ags.Parameter{
			{Name: "username", Value: agstest.DefaultUsername}, {Name: "password", Value: agstest.DefaultPassword},
		},
		DeviceInformation: json.RawMessage(`{"name":"example"}`),
	})
	session, err := tokensource.New(tokensource.Config{Refresher: gateway, Login: login})
	if err != nil {
		log.Fatal(err)
	}
	return session
}

// A test in any language controls the server over HTTP.
func ExampleServer_Admin() {
	srv := agstest.NewServer(agstest.Config{})
	defer srv.Close()
	admin := httptest.NewServer(srv.Admin())
	defer admin.Close()
	client := newClient(srv) // your program's own

	fault := strings.NewReader(`{"op": "refresh", "kind": "lost"}`)
	added, err := http.Post(admin.URL+"/faults", "application/json", fault)
	if err != nil {
		log.Fatal(err)
	}
	added.Body.Close()
	srv.RejectNext(1) // or PUT /rejections {"next": 1}
	resp, err := client.Get(srv.URL + "/api/profile")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	requests, err := http.Get(admin.URL + "/requests?op=refresh")
	if err != nil {
		log.Fatal(err)
	}
	defer requests.Body.Close()
	var answer struct {
		Requests []struct {
			Path, Fault string
			Status      int
		}
	}
	if err := json.NewDecoder(requests.Body).Decode(&answer); err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Status, answer.Requests)
	// Output: 200 OK [{/ags/refresh lost 0} {/ags/refresh  200}]
}
