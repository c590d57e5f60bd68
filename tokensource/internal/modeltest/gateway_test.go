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

// account is a session as the gateway knows it.
type session struct {
	n      int
	end    time.Duration // the fixed end, in true time; 0 is none
	ended  bool          // revoked, or signed out
	client string
}

// pair is a pair of tokens that the gateway has issued.
type pair struct {
	n                             int
	session                       *session
	access, refresh               string
	accessExpires, refreshExpires time.Duration // in true time: when the access and the refresh token expire; 0 is never
	redeemed                      bool
	next                          *pair // what it was spent for
}

func (p *pair) String() string {
	if p == nil {
		return "nothing"
	}
	return fmt.Sprintf("%d/%d", p.session.n, p.n)
}

// follows reports whether p was got for former, or for what was got for that.
func (p *pair) follows(former *pair) bool {
	return p != nil && former != nil && p.session == former.session && p.n > former.n
}

// issuer is the gateway. It takes each refresh token once, and knows who presents
// what, and when.
type gateway struct {
	w        *model
	pairs    map[string]*pair // by access token
	issued   map[int64]*pair  // by the instant of issue, which no two have in common
	sessions int
	refresh  []reply // the next refreshes; then they are granted
	login    []reply
	released chan struct{} // closed, and replaced, when what hangs is answered
}

// verdict is how one call is answered.
type reply struct {
	what           string
	err            *ags.Error
	late           time.Duration
	hangs          bool // until it is released
	ignoresContext bool // to the end of its context
	worksEarly     bool // does its work before it is late, and not after
	lost           bool // does its work, and has no answer
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

// The answers of a gateway but for the good one.
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

func drawReplies(a drawArgs) (string, func(*model)) {
	replies := rapid.SliceOfN(rapid.Custom(drawReply), 1, 3).Draw(a.rt, "replies")
	return fmt.Sprint(replies), func(m *model) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.gw.refresh = append(m.gw.refresh, replies...)
	}
}

func drawLogins(a drawArgs) (string, func(*model)) {
	replies := rapid.SliceOfN(rapid.Custom(drawReply), 1, 3).Draw(a.rt, "replies")
	return fmt.Sprint(replies), func(m *model) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.gw.login = append(m.gw.login, replies...)
	}
}

// pop takes the next reply of a script.
func pop(script *[]reply) reply {
	if len(*script) == 0 {
		return reply{what: "grants"}
	}
	r := (*script)[0]
	*script = (*script)[1:]
	return r
}

// play answers a call: work does what is asked, with the world locked.
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
		return nil, err // there was nothing to lose
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
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	return work()
}

func (g *gateway) wait(ctx context.Context, p *process, r reply) error {
	ended := ctx.Done()
	if r.ignoresContext {
		ended = nil
	}
	g.w.mu.Lock()
	released := g.released
	g.w.mu.Unlock()
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

// errPanicked stands for a call that does not return.
var errPanicked = errors.New("panic")

var errRejected = &ags.Error{Op: "refresh", Status: 401, Message: "unauthorised"}

// spendLocked takes a refresh token and gives the next pair, as of now.
func (g *gateway) redeemLocked(p *process, of *pair) (*ags.Token, error) {
	now := g.w.true()
	switch {
	case of.session.ended, of.refreshExpires > 0 && now >= of.refreshExpires, of.session.end > 0 && now >= of.session.end:
		return nil, errRejected
	case of.redeemed && g.w.settings.grace && !of.next.redeemed:
		return g.tokenLocked(p, of.next, false), nil
	case of.redeemed:
		return nil, errRejected
	}
	next := g.issueLocked(of.session)
	if g.w.settings.keepsRefreshToken {
		next.refresh, next.refreshExpires = of.refresh, of.refreshExpires
	} else {
		of.redeemed, of.next = true, next
	}
	return g.tokenLocked(p, next, false), nil
}

// signOnLocked begins a session, and gives its first pair.
func (g *gateway) signOnLocked(p *process, client string) (*pair, *ags.Token) {
	g.sessions++
	a := &session{n: g.sessions, client: client}
	if g.w.settings.fixed > 0 {
		a.end = g.w.true() + g.w.settings.fixed
	}
	first := g.issueLocked(a)
	return first, g.tokenLocked(p, first, true)
}

// claim is the head of a JWT that claims a fixed horizon.
const claim = "eyJhbGciOiJIUzI1NiJ9.eyJmaXhlZF9leHAiOjF9."

func (g *gateway) issueLocked(a *session) *pair {
	n := len(g.pairs) + 1
	pr := &pair{n: n, session: a, access: fmt.Sprintf("%s-a%04d", mark, n), refresh: fmt.Sprintf("%s-r%04d", mark, n)}
	if g.w.settings.claims {
		pr.access = claim + pr.access
	}
	if g.w.settings.access > 0 {
		pr.accessExpires = g.w.true() + g.w.settings.access
	}
	if g.w.settings.sliding > 0 {
		pr.refreshExpires = g.w.true() + g.w.settings.sliding
	}
	g.pairs[pr.access] = pr
	return pr
}

// tellLocked is the answer with a pair in it, with instants by the clock of the
// process that asks, as the client of the wire makes them.
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
		return issued.Add(end - g.w.true())
	}
	t := &ags.Token{
		AccessToken: ags.NewSecret(pr.access), RefreshToken: ags.NewSecret(pr.refresh), TokenType: "bearer",
		ClientID: pr.session.client, AccountID: "1663", IssuedAt: issued,
		ExpiresAt: in(pr.accessExpires), RefreshExpiresAt: in(pr.refreshExpires), FixedExpiresAt: in(pr.session.end),
	}
	if g.w.settings.repeatsFixed && g.w.settings.fixed > 0 {
		t.FixedExpiresAt = issued.Add(g.w.settings.fixed)
	}
	if !first && g.w.settings.omitsIdentity {
		t.ClientID, t.AccountID = "", ""
	}
	if !first && g.w.settings.keepsRefreshToken {
		t.RefreshToken, t.RefreshExpiresAt = ags.Secret{}, time.Time{}
	}
	return t
}
