package pool_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/pool"
	"github.com/agsauth/agsauth/tokensource"
)

// longestMargin is how long before the expiry of an access token a refresh may begin, if
// there is no cohort for which the rate is too low. The default is six minutes at most.
const longestMargin = 7 * time.Minute

// plan is a story that is drawn before it is played.
type plan struct {
	perSecond, concurrent int
	keep                  pool.KeepAlive
	maxResident           int
	idleAfter             time.Duration
	latency               time.Duration
	pools                 int // each in a process of its own
	steps                 []step
}

// step is something that happens in a process.
type step struct {
	action  string
	process int
	keys    []string
	length  time.Duration
}

func drawPlan(rt *rapid.T) plan {
	from := func(label string, values ...int) int { return rapid.SampledFrom(values).Draw(rt, label) }
	p := plan{
		perSecond: from("per second", 1, 3, 20), concurrent: from("concurrent", 1, 2, 8),
		keep:        rapid.SampledFrom([]pool.KeepAlive{pool.Sessions, pool.Tokens, pool.OnDemand}).Draw(rt, "keep"),
		maxResident: from("max resident", 0, 1, 4),
		idleAfter:   time.Duration(from("idle after", 5, 30, 600)) * time.Minute,
		latency:     time.Duration(from("latency", 0, 40, 1500)) * time.Millisecond,
		pools:       from("pools", 1, 1, 2),
	}
	actions := []string{"ask", "ask", "ask", "reject", "wait", "wait", "wait", "gateway away", "retry after", "restart", "warm"}
	if p.pools == 1 {
		// Otherwise two processes that cannot see each other's pairs may use a token twice.
		actions = append(actions, "store away")
	}
	lengths := []time.Duration{10 * time.Millisecond, time.Second, time.Minute, 20 * time.Minute, 56 * time.Minute, 70 * time.Minute}
	for range rapid.IntRange(1, 25).Draw(rt, "steps") {
		p.steps = append(p.steps, step{
			action: rapid.SampledFrom(actions).Draw(rt, "action"), process: from("process", 0, p.pools-1),
			keys:   rapid.SliceOfNDistinct(rapid.SampledFrom(names(8)), 1, 8, rapid.ID).Draw(rt, "keys"),
			length: rapid.SampledFrom(lengths).Draw(rt, "length"),
		})
	}
	return p
}

// world is what the processes of a story share: a gateway and the stored records. It notes
// what must not happen.
type world struct {
	plan

	gw     *gateway
	stores *stores

	processes []*process

	mu         sync.Mutex           // guards all below
	expiries   map[string]time.Time // of all access tokens
	lastServed map[string]string    // the token of each key that was served last
	rejected   map[string]bool      // tokens that an API has rejected
	away       bool                 // the gateway
	retryAfter time.Duration        // that its next answer has
	storeAway  bool
	// slowStore says that calls of the gateway may be delayed after the Gate has let them
	// start: the store is away, or another process has the lock.
	slowStore bool
}

// process is a Pool, and what it has called.
type process struct {
	*world

	pool *pool.Pool
	gate *tokensource.Gate
	stop func()

	served   map[string]string // as lastServed, by this process; guarded by world.mu, as all below
	starts   []time.Time       // of calls of the gateway
	inFlight int
	pausedAt time.Time // when the gateway has asked to be left alone
	pausedTo time.Time
}

func (w *world) fault(format string, args ...any) {
	w.gw.set(func(g *gateway) { g.problems = append(g.problems, fmt.Sprintf(format, args...)) })
}

// begin notes that a call of the gateway begins.
func (p *process) begin() (end func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if n := len(p.starts); n >= p.perSecond && now.Sub(p.starts[n-p.perSecond]) < time.Second-time.Millisecond && !p.slowStore {
		p.fault("more than %d calls in a second", p.perSecond)
	}
	if now.After(p.pausedAt) && now.Before(p.pausedTo) {
		p.fault("a call %v before the end of Retry-After", p.pausedTo.Sub(now))
	}
	p.starts = append(p.starts, now)
	if p.inFlight++; p.inFlight > p.concurrent {
		p.fault("more than %d calls at once", p.concurrent)
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.inFlight--
	}
}

// refuse returns the error of a gateway that does not answer now.
func (p *process) refuse() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := &ags.Error{Op: "refresh", Status: 503, Message: "busy", RetryAfter: p.retryAfter}
	switch {
	case p.retryAfter > 0:
		p.pausedAt, p.pausedTo, p.retryAfter = time.Now(), time.Now().Add(p.retryAfter), 0
		return e
	case p.away:
		return e
	}
	return nil
}

