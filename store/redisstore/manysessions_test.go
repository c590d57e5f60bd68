package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/pool"
	"github.com/agsauth/agsauth/store/redisstore"
	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
	"github.com/agsauth/agsauth/tokensource"
)

// What TestManySessions runs with. All sign on together, as fast as the gate lets them, so
// that they are all due together, for as long. The outage comes when they are.
const (
	manySessions   = 20_000
	manyPerSecond  = 600
	manyConcurrent = 64
	manyAccess     = 70 * time.Second
	manyOutage     = 10 * time.Second
	manyCallers    = 50
)

// callLog is a Refresher and a LoginFunc that notes when calls start.
type callLog struct {
	gateway *ags.Client

	mu     sync.Mutex
	starts []time.Time
}

func (l *callLog) note() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.starts = append(l.starts, time.Now())
}

func (l *callLog) Refresh(ctx context.Context, t *ags.Token) (*ags.Token, error) {
	l.note()
	return l.gateway.Refresh(ctx, t)
}

func (l *callLog) login(string) tokensource.LoginFunc {
	signOn := signOnAt(l.gateway)
	return func(ctx context.Context, ended *tokensource.LoginRequiredError) (*ags.Token, error) {
		l.note()
		return signOn(ctx, ended)
	}
}

// between returns how many calls have started in a span of time.
func (l *callLog) between(from, to time.Time) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, at := range l.starts {
		if !at.Before(from) && at.Before(to) {
			n++
		}
	}
	return n
}

