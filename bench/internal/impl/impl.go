// Package impl says what an implementation is, and has two of them: this library, and
// the floor. Its peers are in package peer, so that a program that counts
// instructions begins without the ecosystem that they bring.
package impl

import (
	"context"
	"net/http"
	"time"
)

// Fetch gets a new token from the endpoint.
type Fetch func(ctx context.Context) (token string, expires time.Time, err error)

// Setup is what an implementation is made with.
type Setup struct {
	Fetch  Fetch
	URL    string        // of the endpoint, for who cannot be given a Fetch
	Margin time.Duration // how long before its expiry a token is to be refreshed
}

// Instance is a cache of one token.
type Instance interface {
	// Get returns a token, as a caller would ask for it. Those whose API has no
	// context ignore ctx.
	Get(ctx context.Context) (string, error)
	// Loop gets the token n times, with nothing in between, by the call that a
	// program would make.
	Loop(ctx context.Context, n int)
	// Close ends what the instance has started.
	Close()
}

// Implementation makes instances.
type Implementation struct {
	Name string
	New  func(Setup) (Instance, error)
	// Wrap makes a RoundTripper that adds the instance's token, nil where the
	// package has none.
	Wrap func(in Instance, base http.RoundTripper) Sender
	// Spacing is how far apart two refreshes ahead of the expiry have to be for
	// this implementation; zero is no minimum.
	Spacing time.Duration
}

// Sender sends one request: http.RoundTripper's method, or what comes nearest.
type Sender func(*http.Request) (*http.Response, error)

// The names that reports refer to.
const (
	FloorName     = "floor"
	DeepFloorName = "deep-floor"
	OursName      = "agsauth"
)

// Own returns the floor, and this library.
func Own() []Implementation { return []Implementation{floorImplementation(), oursImplementation()} }

// Title is how an implementation is called in a report.
func Title(name string) string {
	titles := map[string]string{
		FloorName: "*floor*", DeepFloorName: "*floor, nothing shared*", OursName: "**agsauth**", "oauth2": "x/oauth2", "google": "cloud.google.com/go/auth",
		"azcore": "azcore bearer policy", "aws": "aws CredentialsCache", "smithy": "smithy TokenCache",
		"client-go": "client-go cached source",
	}
	if t, ok := titles[name]; ok {
		return t
	}
	return name
}

// Named returns the implementation of that name, of those that are here.
func Named(name string) (Implementation, bool) {
	for _, c := range append(Own(), DeepFloor()) {
		if c.Name == name {
			return c, true
		}
	}
	return Implementation{}, false
}