// granted notes a pair.
func (w *world) granted(t *ags.Token) *ags.Token {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.expiries[t.AccessToken.Reveal()] = t.ExpiresAt
	return t
}

func (p *process) Refresh(ctx context.Context, t *ags.Token) (*ags.Token, error) {
	defer p.begin()()
	old := t.AccessToken.Reveal()
	p.mu.Lock()
	left := time.Until(p.expiries[old])
	isRejected := p.rejected[old]
	p.mu.Unlock()
	if left > longestMargin && !isRejected {
		p.fault("a refresh of %s, which lives for %v", old, left)
	}
	time.Sleep(p.latency)
	if err := p.refuse(); err != nil {
		return nil, err
	}
	next, err := p.gw.Refresh(ctx, t)
	if err != nil {
		return nil, err
	}
	return p.granted(next), nil
}

// login signs on. There must be no session yet.
func (p *process) login(key string) tokensource.LoginFunc {
	return func(ctx context.Context, _ *tokensource.LoginRequiredError) (*ags.Token, error) {
		defer p.begin()()
		time.Sleep(p.latency)
		if err := cmp.Or(ctx.Err(), p.refuse()); err != nil { // Drain ends a login
			return nil, err
		}
		token := p.granted(p.gw.grant(key))
		if text := token.AccessToken.Reveal(); text != key+"/1" {
			p.fault("signed on again: %s", text)
		}
		return token, nil
	}
}

// open begins a Pool, as a new process does, and its Run.
func (p *process) open(t *testing.T) {
	t.Helper()
	var err error
	p.pool, err = pool.New(pool.Config{
		Refresher: p, Gate: p.gate, Login: p.login, Store: p.stores.store,
		KeepAlive: p.keep, MaxResident: p.maxResident, IdleAfter: p.idleAfter,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = p.pool.Run(ctx) }()
	p.stop = func() { cancel(); <-done }
}

// drain ends a Pool. Afterwards nothing begins.
func (p *process) drain(t *testing.T) {
	t.Helper()
	if err := p.pool.Drain(t.Context()); err != nil {
		p.fault("drain: %v", err)
	}
	p.stop()
	before := p.count()
	sleep(2 * time.Hour)
	if p.count() != before {
		p.fault("something began after Drain")
	}
}

// count returns how many calls were made.
func (p *process) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.starts)
}

// ask asks for the tokens of some keys at once, for a minute.
func (p *process) ask(keys []string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var callers sync.WaitGroup
	for _, key := range keys {
		callers.Go(func() { p.askFor(ctx, key) })
	}
	callers.Wait()
}

func (p *process) askFor(ctx context.Context, key string) {
	p.mu.Lock()
	known := p.served[key]
	isGood := known != "" && !p.rejected[known] && time.Until(p.expiries[known]) > 2*time.Second && !p.storeAway
	p.mu.Unlock()
	began := time.Now()
	token, err := p.pool.Session(key).TokenContext(ctx)
	took := time.Since(began)
	p.mu.Lock()
	defer p.mu.Unlock()
	var unavailable *tokensource.UnavailableError
	switch {
	case isGood && (err != nil || took > 0):
		p.fault("the token %s lives, but a caller got %v after %v", known, err, took)
	case err == nil && !time.Now().Before(p.expiries[token.AccessToken]):
		p.fault("%s has expired", token.AccessToken)
	case err == nil:
		p.served[key], p.lastServed[key] = token.AccessToken, token.AccessToken
	case !errors.As(err, &unavailable) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, tokensource.ErrLoginRequired):
		p.fault("%s: %v", key, err)
	}
}

// reject has an API reject the tokens of some keys.
func (p *process) reject(keys []string) {
	for _, key := range keys {
		p.mu.Lock()
		token := p.served[key]
		p.mu.Unlock()
		if p.pool.Session(key).Status().Phase == tokensource.Unknown || token == "" {
			continue // it has no effect on a session that is not in memory
		}
		p.mu.Lock()
		p.rejected[token] = true
		p.mu.Unlock()
		p.pool.Session(key).Invalidate(token)
	}
}

