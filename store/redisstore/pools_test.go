package redisstore_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/internal/multiproc"
	"github.com/agsauth/agsauth/pool"
	"github.com/agsauth/agsauth/store/redisstore"
	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
	"github.com/agsauth/agsauth/tokensource"
)

// What the processes of TestPools share.
const (
	poolSessions   = 800
	poolPerSecond  = 200
	poolConcurrent = 30
	poolInterval   = 500 * time.Millisecond
	poolAccess     = 20 * time.Second
	poolCallers    = 10 // of each process
	poolLease      = 4 * time.Second
	poolVariable   = "AGSAUTH_POOL_PROCESS" // makes the test binary a process
)

// A poolSpec is what a process needs to know.
type poolSpec struct {
	Name, Gateway string
	Redis         storeAddress
}

// A poolReport is what a process has to say at its end.
type poolReport struct {
	Calls     int
	Failures  map[string]int // of calls, by their text
	Refreshed int
	Adopted   int
	Share     redisstore.SharesStatus // before its end; without Err
	Problem   string                  // why it did not work
}

// runPoolProcess runs a process until its standard input ends.
func runPoolProcess(spec string) {
	p := poolProcess{report: poolReport{Failures: map[string]int{}}}
	if err := p.run(context.Background(), spec); err != nil {
		p.report.Problem = err.Error()
	}
	_ = json.NewEncoder(os.Stdout).Encode(p.report)
	os.Exit(0)
}

type poolProcess struct {
	spec poolSpec
	pool *pool.Pool

	mu     sync.Mutex // guards report
	report poolReport
}

