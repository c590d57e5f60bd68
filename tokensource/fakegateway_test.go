package tokensource_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/internal/scriptedgateway"
	"github.com/agsauth/agsauth/tokensource"
)

// gateway is a scripted gateway that grants the pairs a1/r1, a2/r2, … by the fixture's
// clock.
type gateway struct {
	*scriptedgateway.Gateway
	clock *clock.Fake

	mu                     sync.Mutex // guards all below
	access, sliding, fixed time.Duration
	fixedAt                time.Time // of the session; zero begins one with the next grant
	granted                int
	edit                   func(*ags.Token)
}

func newGateway(c *clock.Fake) *gateway {
	return &gateway{Gateway: scriptedgateway.New(c), clock: c, access: access, sliding: sliding, fixed: fixed}
}

func (g *gateway) Refresh(ctx context.Context, t *ags.Token) (*ags.Token, error) {
	if _, err := g.Refreshes.Answer(ctx, t); err != nil {
		return nil, err
	}
	return g.grant(), nil
}

// login is a LoginFunc.
func (g *gateway) login(ctx context.Context, ended *tokensource.LoginRequiredError) (*ags.Token, error) {
	if _, err := g.Logins.Answer(ctx, ended); err != nil {
		return nil, err
	}
	return g.signOn(), nil
}

// grant issues the next pair, as of now.
func (g *gateway) grant() *ags.Token {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.granted++
	now := g.clock.Now()
	if g.fixedAt.IsZero() && g.fixed > 0 {
		g.fixedAt = now.Add(g.fixed)
	}
	t := &ags.Token{
		AccessToken:    ags.NewSecret(fmt.Sprintf("a%d", g.granted)),
		RefreshToken:   ags.NewSecret(fmt.Sprintf("r%d", g.granted)),
		TokenType:      "bearer",
		ClientID:       "PUB_989",
		AccountID:      "1663",
		IssuedAt:       now,
		FixedExpiresAt: g.fixedAt,
	}
	if g.access > 0 {
		t.ExpiresAt = now.Add(g.access)
	}
	if g.sliding > 0 {
		t.RefreshExpiresAt = now.Add(g.sliding)
	}
	if g.edit != nil {
		g.edit(t)
	}
	return t
}

// signOn begins another session, and returns its first pair.
func (g *gateway) signOn() *ags.Token {
	g.mu.Lock()
	g.fixedAt = time.Time{}
	g.mu.Unlock()
	return g.grant()
}

// presented returns the refresh tokens of the refreshes, in order.
func (g *gateway) presented() (all []string) {
	for _, t := range g.Refreshes.Calls() {
		all = append(all, t.RefreshToken.Reveal())
	}
	return all
}

// signedOut returns the access tokens of the sign-outs, in order.
func (g *gateway) signedOut() (all []string) {
	for _, t := range g.SignOuts.Calls() {
		all = append(all, t.AccessToken.Reveal())
	}
	return all
}

// failSignOutOf makes the sign-outs of one access token fail.
func (g *gateway) failSignOutOf(accessToken string, err error) {
	g.SignOuts.Always(func(t *ags.Token) error {
		if t.AccessToken.Reveal() == accessToken {
			return err
		}
		return nil
	})
}

// withoutSignOut hides the gateway's SignOut.
type withoutSignOut struct{ tokensource.Refresher }

// What the platform answers, when it refuses or fails.
var (
	errUnauthorized  = &ags.Error{Op: "refresh", Status: 401, Message: "unauthorised"}
	errDeviceDeleted = &ags.Error{Op: "refresh", Status: 403, Code: 20003, Message: "device deleted"}
	errSuspended     = &ags.Error{Op: "refresh", Status: 403, Code: 20002, Message: "account suspended"}
	errBusy          = &ags.Error{Op: "refresh", Status: 503, Message: "busy"}
	errLost          = &ags.Error{Op: "refresh", Message: "connection reset"}
	errRefused       = &ags.Error{Op: "refresh", NotSent: true, Message: "connection refused"}
)