// outage lets time pass while the gateway is away, and callers ask.
func (w *world) outage(s step) {
	w.change(func() { w.away = true })
	before := make([]int, len(w.processes))
	for i, p := range w.processes {
		before[i] = p.count()
	}
	began := time.Now()
	w.processes[s.process].ask(s.keys)
	sleep(s.length)
	for i, p := range w.processes {
		// Those that find out, those that are under way then, and a probe each second.
		most := 10 + w.concurrent + int(time.Since(began)/time.Second) + 1
		if n := p.count() - before[i]; n > most {
			w.fault("%d calls in an outage of %v, at most %d expected", n, time.Since(began), most)
		}
	}
	w.change(func() { w.away = false })
}

func (w *world) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// locksAreFree notes if a lock is held although no call is under way.
func (w *world) locksAreFree() {
	synctest.Wait()
	for _, p := range w.processes {
		if p.inFlightNow() > 0 {
			return
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	for _, key := range slices.Sorted(maps.Keys(w.stores.records)) {
		unlock, err := w.stores.records[key].Peer().Lock(ctx)
		if err != nil {
			w.fault("the lock of %s is held while nothing is under way: %v", key, err)
			continue
		}
		_ = unlock()
	}
}

func (p *process) inFlightNow() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inFlight
}

func (w *world) play(t *testing.T, s step) {
	t.Helper()
	p := w.processes[s.process]
	switch s.action {
	case "ask":
		p.ask(s.keys)
	case "reject":
		p.reject(s.keys)
	case "wait":
		sleep(s.length)
	case "gateway away":
		w.outage(s)
	case "retry after":
		w.change(func() { w.retryAfter = min(s.length, 4*time.Minute).Round(time.Second) })
		p.ask(s.keys)
		w.change(func() { w.retryAfter = 0 })
	case "store away":
		w.change(func() { w.storeAway, w.slowStore = true, true })
		p.ask(s.keys)
		sleep(min(s.length, 20*time.Minute))
		w.change(func() { w.storeAway = false })
		sleep(2 * time.Minute)                   // until what is unsaved is saved
		w.change(func() { w.slowStore = false }) // there is one process
	case "restart":
		p.drain(t)
		p.open(t)
	case "warm":
		if err := p.pool.Warm(t.Context(), slices.Values(s.keys)); err != nil {
			w.fault("warm: %v", err)
		}
	}
	w.locksAreFree()
}

// end restarts all processes. No session is lost.
func (w *world) end(t *testing.T) {
	t.Helper()
	sleep(6 * time.Minute) // a Retry-After
	for _, p := range w.processes {
		p.drain(t)
		p.open(t)
		p.ask(slices.Sorted(maps.Keys(w.lastServed)))
		sleep(time.Minute) // if the Gate did not know that the gateway is back
		p.ask(slices.Sorted(maps.Keys(w.lastServed)))
		for key, token := range w.lastServed {
			if time.Until(w.expiries[token]) <= 0 {
				w.fault("no token of %s can be had any more", key)
			}
		}
		p.drain(t)
	}
}

// playPlan plays a story, and returns what must not have happened.
func playPlan(t *testing.T, pl plan) []string {
	t.Helper()
	w := &world{
		plan: pl, slowStore: pl.pools > 1, gw: newGateway(), stores: newStores(),
		expiries: map[string]time.Time{}, lastServed: map[string]string{}, rejected: map[string]bool{},
	}
	fail := func(string) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.storeAway {
			return fs.ErrPermission
		}
		return nil
	}
	w.stores.loadErr, w.stores.saveErr = fail, fail
	for range pl.pools {
		p := &process{world: w, served: map[string]string{}, gate: tokensource.NewGate(tokensource.GateConfig{PerSecond: float64(pl.perSecond), Concurrent: pl.concurrent})}
		p.open(t)
		w.processes = append(w.processes, p)
	}
	for i, s := range pl.steps {
		before := len(w.gw.problems)
		w.play(t, s)
		if len(w.gw.problems) > before {
			w.fault("in step %d: %+v", i, s)
			break
		}
	}
	w.end(t)
	return w.gw.problems
}

// Whatever happens, and however many processes share the sessions: the gate's limits hold,
// what waits there holds no lock, a caller whose token lives does not wait, all leave a
// gateway alone that is away or has asked for it, nothing is refreshed before it is due,
// no refresh token is used twice, and no session is lost.
func TestProperty_Pool(t *testing.T) {
	played := 0
	rapid.Check(t, func(rt *rapid.T) {
		if played++; played > 10 && testing.Short() {
			return // with the race detector each takes half a second
		}
		pl := drawPlan(rt)
		var problems []string
		synctest.Test(t, func(t *testing.T) { problems = playPlan(t, pl) })
		if len(problems) > 0 {
			rt.Fatalf("%q", problems)
		}
	})
}
