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
type process struct {
	w     *model
	n     int
	name  string
	host  *host
	store *processStore // nil when there is no store
	src   *tokensource.Source

	crashed, closing, closed, running bool

	current           *pair
	wasCurrent        map[*pair]bool // what was current once
	comparedWithStore map[*pair]bool // the token of the Config, once it was held against what is stored
	given             *pair
	beliefs           map[*pair][]*belief
	tried             map[*pair]bool // a save of it was tried
	answered          map[*pair]bool // presented, and answered for good
	unknown           map[*pair]bool // presented, taken, and not answered
	mustNotServe      *pair          // it was rejected by an API, and must not be served until a refresh fails
	lastServed        *pair          // what a caller was served since the last rest
	outgoing          int            // calls of the store and the gateway since then
	overdue           time.Duration  // since when a refresh is, though Run is running; 0 is not
	invalidated       map[*pair]bool // and nothing has come of it yet
	rejections        map[*pair][]instant
	unrefreshed       map[*pair]bool // rejected by an API, and the refresh for that has failed: true if that is certain
	lastForced        instant        // the invalidation that the last refresh for one's sake was for
	signedOut         map[*session]bool
	owesSignOut       map[*pair]bool         // came after a sign-out, and is to be signed out too
	warned            map[*session]time.Time // the end that was announced
	inFlight          []*gatewayCall
	lost              *gatewayCall // what was last lost on the way, and not yet for the second time
	lostAt            time.Duration
	loadsAtRejection  int // the loads that were answered when a refresh was last rejected
	failure           failureMemory
	shortLived        *pair // it came when it was nearly over, and is refreshed on the back-off
	ended             tokensource.Reason
	endedPair         *pair
	deleted           bool          // the device
	hasSignedOut      bool          // it was signed out once
	loggedIn          time.Duration // when it did so last; 0 is never
	client            string
	lastAction        userAction
}

// wish is what a human has asked a process for last.
type userAction struct {
	session *session // nil is a sign-out, or none
	token   *ags.Token
	signOut bool
	unsaved bool
	n       int // of the wishes that there were
}

// of reports whether what is saved is what was wished for.
func (w userAction) matches(pr *pair) bool {
	return w.signOut && pr == nil || w.session != nil && pr != nil && pr.session == w.session
}

// memory is what a process remembers of its failures.
type failureMemory struct {
	next  deadline
	pair  *pair
	login bool
	count int
}

// airborne is a call of the gateway that was not answered yet.
type gatewayCall struct {
	ctx            context.Context //nolint:containedctx // it is looked at, and nothing is called with it
	pair           *pair           // nil is a login
	first          instant         // when it, or what it repeats, was sent
	at             instant
	redeemedBefore bool // before it was sent
	repeats        bool // it repeats one whose answer was lost
}

