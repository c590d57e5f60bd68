// Package impl defines the implementations of a token cache that bench compares,
// and contains two of them: this library, and the floor. The other libraries are in
// package peer, so that a program that counts instructions does not link them.
package impl

import (
	"context"
	"net/http"
	"time"
)

// Fetch gets a new token from the endpoint.
type Fetch func(ctx context.Context) (token string, expires time.Time, err error)

// Setup configures an Instance.
type Setup struct {
	Fetch  Fetch
	URL    string        // of the endpoint, for libraries that cannot use a Fetch
	Margin time.Duration // how long before its expiry a token is to be refreshed
}

// Instance is a cache of one token.
type Instance interface {
	// Get returns a token by the call that a program would make. An implementation
	// whose API takes no context ignores ctx.
	Get(ctx context.Context) (string, error)
	// Loop gets the token n times by the same call, and does nothing else.
	Loop(ctx context.Context, n int)
	// Close ends the goroutines and timers of the instance.
	Close()
}

// Implementation is a library that caches tokens.
type Implementation struct {
	Name string
	New  func(Setup) (Instance, error)
	// Wrap returns a function that sends requests with the instance's token. It is
	// nil if the library has no RoundTripper.
	Wrap func(in Instance, base http.RoundTripper) Sender
	// Spacing is the library's least time between two refreshes ahead of the expiry;
	// zero means none.
	Spacing time.Duration
}

// Sender sends one request, like the method of http.RoundTripper.
type Sender func(*http.Request) (*http.Response, error)

// The names in reports.
const (
	FloorName     = "floor"
	DeepFloorName = "deep-floor"
	OursName      = "agsauth"
)

// Own returns the floor and this library.
func Own() []Implementation { return []Implementation{floorImplementation(), oursImplementation()} }

// Title returns the title of an implementation in a report.
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

// Named returns the implementation of this package with that name.
func Named(name string) (Implementation, bool) {
	for _, c := range append(Own(), DeepFloor()) {
		if c.Name == name {
			return c, true
		}
	}
	return Implementation{}, false
}
