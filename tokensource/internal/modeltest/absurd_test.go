package modeltest_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
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

// absurdHour is the gateway and the Login of one process for an hour. They may answer
// anything, but are not called more often than the backoff allows.
type absurdHour struct {
	clock    *clock.Fake
	sessions *atomic.Int64 // begun by any process

	mu             sync.Mutex // guards all below
	refresh, login pacedScript
	pairs          int
	session        int64 // of the last refresh
	broken         []string
}

func (h *absurdHour) Refresh(context.Context, *ags.Token) (*ags.Token, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	session := h.sessions.Load()
	another := session != h.session // with a backoff of its own
	h.session = session
	a, wrong := h.refresh.answer(h.clock.Elapsed(), true)
	if another {
		wrong = ""
	}
	h.refresh.repeat = errors.Is(a.err, errLost) && !h.refresh.repeat
	return h.answerLocked(a, wrong)
}

func (h *absurdHour) signOn(_ context.Context, ended *tokensource.LoginRequiredError) (*ags.Token, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a, wrong := h.login.answer(h.clock.Elapsed(), ended.ClientID == "")
	h.login.repeat = ags.DeviceDeleted(a.err)
	h.sessions.Add(1)
	return h.answerLocked(a, wrong)
}

func (h *absurdHour) answerLocked(a absurdity, wrong string) (*ags.Token, error) {
	if wrong != "" {
		h.broken = append(h.broken, wrong)
	}
	if len(h.broken) > 10 {
		return nil, errSuspended // ends a loop that time does not pass in
	}
	if a.err != nil || a.none {
		return nil, a.err
	}
	if !a.again || h.pairs == 0 {
		h.pairs++
	}
	return a.token(h.clock.Now(), h.pairs), nil
}

// observed is the part of the hour that is checked.
const observed = 59 * time.Minute

// absurdPlan is what is drawn for one hour.
type absurdPlan struct {
	refresh, login []absurdity
	noLogin, store bool
	secondProcess  bool // a second process on the same store
	run            bool
	every          time.Duration // between two callers; 0 for none
}

func drawAbsurdPlan(rt *rapid.T) *absurdPlan {
	script := rapid.SliceOfN(rapid.Custom(drawAbsurdity), 1, 4)
	p := &absurdPlan{
		refresh: script.Draw(rt, "refresh"), login: script.Draw(rt, "login"),
		noLogin: rapid.IntRange(0, 3).Draw(rt, "no login") == 3, store: rapid.Bool().Draw(rt, "store"), run: rapid.Bool().Draw(rt, "run"),
		every: rapid.SampledFrom([]time.Duration{700 * time.Millisecond, 7 * time.Second, time.Minute, 0}).Draw(rt, "every"),
	}
	p.run = p.run || p.every == 0
	p.secondProcess = p.store && rapid.Bool().Draw(rt, "second process")
	return p
}

func (p *absurdPlan) String() string {
	return fmt.Sprintf("refreshes %q, logins %q, none %t, store %t, second process %t, run %t, every %s", p.refresh, p.login, p.noLogin, p.store, p.secondProcess, p.run, p.every)
}

// most is the number of refreshes that the backoff allows in the hour: one per 7.5 s at
// its cap, and seven more for each reset, which a login causes. It is unlimited for pairs
// that live for longer than the first wait.
func (p *absurdPlan) most(logins int) (refreshes int, limited bool) {
	limited = true
	for _, a := range p.refresh {
		limited = limited && (a.err != nil || a.none || min(a.left(a.access), a.left(a.fixed)) < 250*time.Millisecond)
	}
	return 480 + 8*(logins+1), limited
}

// play runs the hour. It returns the calls of each process.
func (p *absurdPlan) play(t *testing.T) []*absurdHour {
	t.Helper()
	c, shared, sessions := clock.NewFake(start), &store.Memory{}, &atomic.Int64{}
	ctx, cancel := context.WithCancel(t.Context())
	var hours []*absurdHour
	var sources []*tokensource.Source
	for len(sources) == 0 || p.secondProcess && len(sources) == 1 {
		h := &absurdHour{
			clock: c, sessions: sessions, refresh: pacedScript{what: "refresh", script: p.refresh}, login: pacedScript{what: "login", script: p.login},
		}
		src := p.source(t, h, shared)
		hours, sources = append(hours, h), append(sources, src)
		if p.run {
			go func() { _ = src.Run(ctx) }()
		}
	}
	for c.Elapsed() < observed {
		next := c.NewTimer(cmp.Or(p.every, time.Minute))
		for _, src := range sources {
			if p.every > 0 {
				go func() { _, _ = src.TokenContext(ctx) }()
			}
		}
		advanceTo(c, next)
	}
	cancel()
	synctest.Wait()
	for _, src := range sources {
		require.NoError(t, src.Close())
	}
	return hours
}

// source makes the Source of one process.
func (p *absurdPlan) source(t *testing.T, h *absurdHour, shared *store.Memory) *tokensource.Source {
	t.Helper()
	cfg := tokensource.Config{Refresher: h, Clock: h.clock, Rand: func() float64 { return 0 }}
	if p.store {
		cfg.Store = shared.Peer()
	}
	if p.noLogin {
		now := h.clock.Now()
		cfg.Token = &ags.Token{
			AccessToken: ags.NewSecret("a0"), RefreshToken: ags.NewSecret("r0"), IssuedAt: now, ExpiresAt: now.Add(time.Minute),
		}
	} else {
		cfg.Login = h.signOn
	}
	src, err := tokensource.New(cfg)
	require.NoError(t, err)
	return src
}

// advanceTo advances the clock from timer to timer, until end fires.
func advanceTo(c *clock.Fake, end clock.Timer) {
	for {
		synctest.Wait()
		c.AdvanceToNext()
		select {
		case <-end.C():
			return
		default:
		}
	}
}

func TestAbsurdAnswers_MakeForNoMoreCallsThanTheBackOffAllows(t *testing.T) {
	defer byDefault("rapid.checks", "40")()
	rapid.Check(t, func(rt *rapid.T) {
		p := drawAbsurdPlan(rt)
		rt.Logf("%s", p)
		var hours []*absurdHour
		synctest.Test(t, func(t *testing.T) { hours = p.play(t) })
		logins := 0 // of both processes: each begins a session that the other one adopts
		for _, h := range hours {
			logins += h.login.calls
		}
		for _, h := range hours {
			if len(h.broken) > 0 {
				rt.Fatalf("%s", strings.Join(h.broken, "\n"))
			}
			if most, limited := p.most(logins); limited && h.refresh.calls > most {
				rt.Fatalf("%d refreshes in an hour, with %d logins", h.refresh.calls, logins)
			}
		}
	})
}

// Known answers of this kind, with exact numbers.
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
		"an access token that has expired":            {absurdity{access: span(-1), refresh: hour}, 7},
		"an access token of a second, and no more":    {absurdity{access: span(time.Second), noRefreshToken: true}, 7},
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
						h := p.play(t)[0]
						require.Empty(t, h.broken)
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