func (p *poolProcess) run(ctx context.Context, spec string) error {
	if err := json.Unmarshal([]byte(spec), &p.spec); err != nil {
		return err
	}
	gateway, err := newPoolGateway(p.spec.Gateway, p.spec.Name)
	if err != nil {
		return err
	}
	client := redis.NewClient(&redis.Options{Network: p.spec.Redis.Network, Addr: p.spec.Redis.Addr, PoolSize: 2 * poolConcurrent})
	family, err := redisstore.NewFamily(redisstore.FamilyConfig{Client: client, Lease: poolLease})
	if err != nil {
		return err
	}
	gate := tokensource.NewGate(tokensource.GateConfig{})
	shares, err := redisstore.NewShares(redisstore.SharesConfig{
		Client: client, Name: "gateway", PerSecond: poolPerSecond, Concurrent: poolConcurrent, Interval: poolInterval, Set: gate.SetLimits,
	})
	if err != nil {
		return err
	}
	p.pool, err = pool.New(pool.Config{
		Refresher: gateway, Gate: gate, KeepAlive: pool.Tokens, OnEvent: p.onEvent,
		Store: func(key string) tokensource.Store { return family.Store(key) }, LoadAll: loadAllOf(family),
		RefreshTimeout: poolLease / 2, LockTimeout: 2 * poolLease,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sharing := make(chan error, 1)
	go func() { sharing <- shares.Run(ctx) }()
	go func() { _ = p.pool.Run(ctx) }()
	if err := p.pool.Warm(ctx, poolKeys); err != nil {
		return err
	}
	fmt.Println("ready")
	callersCtx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for range poolCallers {
		wg.Go(func() { p.callTokens(callersCtx) })
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	stop()
	wg.Wait()
	p.report.Share = shares.Status()
	p.report.Share.Err = nil
	if err := p.pool.Drain(ctx); err != nil {
		return err
	}
	cancel()
	if err := <-sharing; !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// callTokens asks for tokens of random sessions.
func (p *poolProcess) callTokens(ctx context.Context) {
	for ctx.Err() == nil {
		_, err := p.pool.Session(poolKey(rand.IntN(poolSessions))).TokenContext(ctx)
		if ctx.Err() == nil {
			p.mu.Lock()
			p.report.Calls++
			if err != nil {
				p.report.Failures[err.Error()]++
			}
			p.mu.Unlock()
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (p *poolProcess) onEvent(_ string, e tokensource.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Kind == tokensource.EventRefreshed {
		p.report.Refreshed++
	}
	if e.Kind == tokensource.EventAdopted {
		p.report.Adopted++
	}
}

func newPoolGateway(url, name string) (*ags.Client, error) {
	return ags.New(ags.Config{
		BaseURL: url, AuthServiceID: "Customer Auth Service", TenantID: "nagra", Header: http.Header{multiproc.NameHeader: {name}},
	})
}

func poolKey(i int) string { return fmt.Sprintf("subscriber-%04d", i) }

func poolKeys(yield func(string) bool) {
	for i := range poolSessions {
		if !yield(poolKey(i)) {
			return
		}
	}
}

// poolEnv is a gateway, a Redis server and the processes that use them.
type poolEnv struct {
	srv    *agstest.Server
	server *redistest.Server

	mu        sync.Mutex
	refreshes []poolRefresh
}

// A poolRefresh is a refresh that the gateway has received.
type poolRefresh struct {
	at      time.Time
	process string
}

func newPoolEnv(t *testing.T) *poolEnv {
	t.Helper()
	e := &poolEnv{server: redistest.Start(t)}
	e.srv = agstest.NewServer(agstest.Config{
		AccessLifetime: poolAccess, DeviceLimit: -1, OnRequest: func(r agstest.Request) {
			if r.Op == agstest.Refresh {
				e.mu.Lock()
				defer e.mu.Unlock()
				e.refreshes = append(e.refreshes, poolRefresh{r.At, r.Header.Get(multiproc.NameHeader)})
			}
		},
	})
	t.Cleanup(e.srv.Close)
	return e
}

// signOn signs on all sessions, and saves them.
func (e *poolEnv) signOn(t *testing.T) {
	t.Helper()
	gateway, err := newPoolGateway(e.srv.URL, "setup")
	require.NoError(t, err)
	signOn := signOnAt(gateway)
	family := openFamily(t, redisstore.FamilyConfig{Client: e.server.Client()})
	p, err := pool.New(pool.Config{
		Refresher: gateway, KeepAlive: pool.OnDemand,
		Login: func(string) tokensource.LoginFunc { return signOn },
		Store: func(key string) tokensource.Store { return family.Store(key) },
	})
	require.NoError(t, err)
	const workers = 16
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < poolSessions; i += workers {
				_, err := p.Session(poolKey(i)).TokenContext(t.Context())
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	require.NoError(t, p.Drain(t.Context()))
}

// A poolChild is a process with a pool.
type poolChild struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
}

// start starts a process. The caller must await it.
func (e *poolEnv) start(t *testing.T, name string) *poolChild {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	spec, err := json.Marshal(poolSpec{Name: name, Gateway: e.srv.URL, Redis: addressOf(e.server)})
	require.NoError(t, err)
	c := &poolChild{name: name, cmd: exec.CommandContext(t.Context(), self, "-test.run=^$")}
	c.cmd.Env = append(os.Environ(), poolVariable+"="+string(spec), "GORACE=atexit_sleep_ms=0")
	c.cmd.Stderr = os.Stderr
	c.in, err = c.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	c.out = bufio.NewReader(out)
	require.NoError(t, c.cmd.Start())
	t.Cleanup(func() { _ = c.cmd.Process.Kill(); _ = c.cmd.Wait() })
	return c
}

// await waits until the process has loaded all sessions.
func (c *poolChild) await(t *testing.T) {
	t.Helper()
	line, err := c.out.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
}

// end ends a process, and returns its report.
func (c *poolChild) end(t *testing.T) poolReport {
	t.Helper()
	require.NoError(t, c.in.Close())
	var r poolReport
	require.NoError(t, json.NewDecoder(c.out).Decode(&r))
	t.Logf("process %s: %+v", c.name, r)
	require.Empty(t, r.Problem)
	return r
}

// received returns the refreshes that the gateway has received since a time, in order.
func (e *poolEnv) received(since time.Time) []poolRefresh {
	e.mu.Lock()
	defer e.mu.Unlock()
	some := slices.DeleteFunc(slices.Clone(e.refreshes), func(r poolRefresh) bool { return r.at.Before(since) })
	slices.SortFunc(some, func(a, b poolRefresh) int { return a.at.Compare(b.at) })
	return some
}

// busiest returns how many refreshes there are in the span of time d that has most of them.
func busiest(all []poolRefresh, d time.Duration) (most int) {
	first := 0
	for i, r := range all {
		for r.at.Sub(all[first].at) >= d {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// perProcess counts the refreshes of each process.
func perProcess(all []poolRefresh) map[string]int {
	counts := map[string]int{}
	for _, r := range all {
		counts[r.process]++
	}
	return counts
}

// generations returns how often each session was given tokens, by the number of the session.
func (e *poolEnv) generations() map[int]int {
	generations := map[int]int{}
	for _, s := range e.srv.Sessions() {
		generations[s.Number] = s.Generation
	}
	return generations
}

// refreshedSince returns how many sessions were refreshed since there were these generations.
func (e *poolEnv) refreshedSince(before map[int]int) (n int) {
	for number, generation := range e.generations() {
		if generation > before[number] {
			n++
		}
	}
	return n
}

// kill kills a process while it has as many refreshes under way as it may have. The gateway
// has not accepted their tokens: otherwise new ones could be lost with the process, and
// nothing can prevent that.
func (e *poolEnv) kill(t *testing.T, c *poolChild) {
	t.Helper()
	held, dead := make(chan struct{}, poolSessions), make(chan struct{})
	e.srv.AlwaysFunc(agstest.Refresh, func(r agstest.Request) agstest.Fault {
		if r.Header.Get(multiproc.NameHeader) != c.name {
			return agstest.Fault{}
		}
		held <- struct{}{}
		<-dead
		return agstest.Fault{Status: http.StatusServiceUnavailable}
	})
	for range poolConcurrent / 3 {
		<-held
	}
	require.NoError(t, c.cmd.Process.Kill())
	_ = c.cmd.Wait()
	close(dead)
}

// Two and then three processes keep sessions with single-use refresh tokens alive, and one of
// them is killed in the middle of its refreshes. The others take over all sessions, and its
// share of the rate.
func TestPools_ProcessIsKilled(t *testing.T) {
	multiproc.OptIn(t)
	e := newPoolEnv(t)
	begin := time.Now()
	e.signOn(t)
	one, two := e.start(t, "one"), e.start(t, "two")
	one.await(t)
	two.await(t)
	t.Logf("%v: two processes", time.Since(begin))
	await := func(what string, holds func() bool) {
		assert.Eventually(t, holds, time.Minute, 100*time.Millisecond, what)
		t.Logf("%v: %s", time.Since(begin), what)
	}
	await("both refresh", func() bool {
		n := perProcess(e.received(begin))
		return n["one"] > 100 && n["two"] > 100
	})
	three := e.start(t, "three")
	three.await(t)
	await("all three refresh", func() bool { return perProcess(e.received(begin))["three"] > 30 })
	e.kill(t, two)
	killed, before := time.Now(), e.generations()
	await("all sessions were refreshed since one process was killed", func() bool { return e.refreshedSince(before) == poolSessions })
	reports := []poolReport{one.end(t), three.end(t)}

	all := e.received(begin)
	t.Logf("refreshes %v, after the kill %v; %d in the busiest second, %d in the busiest 5 seconds",
		perProcess(all), perProcess(e.received(killed)), busiest(all, time.Second), busiest(all, 5*time.Second))
	// The Gates limit when a refresh starts. It calls the gateway a little later, when it has
	// locked and read the store, so those under way may come together.
	assert.LessOrEqual(t, busiest(all, time.Second), poolPerSecond+poolConcurrent)
	assert.LessOrEqual(t, busiest(all, 5*time.Second), 5*poolPerSecond+poolConcurrent)
	assert.Zero(t, perProcess(e.received(killed))["two"])
	stats := e.srv.Stats()
	assert.Equal(t, agstest.Stats{Sessions: poolSessions, LiveSessions: poolSessions, Devices: poolSessions, Refreshes: stats.Refreshes}, stats)
	for _, r := range reports {
		assert.Positive(t, r.Refreshed)
		assert.Positive(t, r.Calls)
		assert.Empty(t, r.Failures)
		assert.Equal(t, redisstore.SharesStatus{
			PerSecond: poolPerSecond / 2, Concurrent: poolConcurrent / 2, Processes: 2, ReachedAt: r.Share.ReachedAt,
		}, r.Share)
	}
}