// busiest returns how many calls have started in the busiest second.
func (l *callLog) busiest() (most int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	starts := slices.SortedFunc(slices.Values(l.starts), time.Time.Compare)
	first := 0
	for i, at := range starts {
		for at.Sub(starts[first]) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// kindCounts counts the events of all sessions.
type kindCounts [32]atomic.Int64

func (c *kindCounts) add(_ string, e tokensource.Event) { c[e.Kind].Add(1) }

func (c *kindCounts) of(k tokensource.Kind) int { return int(c[k].Load()) }

// manyEnv is a gateway, a Redis server and what the pools over them count.
type manyEnv struct {
	srv    *agstest.Server
	family *redisstore.Family
	calls  *callLog
	counts kindCounts
}

func newManyEnv(t *testing.T) *manyEnv {
	t.Helper()
	srv := agstest.NewServer(agstest.Config{AccessLifetime: manyAccess, DeviceLimit: -1})
	t.Cleanup(srv.Close)
	gateway, err := ags.New(ags.Config{
		BaseURL: srv.URL, AuthServiceID: "Customer Auth Service", TenantID: "nagra", HTTPClient: &http.Client{Transport: &http.Transport{}},
	})
	require.NoError(t, err)
	client := redis.NewClient(&redis.Options{Addr: redistest.StartTCP(t).Addr, PoolSize: manyConcurrent})
	t.Cleanup(func() { _ = client.Close() })
	family, err := redisstore.NewFamily(redisstore.FamilyConfig{Client: client})
	require.NoError(t, err)
	t.Cleanup(func() { _ = family.Close() })
	return &manyEnv{srv: srv, family: family, calls: &callLog{gateway: gateway}}
}

// startPool starts a pool. stop ends it, and returns the error of its Drain.
func (e *manyEnv) startPool(t *testing.T) (p *pool.Pool, stop func() error) {
	t.Helper()
	p, err := pool.New(pool.Config{
		Refresher: e.calls, Login: e.calls.login, KeepAlive: pool.Tokens, OnEvent: e.counts.add,
		Gate:    tokensource.NewGate(tokensource.GateConfig{PerSecond: manyPerSecond, Concurrent: manyConcurrent}),
		Store:   func(k string) tokensource.Store { return e.family.Store(k) },
		LoadAll: loadAllOf(e.family),
	})
	require.NoError(t, err)
	ran := make(chan error, 1)
	go func() { ran <- p.Run(context.WithoutCancel(t.Context())) }()
	return p, func() error {
		err := p.Drain(context.WithoutCancel(t.Context()))
		assert.ErrorIs(t, <-ran, pool.ErrClosed)
		return err
	}
}

// loadAllOf returns the LoadAll of a pool over a Family.
func loadAllOf(family *redisstore.Family) func(context.Context, iter.Seq[string]) iter.Seq2[pool.Loaded, error] {
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

func manyKey(i int) string { return fmt.Sprintf("subscriber-%05d", i) }

func manyKeys(yield func(string) bool) {
	for i := range manySessions {
		if !yield(manyKey(i)) {
			return
		}
	}
}

// signOnAll asks for a token of every session.
func signOnAll(t *testing.T, p *pool.Pool) {
	t.Helper()
	next, stop := iter.Pull(manyKeys)
	defer stop()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range manyPerSecond {
		wg.Go(func() {
			for {
				mu.Lock()
				key, more := next()
				mu.Unlock()
				if !more {
					return
				}
				_, err := p.Session(key).TokenContext(t.Context())
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
}

// await waits until a condition holds.
func (e *manyEnv) await(t *testing.T, what string, limit time.Duration, holds func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	for !holds() {
		require.Less(t, time.Since(begin), limit, what)
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(begin)
}

// callers are users that ask for tokens of random sessions.
type callers struct {
	stop  context.CancelFunc
	wg    sync.WaitGroup
	calls atomic.Int64
	// unavailable counts the calls that were told so: their token had expired in the outage.
	unavailable atomic.Int64
	failed      chan error // the first failure of another kind
}

func startCallers(ctx context.Context, p *pool.Pool) *callers {
	c := &callers{failed: make(chan error, 1)}
	ctx, c.stop = context.WithCancel(ctx)
	for range manyCallers {
		c.wg.Go(func() {
			for ctx.Err() == nil {
				_, err := p.Session(manyKey(rand.IntN(manySessions))).TokenContext(ctx)
				c.note(ctx, err)
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	return c
}

func (c *callers) note(ctx context.Context, err error) {
	c.calls.Add(1)
	_, unavailable := errors.AsType[*tokensource.UnavailableError](err)
	switch {
	case err == nil, ctx.Err() != nil:
	case unavailable:
		c.unavailable.Add(1)
	default:
		select {
		case c.failed <- err:
		default:
		}
	}
}

// TestManySessions has twenty thousand sessions sign on together, and lets the gateway be
// away when they are due. It takes less than two minutes, and is off unless AGSAUTH_MANY is
// set.
func TestManySessions_SurviveAnOutage(t *testing.T) {
	if os.Getenv("AGSAUTH_MANY") == "" {
		t.Skip("takes two minutes: set AGSAUTH_MANY")
	}
	e := newManyEnv(t)
	p, stop := e.startPool(t)
	began := time.Now()
	signOnAll(t, p)
	t.Logf("%d signed on in %v", manySessions, time.Since(began).Round(time.Second))

	c := startCallers(t.Context(), p)
	e.await(t, "refreshes have begun", 60*time.Second, func() bool { return e.counts.of(tokensource.EventRefreshed) > 1000 })
	from := time.Now()
	for _, op := range []agstest.Op{agstest.Refresh, agstest.SignOn} {
		e.srv.Always(op, agstest.Fault{Status: http.StatusServiceUnavailable})
	}
	time.Sleep(manyOutage)
	goroutines, waiting := runtime.NumGoroutine(), p.Status()
	e.srv.Clear()
	up := time.Now()
	tried := e.calls.between(from.Add(time.Second), up)
	t.Logf("%d calls in an outage of %v after its first second; then %d wait, %d of them expired, and there are %d goroutines",
		tried, manyOutage, waiting.Queued, waiting.Expired, goroutines)
	assert.LessOrEqual(t, tried, int(manyOutage.Seconds())+manyConcurrent)
	assert.Less(t, goroutines, 1000)

	took := e.await(t, "all have caught up", 90*time.Second, func() bool {
		st := p.Status()
		return st.Queued < manyPerSecond && st.Expired == 0
	})
	t.Logf("caught up after %v", took.Round(time.Second))
	c.stop()
	c.wg.Wait()
	t.Logf("%d calls of users, %d of them for sessions whose token had expired in the outage", c.calls.Load(), c.unavailable.Load())
	select {
	case err := <-c.failed:
		require.NoError(t, err)
	default:
	}

	require.NoError(t, stop())
	assert.Equal(t, manySessions, e.srv.Count(agstest.SignOn), "no session was lost")
	assert.Zero(t, e.counts.of(tokensource.EventStoreFailed))
	e.restart(t)
	busiest := e.calls.busiest()
	t.Logf("%d calls in the busiest second", busiest)
	assert.LessOrEqual(t, busiest, manyPerSecond*11/10, "a start is noted a little after the gate has let it through")
}

// restart starts another pool over the same sessions, which are all usable at once.
func (e *manyEnv) restart(t *testing.T) {
	t.Helper()
	refreshed := e.counts.of(tokensource.EventRefreshed)
	began := time.Now()
	p, stop := e.startPool(t)
	require.NoError(t, p.Warm(t.Context(), manyKeys))
	st := p.Status()
	t.Logf("restarted in %v: %d fresh, %d ageing, %d expired", time.Since(began).Round(time.Millisecond), st.Fresh, st.Ageing, st.Expired)
	assert.Equal(t, manySessions, st.Resident)
	assert.Zero(t, st.Ended+st.Expired)
	assert.LessOrEqual(t, e.counts.of(tokensource.EventRefreshed)-refreshed, manySessions-st.Fresh+manyPerSecond*int(time.Since(began).Seconds()+1),
		"only what is due is refreshed")
	require.NoError(t, stop())
	assert.Equal(t, manySessions, e.srv.Count(agstest.SignOn), "and none has signed on again")
}
