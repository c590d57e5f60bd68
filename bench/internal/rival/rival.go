// Package rival has the contestants: this library, its peers, and the floor, each
// with the settings that suit it best, behind one interface.
package rival

import (
	"context"
	"net/http"
	"time"
)

// Fetch gets a new token from the endpoint.
type Fetch func(ctx context.Context) (token string, expires time.Time, err error)

// Setup is what a contestant is made with.
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

// Contestant makes instances.
type Contestant struct {
	Name string
	New  func(Setup) (Instance, error)
	// Wrap makes a RoundTripper that adds the instance's token, nil where the
	// package has none.
	Wrap func(in Instance, base http.RoundTripper) Sender
	// Spacing is how far apart two refreshes ahead of the expiry have to be for
	// this contestant; zero is no minimum.
	Spacing time.Duration
}

// Sender sends one request: http.RoundTripper's method, or what comes nearest.
type Sender func(*http.Request) (*http.Response, error)

// The names that reports refer to.
const (
	FloorName = "floor"
	OursName  = "agsauth"
)

// All returns the contestants, the floor first and ours second.
func All() []Contestant {
	return []Contestant{
		floorContestant(), oursContestant(),
		oauth2Contestant(), googleContestant(), azureContestant(),
		awsContestant(), smithyContestant(), clientGoContestant(), ghContestant(),
	}
}

// Named returns the contestant of that name.
func Named(name string) (Contestant, bool) {
	for _, c := range All() {
		if c.Name == name {
			return c, true
		}
	}
	return Contestant{}, false
}
