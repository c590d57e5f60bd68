package vectors_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/tokensource"
)

// beginning is the instant that a vector's instants count from. It means nothing.
var beginning = time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC)

// What a pair has where its vector does not say otherwise.
const (
	usualAccess  = seconds(3600)
	usualRefresh = seconds(48 * 3600)
	usualFixed   = seconds(30 * 24 * 3600)
	usualClient  = "device-1"
	usualAccount = "account-1"
)

// gateway is the scripted other side: the Refresher and the Login. It knows the
// true time, which no error of the client's clocks changes.
type gateway struct {
	clock *clock.Fake
	usual lives

	mu       sync.Mutex // guards all below
	slept    time.Duration
	end      time.Duration     // of the session, in true time; 0 when it has none
	minted   int               // pairs that were given a name by their number
	names    map[string]string // of each token, by its value
	expiries map[string]time.Time
	script   answers
	unused   int // answers that nobody has got yet

	refreshes []string
	logins    []loginCall
	signOuts  []string
	inAir     int
	crowd     bool // two refreshes were in the air at once
}

func newGateway(c *clock.Fake, usual *lives) *gateway {
	g := &gateway{clock: c, names: map[string]string{}, expiries: map[string]time.Time{}}
	if usual != nil {
		g.usual = *usual
	}
	return g
}

// moment is an instant as the client's wall clock and the gateway tell it.
type moment struct {
	wall  time.Time
	truly time.Duration
}

func (g *gateway) nowLocked() moment {
	return moment{wall: g.clock.Now(), truly: g.clock.Elapsed() + g.slept}
}

func (g *gateway) sleep(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.slept += d
	g.clock.Suspend(d)
}

func (g *gateway) Refresh(ctx context.Context, t *ags.Token) (*ags.Token, error) {
	g.mu.Lock()
	g.refreshes = append(g.refreshes, g.names[t.RefreshToken.Reveal()])
	g.inAir++
	g.crowd = g.crowd || g.inAir > 1
	r, sent := g.nextLocked(&g.script.Refresh), g.nowLocked()
	over := g.end > 0 && sent.truly >= g.end
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.inAir--
	}()
	if err := g.answer(ctx, "refresh", r); err != nil {
		return nil, err
	}
	if over && r.Grant == nil {
		return nil, &ags.Error{Op: "refresh", Status: 401}
	}
	return g.mint(r.Grant, sent, false), nil
}

func (g *gateway) login(ctx context.Context, e *tokensource.LoginRequiredError) (*ags.Token, error) {
	g.mu.Lock()
	g.logins = append(g.logins, loginCall(*endedOf(e)))
	r, sent := g.nextLocked(&g.script.Login), g.nowLocked()
	g.mu.Unlock()
	if err := g.answer(ctx, "sign on", r); err != nil {
		return nil, err
	}
	return g.mint(r.Grant, sent, true), nil
}

// SignOut makes the gateway one that is told of sign-outs.
func (g *gateway) SignOut(ctx context.Context, t *ags.Token) error {
	g.mu.Lock()
	g.signOuts = append(g.signOuts, g.names[t.AccessToken.Reveal()])
	r := g.nextLocked(&g.script.SignOut)
	g.mu.Unlock()
	return g.answer(ctx, "sign out", r)
}

// nextLocked takes the next answer of a script. One that is over grants.
func (g *gateway) nextLocked(script *[]reply) reply {
	if len(*script) == 0 {
		return reply{}
	}
	r := &(*script)[0]
	if r.Times >= 0 {
		g.unused--
	}
	// A number below zero is one that was got already, and so often more.
	left := max(r.Times, -r.Times, 1) - 1
	answer := *r
	r.Times = -left
	if left == 0 {
		*script = (*script)[1:]
	}
	return answer
}

// tell sets what the gateway answers from now on. It returns how many of the
// answers that it was told before are dropped without anybody having got them.
func (g *gateway) tell(a answers) (dropped int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range []struct{ script, next *[]reply }{
		{&g.script.Refresh, &a.Refresh}, {&g.script.Login, &a.Login}, {&g.script.SignOut, &a.SignOut},
	} {
		if *s.next == nil {
			continue
		}
		for _, r := range *s.script {
			if r.Times >= 0 {
				dropped++
			}
		}
		*s.script = append([]reply{}, *s.next...)
		g.unused += len(*s.next)
	}
	g.unused -= dropped
	return dropped
}

var errReset = errors.New("connection reset")

