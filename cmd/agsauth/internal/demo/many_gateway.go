package demo

import (
	"context"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/agsauth/agsauth/ags"
)

// smallGateway is a gateway that can answer only so many calls a second. Others wait, in the
// order of their arrival. It works on all of them, also for clients that have given up,
// because it does not know of that.
//
// A refresh token is good for more than one use, so that no lost answer ends a session.
type smallGateway struct {
	capacity int
	latency  time.Duration
	lifetime time.Duration // of an access token
	closed   chan struct{} // closed when it answers no more

	mu        sync.Mutex // guards all below
	busyUntil time.Time
	calls     int
	granted   int
}

func newSmallGateway(plan ManyPlan) *smallGateway {
	return &smallGateway{
		capacity: plan.Capacity, latency: plan.Latency, lifetime: plan.Access, closed: make(chan struct{}),
	}
}

// Refresh implements [tokensource.Refresher].
func (g *smallGateway) Refresh(ctx context.Context, _ *ags.Token) (*ags.Token, error) {
	timer := time.NewTimer(g.arrive(time.Now()))
	defer timer.Stop()
	select {
	case <-timer.C:
		return g.grant(time.Now().Add(g.lifetime)), nil
	case <-ctx.Done():
		return nil, &ags.Error{Op: "refresh", Err: context.Cause(ctx)}
	case <-g.closed:
		return nil, &ags.Error{Op: "refresh", Err: net.ErrClosed}
	}
}

// arrive counts a call and returns how long it takes until the answer.
func (g *smallGateway) arrive(now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls++
	if g.busyUntil.Before(now) {
		g.busyUntil = now
	}
	g.busyUntil = g.busyUntil.Add(time.Second / time.Duration(g.capacity))
	return g.busyUntil.Add(g.latency).Sub(now)
}

// grant returns a pair with an access token that expires at some time.
func (g *smallGateway) grant(expires time.Time) *ags.Token {
	g.mu.Lock()
	g.granted++
	text := strconv.Itoa(g.granted)
	g.mu.Unlock()
	return &ags.Token{
		AccessToken: ags.NewSecret("access " + text), RefreshToken: ags.NewSecret("refresh " + text), TokenType: "bearer",
		IssuedAt: expires.Add(-g.lifetime), ExpiresAt: expires,
		RefreshExpiresAt: expires.Add(time.Hour), FixedExpiresAt: expires.Add(24 * time.Hour),
	}
}

// measure returns how many calls there were, and how long one that comes now waits for its turn.
func (g *smallGateway) measure(now time.Time) (calls int, wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.calls, max(0, g.busyUntil.Sub(now))
}
