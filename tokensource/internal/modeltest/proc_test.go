package modeltest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// proc is a process with a Source in it, from its start to its end, and what it
// can know.
type proc struct {
	w     *world
	n     int
	name  string
	host  *host
	shelf *drawer // nil when there is no store
	src   *tokensource.Source

	crashed, closing, closed, running bool

	current     *pair
	had         map[*pair]bool // what was current once
	claims      map[*pair]bool // the token of the Config, once it was held against what is stored
	given       *pair
	beliefs     map[*pair][]*belief
	tried       map[*pair]bool // a save of it was tried
	answered    map[*pair]bool // presented, and answered for good
	unknown     map[*pair]bool // presented, taken, and not answered
	shunned     *pair          // it was rejected by an API, and must not be served until a refresh fails
	asked       *pair          // what a caller was served since the last rest
	acts        int            // calls of the store and the gateway since then
	overdue     time.Duration  // since when a refresh is, though Run is running; 0 is not
	invalidated map[*pair]bool // and nothing has come of it yet
	rejections  map[*pair][]moment
	unrefreshed map[*pair]bool // rejected by an API, and the refresh for that has failed: true if that is certain
	forced      moment         // the invalidation that the last refresh for one's sake was for
	gone        map[*account]bool
	owed        map[*pair]bool         // came after a sign-out, and is to be signed out too
	warned      map[*account]time.Time // the end that was announced
	air         []*airborne
	lost        *airborne // what was last lost on the way, and not yet for the second time
	lostAt      time.Duration
	refusedAt   int // the loads that were answered when a refresh was last rejected
	failure     memory
	brief       *pair // it came when it was nearly over, and is refreshed on the back-off
	ended       tokensource.Reason
	endedPair   *pair
	deleted     bool          // the device
	leaves      bool          // it was signed out once
	loggedIn    time.Duration // when it did so last; 0 is never
	client      string
	wish        wish
}

// wish is what a human has asked a process for last.
type wish struct {
	account *account // nil is a sign-out, or none
	token   *ags.Token
	signOut bool
	unsaved bool
	n       int // of the wishes that there were
}

// of reports whether what is saved is what was wished for.
func (w wish) of(pr *pair) bool {
	return w.signOut && pr == nil || w.account != nil && pr != nil && pr.account == w.account
}

// memory is what a process remembers of its failures.
type memory struct {
	next  deadline
	pair  *pair
	login bool
	count int
}

// airborne is a call of the gateway that was not answered yet.
type airborne struct {
	ctx   context.Context //nolint:containedctx // it is looked at, and nothing is called with it
	pair  *pair           // nil is a login
	first moment          // when it, or what it repeats, was sent
	began moment
	spent bool // before it was sent
	again bool // it repeats one whose answer was lost
}