// answer waits for as long as the answer takes, and returns its error.
func (g *gateway) answer(ctx context.Context, op string, r reply) error {
	if r.Takes > 0 {
		timer := g.clock.NewTimer(r.Takes.span())
		defer timer.Stop()
		select {
		case <-timer.C():
		case <-ctx.Done():
			return &ags.Error{Op: op, Err: context.Cause(ctx)}
		}
	}
	// What a proxy says of its own trouble is believed; that it is the gateway's is not.
	failed := r.Status == http.StatusRequestTimeout || r.Status >= http.StatusInternalServerError
	e := &ags.Error{
		Op: op, Status: r.Status, Code: r.Code, RetryAfter: r.RetryAfter.span(),
		Malformed: r.NotTheGateway && !failed, NotFromGateway: r.NotTheGateway && failed,
	}
	switch {
	case r.Lost:
		e.Err = errReset
	case r.CutOff:
		e.Status, e.Malformed, e.Err = 200, true, io.ErrUnexpectedEOF
	case r.Unsent:
		e.NotSent, e.Err = true, errReset
	case r.Status == 0:
		return nil
	}
	return e
}

// mint makes a pair as of sent. began says that a session begins with it.
func (g *gateway) mint(p *pair, sent moment, began bool) *ags.Token {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p == nil {
		p = &pair{}
	}
	issued := sent.wall
	if p.IssuedAt != nil {
		issued = at(*p.IssuedAt)
	}
	t := &ags.Token{
		TokenType: "bearer", IssuedAt: issued,
		ClientID: or(p.ClientID, usualClient), AccountID: or(p.AccountID, usualAccount),
		ExpiresAt:        later(issued, or(p.Access, or(g.usual.Access, usualAccess))),
		RefreshExpiresAt: later(issued, or(p.Refresh, or(g.usual.Refresh, usualRefresh))),
		FixedExpiresAt:   g.fixedLocked(p, issued, sent, began),
	}
	if p.IssuedUnknown {
		t.IssuedAt = time.Time{}
	}
	if p.AccessToken == nil {
		g.minted++
	}
	name := or(p.AccessToken, fmt.Sprintf("a%d", g.minted))
	t.AccessToken = g.secretLocked(name, p.FixedClaimed)
	// Where one is made twice, the Source may have either.
	if former, twice := g.expiries[t.AccessToken.Reveal()]; !twice || !former.IsZero() && (t.ExpiresAt.IsZero() || t.ExpiresAt.After(former)) {
		g.expiries[t.AccessToken.Reveal()] = t.ExpiresAt
	}
	if refresh := or(p.RefreshToken, "r"+strings.TrimPrefix(name, "a")); refresh != "" {
		t.RefreshToken = g.secretLocked(refresh, false)
	}
	return t
}

// fixedLocked returns the fixed horizon that a pair tells.
func (g *gateway) fixedLocked(p *pair, issued time.Time, sent moment, began bool) time.Time {
	fixed := time.Time{}
	switch {
	case p.FixedAt != nil:
		fixed = at(*p.FixedAt)
	case p.Fixed != nil:
		fixed = later(issued, *p.Fixed)
	case began:
		fixed = later(issued, or(g.usual.Fixed, usualFixed))
	case g.end > 0:
		return issued.Add(g.end - sent.truly)
	}
	if began {
		g.end = 0
		if !fixed.IsZero() {
			g.end = sent.truly + fixed.Sub(sent.wall)
		}
	}
	return fixed
}

// secretLocked returns the token of a name: a JWT with a fixed_exp where it claims
// one.
func (g *gateway) secretLocked(name string, claim bool) ags.Secret {
	value := "secret-" + name + "-token"
	if claim {
		part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
		value = part(`{"alg":"none"}`) + "." + part(fmt.Sprintf(`{"jti":%q,"fixed_exp":%d}`, name, beginning.Unix())) + "."
	}
	g.names[value] = name
	return ags.NewSecret(value)
}

// leaks reports whether a text has a token in it.
func (g *gateway) leaks(text string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for secret := range g.names {
		if strings.Contains(text, secret) {
			return true
		}
	}
	return false
}

func at(s seconds) time.Time { return beginning.Add(s.span()) }

// later returns the instant a span after another; a span of zero is not told.
func later(from time.Time, s seconds) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return from.Add(s.span())
}

// or returns what is said, or else what is usual.
func or[T any](said *T, usual T) T {
	if said != nil {
		return *said
	}
	return usual
}
