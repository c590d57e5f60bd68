package agsauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/pool"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
	"github.com/agsauth/agsauth/transport"
)

// This complete program signs on once and wraps an http.Client.
func Example() {
	defer startPlatform()()

	gateway, err := ags.New(ags.Config{BaseURL: os.Getenv("AGS_URL"), AuthServiceID: "Customer Auth Service", TenantID: "nagra"})
	if err != nil {
		log.Fatal(err)
	}
	user := []ags.Parameter{{Name: "username", Value: "dave"}, {Name: "password", Value: os.Getenv("AGS_PASSWORD")}}
	session, err := tokensource.New(tokensource.Config{
		Refresher: gateway,
		Login:     tokensource.SignOnWith(gateway, ags.SignOnRequest{Parameters: user, DeviceInformation: []byte(`{"name":"my service"}`)}),
		Store:     &store.File{Path: os.Getenv("AGS_SESSION")}, // survives a restart; processes with the same path share the session
	})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	client := &http.Client{Transport: &transport.Transport{Source: session}}
	resp, err := client.Get(os.Getenv("API_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 200 OK
}

// If only a human can sign on, the program omits Login, and passes each new token to
// SetToken.
func Example_humanSignOn() {
	srv, gateway := gatewayAndClient()
	defer srv.Close()

	session, err := tokensource.New(tokensource.Config{
		Refresher: gateway,
		OnEvent: func(e tokensource.Event) {
			if e.Kind == tokensource.EventEnding { // well ahead of time
				fmt.Println("please sign on again before", e.NextAt)
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()

	ctx := context.Background()
	_, err = session.TokenContext(ctx)
	if ended := new(tokensource.LoginRequiredError); errors.As(err, &ended) {
		fmt.Println(ended.Reason)
		token, err := gateway.SignOn(ctx, ags.SignOnRequest{
			Parameters:        []ags.Parameter{{Name: "username", Value: "dave"}, {Name: "password", Value: askForPassword()}},
			ClientID:          ended.ClientID, // of the device, if it has signed on before
			DeviceInformation: json.RawMessage(`{"name":"my device"}`),
		})
		if err != nil {
			log.Fatal(err)
		}
		if err := session.SetToken(ctx, token); err != nil {
			log.Fatal(err)
		}
	}
	_, err = session.TokenContext(ctx)
	fmt.Println(err)
	// Output:
	// no session
	// <nil>
}

// With a fake clock a test runs through a month at once.
func Example_fakeClock() {
	fake := clock.NewFake(time.Date(2022, 6, 10, 15, 0, 0, 0, time.UTC))
	srv := agstest.NewServer(agstest.Config{Clock: fake})
	defer srv.Close()
	gateway, err := ags.New(ags.Config{
		BaseURL: srv.URL, AuthServiceID: "s", TenantID: "t", HTTPClient: srv.Client(), Clock: fake,
	})
	if err != nil {
		log.Fatal(err)
	}
	session, err := tokensource.New(tokensource.Config{
		Refresher: gateway, Login: tokensource.SignOnWith(gateway, asDave()), Clock: fake,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()

	for range 24 {
		if _, err := session.Token(); err != nil {
			log.Fatal(err)
		}
		fake.Advance(time.Hour) // past the access token's expiry
	}
	fmt.Println("refreshes:", srv.Count(agstest.Refresh))

	fake.Advance(30 * 24 * time.Hour) // past the session's end
	_, err = session.Token()
	fmt.Println("sign-ons:", srv.Count(agstest.SignOn), err)
	// Output:
	// refreshes: 23
	// sign-ons: 2 <nil>
}

// A Source can be used wherever an oauth2.TokenSource is accepted.
func Example_oauth2() {
	srv, gateway := gatewayAndClient()
	defer srv.Close()
	session, err := tokensource.New(tokensource.Config{Refresher: gateway, Login: tokensource.SignOnWith(gateway, asDave())})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()

	client := &http.Client{Transport: &oauth2.Transport{Source: session}}
	resp, err := client.Get(srv.URL + "/api/profile")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 200 OK
}

// The error of an ended session has a reason, and says what to do.
func Example_errors() {
	srv, gateway := gatewayAndClient()
	defer srv.Close()
	token, err := gateway.SignOn(context.Background(), asDave())
	if err != nil {
		log.Fatal(err)
	}
	session, err := tokensource.New(tokensource.Config{Refresher: gateway, Token: token})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	client := &http.Client{Transport: &transport.Transport{Source: session}}

	srv.RevokeSessions()
	srv.RejectToken(token.AccessToken.Reveal())
	resp, err := client.Get(srv.URL + "/api/profile") // rejected, and no other token is available
	if err != nil {
		log.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	fmt.Println(resp.Status)

	_, err = client.Get(srv.URL + "/api/profile")
	ended, later := new(tokensource.LoginRequiredError), new(tokensource.UnavailableError)
	switch {
	case errors.As(err, &ended):
		fmt.Println("sign on again:", ended.Reason, errors.Is(err, ags.ErrUnauthorized))
	case errors.As(err, &later):
		fmt.Println("try again at", later.NextAt)
	}
	// Output:
	// 403 Forbidden
	// sign on again: refresh rejected true
}

// startPlatform starts a gateway and an API, and sets the environment variables that a
// One pool keeps the sessions of all users, behind one gate.
func Example_manySessions() {
	srv, gateway := gatewayAndClient()
	defer srv.Close()
	ctx, apiURL := context.Background(), srv.URL+"/api/profile"
	signOnOf := func(string) ags.SignOnRequest { return asDave() }

	loginOf := func(key string) tokensource.LoginFunc { return tokensource.SignOnWith(gateway, signOnOf(key)) }
	gate := tokensource.NewGate(tokensource.GateConfig{PerSecond: 200, Concurrent: 64})
	sessions, err := pool.New(pool.Config{Refresher: gateway, Gate: gate, Login: loginOf}) // loginOf(key) signs this one on
	if err != nil {
		log.Fatal(err)
	}
	go func() { _ = sessions.Run(ctx) }()
	client := &http.Client{Transport: &transport.Transport{Source: sessions.Keyed()}} // one for all sessions
	for _, key := range []string{"customer-1", "customer-2"} {
		req, err := http.NewRequestWithContext(pool.WithKey(ctx, key), http.MethodGet, apiURL, http.NoBody)
		if err != nil {
			log.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(key, resp.Status)
		_ = resp.Body.Close()
	}
	err = sessions.Drain(ctx) // lets refreshes under way end, and saves what is not saved
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// customer-1 200 OK
	// customer-2 200 OK
}

// program reads in production.
func startPlatform() (stop func()) {
	srv := agstest.NewServer(agstest.Config{})
	folder, err := os.MkdirTemp("", "agsauth")
	if err != nil {
		log.Fatal(err)
	}
	for name, value := range map[string]string{
		"AGS_URL":      srv.URL,
		"AGS_PASSWORD": agstest.DefaultPassword,
		"AGS_SESSION":  filepath.Join(folder, "session.json"),
		"API_URL":      srv.URL + "/api/profile",
	} {
		os.Setenv(name, value)
	}
	return func() {
		srv.Close()
		os.RemoveAll(folder)
	}
}

func gatewayAndClient() (*agstest.Server, *ags.Client) {
	srv := agstest.NewServer(agstest.Config{})
	gateway, err := ags.New(ags.Config{BaseURL: srv.URL, AuthServiceID: "s", TenantID: "t", HTTPClient: srv.Client()})
	if err != nil {
		log.Fatal(err)
	}
	return srv, gateway
}

func asDave() ags.SignOnRequest {
	return ags.SignOnRequest{
		Parameters:        []ags.Parameter{{Name: "username", Value: "dave"}, {Name: "password", Value: agstest.DefaultPassword}},
		DeviceInformation: json.RawMessage(`{"name":"example"}`),
	}
}

func askForPassword() string { return agstest.DefaultPassword }
