package agsauth_test

import (
	"fmt"
	"log"
	"net/http"
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

// Faults by script, and what a program makes of them.
func Example_faults() {
	srv := agstest.NewServer(agstest.Config{})
	defer srv.Close()
	client := keepSignedOn(srv) // your program's own

	srv.Script(agstest.Refresh,
		agstest.Fault{Kind: agstest.Lost}, // the first refresh has no answer,
		agstest.Fault{})                   // the second is granted
	srv.RejectNext(1) // the API rejects a token, as it does when an operator has revoked it

	resp, err := client.Get(srv.URL + "/api/profile")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status, srv.Count(agstest.API), srv.Count(agstest.Refresh))
	// Output: 200 OK 2 2
}

func TestTesting_InABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := agstest.NewServer(agstest.Config{InMemory: true})
		defer srv.Close()
		session := sessionAt(t, srv)
		_, err := session.TokenContext(t.Context())
		require.NoError(t, err)

		time.Sleep(48 * time.Hour) // takes no time; the refresh token expires, and Login is called
		_, err = session.TokenContext(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 2, srv.Count(agstest.SignOn))
		require.NoError(t, session.Close())
	})
}

func keepSignedOn(srv *agstest.Server) *http.Client {
	gateway, err := ags.New(ags.Config{BaseURL: srv.URL, AuthServiceID: "s", TenantID: "t", HTTPClient: srv.Client()})
	if err != nil {
		log.Fatal(err)
	}
	session, err := tokensource.New(tokensource.Config{Refresher: gateway, Login: tokensource.SignOnWith(gateway, asDave())})
	if err != nil {
		log.Fatal(err)
	}
	return &http.Client{Transport: &transport.Transport{Source: session, Base: srv.Client().Transport}}
}

func sessionAt(t *testing.T, srv *agstest.Server) *tokensource.Source {
	t.Helper()
	gateway, err := ags.New(ags.Config{BaseURL: srv.URL, AuthServiceID: "s", TenantID: "t", HTTPClient: srv.Client()})
	require.NoError(t, err)
	session, err := tokensource.New(tokensource.Config{Refresher: gateway, Login: tokensource.SignOnWith(gateway, asDave())})
	require.NoError(t, err)
	return session
}
