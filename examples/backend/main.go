// Command backend is an example of a back end for a front end: a web server whose users
// sign on to the platform through it. The browser has a cookie, and never a token. Each
// cookie has a session with the platform, which a pool keeps alive, and one HTTP client
// calls the platform's API for all of them.
//
//	go run ./examples/backend
//
// serves on http://127.0.0.1:8090 with a gateway for tests in the same process. With a real
// gateway, set AGS_URL, AGS_SERVICE (the operator's sign-on service), AGS_TENANT and API_URL.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/pool"
	"github.com/agsauth/agsauth/tokensource"
	"github.com/agsauth/agsauth/transport"
)

// shutdownTimeout bounds the end of the program: requests first, then what the pool has
// under way.
const shutdownTimeout = 20 * time.Second

func main() {
	addr := flag.String("addr", "127.0.0.1:8090", "address to listen on")
	secure := flag.Bool("secure", false, "browsers come by https, through a proxy that ends TLS")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr, *secure); err != nil {
		log.Fatalln("backend:", err)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, addr string, secure bool) (err error) {
	gateway := ags.Config{BaseURL: os.Getenv("AGS_URL"), AuthServiceID: os.Getenv("AGS_SERVICE"), TenantID: os.Getenv("AGS_TENANT")}
	api := os.Getenv("API_URL")
	if gateway.BaseURL == "" {
		platform := agstest.NewServer(agstest.Config{})
		defer platform.Close()
		gateway.BaseURL, gateway.AuthServiceID, gateway.TenantID = platform.URL, "Customer Auth Service", "nagra"
		api = platform.URL + "/api"
		fmt.Printf("user %q, password %q\n", agstest.DefaultUsername, agstest.DefaultPassword)
	}
	b, err := newBackend(gateway, api, secure)
	if err != nil {
		return err
	}
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	go func() { _ = b.sessions.Run(background) }() // until Drain

	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: b.handler(), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	fmt.Printf("http://%s\n", listener.Addr())
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	// Requests end before the sessions that they use. Drain then waits for the refreshes
	// under way, whose answers may be the only valid tokens, and saves what is not saved.
	ending, cancelEnding := context.WithTimeout(background, shutdownTimeout)
	defer cancelEnding()
	return errors.Join(err, server.Shutdown(ending), b.sessions.Drain(ending))
}

// newBackend returns a backend that uses a gateway and an API behind it.
func newBackend(cfg ags.Config, api string, secure bool) (*backend, error) {
	gateway, err := ags.New(cfg)
	if err != nil {
		return nil, err
	}
	apiURL, err := url.Parse(api)
	if err != nil {
		return nil, err
	}
	sessions, err := pool.New(pool.Config{
		Refresher: gateway,
		Gate:      tokensource.NewGate(tokensource.GateConfig{PerSecond: 50, Concurrent: 16}),
		// Only the user knows the password, so that there is no Login.
		//
		// Without a Store the sessions are in memory, where those that have ended remain, too:
		// a restart signs all users off. A real back end keeps them, and has no more of them
		// in memory than it needs. On Redis or Valkey, for several instances of it:
		//
		//	family := redisstore.NewFamily(redisstore.FamilyConfig{Client: rdb})
		//	Store: func(key string) tokensource.Store { return family.Store(key) },
		//	MaxResident: 100_000,
		//
		// or in one file, with package boltstore. Its instances then also need one cookieKey.
	})
	if err != nil {
		return nil, err
	}
	b := &backend{
		gateway: gateway, api: apiURL, sessions: sessions, secure: secure, cookieKey: make([]byte, 32),
		// One client for all users: the token is that of the key in a request's context.
		client: &http.Client{
			Transport: &transport.Transport{Source: sessions.Keyed(), AllowHosts: []string{apiURL.Host}},
			Timeout:   10 * time.Second,
		},
	}
	_, _ = rand.Read(b.cookieKey) // it never fails
	return b, nil
}
