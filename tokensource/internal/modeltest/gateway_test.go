package modeltest_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/agsauth/agsauth/ags"
)

// session is a session at the gateway.
type session struct {
	n      int
	end    time.Duration // the fixed expiry, in true time; 0 for none
	ended  bool          // revoked, or signed out
	client string
}

// pair is a pair of tokens that the gateway has issued.
type pair struct {
	n                             int
	session                       *session
	access, refresh               string
	accessExpires, refreshExpires time.Duration // in true time; 0 for never
	redeemed                      bool
	next                          *pair // the pair it was redeemed for
}

func (p *pair) String() string {
	if p == nil {
		return "nothing"
	}
	return fmt.Sprintf("%d/%d", p.session.n, p.n)
}

// follows reports whether p was issued after former in the same session.
func (p *pair) follows(former *pair) bool {
	return p != nil && former != nil && p.session == former.session && p.n > former.n
}

// gateway is the gateway. It accepts each refresh token once.
type gateway struct {
	model    *model
	pairs    map[string]*pair // by access token
	issued   map[int64]*pair  // by the instant of issue, which is unique
	sessions int
	refresh  []reply // of the next refreshes; later ones are granted
	login    []reply
	released chan struct{} // closed and replaced to release the calls that hang
}

// reply is the answer to one call.
type reply struct {
	what           string
	err            *ags.Error
	late           time.Duration
	hangs          bool // until released
	ignoresContext bool // while it hangs
	worksEarly     bool // takes effect before the delay
	lost           bool // takes effect, but has no answer
}

func (r reply) String() string {
	var b strings.Builder
	b.WriteString(r.what)
	for _, s := range []struct {
		is   bool
		text string
	}{{r.late > 0, " in " + r.late.String()}, {r.hangs, " hangs"}, {r.ignoresContext, " deaf"}, {r.worksEarly, " worked early"}, {r.lost, " lost"}} {
		if s.is {
			b.WriteString(s.text)
		}
	}
	if r.err != nil && r.err.RetryAfter > 0 {
		b.WriteString(" retry after " + r.err.RetryAfter.String())
	}
	return b.String()
}

// The failures of a gateway.
var refusals = map[string]ags.Error{
	"busy": {Status: 503}, "many": {Status: 429}, "broken": {Status: 500}, "unreached": {NotSent: true}, "unanswered": {},
	"lost by a proxy": {Status: 502}, "a proxy's page": {Status: 503, NotFromGateway: true}, "timed out": {Status: 408}, "refused": {Status: 400}, "not found": {Status: 404}, "suspended": {Status: 403, Code: 20002},
	"rejected": {Status: 401}, "invalid": {Status: 403, Code: 20020}, "deleted": {Status: 403, Code: 20003}, "a firewall": {Status: 403, Malformed: true},
}

func drawReply(rt *rapid.T) reply {
	r := reply{what: rapid.SampledFrom([]string{
		"grants", "grants", "busy", "unanswered", "unreached", "lost by a proxy", "a proxy's page", "timed out", "many", "broken", "refused", "suspended", "not found",
		"rejected", "invalid", "deleted", "a firewall", "panics", "leaves", "empty", "foreign",
	}).Draw(rt, "reply")}
	if e, ok := refusals[r.what]; ok {
		e.Op, r.err = "refresh", &e
		if e.Status == 429 || e.Status == 503 || e.Status == 400 {
			e.RetryAfter = rapid.SampledFrom([]time.Duration{0, time.Second, 40 * time.Second, time.Hour}).Draw(rt, "retry after")
		}
	}
	switch rapid.IntRange(0, 5).Draw(rt, "how") {
	case 0:
		r.late = rapid.SampledFrom([]time.Duration{107 * time.Millisecond, 4107 * time.Millisecond, 13107 * time.Millisecond}).Draw(rt, "late")
	case 1:
		r.hangs, r.ignoresContext = true, rapid.Bool().Draw(rt, "deaf")
	}
	r.worksEarly = rapid.Bool().Draw(rt, "early")
	r.lost = r.what == "unanswered" && r.worksEarly || r.what == "lost by a proxy" || r.what == "a proxy's page"
	return r
}

// drawScript draws a step that adds replies to a script of the gateway.
func drawScript(script func(*gateway) *[]reply) func(drawArgs) (string, func(*model)) {
	return func(a drawArgs) (string, func(*model)) {
		replies := rapid.SliceOfN(rapid.Custom(drawReply), 1, 3).Draw(a.rt, "replies")
		return fmt.Sprint(replies), func(m *model) {
			m.mu.Lock()
			defer m.mu.Unlock()
			*script(m.gw) = append(*script(m.gw), replies...)
		}
	}
}

// pop removes the next reply of a script.
func pop(script *[]reply) reply {
	if len(*script) == 0 {
		return reply{what: "grants"}
	}
	r := (*script)[0]
	*script = (*script)[1:]
	return r
}