// start starts a process, on what is stored.
func (w *world) start(who int) {
	if w.procs[who] != nil {
		return
	}
	p := &proc{
		w: w, n: len(w.past) + who, host: w.hosts[who],
		beliefs: map[*pair][]*belief{}, tried: map[*pair]bool{}, had: map[*pair]bool{}, claims: map[*pair]bool{}, owed: map[*pair]bool{}, answered: map[*pair]bool{}, unknown: map[*pair]bool{},
		invalidated: map[*pair]bool{}, unrefreshed: map[*pair]bool{}, rejections: map[*pair][]moment{}, gone: map[*account]bool{}, warned: map[*account]time.Time{},
	}
	p.name = fmt.Sprintf("%c%d", 'A'+who, len(w.past)+1)
	cfg := tokensource.Config{
		Refresher: wire{p}, Clock: ticker{p}, Rand: p.random(), OnEvent: p.told, RefreshBefore: w.house.refreshBefore,
	}
	if w.house.logged {
		cfg.Logger = slog.New(slog.NewTextHandler(watcher{w}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if w.house.login {
		cfg.Login = p.login
	}
	if w.house.store {
		p.shelf = &drawer{p: p, memory: w.peer(), taken: map[*hold]bool{}, calls: map[context.Context]string{}}
		cfg.Store = p.shelf
		if w.house.locks {
			cfg.Store = lockingDrawer{p.shelf}
		}
	}
	if w.house.given && who == 0 && (len(w.past) == 0 || !w.house.store) {
		w.mu.Lock()
		first, t := w.gw.signOnLocked(p, "PUB_1")
		p.arrivedLocked(first, t, arrival{at: p.moment(), stored: true})
		p.seenLocked(first)
		p.client, p.given = "PUB_1", first
		w.mu.Unlock()
		cfg.Token = t
	}
	src, err := tokensource.New(cfg)
	if err != nil {
		panic(err)
	}
	p.src, w.procs[who] = src, p
}

func (p *proc) moment() moment { return moment{p.host.now(), p.w.fake.Elapsed()} }

// beganLocked notes that the process calls somebody.
func (p *proc) beganLocked(what string) {
	p.acts++
	if p.closed {
		p.w.failLocked("12: %s: %s after Close", p.name, what)
	}
}

// watcher is a log that nothing secret is written to.
type watcher struct{ w *world }

func (l watcher) Write(line []byte) (int, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.w.printedLocked(string(line))
	return len(line), nil
}

// wire is the gateway as one process has it.
type wire struct{ p *proc }

func (r wire) Refresh(ctx context.Context, t *ags.Token) (*ags.Token, error) {
	p, w := r.p, r.p.w
	w.mu.Lock()
	pr := w.gw.pairs[t.AccessToken.Reveal()]
	if p.crashed {
		w.mu.Unlock()
		return nil, errCrashed
	}
	if pr == nil || t.RefreshToken.Reveal() != pr.refresh {
		w.failLocked("5: %s: an access and a refresh token that are no pair", p.name)
		w.mu.Unlock()
		return nil, errDead
	}
	now := p.moment()
	f := &airborne{ctx: ctx, pair: pr, first: now, began: now, spent: pr.spent}
	if p.lost != nil && p.lost.pair == pr && p.lostAt == now.mono {
		f.first, f.again = p.lost.first, true
	}
	p.refreshesLocked(f)
	reply := pop(&w.gw.refresh)
	w.sayLocked("  %s: refresh %s: %s", p.name, pr, reply)
	return p.fly(f, reply, func() (*ags.Token, error) { return w.gw.spendLocked(p, pr) })
}

// fly makes a call, with the world locked, which it unlocks.
func (p *proc) fly(f *airborne, r verdict, work func() (*ags.Token, error)) (answer *ags.Token, err error) {
	w := p.w
	p.air, p.lost = append(p.air, f), nil
	w.mu.Unlock()
	err = errPanicked
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for i, o := range p.air {
			if o == f {
				p.air = append(p.air[:i:i], p.air[i+1:]...)
			}
		}
		p.landedLocked(f, answer, err)
	}()
	answer, err = w.gw.play(f.ctx, p, r, work)
	if f.pair != nil && r.err != nil && errors.Is(r.err, ags.ErrUnauthorized) {
		w.mu.Lock()
		f.pair.account.over = true
		w.mu.Unlock()
	}
	return answer, err
}

// landedLocked notes what a process learns from an answer.
func (p *proc) landedLocked(f *airborne, answer *ags.Token, err error) {
	var e *ags.Error
	known := err == nil && answer != nil || errors.Is(err, ags.ErrUnauthorized)
	switch received := p.receivesLocked(f); {
	case f.pair == nil:
		if received && err == nil && answer != nil {
			p.arrivedLocked(p.w.gw.pairs[answer.AccessToken.Reveal()], answer, arrival{at: p.moment(), stored: true})
		}
	case !received, !known:
		p.unknown[f.pair] = p.unknown[f.pair] || f.pair.spent && !f.spent
		unanswered := errors.As(err, &e) && e.Status == 0 && !e.NotSent && !e.Malformed || e == nil && f.ctx.Err() != nil && !errors.Is(err, errPanicked)
		if received && err != nil && unanswered && !f.again {
			p.lost, p.lostAt = f, p.w.fake.Elapsed()
		}
	case err == nil:
		all := p.beliefs[f.pair]
		if next := p.w.gw.pairs[answer.AccessToken.Reveal()]; len(all) > 0 {
			p.arrivedLocked(next, answer, arrival{at: f.first, former: all[len(all)-1]})
		}
		p.answered[f.pair] = !p.w.house.keeps
		if p.gone[f.pair.account] {
			p.owed[p.w.gw.pairs[answer.AccessToken.Reveal()]] = true
		}
	default:
		p.answered[f.pair] = true
		p.wish.unsaved = p.wish.unsaved && !p.wish.of(f.pair) // it has come to nothing
		if p.shelf != nil {
			p.refusedAt = p.shelf.loaded
		}
	}
	if ags.DeviceDeleted(err) {
		p.deleted = true
	}
}

// receivesLocked reports whether what a call comes to is still waited for. A first
// refresh whose time has run out is, until that of its repetition has as well.
func (p *proc) receivesLocked(f *airborne) bool {
	late := f.pair != nil && !f.again && p.w.fake.Elapsed()-f.first.mono < oneRefresh
	return !p.crashed && (f.ctx.Err() == nil || late)
}

func (r wire) SignOut(_ context.Context, t *ags.Token) error {
	p, w := r.p, r.p.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.crashed {
		return errCrashed
	}
	if !p.leaves { // what has come too late for a sign-out is signed out too
		p.beganLocked("a sign-out")
	}
	pr := w.gw.pairs[t.AccessToken.Reveal()]
	w.sayLocked("  %s: the gateway signs out %s", p.name, pr)
	if pr != nil {
		pr.account.over = true
		delete(p.owed, pr)
	}
	return nil
}

// login is a LoginFunc.
func (p *proc) login(ctx context.Context, ended *tokensource.LoginRequiredError) (*ags.Token, error) {
	w := p.w
	if _, err := p.src.TokenContext(ctx); err == nil && ended.Reason == tokensource.RefreshRejected && p.dead() {
		w.fail("1: %s: a dead token is given to its Login", p.name)
	}
	if p.src.SetToken(ctx, &ags.Token{AccessToken: ags.NewSecret(mark)}) == nil {
		w.fail("3: %s: a Login may call SetToken, and wait for itself", p.name)
	}
	w.mu.Lock()
	if p.crashed {
		w.mu.Unlock()
		return nil, errCrashed
	}
	now := p.moment()
	f := &airborne{ctx: ctx, first: now, began: now}
	p.logsInLocked(f, ended)
	reply := pop(&w.gw.login)
	w.sayLocked("  %s: login for %s: %s", p.name, ended.Reason, reply)
	client := ended.ClientID
	if client == "" {
		client = fmt.Sprintf("PUB_%d", w.gw.accounts+1)
	}
	return p.fly(f, reply, func() (*ags.Token, error) {
		_, t := w.gw.signOnLocked(p, client)
		return t, nil
	})
}

// dead reports whether the pair that the process goes by is dead by all accounts.
func (p *proc) dead() bool {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	return p.allLocked(p.current, func(b *belief) bool { return b.served.either(p.moment()) })
}