// start starts a process, on what is stored.
func (m *model) start(who int) {
	if m.procs[who] != nil {
		return
	}
	p := &process{
		w: m, n: len(m.past) + who, host: m.hosts[who],
		beliefs: map[*pair][]*belief{}, tried: map[*pair]bool{}, wasCurrent: map[*pair]bool{}, comparedWithStore: map[*pair]bool{}, owesSignOut: map[*pair]bool{}, answered: map[*pair]bool{}, unknown: map[*pair]bool{},
		invalidated: map[*pair]bool{}, unrefreshed: map[*pair]bool{}, rejections: map[*pair][]instant{}, signedOut: map[*session]bool{}, warned: map[*session]time.Time{},
	}
	p.name = fmt.Sprintf("%c%d", 'A'+who, len(m.past)+1)
	cfg := tokensource.Config{
		Refresher: processGateway{p}, Clock: processClock{p}, Rand: p.random(), OnEvent: p.onEvent, RefreshBefore: m.settings.refreshBefore,
	}
	if m.settings.logged {
		cfg.Logger = slog.New(slog.NewTextHandler(logChecker{m}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if m.settings.withLogin {
		cfg.Login = p.login
	}
	if m.settings.withStore {
		p.store = &processStore{p: p, memory: m.peer(), taken: map[*heldLock]bool{}, calls: map[context.Context]string{}}
		cfg.Store = p.store
		if m.settings.locks {
			cfg.Store = lockingStore{p.store}
		}
	}
	if m.settings.given && who == 0 && (len(m.past) == 0 || !m.settings.withStore) {
		m.mu.Lock()
		first, t := m.gw.signOnLocked(p, "PUB_1")
		p.obtainedLocked(first, t, origin{at: p.now(), stored: true})
		p.becameCurrentLocked(first)
		p.client, p.given = "PUB_1", first
		m.mu.Unlock()
		cfg.Token = t
	}
	src, err := tokensource.New(cfg)
	if err != nil {
		panic(err)
	}
	p.src, m.procs[who] = src, p
}

func (p *process) now() instant { return instant{p.host.now(), p.w.fake.Elapsed()} }

// beganLocked notes that the process calls somebody.
func (p *process) outgoingLocked(what string) {
	p.outgoing++
	if p.closed {
		p.w.failLocked("12: %s: %s after Close", p.name, what)
	}
}

// watcher is a log that nothing secret is written to.
type logChecker struct{ w *model }

func (l logChecker) Write(line []byte) (int, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.w.printedLocked(string(line))
	return len(line), nil
}

// wire is the gateway as one process has it.
type processGateway struct{ p *process }

func (r processGateway) Refresh(ctx context.Context, t *ags.Token) (*ags.Token, error) {
	p, m := r.p, r.p.w
	m.mu.Lock()
	pr := m.gw.pairs[t.AccessToken.Reveal()]
	if p.crashed {
		m.mu.Unlock()
		return nil, errCrashed
	}
	if pr == nil || t.RefreshToken.Reveal() != pr.refresh {
		m.failLocked("5: %s: an access and a refresh token that are no pair", p.name)
		m.mu.Unlock()
		return nil, errRejected
	}
	now := p.now()
	f := &gatewayCall{ctx: ctx, pair: pr, first: now, at: now, redeemedBefore: pr.redeemed}
	if p.lost != nil && p.lost.pair == pr && p.lostAt == now.mono {
		f.first, f.repeats = p.lost.first, true
	}
	p.refreshesLocked(f)
	reply := pop(&m.gw.refresh)
	m.logLocked("  %s: refresh %s: %s", p.name, pr, reply)
	return p.perform(f, reply, func() (*ags.Token, error) { return m.gw.redeemLocked(p, pr) })
}

// fly makes a call, with the world locked, which it unlocks.
func (p *process) perform(f *gatewayCall, r reply, work func() (*ags.Token, error)) (answer *ags.Token, err error) {
	m := p.w
	p.inFlight, p.lost = append(p.inFlight, f), nil
	m.mu.Unlock()
	err = errPanicked
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		for i, o := range p.inFlight {
			if o == f {
				p.inFlight = append(p.inFlight[:i:i], p.inFlight[i+1:]...)
			}
		}
		p.finishedLocked(f, answer, err)
	}()
	answer, err = m.gw.answer(f.ctx, p, r, work)
	if f.pair != nil && r.err != nil && errors.Is(r.err, ags.ErrUnauthorized) {
		m.mu.Lock()
		f.pair.session.ended = true
		m.mu.Unlock()
	}
	return answer, err
}

// landedLocked notes what a process learns from an answer.
func (p *process) finishedLocked(f *gatewayCall, answer *ags.Token, err error) {
	var e *ags.Error
	known := err == nil && answer != nil || errors.Is(err, ags.ErrUnauthorized)
	switch received := p.receivesLocked(f); {
	case f.pair == nil:
		if received && err == nil && answer != nil {
			p.obtainedLocked(p.w.gw.pairs[answer.AccessToken.Reveal()], answer, origin{at: p.now(), stored: true})
		}
	case !received, !known:
		p.unknown[f.pair] = p.unknown[f.pair] || f.pair.redeemed && !f.redeemedBefore
		unanswered := errors.As(err, &e) && e.Status == 0 && !e.NotSent && !e.Malformed || e == nil && f.ctx.Err() != nil && !errors.Is(err, errPanicked)
		if received && err != nil && unanswered && !f.repeats {
			p.lost, p.lostAt = f, p.w.fake.Elapsed()
		}
	case err == nil:
		all := p.beliefs[f.pair]
		if next := p.w.gw.pairs[answer.AccessToken.Reveal()]; len(all) > 0 {
			p.obtainedLocked(next, answer, origin{at: f.first, refreshedFrom: all[len(all)-1]})
		}
		p.answered[f.pair] = !p.w.settings.keepsRefreshToken
		if p.signedOut[f.pair.session] {
			p.owesSignOut[p.w.gw.pairs[answer.AccessToken.Reveal()]] = true
		}
	default:
		p.answered[f.pair] = true
		p.lastAction.unsaved = p.lastAction.unsaved && !p.lastAction.matches(f.pair) // it has come to nothing
		if p.store != nil {
			p.loadsAtRejection = p.store.loaded
		}
	}
	if ags.DeviceDeleted(err) {
		p.deleted = true
	}
}

// receivesLocked reports whether what a call comes to is still waited for. A first
// refresh whose time has run out is, until that of its repetition has as well.
func (p *process) receivesLocked(f *gatewayCall) bool {
	late := f.pair != nil && !f.repeats && p.w.fake.Elapsed()-f.first.mono < oneRefresh
	return !p.crashed && (f.ctx.Err() == nil || late)
}

func (r processGateway) SignOut(_ context.Context, t *ags.Token) error {
	p, m := r.p, r.p.w
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.crashed {
		return errCrashed
	}
	if !p.hasSignedOut { // what has come too late for a sign-out is signed out too
		p.outgoingLocked("a sign-out")
	}
	pr := m.gw.pairs[t.AccessToken.Reveal()]
	m.logLocked("  %s: the gateway signs out %s", p.name, pr)
	if pr != nil {
		pr.session.ended = true
		delete(p.owesSignOut, pr)
	}
	return nil
}

// login is a LoginFunc.
func (p *process) login(ctx context.Context, ended *tokensource.LoginRequiredError) (*ags.Token, error) {
	m := p.w
	if _, err := p.src.TokenContext(ctx); err == nil && ended.Reason == tokensource.RefreshRejected && p.isExpired() {
		m.fail("1: %s: a dead token is given to its Login", p.name)
	}
	if p.src.SetToken(ctx, &ags.Token{AccessToken: ags.NewSecret(mark)}) == nil {
		m.fail("3: %s: a Login may call SetToken, and wait for itself", p.name)
	}
	m.mu.Lock()
	if p.crashed {
		m.mu.Unlock()
		return nil, errCrashed
	}
	now := p.now()
	f := &gatewayCall{ctx: ctx, first: now, at: now}
	p.logsInLocked(f, ended)
	reply := pop(&m.gw.login)
	m.logLocked("  %s: login for %s: %s", p.name, ended.Reason, reply)
	client := ended.ClientID
	if client == "" {
		client = fmt.Sprintf("PUB_%d", m.gw.sessions+1)
	}
	return p.perform(f, reply, func() (*ags.Token, error) {
		_, t := m.gw.signOnLocked(p, client)
		return t, nil
	})
}

// dead reports whether the pair that the process goes by is dead by all accounts.
func (p *process) isExpired() bool {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	return p.allLocked(p.current, func(b *belief) bool { return b.serveUntil.either(p.now()) })
}
