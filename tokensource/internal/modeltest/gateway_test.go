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
type account struct {
	n      int
	end    time.Duration // the fixed end, in true time; 0 is none
	over   bool          // revoked, or signed out
	client string
}

// pair is a pair of tokens that the gateway has issued.
type pair struct {
	n               int
	account         *account
	access, refresh string
	dead, spentBy   time.Duration // in true time: when the access and the refresh token expire; 0 is never
	spent           bool
	next            *pair // what it was spent for
}

func (p *pair) String() string {
	if p == nil {
		return "nothing"
	}
	return fmt.Sprintf("%d/%d", p.account.n, p.n)
}

// follows reports whether p was got for former, or for what was got for that.
func (p *pair) follows(former *pair) bool {
	return p != nil && former != nil && p.account == former.account && p.n > former.n
}

// issuer is the gateway. It takes each refresh token once, and knows who presents
// what, and when.
type issuer struct {
	w        *world
	pairs    map[string]*pair // by access token
	issued   map[int64]*pair  // by the instant of issue, which no two have in common
	accounts int
	refresh  []verdict // the next refreshes; then they are granted
	login    []verdict
	released chan struct{} // closed, and replaced, when what hangs is answered
}

// verdict is how one call is answered.
type verdict struct {
	what  string
	err   *ags.Error
	late  time.Duration
	hangs bool // until it is released
	deaf  bool // to the end of its context
	early bool // does its work before it is late, and not after
	lost  bool // does its work, and has no answer
}

func (r verdict) String() string {
	var b strings.Builder
	b.WriteString(r.what)
	for _, s := range []struct {
		is   bool
		text string
	}{{r.late > 0, " in " + r.late.String()}, {r.hangs, " hangs"}, {r.deaf, " deaf"}, {r.early, " worked early"}, {r.lost, " lost"}} {
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

func drawReply(rt *rapid.T) verdict {
	r := verdict{what: rapid.SampledFrom([]string{
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
		r.hangs, r.deaf = true, rapid.Bool().Draw(rt, "deaf")
	}
	r.early = rapid.Bool().Draw(rt, "early")
	r.lost = r.what == "unanswered" && r.early || r.what == "lost by a proxy" || r.what == "a proxy's page"
	return r
}

func drawReplies(a args) (string, func(*world)) {
	replies := rapid.SliceOfN(rapid.Custom(drawReply), 1, 3).Draw(a.rt, "replies")
	return fmt.Sprint(replies), func(w *world) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.gw.refresh = append(w.gw.refresh, replies...)
	}
}

func drawLogins(a args) (string, func(*world)) {
	replies := rapid.SliceOfN(rapid.Custom(drawReply), 1, 3).Draw(a.rt, "replies")
	return fmt.Sprint(replies), func(w *world) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.gw.login = append(w.gw.login, replies...)
	}
}

// pop takes the next reply of a script.
func pop(script *[]verdict) verdict {
	if len(*script) == 0 {
		return verdict{what: "grants"}
	}
	r := (*script)[0]
	*script = (*script)[1:]
	return r
}

// play answers a call: work does what is asked, with the world locked.
func (g *issuer) play(ctx context.Context, p *proc, r verdict, work func() (*ags.Token, error)) (*ags.Token, error) {
	var answer *ags.Token
	var err error
	does := r.err == nil && r.what != "foreign" && r.what != "panics" && r.what != "leaves" && r.what != "empty" || r.lost
	if does && r.early {
		answer, err = g.locked(work)
	}
	if ended := g.wait(ctx, p, r); ended != nil {
		return nil, &ags.Error{Op: "refresh", Err: ended}
	}
	if does && !r.early {
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

func (g *issuer) locked(work func() (*ags.Token, error)) (*ags.Token, error) {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	return work()
}

func (g *issuer) wait(ctx context.Context, p *proc, r verdict) error {
	ended := ctx.Done()
	if r.deaf {
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

var errDead = &ags.Error{Op: "refresh", Status: 401, Message: "unauthorised"}

// spendLocked takes a refresh token and gives the next pair, as of now.
func (g *issuer) spendLocked(p *proc, of *pair) (*ags.Token, error) {
	now := g.w.true()
	switch {
	case of.account.over, of.spentBy > 0 && now >= of.spentBy, of.account.end > 0 && now >= of.account.end:
		return nil, errDead
	case of.spent && g.w.house.grace && !of.next.spent:
		return g.tellLocked(p, of.next, false), nil
	case of.spent:
		return nil, errDead
	}
	next := g.issueLocked(of.account)
	if g.w.house.keeps {
		next.refresh, next.spentBy = of.refresh, of.spentBy
	} else {
		of.spent, of.next = true, next
	}
	return g.tellLocked(p, next, false), nil
}

// signOnLocked begins a session, and gives its first pair.
func (g *issuer) signOnLocked(p *proc, client string) (*pair, *ags.Token) {
	g.accounts++
	a := &account{n: g.accounts, client: client}
	if g.w.house.fixed > 0 {
		a.end = g.w.true() + g.w.house.fixed
	}
	first := g.issueLocked(a)
	return first, g.tellLocked(p, first, true)
}

// claim is the head of a JWT that claims a fixed horizon.
const claim = "eyJhbGciOiJIUzI1NiJ9.eyJmaXhlZF9leHAiOjF9."

func (g *issuer) issueLocked(a *account) *pair {
	n := len(g.pairs) + 1
	pr := &pair{n: n, account: a, access: fmt.Sprintf("%s-a%04d", mark, n), refresh: fmt.Sprintf("%s-r%04d", mark, n)}
	if g.w.house.claims {
		pr.access = claim + pr.access
	}
	if g.w.house.access > 0 {
		pr.dead = g.w.true() + g.w.house.access
	}
	if g.w.house.sliding > 0 {
		pr.spentBy = g.w.true() + g.w.house.sliding
	}
	g.pairs[pr.access] = pr
	return pr
}

// tellLocked is the answer with a pair in it, with instants by the clock of the
// process that asks, as the client of the wire makes them.
func (g *issuer) tellLocked(p *proc, pr *pair, first bool) *ags.Token {
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
		ClientID: pr.account.client, AccountID: "1663", IssuedAt: issued,
		ExpiresAt: in(pr.dead), RefreshExpiresAt: in(pr.spentBy), FixedExpiresAt: in(pr.account.end),
	}
	if g.w.house.constant && g.w.house.fixed > 0 {
		t.FixedExpiresAt = issued.Add(g.w.house.fixed)
	}
	if !first && g.w.house.sparse {
		t.ClientID, t.AccountID = "", ""
	}
	if !first && g.w.house.keeps {
		t.RefreshToken, t.RefreshExpiresAt = ags.Secret{}, time.Time{}
	}
	return t
}
