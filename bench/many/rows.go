package main

import (
	"context"
	"iter"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/pool"
	"github.com/agsauth/agsauth/store/boltstore"
	"github.com/agsauth/agsauth/store/redisstore"
	"github.com/agsauth/agsauth/tokensource"
)

func keys(n int) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range n {
			if !yield(key(i)) {
				return
			}
		}
	}
}

// loader makes the LoadAll of a Pool of that of a Family.
func loader(family *redisstore.Family) func(context.Context, iter.Seq[string]) iter.Seq2[pool.Loaded, error] {
	return func(ctx context.Context, keys iter.Seq[string]) iter.Seq2[pool.Loaded, error] {
		return func(yield func(pool.Loaded, error) bool) {
			for l, err := range family.LoadAll(ctx, keys) {
				if !yield(pool.Loaded{Key: l.Name, Store: l.Store, Data: l.Data}, err) {
					return
				}
			}
		}
	}
}

// running is a Pool whose Run is running.
type running struct {
	*pool.Pool

	stop context.CancelFunc
	done chan struct{}
}

func start(cfg pool.Config) (*running, error) {
	p, err := pool.New(cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{p, cancel, make(chan struct{})}
	go func() {
		defer close(r.done)
		_ = p.Run(ctx) // until its context ends
	}()
	return r, nil
}

func (r *running) close() {
	r.stop()
	<-r.done
}

func overRedis(s settings, prefix string, set func(*pool.Config)) (*running, error) {
	family := redisFamily(s.redis, prefix)
	cfg := pool.Config{
		Refresher: &granter{latency: 5 * time.Millisecond},
		Store:     func(k string) tokensource.Store { return family.Store(k) }, LoadAll: loader(family),
		Gate: tokensource.NewGate(tokensource.GateConfig{PerSecond: 5000, Concurrent: 64}),
	}
	if set != nil {
		set(&cfg)
	}
	return start(cfg)
}

// restPool measures a pool at rest.
func restPool(f *figures, s settings) error {
	before := heap()
	p, err := overRedis(s, restPrefix, func(c *pool.Config) { c.IdleAfter = 24 * time.Hour })
	if err != nil {
		return err
	}
	defer p.close()
	began := time.Now()
	if err := p.Warm(context.Background(), keys(s.sessions)); err != nil {
		return err
	}
	f.add("loaded in", "%s", seconds(time.Since(began)))
	return f.rest(s.sessions, before, s.tokens)
}

// restDormant measures a pool whose sessions are all evicted.
func restDormant(f *figures, s settings) error {
	before := heap()
	p, err := overRedis(s, restPrefix, func(c *pool.Config) { c.IdleAfter, c.MaxResident = time.Second, 1000 })
	if err != nil {
		return err
	}
	defer p.close()
	began := time.Now()
	if err := p.Warm(context.Background(), keys(s.sessions)); err != nil {
		return err
	}
	f.add("loaded in", "%s", seconds(time.Since(began)))
	for p.Status().Resident > 0 && time.Since(began) < 5*time.Minute {
		time.Sleep(100 * time.Millisecond)
	}
	f.add("resident", "%d", p.Status().Resident)
	return f.rest(s.sessions, before, 0) // the tokens are in the store only
}

// restSources measures one Source and one Run for each session. It has no store, which
// takes less.
func restSources(f *figures, s settings) error {
	before, began := heap(), time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range s.sessions {
		src, err := tokensource.New(tokensource.Config{Refresher: &granter{}, Token: grant(int64(i), 0)})
		if err != nil {
			cancel()
			return err
		}
		wg.Go(func() { _ = src.Run(ctx) })
	}
	f.add("started in", "%s", seconds(time.Since(began)))
	err := f.rest(s.sessions, before, s.tokens)
	cancel()
	wg.Wait()
	return err
}

// reuse is what many programs have: a map of token sources, each of which refreshes when its
// token is asked for and has expired.
type reuse struct {
	mu      sync.Mutex
	sources map[string]oauth2.TokenSource
}

type redeemer struct {
	*granter

	refreshToken string
}

func (r *redeemer) Token() (*oauth2.Token, error) {
	t, err := r.Refresh(context.Background(), nil)
	if err != nil {
		return nil, err
	}
	r.refreshToken = t.RefreshToken.Reveal()
	return &oauth2.Token{AccessToken: t.AccessToken.Reveal(), RefreshToken: r.refreshToken, Expiry: t.ExpiresAt}, nil
}

// restOAuth2 measures the map. Nothing is kept alive in it, and nothing survives a restart.
func restOAuth2(f *figures, s settings) error {
	before, began := heap(), time.Now()
	m := &reuse{sources: map[string]oauth2.TokenSource{}}
	g := &granter{}
	for i := range s.sessions {
		t := grant(int64(i), 0)
		first := &oauth2.Token{AccessToken: t.AccessToken.Reveal(), RefreshToken: t.RefreshToken.Reveal(), Expiry: t.ExpiresAt}
		m.mu.Lock()
		m.sources[key(i)] = oauth2.ReuseTokenSource(first, &redeemer{g, first.RefreshToken})
		m.mu.Unlock()
	}
	f.add("started in", "%s", seconds(time.Since(began)))
	err := f.rest(s.sessions, before, s.tokens)
	runtime.KeepAlive(m)
	return err
}

func restartRedis(f *figures, s settings) error {
	p, err := overRedis(s, restPrefix, nil)
	if err != nil {
		return err
	}
	return f.restart(p, s.sessions)
}

func restartBolt(f *figures, s settings) error {
	began := time.Now()
	db, err := boltstore.Open(s.file, boltstore.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	f.add("file opened in", "%s", seconds(time.Since(began)))
	p, err := start(pool.Config{
		Refresher: &granter{}, Store: func(k string) tokensource.Store { return db.Store(k) },
		Gate: tokensource.NewGate(tokensource.GateConfig{PerSecond: 5000, Concurrent: 64}),
	})
	if err != nil {
		return err
	}
	return f.restart(p, s.sessions)
}

// restart measures how long it takes until all sessions are loaded, and how long somebody
// who asks for one of the last waits meanwhile.
func (f *figures) restart(p *running, n int) error {
	defer p.close()
	ctx := context.Background()
	began, used, slowest := time.Now(), processorTime(), time.Duration(0)
	warmed := make(chan error, 1)
	go func() { warmed <- p.Warm(ctx, keys(n)) }()
	for i := n - 1; ; i-- {
		select {
		case err := <-warmed:
			f.add("loaded in", "%s", seconds(time.Since(began)))
			f.add("processor, each", "%.0f µs", float64((processorTime()-used).Microseconds())/float64(n))
			f.add("slowest of the callers meanwhile", "%s", slowest.Round(10*time.Microsecond))
			f.add("heap", "%d MiB", heap()>>20)
			return err
		default:
		}
		asked := time.Now()
		if _, err := p.Session(key(max(0, i))).TokenContext(ctx); err != nil {
			return err
		}
		slowest = max(slowest, time.Since(asked))
		time.Sleep(10 * time.Millisecond)
	}
}

// watch records the highest number of goroutines until stop is called.
func watch() (stop func() (goroutines int)) {
	most := atomic.Int64{}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			most.Store(max(most.Load(), int64(runtime.NumGoroutine())))
			select {
			case <-end:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() int {
		close(end)
		<-ended
		return int(most.Load())
	}
}

// duePool measures until all sessions are refreshed that are due when the pool starts.
func duePool(f *figures, s settings) error {
	var refreshed, failed atomic.Int64
	done := make(chan struct{})
	p, err := overRedis(s, duePoolPrefix, func(c *pool.Config) {
		c.KeepAlive = pool.Tokens
		c.OnEvent = func(_ string, e tokensource.Event) {
			if isFailure(e.Kind) {
				failed.Add(1)
			}
			if e.Kind == tokensource.EventRefreshed && refreshed.Add(1) == int64(s.due) {
				close(done)
			}
		}
	})
	if err != nil {
		return err
	}
	defer p.close()
	began, stop := time.Now(), watch()
	if err := p.Warm(context.Background(), keys(s.due)); err != nil {
		return err
	}
	select {
	case <-done:
	case <-time.After(3 * time.Minute):
	}
	f.due(refreshed.Load(), failed.Load(), time.Since(began), stop())
	return nil
}

func isFailure(k tokensource.Kind) bool {
	return k == tokensource.EventStoreFailed || k == tokensource.EventRefreshFailed
}

func (f *figures) due(refreshed, failed int64, took time.Duration, goroutines int) {
	f.add("refreshed", "%d", refreshed)
	f.add("in", "%s", seconds(took))
	f.add("failures", "%d", failed)
	f.add("goroutines at most", "%d", goroutines)
}

// dueSources does the same with a Source and a Run for each session, for two minutes.
func dueSources(f *figures, s settings) error {
	var refreshed, failed atomic.Int64
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	client := redis.NewClient(&redis.Options{Addr: s.redis, PoolSize: 64})
	began, stop := time.Now(), watch()
	var wg sync.WaitGroup
	for i := range s.due {
		st, err := redisstore.New(redisstore.Config{Client: client, Prefix: dueSourcesPrefix, Name: key(i)})
		if err != nil {
			return err
		}
		src, err := tokensource.New(tokensource.Config{
			Refresher: &granter{latency: 5 * time.Millisecond}, Store: st,
			OnEvent: func(e tokensource.Event) {
				if isFailure(e.Kind) {
					failed.Add(1)
				}
				if e.Kind == tokensource.EventRefreshed && refreshed.Add(1) == int64(s.due) {
					cancel()
				}
			},
		})
		if err != nil {
			return err
		}
		wg.Go(func() { _ = src.Run(ctx) })
	}
	<-ctx.Done()
	f.due(refreshed.Load(), failed.Load(), time.Since(began), stop())
	return nil
}

// tokenBytes is what the tokens of a session take.
func tokenBytes() float64 { return sizeClass(accessBytes) + sizeClass(refreshBytes) }

// rest measures what sessions take while nothing is due. tokens is what the tokens of each
// take, if they are in memory.
func (f *figures) rest(n int, before uint64, tokens float64) error {
	time.Sleep(2 * time.Second)
	began := time.Now()
	runtime.GC()
	collected := time.Since(began)
	after := heap()
	f.add("heap each, beyond the tokens", "%.0f bytes", float64(after-before)/float64(n)-tokens)
	f.add("goroutines", "%d", runtime.NumGoroutine())
	f.add("a full collection", "%s", collected.Round(time.Millisecond))
	const idle = 30 * time.Second
	used := processorTime()
	time.Sleep(idle)
	f.add("processor, nothing due", "%.2f %% of a core", 100*(processorTime()-used).Seconds()/idle.Seconds())
	return nil
}

// processorTime returns what the process has used so far.
func processorTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func heap() uint64 {
	debug.FreeOSMemory()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// sizeClass returns how many bytes the allocator uses for n.
func sizeClass(n int) float64 {
	const many = 1000
	held := make([][]byte, many)
	before := heap()
	for i := range held {
		held[i] = make([]byte, n)
	}
	after := heap()
	runtime.KeepAlive(held)
	return float64(after-before) / many
}
