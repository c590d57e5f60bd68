package pool_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/pool"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// The lifetimes of the gateway's tokens, unless a test sets others.
const (
	accessLife  = time.Hour
	slidingLife = 48 * time.Hour
)

// gateway is a Refresher. The tokens of a key are key/1, key/2, …; a refresh token is
// good for one use.
type gateway struct {
	now func() time.Time

	mu       sync.Mutex // guards all below
	access   time.Duration
	sliding  time.Duration
	latency  time.Duration
	fail     func(key string) error // asked before each refresh
	held     chan struct{}          // refreshes wait until it is closed, if it is not nil
	issued   map[string]int
	expiry   map[string]time.Time // of the access token that was issued last
	starts   []start
	inFlight map[string]int
	problems []string
}

// start is a refresh.
type start struct {
	at   time.Time
	key  string
	dead time.Duration // for how long the access token had been dead
}

func newGateway() *gateway {
	return &gateway{
		now: time.Now, access: accessLife, sliding: slidingLife,
		issued: map[string]int{}, expiry: map[string]time.Time{}, inFlight: map[string]int{},
	}
}

// grant issues the next pair of a key, as of now.
func (g *gateway) grant(key string) *ags.Token {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.grantLocked(key, g.now())
}

func (g *gateway) grantLocked(key string, now time.Time) *ags.Token {
	g.issued[key]++
	g.expiry[key] = now.Add(g.access)
	text := fmt.Sprintf("%s/%d", key, g.issued[key])
	return &ags.Token{
		AccessToken: ags.NewSecret(text), RefreshToken: ags.NewSecret(text), TokenType: "bearer", ClientID: "C-" + key,
		IssuedAt: now, ExpiresAt: now.Add(g.access), RefreshExpiresAt: now.Add(g.sliding),
	}
}

func (g *gateway) Refresh(ctx context.Context, t *ags.Token) (*ags.Token, error) {
	key, _, _ := strings.Cut(t.RefreshToken.Reveal(), "/")
	g.mu.Lock()
	now := g.now()
	g.starts = append(g.starts, start{now, key, now.Sub(g.expiry[key])})
	if g.inFlight[key]++; g.inFlight[key] > 1 {
		g.problems = append(g.problems, "two refreshes of "+key+" at once")
	}
	fail, held, latency := g.fail, g.held, g.latency
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.inFlight[key]--
	}()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return nil, &ags.Error{Op: "refresh", Err: context.Cause(ctx)}
		}
	}
	if latency > 0 {
		time.Sleep(latency)
	}
	if fail != nil {
		if err := fail(key); err != nil {
			return nil, err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if want := fmt.Sprintf("%s/%d", key, g.issued[key]); t.RefreshToken.Reveal() != want {
		g.problems = append(g.problems, "refresh of "+t.RefreshToken.Reveal()+" when the last one is "+want)
		return nil, &ags.Error{Op: "refresh", Status: 401, Message: "used already"}
	}
	return g.grantLocked(key, now), nil
}

func (g *gateway) set(f func(*gateway)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f(g)
}

// refreshes returns the refreshes so far.
func (g *gateway) refreshes() []start {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.starts)
}

func (g *gateway) count() int { return len(g.refreshes()) }

// wantNoProblem asserts that no token was used twice, nor by two at once.
func (g *gateway) wantNoProblem(t *testing.T) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	assert.Empty(t, g.problems)
}

// wantRate asserts that no more than perSecond refreshes began in any second.
func (g *gateway) wantRate(t *testing.T, perSecond int) {
	t.Helper()
	starts := g.refreshes()
	slices.SortFunc(starts, func(a, b start) int { return a.at.Compare(b.at) })
	for i := perSecond; i < len(starts); i++ {
		if span := starts[i].at.Sub(starts[i-perSecond].at); span < time.Second-time.Millisecond {
			t.Errorf("%d refreshes within %v", perSecond+1, span)
			return
		}
	}
}

// wantNoneDead asserts that each refresh began while the access token lived.
func (g *gateway) wantNoneDead(t *testing.T) {
	t.Helper()
	dead := 0
	for _, s := range g.refreshes() {
		if s.dead >= 0 {
			dead++
		}
	}
	assert.Zero(t, dead, "refreshes of dead tokens")
}

// stores has the stores of all keys.
type stores struct {
	mu      sync.Mutex // guards all below
	records map[string]*store.Memory
	loads   map[string]int
	loadErr func(key string) error // asked before each Load
	saveErr func(key string) error
	refused int // saves that found another record
}