// answer answers a call. work carries it out, with the model locked.
func (g *gateway) answer(ctx context.Context, p *process, r reply, work func() (*ags.Token, error)) (*ags.Token, error) {
	var answer *ags.Token
	var err error
	does := r.err == nil && r.what != "foreign" && r.what != "panics" && r.what != "leaves" && r.what != "empty" || r.lost
	if does && r.worksEarly {
		answer, err = g.locked(work)
	}
	if ended := g.wait(ctx, p, r); ended != nil {
		return nil, &ags.Error{Op: "refresh", Err: ended}
	}
	if does && !r.worksEarly {
		answer, err = g.locked(work)
	}
	switch {
	case r.err != nil && r.lost && err != nil:
		return nil, err // there is no answer to lose
	case r.err != nil:
		e := *r.err
		return nil, &e
	case r.what == "foreign":
		return nil, errors.New("no such host")
	case r.what == "panics":
		panic(mark)
	case r.what == "leaves":
		runtime.Goexit()
	case r.what == "empty":
		return nil, nil //nolint:nilnil // what a careless Refresher does
	}
	return answer, err
}

func (g *gateway) locked(work func() (*ags.Token, error)) (*ags.Token, error) {
	g.model.mu.Lock()
	defer g.model.mu.Unlock()
	return work()
}

func (g *gateway) wait(ctx context.Context, p *process, r reply) error {
	ended := ctx.Done()
	if r.ignoresContext {
		ended = nil
	}
	g.model.mu.Lock()
	released := g.released
	g.model.mu.Unlock()
	switch {
	case r.hangs:
		select {
		case <-released:
		case <-ended:
			return context.Cause(ctx)
		}
	case r.late > 0:
		timer := p.host.newTimer(r.late, nil)
		defer timer.Stop()
		select {
		case <-timer.C():
		case <-released:
		case <-ended:
			return context.Cause(ctx)
		}
	}
	return nil
}

// errPanicked stands for the result of a call that does not return.
var errPanicked = errors.New("panic")

var errRejected = &ags.Error{Op: "refresh", Status: 401, Message: "unauthorised"}

// redeemLocked redeems a refresh token for the next pair.
func (g *gateway) redeemLocked(p *process, of *pair) (*ags.Token, error) {
	now := g.model.true()
	switch {
	case of.session.ended, of.refreshExpires > 0 && now >= of.refreshExpires, of.session.end > 0 && now >= of.session.end:
		return nil, errRejected
	case of.redeemed && g.model.settings.grace && !of.next.redeemed:
		return g.tokenLocked(p, of.next, false), nil
	case of.redeemed:
		return nil, errRejected
	}
	next := g.issueLocked(of.session)
	if g.model.settings.keepsRefreshToken {
		next.refresh, next.refreshExpires = of.refresh, of.refreshExpires
	} else {
		of.redeemed, of.next = true, next
	}
	return g.tokenLocked(p, next, false), nil
}

// signOnLocked begins a session and issues its first pair.
func (g *gateway) signOnLocked(p *process, client string) (*pair, *ags.Token) {
	g.sessions++
	a := &session{n: g.sessions, client: client}
	if g.model.settings.fixed > 0 {
		a.end = g.model.true() + g.model.settings.fixed
	}
	first := g.issueLocked(a)
	return first, g.tokenLocked(p, first, true)
}

// claim is the head of a JWT that claims a fixed expiry.
const claim = "eyJhbGciOiJIUzI1NiJ9.eyJmaXhlZF9leHAiOjF9."

func (g *gateway) issueLocked(a *session) *pair {
	n := len(g.pairs) + 1
	pr := &pair{n: n, session: a, access: fmt.Sprintf("%s-a%04d", mark, n), refresh: fmt.Sprintf("%s-r%04d", mark, n)}
	if g.model.settings.claims {
		pr.access = claim + pr.access
	}
	if g.model.settings.access > 0 {
		pr.accessExpires = g.model.true() + g.model.settings.access
	}
	if g.model.settings.sliding > 0 {
		pr.refreshExpires = g.model.true() + g.model.settings.sliding
	}
	g.pairs[pr.access] = pr
	return pr
}

// tokenLocked is a pair as the client of the gateway returns it: with instants on the
// clock of the process.
func (g *gateway) tokenLocked(p *process, pr *pair, first bool) *ags.Token {
	issued := p.host.now()
	for g.issued[issued.UnixNano()] != nil {
		issued = issued.Add(1)
	}
	g.issued[issued.UnixNano()] = pr
	in := func(end time.Duration) time.Time {
		if end == 0 {
			return time.Time{}
		}
		return issued.Add(end - g.model.true())
	}
	t := &ags.Token{
		AccessToken: ags.NewSecret(pr.access), RefreshToken: ags.NewSecret(pr.refresh), TokenType: "bearer",
		ClientID: pr.session.client, AccountID: "1663", IssuedAt: issued,
		ExpiresAt: in(pr.accessExpires), RefreshExpiresAt: in(pr.refreshExpires), FixedExpiresAt: in(pr.session.end),
	}
	if g.model.settings.repeatsFixed && g.model.settings.fixed > 0 {
		t.FixedExpiresAt = issued.Add(g.model.settings.fixed)
	}
	if !first && g.model.settings.omitsIdentity {
		t.ClientID, t.AccountID = "", ""
	}
	if !first && g.model.settings.keepsRefreshToken {
		t.RefreshToken, t.RefreshExpiresAt = ags.Secret{}, time.Time{}
	}
	return t
}
