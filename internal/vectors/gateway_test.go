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
	"github.com/agsauth/agsauth/internal/scriptedgateway"
	"github.com/agsauth/agsauth/tokensource"
)

// beginning is the arbitrary instant from which a vector's instants count.
var beginning = time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC)

// The usual values of a pair.
const (
	usualAccess  = seconds(3600)
	usualRefresh = seconds(48 * 3600)
	usualFixed   = seconds(30 * 24 * 3600)
	usualClient  = "device-1"
	usualAccount = "account-1"
)

// gateway is the Refresher and the Login of a vector. It knows the true time, which
// no error of the client's clocks changes.
type gateway struct {
	*scriptedgateway.Gateway
	clock *clock.Fake
	usual lifetimes

	mu       sync.Mutex // guards all below
	slept    time.Duration
	end      time.Duration     // of the session, in true time; 0 when it has none
	issued   int               // pairs that were named by their number
	names    map[string]string // token names by token
	expiries map[string]time.Time
}

func newGateway(c *clock.Fake, usual *lifetimes) *gateway {
	g := &gateway{Gateway: scriptedgateway.New(c), clock: c, names: map[string]string{}, expiries: map[string]time.Time{}}
	if usual != nil {
		g.usual = *usual
	}
	return g
}

// instant is an instant on the client's wall clock and in true time.
type instant struct {
	wall     time.Time
	trueTime time.Duration
}

func (g *gateway) nowLocked() instant {
	return instant{wall: g.clock.Now(), trueTime: g.clock.Elapsed() + g.slept}
}

func (g *gateway) sleep(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.slept += d
	g.clock.Suspend(d)
}

func (g *gateway) Refresh(ctx context.Context, t *ags.Token) (*ags.Token, error) {
	g.mu.Lock()
	sent := g.nowLocked()
	over := g.end > 0 && sent.trueTime >= g.end
	g.mu.Unlock()
	r, err := g.Refreshes.Answer(ctx, t)
	if err != nil {
		return nil, err
	}
	granted, _ := r.Data.(*pair)
	if over && granted == nil {
		return nil, &ags.Error{Op: "refresh", Status: 401}
	}
	return g.issue(granted, sent, false), nil
}

func (g *gateway) login(ctx context.Context, e *tokensource.LoginRequiredError) (*ags.Token, error) {
	g.mu.Lock()
	sent := g.nowLocked()
	g.mu.Unlock()
	r, err := g.Logins.Answer(ctx, e)
	if err != nil {
		return nil, err
	}
	granted, _ := r.Data.(*pair)
	return g.issue(granted, sent, true), nil
}

// script sets the answers of the gateway from now on. It returns how many of the
// former answers are dropped unused.
func (g *gateway) script(a answers) (dropped int) {
	if a.Refresh != nil {
		dropped += g.Refreshes.Replace(replies("refresh", a.Refresh)...)
	}
	if a.Login != nil {
		dropped += g.Logins.Replace(replies("sign on", a.Login)...)
	}
	if a.SignOut != nil {
		dropped += g.SignOuts.Replace(replies("sign out", a.SignOut)...)
	}
	return dropped
}

func (g *gateway) unused() int {
	return g.Refreshes.Unused() + g.Logins.Unused() + g.SignOuts.Unused()
}

func replies(op string, all []reply) (scripted []scriptedgateway.Reply) {
	for _, r := range all {
		scripted = append(scripted, scriptedgateway.Reply{Err: r.err(op), Takes: r.Takes.span(), Times: r.Times, Data: r.Grant})
	}
	return scripted
}

var errReset = errors.New("connection reset")

// err returns the error of a reply, or nil if it grants.
func (r reply) err(op string) error {
	// A proxy's report of its own failure is well-formed, but not from the gateway.
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

// calls returns the calls since they were last forgotten, in the vectors' words.
func (g *gateway) calls() (refreshes []string, logins []loginCall, signOuts []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range g.Refreshes.Calls() {
		refreshes = append(refreshes, g.names[t.RefreshToken.Reveal()])
	}
	for _, e := range g.Logins.Calls() {
		logins = append(logins, loginCall(*endedOf(e)))
	}
	for _, t := range g.SignOuts.Calls() {
		signOuts = append(signOuts, g.names[t.AccessToken.Reveal()])
	}
	return refreshes, logins, signOuts
}

// issue issues a pair as of sent. began tells that it is the first of a session.
func (g *gateway) issue(p *pair, sent instant, began bool) *ags.Token {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p == nil {
		p = &pair{}
	}
	issued := sent.wall
	if p.IssuedAt != nil {
		issued = atSeconds(*p.IssuedAt)
	}
	t := &ags.Token{
		TokenType: "bearer", IssuedAt: issued,
		ClientID: valueOr(p.ClientID, usualClient), AccountID: valueOr(p.AccountID, usualAccount),
		ExpiresAt:        after(issued, valueOr(p.Access, valueOr(g.usual.Access, usualAccess))),
		RefreshExpiresAt: after(issued, valueOr(p.Refresh, valueOr(g.usual.Refresh, usualRefresh))),
		FixedExpiresAt:   g.fixedLocked(p, issued, sent, began),
	}
	if p.IssuedUnknown {
		t.IssuedAt = time.Time{}
	}
	if p.AccessToken == nil {
		g.issued++
	}
	name := valueOr(p.AccessToken, fmt.Sprintf("a%d", g.issued))
	t.AccessToken = g.secretLocked(name, p.FixedClaimed)
	// If a token is issued twice, the Source may have either expiry.
	if former, twice := g.expiries[t.AccessToken.Reveal()]; !twice || !former.IsZero() && (t.ExpiresAt.IsZero() || t.ExpiresAt.After(former)) {
		g.expiries[t.AccessToken.Reveal()] = t.ExpiresAt
	}
	if refresh := valueOr(p.RefreshToken, "r"+strings.TrimPrefix(name, "a")); refresh != "" {
		t.RefreshToken = g.secretLocked(refresh, false)
	}
	return t
}

// fixedLocked returns the fixed expiry of a pair.
func (g *gateway) fixedLocked(p *pair, issued time.Time, sent instant, began bool) time.Time {
	fixed := time.Time{}
	switch {
	case p.FixedAt != nil:
		fixed = atSeconds(*p.FixedAt)
	case p.Fixed != nil:
		fixed = after(issued, *p.Fixed)
	case began:
		fixed = after(issued, valueOr(g.usual.Fixed, usualFixed))
	case g.end > 0:
		return issued.Add(g.end - sent.trueTime)
	}
	if began {
		g.end = 0
		if !fixed.IsZero() {
			g.end = sent.trueTime + fixed.Sub(sent.wall)
		}
	}
	return fixed
}

// secretLocked returns the token with a name: a JWT with a fixed_exp if claim is set.
func (g *gateway) secretLocked(name string, claim bool) ags.Secret {
	value := "secret-" + name + "-token"
	if claim {
		part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
		value = part(`{"alg":"none"}`) + "." + part(fmt.Sprintf(`{"jti":%q,"fixed_exp":%d}`, name, beginning.Unix())) + "."
	}
	g.names[value] = name
	return ags.NewSecret(value)
}

// leaks reports whether a text contains a token.
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

func atSeconds(s seconds) time.Time { return beginning.Add(s.span()) }

// after returns the instant a span after another, or zero for a span of zero.
func after(from time.Time, s seconds) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return from.Add(s.span())
}

// valueOr returns the value that is set, or the usual one.
func valueOr[T any](said *T, usual T) T {
	if said != nil {
		return *said
	}
	return usual
}