func newStores() *stores {
	return &stores{records: map[string]*store.Memory{}, loads: map[string]int{}}
}

// store returns another user of the record of a key.
func (s *stores) store(key string) tokensource.Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.records[key] == nil {
		s.records[key] = &store.Memory{}
	}
	return &keyStore{s.records[key].Peer(), s, key}
}

func (s *stores) set(f func(*stores)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// saved returns the record of a key.
func (s *stores) saved(key string) string {
	record, _ := s.records[key].Peer().Load(context.Background()) // nothing, if there is an error
	return string(record)
}

func (s *stores) loadsOf(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loads[key]
}

// keyStore is the Store of one key.
type keyStore struct {
	*store.Memory

	stores *stores
	key    string
}

func (s *keyStore) Load(ctx context.Context) ([]byte, error) {
	s.stores.mu.Lock()
	s.stores.loads[s.key]++
	fail := s.stores.loadErr
	s.stores.mu.Unlock()
	if fail != nil {
		if err := fail(s.key); err != nil {
			return nil, err
		}
	}
	return s.Memory.Load(ctx)
}

func (s *keyStore) Save(ctx context.Context, record []byte) error {
	s.stores.mu.Lock()
	fail := s.stores.saveErr
	s.stores.mu.Unlock()
	if fail != nil {
		if err := fail(s.key); err != nil {
			return err
		}
	}
	err := s.Memory.Save(ctx, record)
	if err != nil {
		s.stores.set(func(s *stores) { s.refused++ })
	}
	return err
}

// fixture is a Pool with a scripted gateway, in a synctest bubble.
type fixture struct {
	t      *testing.T
	gw     *gateway
	stores *stores
	cfg    pool.Config
	pool   *pool.Pool
	stop   func()
}

// scenario runs a test in a bubble. set changes the Config, which has a Store and no
// Gate. Run is not running yet.
func scenario(t *testing.T, set func(*fixture), body func(*testing.T, *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fixture{t: t, gw: newGateway(), stores: newStores(), stop: func() {}}
		f.cfg = pool.Config{Refresher: f.gw, Store: f.stores.store}
		if set != nil {
			set(f)
		}
		f.restart()
		body(t, f)
		f.stop()
		_ = f.pool.Drain(t.Context())
		f.gw.wantNoProblem(t)
	})
}

// restart makes another Pool, like another process.
func (f *fixture) restart() {
	f.t.Helper()
	p, err := pool.New(f.cfg)
	require.NoError(f.t, err)
	f.pool = p
}

// run starts Run.
func (f *fixture) run() {
	ctx, cancel := context.WithCancel(f.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.pool.Run(ctx) }()
	f.stop = func() {
		cancel()
		require.Error(f.t, <-ended)
		f.stop = func() {}
	}
	synctest.Wait()
}

// signOn hands in a session for each key.
func (f *fixture) signOn(keys ...string) {
	f.t.Helper()
	for _, key := range keys {
		require.NoError(f.t, f.pool.Session(key).SetToken(f.t.Context(), f.gw.grant(key)))
	}
}

// stored signs on in a Pool that is closed then, so that the sessions are in the store.
func (f *fixture) stored(keys ...string) {
	f.t.Helper()
	f.signOn(keys...)
	require.NoError(f.t, f.pool.Drain(f.t.Context()))
	f.restart()
}

// want asserts that the session of a key has this token.
func (f *fixture) want(key, token string) {
	f.t.Helper()
	got, err := f.pool.Session(key).TokenContext(f.t.Context())
	require.NoError(f.t, err)
	require.Equal(f.t, token, got.AccessToken)
}

// sleep lets time pass.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// names returns n keys.
func names(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("k%05d", i)
	}
	return keys
}

// first returns the earliest of some refreshes.
func first(starts []start) start {
	return slices.MinFunc(starts, func(a, b start) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
}

// oneStore returns a Store function with the same record for all keys.
func (s *stores) oneStore(t *testing.T, token *ags.Token) func(string) tokensource.Store {
	t.Helper()
	source, err := tokensource.New(tokensource.Config{Refresher: newGateway(), Store: s.store("one")})
	require.NoError(t, err)
	require.NoError(t, source.SetToken(t.Context(), token))
	require.NoError(t, source.Close())
	return func(string) tokensource.Store { return s.records["one"].Peer() }
}
