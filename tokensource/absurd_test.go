package tokensource_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// No answer makes for more calls than the back-off allows: an hour with a gateway and a
// Login that answer whatever they like.

// absurdity is how a Refresher or a Login answers one call.
type absurdity struct {
	err                    error
	none                   bool           // it returns nothing at all
	issued                 time.Duration  // when the pair was issued, from now
	access, refresh, fixed *time.Duration // the horizons, from now; nil is not told
	norefresh              bool           // there is no refresh token
	again                  bool           // the tokens are those of the answer before
}

func (a absurdity) String() string {
	if a.err != nil || a.none {
		return fmt.Sprintf("error %v", a.err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "issued %s", a.issued)
	for _, h := range []struct {
		name string
		span *time.Duration
	}{{"access", a.access}, {"refresh", a.refresh}, {"fixed", a.fixed}} {
		if h.span != nil {
			fmt.Fprintf(&b, ", %s %s", h.name, *h.span)
		}
	}
	fmt.Fprintf(&b, ", no refresh token %t, again %t", a.norefresh, a.again)
	return b.String()
}

func drawAbsurdity(rt *rapid.T) absurdity {
	const year = 365 * 24 * time.Hour
	rarely := func(name string) bool { return rapid.IntRange(0, 5).Draw(rt, name) == 5 }
	span := func(name string) *time.Duration {
		d := rapid.SampledFrom([]time.Duration{
			-50 * year, -time.Hour, -1, 0, 1, time.Millisecond, 300 * time.Millisecond, time.Second, 1500 * time.Millisecond, 5 * time.Second,
			15 * time.Second, time.Minute, time.Hour, 90 * year, -2, // the last is not told
		}).Draw(rt, name)
		if d == -2 {
			return nil
		}
		return &d
	}
	if rarely("fails") {
		return absurdity{err: rapid.SampledFrom([]error{
			errBusy, errSuspended, errUnauthorized, errDeviceDeleted, errLost, errRefused, errors.New("boom"),
			&ags.Error{Status: 408}, &ags.Error{Status: 503, NotFromGateway: true}, &ags.Error{Status: 200, Malformed: true}, &ags.Error{Malformed: true},
		}).Draw(rt, "error")}
	}
	if rarely("nothing") && rarely("at all") {
		return absurdity{none: true}
	}
	a := absurdity{access: span("access"), refresh: span("refresh"), fixed: span("fixed"), norefresh: rarely("no refresh token"), again: rarely("again")}
	if rarely("issued") {
		a.issued = rapid.SampledFrom([]time.Duration{-50 * year, -time.Hour, -time.Second, time.Second, time.Hour, 50 * year}).Draw(rt, "issued")
	}
	return a
}

// token makes the n-th pair of an answer.
func (a absurdity) token(now time.Time, n int) *ags.Token {
	in := func(d *time.Duration) time.Time {
		if d == nil {
			return time.Time{}
		}
		return now.Add(*d)
	}
	t := &ags.Token{
		AccessToken: ags.NewSecret(fmt.Sprintf("a%d", n)), IssuedAt: now.Add(a.issued),
		ExpiresAt: in(a.access), RefreshExpiresAt: in(a.refresh), FixedExpiresAt: in(a.fixed),
	}
	if !a.norefresh {
		t.RefreshToken = ags.NewSecret(fmt.Sprintf("r%d", n))
	}
	return t
}

// left is how long a horizon of the answer is away by the clock that is there first.
func (a absurdity) left(h *time.Duration) time.Duration {
	if h == nil {
		return 1 << 62
	}
	return min(*h, *h-a.issued)
}

// good reports whether a pair can be served, or its session be kept, for d.
func (a absurdity) good(d time.Duration) bool {
	return a.err == nil && !a.none && min(a.left(a.access), a.left(a.refresh), a.left(a.fixed)) >= d
}

// pacer answers the calls of one kind, and checks that none comes too soon after an
// answer.
type pacer struct {
	what   string
	script []absurdity
	calls  int           // those that repeat the last one at once do not count
	next   int           // of the script
	at     time.Duration // of the last answer
	last   absurdity
	repeat bool // the next call may repeat this one at once
}

func (p *pacer) answer(now time.Duration, again bool) (a absurdity, wrong string) {
	gone := now - p.at
	if gone > 0 || !p.repeat || !again {
		p.calls++
	}
	if least := p.least(); p.calls > 1 && gone < least && (!p.repeat || !again) {
		wrong = fmt.Sprintf("%s: %s %d comes %s after %q, and not %s", now, p.what, p.calls, gone, p.last, least)
	}
	a = p.script[p.next%len(p.script)]
	p.next++
	p.at, p.last = now, a
	return a, wrong
}

// least is how long after the last answer the next call is at least: as after the
// first failure, or longer.
func (p *pacer) least() time.Duration {
	const first = 187500 * time.Microsecond
	switch {
	case p.what == "refresh" && errors.Is(p.last.err, errSuspended):
		return time.Minute
	case p.what == "refresh":
		return first
	case errors.Is(p.last.err, ags.ErrUnavailable), errors.Is(p.last.err, ags.ErrProtocol):
		return first
	case p.last.good(0):
		return 10 * time.Second
	default:
		return time.Minute
	}
}

// absurdHour is the gateway and the Login of one hour.
type absurdHour struct {
	clock *clock.Fake

	mu             sync.Mutex // guards all below
	refresh, login pacer
	pairs          int
	wrong          []string
}

func (h *absurdHour) Refresh(context.Context, *ags.Token) (*ags.Token, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a, wrong := h.refresh.answer(h.clock.Elapsed(), true)
	h.refresh.repeat = errors.Is(a.err, errLost) && !h.refresh.repeat
	return h.answerLocked(a, wrong)
}

func (h *absurdHour) signOn(_ context.Context, ended *tokensource.LoginRequiredError) (*ags.Token, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a, wrong := h.login.answer(h.clock.Elapsed(), ended.ClientID == "")
	h.login.repeat = ags.DeviceDeleted(a.err)
	return h.answerLocked(a, wrong)
}

func (h *absurdHour) answerLocked(a absurdity, wrong string) (*ags.Token, error) {
	if wrong != "" {
		h.wrong = append(h.wrong, wrong)
	}
	if len(h.wrong) > 10 {
		return nil, errSuspended // or time would not go on
	}
	if a.err != nil || a.none {
		return nil, a.err
	}
	if !a.again || h.pairs == 0 {
		h.pairs++
	}
	return a.token(h.clock.Now(), h.pairs), nil
}

// observed is how much of the hour is looked at: not what happens at its very end.
const observed = 59 * time.Minute

// absurdPlan is what is drawn for an hour.
type absurdPlan struct {
	refresh, login []absurdity
	noLogin, store bool
	run            bool
	every          time.Duration // a caller comes; 0 is never
}

func drawAbsurdPlan(rt *rapid.T) *absurdPlan {
	script := rapid.SliceOfN(rapid.Custom(drawAbsurdity), 1, 4)
	p := &absurdPlan{
		refresh: script.Draw(rt, "refresh"), login: script.Draw(rt, "login"),
		noLogin: rapid.IntRange(0, 3).Draw(rt, "no login") == 3, store: rapid.Bool().Draw(rt, "store"), run: rapid.Bool().Draw(rt, "run"),
		every: rapid.SampledFrom([]time.Duration{700 * time.Millisecond, 7 * time.Second, time.Minute, 0}).Draw(rt, "every"),
	}
	p.run = p.run || p.every == 0
	return p
}

func (p *absurdPlan) String() string {
	return fmt.Sprintf("refreshes %q, logins %q, none %t, store %t, run %t, every %s", p.refresh, p.login, p.noLogin, p.store, p.run, p.every)
}

// most is how many calls the back-off allows at most in the hour: one per 7.5 s once it
// is at its cap, and seven more for each time that it begins anew, which it does with
// each login. Nothing is said of pairs that can be served for half a second.
func (p *absurdPlan) most(logins int) (refreshes int, limited bool) {
	limited = true
	for _, a := range p.refresh {
		limited = limited && (a.err != nil || a.none || min(a.left(a.access), a.left(a.fixed)) < 500*time.Millisecond)
	}
	return 480 + 8*(logins+1), limited
}

func (p *absurdPlan) play(t *testing.T) *absurdHour {
	t.Helper()
	c := clock.NewFake(start)
	h := &absurdHour{clock: c, refresh: pacer{what: "refresh", script: p.refresh}, login: pacer{what: "login", script: p.login}}
	cfg := tokensource.Config{Refresher: h, Clock: c, Rand: func() float64 { return 0 }}
	if !p.noLogin {
		cfg.Login = h.signOn
	}
	if p.store {
		cfg.Store = &store.Memory{}
	}
	if p.noLogin {
		cfg.Token = &ags.Token{
			AccessToken: ags.NewSecret("a0"), RefreshToken: ags.NewSecret("r0"), IssuedAt: c.Now(), ExpiresAt: c.Now().Add(time.Minute),
		}
	}
	src, err := tokensource.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	if p.run {
		go func() { _ = src.Run(ctx) }()
	}
	for c.Elapsed() < observed {
		next := c.NewTimer(time.Minute)
		if p.every > 0 {
			next.Stop()
			next = c.NewTimer(p.every)
			go func() { _, _ = src.TokenContext(ctx) }()
		}
		for fired := false; !fired; {
			synctest.Wait()
			c.AdvanceToNext()
			select {
			case <-next.C():
				fired = true
			default:
			}
		}
	}
	cancel()
	synctest.Wait()
	require.NoError(t, src.Close())
	return h
}

func TestAbsurdAnswers_MakeForNoMoreCallsThanTheBackOffAllows(t *testing.T) {
	defer byDefault("rapid.checks", "40")()
	rapid.Check(t, func(rt *rapid.T) {
		p := drawAbsurdPlan(rt)
		rt.Logf("%s", p)
		var h *absurdHour
		synctest.Test(t, func(t *testing.T) { h = p.play(t) })
		if len(h.wrong) > 0 {
			rt.Fatalf("%s", strings.Join(h.wrong, "\n"))
		}
		if most, limited := p.most(h.login.calls); limited && h.refresh.calls > most {
			rt.Fatalf("%d refreshes in an hour, with %d logins", h.refresh.calls, h.login.calls)
		}
	})
}

// What was seen in the field, and its like, with exact numbers.
func TestAbsurdAnswers_OfALoginCountAsRefused(t *testing.T) {
	span := func(d time.Duration) *time.Duration { return &d }
	hour, day := span(time.Hour), span(24*time.Hour)
	for name, tt := range map[string]struct {
		answer absurdity
		logins int
	}{
		"a refresh token that is over at once":        {absurdity{access: day, refresh: span(0)}, 7}, // at 0, 1, 3, 7, 15, 30 and 45 min
		"a refresh token that is over long since":     {absurdity{access: day, refresh: span(-time.Hour)}, 7},
		"a refresh token of a tenth of a millisecond": {absurdity{access: day, refresh: span(100 * time.Microsecond)}, 7},
		"a fixed end a second ahead":                  {absurdity{access: hour, fixed: span(time.Second)}, 7},
		"a fixed end that has passed":                 {absurdity{access: hour, fixed: span(-time.Hour)}, 7},
		"an access token that is dead":                {absurdity{access: span(-1), refresh: hour}, 7},
		"an access token of a second, and no more":    {absurdity{access: span(time.Second), norefresh: true}, 7},
		"no token":                        {absurdity{none: true}, 7},
		"a fixed end half a minute ahead": {absurdity{access: hour, fixed: span(30 * time.Second)}, 0},
		"a session of a day":              {absurdity{access: hour, fixed: day}, 1},
	} {
		for _, stored := range []bool{false, true} {
			for _, every := range []time.Duration{0, 900 * time.Millisecond} {
				t.Run(fmt.Sprintf("%s, stored %t, asked every %s", name, stored, every), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						p := &absurdPlan{
							refresh: []absurdity{tt.answer}, login: []absurdity{tt.answer}, store: stored, run: every == 0, every: every,
						}
						h := p.play(t)
						require.Empty(t, h.wrong)
						if tt.logins > 0 {
							require.Equal(t, tt.logins, h.login.calls)
						}
						require.LessOrEqual(t, h.login.calls, 360)
						require.LessOrEqual(t, h.refresh.calls, h.login.calls)
					})
				})
			}
		}
	}
}
