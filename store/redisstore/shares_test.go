package redisstore_test

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store/redisstore"
	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
	"github.com/agsauth/agsauth/tokensource"
)

const (
	sharesKey     = "agsauth:{gateway}:shares"
	shortInterval = 100 * time.Millisecond
)

// limits are the arguments of Set.
type limits struct {
	perSecond  float64
	concurrent int
}

var noShare = limits{1e-9, 1}

// A sharesProcess stands for a process that runs Shares.
type sharesProcess struct {
	shares *redisstore.Shares
	cancel context.CancelCauseFunc
	done   chan error

	mu  sync.Mutex
	set []limits
}

func newSharesProcess(t *testing.T, cfg redisstore.SharesConfig) *sharesProcess {
	t.Helper()
	p := &sharesProcess{}
	if cfg.PerSecond == 0 && cfg.Concurrent == 0 {
		cfg.PerSecond, cfg.Concurrent = 100, 10
	}
	if cfg.Interval == 0 {
		cfg.Interval = shortInterval
	}
	cfg.Name = "gateway"
	cfg.Set = func(perSecond float64, concurrent int) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.set = append(p.set, limits{perSecond, concurrent})
	}
	var err error
	p.shares, err = redisstore.NewShares(cfg)
	require.NoError(t, err)
	require.Equal(t, noShare, p.now())
	return p
}

// startShares starts a process with these limits in all: 100 and 10 by default.
func startShares(t *testing.T, cfg redisstore.SharesConfig) *sharesProcess {
	t.Helper()
	p := newSharesProcess(t, cfg)
	p.run(t)
	return p
}

func (p *sharesProcess) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	p.cancel, p.done = cancel, make(chan error, 1)
	go func() { p.done <- p.shares.Run(ctx) }()
	t.Cleanup(func() { cancel(nil) })
}

// stop ends Run.
func (p *sharesProcess) stop(t *testing.T) {
	t.Helper()
	p.cancel(errCause)
	require.Equal(t, errCause, <-p.done)
	assert.Equal(t, noShare, p.now())
	assert.True(t, p.shares.Status().Waiting)
}

// now returns the arguments of the last Set.
func (p *sharesProcess) now() limits {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.set[len(p.set)-1]
}

// changes returns how often Set was called.
func (p *sharesProcess) changes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.set)
}

// awaitShares waits until the processes have these limits, in any order.
func awaitShares(t *testing.T, processes []*sharesProcess, want ...limits) {
	t.Helper()
	order := func(a, b limits) int {
		return cmp.Or(cmp.Compare(b.perSecond, a.perSecond), cmp.Compare(b.concurrent, a.concurrent))
	}
	assert.EventuallyWithT(t, func(c *assert.CollectT) {
		var got []limits
		for _, p := range processes {
			got = append(got, p.now())
		}
		slices.SortStableFunc(got, order)
		assert.Equal(c, want, got)
	}, time.Minute, 2*time.Millisecond)
}

func TestShares_Divide(t *testing.T) {
	server := redistest.Start(t)
	var all []*sharesProcess
	for range 3 {
		all = append(all, startShares(t, redisstore.SharesConfig{Client: server.Client(), PerSecond: 100, Concurrent: 9}))
	}
	awaitShares(t, all, limits{34, 3}, limits{33, 3}, limits{33, 3})
	for _, p := range all {
		st := p.shares.Status()
		assert.Equal(t, p.now(), limits{st.PerSecond, st.Concurrent})
		assert.False(t, st.Waiting)
		assert.NoError(t, st.Err)
		assert.Equal(t, 3, st.Processes)
		assert.WithinDuration(t, time.Now(), st.ReachedAt, time.Minute)
	}
	all[0].stop(t)
	awaitShares(t, all[1:], limits{50, 5}, limits{50, 4})
	all[1].stop(t)
	all[2].stop(t)
	assert.NotContains(t, server.Do("GET", sharesKey), "held", "all have left")

	next := startShares(t, redisstore.SharesConfig{Client: server.Client()})
	awaitShares(t, []*sharesProcess{next}, limits{100, 10})
}

func TestShares_OneLimit(t *testing.T) {
	server := redistest.Start(t)
	rates := []*sharesProcess{
		startShares(t, redisstore.SharesConfig{Client: server.Client(), PerSecond: 0.5}),
		startShares(t, redisstore.SharesConfig{Client: server.Client(), PerSecond: 0.5}),
	}
	awaitShares(t, rates, limits{0.25, 0}, limits{0.25, 0})
	calls := []*sharesProcess{
		startShares(t, redisstore.SharesConfig{Client: server.Client(), Prefix: "other:", Concurrent: 8}),
		startShares(t, redisstore.SharesConfig{Client: server.Client(), Prefix: "other:", Concurrent: 8}),
	}
	awaitShares(t, calls, limits{0, 4}, limits{0, 4})
}

// Each process has at least one concurrent call.
func TestShares_MoreProcessesThanCalls(t *testing.T) {
	server := redistest.Start(t)
	var all []*sharesProcess
	for range 3 {
		all = append(all, startShares(t, redisstore.SharesConfig{Client: server.Client(), PerSecond: 30, Concurrent: 2}))
	}
	awaitShares(t, all, limits{10, 1}, limits{10, 1}, limits{10, 1})
}

// A Gate accepts every share.
func TestShares_SetAGate(t *testing.T) {
	gate := tokensource.NewGate(tokensource.GateConfig{})
	shares, err := redisstore.NewShares(redisstore.SharesConfig{
		Client: redistest.Start(t).Client(), Name: "gateway", PerSecond: 40, Concurrent: 4, Interval: shortInterval, Set: gate.SetLimits,
	})
	require.NoError(t, err)
	assert.InDelta(t, 1e-9, gate.Status().PerSecond, 1e-12)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- shares.Run(ctx) }()
	assert.Eventually(t, func() bool { return gate.Status().PerSecond == 40 }, time.Minute, 2*time.Millisecond)
	assert.ErrorContains(t, shares.Run(t.Context()), "another Run is running")
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
}

// While the server is away all keep their shares, and when it is back, with or without its
// data, nobody gets more for a moment.
func TestShares_KeepTheirsInAnOutage(t *testing.T) {
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprintf("data lost=%v", lost), func(t *testing.T) {
			server := redistest.Start(t, persistent...)
			both := []*sharesProcess{
				startShares(t, redisstore.SharesConfig{Client: clientWithoutRetries(server)}),
				startShares(t, redisstore.SharesConfig{Client: clientWithoutRetries(server)}),
			}
			half := limits{50, 5}
			awaitShares(t, both, half, half)
			changes := func() int { return both[0].changes() + both[1].changes() }
			before := changes()
			server.Kill()
			for _, p := range both {
				assert.Eventually(t, func() bool {
					st := p.shares.Status()
					return st.Err != nil && time.Since(st.ReachedAt) > 5*shortInterval
				}, time.Minute, 2*time.Millisecond)
				assert.ErrorContains(t, p.shares.Status().Err, "redisstore: shares: ")
			}
			server.Restart()
			if lost {
				server.Flush()
			}
			back := time.Now()
			for _, p := range both {
				assert.Eventually(t, func() bool {
					st := p.shares.Status()
					return st.Err == nil && st.Processes == 2 && st.ReachedAt.Sub(back) > 5*shortInterval
				}, time.Minute, 2*time.Millisecond)
			}
			awaitShares(t, both, half, half)
			assert.Equal(t, before, changes(), "nobody got another share")
		})
	}
}

func TestShares_NeverReached(t *testing.T) {
	server := redistest.Start(t)
	server.Kill()
	fake := stoppedClock()
	p := startShares(t, redisstore.SharesConfig{
		Client: clientWithoutRetries(server), Interval: 10 * time.Second, Expected: 4, Clock: fake,
		Rand: func() float64 { return 0 },
	})
	var waited time.Duration
	for p.now() == noShare {
		require.NoError(t, fake.BlockUntil(t.Context(), 1))
		if p.now() == noShare {
			waited += fake.AdvanceToNext()
		}
	}
	assert.Equal(t, limits{25, 2}, p.now())
	assert.GreaterOrEqual(t, waited, 30*time.Second)
	assert.LessOrEqual(t, waited, 40*time.Second)
	st := p.shares.Status()
	assert.Zero(t, st.ReachedAt)
	assert.Error(t, st.Err)
}

// Two commands for each beat, which is more often than every interval.
func TestShares_Commands(t *testing.T) {
	server := redistest.Start(t)
	all := []*sharesProcess{
		startShares(t, redisstore.SharesConfig{Client: server.Client()}), startShares(t, redisstore.SharesConfig{Client: server.Client()}),
	}
	awaitShares(t, all, limits{50, 5}, limits{50, 5})
	server.ResetCalls()
	begin := time.Now()
	assert.Eventually(t, func() bool { return time.Since(begin) > 2*time.Second }, time.Minute, 10*time.Millisecond)
	calls := server.Calls()
	// 20 intervals of two processes.
	assert.Zero(t, calls["eval"])
	assert.Less(t, calls["evalsha"], 2*20*2*2)
	t.Logf("two processes in 20 intervals: %v", calls)
}

func TestShares_InvalidDivision(t *testing.T) {
	server := redistest.Start(t)
	server.Do("SET", sharesKey, "record-of-secrets")
	p := startShares(t, redisstore.SharesConfig{Client: server.Client()})
	assert.Eventually(t, func() bool { return p.shares.Status().Err != nil }, time.Minute, 2*time.Millisecond)
	assertStoreError(t, "shares", p.shares.Status().Err)
	assert.Eventually(t, func() bool { return p.now() == limits{10, 1} }, time.Minute, 2*time.Millisecond, "as if the server was away")
	server.Do("DEL", sharesKey)
	awaitShares(t, []*sharesProcess{p}, limits{100, 10})
}

func TestShares_DocumentedRights(t *testing.T) {
	server := redistest.Start(t)
	for _, command := range documentedACL(t, "gateway") {
		if !strings.Contains(fmt.Sprint(command...), "cluster") {
			server.Do(command...)
		}
	}
	p := startShares(t, redisstore.SharesConfig{Client: userClient(server)})
	awaitShares(t, []*sharesProcess{p}, limits{100, 10})
	p.stop(t)
	assertNothingDenied(t, server)
	server.Do("ACL", "SETUSER", "agsauth", "-time")
	p = startShares(t, redisstore.SharesConfig{Client: userClient(server)})
	assert.Eventually(t, func() bool { return p.shares.Status().Err != nil }, time.Minute, 2*time.Millisecond)
	err := p.shares.Status().Err
	assertStoreError(t, "shares", err)
	assert.True(t, redis.HasErrorPrefix(err, "NOPERM"), "%v", err)
}

func TestShares_OnACluster(t *testing.T) {
	server := redistest.StartCluster(t)
	for _, command := range documentedACL(t, "*") {
		server.Do(command...)
	}
	all := []*sharesProcess{
		startShares(t, redisstore.SharesConfig{Client: clusterClient(t, server, "agsauth")}),
		startShares(t, redisstore.SharesConfig{Client: clusterClient(t, server, "agsauth")}),
	}
	awaitShares(t, all, limits{50, 5}, limits{50, 5})
	assertNothingDenied(t, server)
	assert.Equal(t, []any{sharesKey}, server.Do("KEYS", "*"))
	assert.Equal(t, server.Do("CLUSTER", "KEYSLOT", "gateway"), server.Do("CLUSTER", "KEYSLOT", sharesKey))
}

func TestNewShares_RefusesConfig(t *testing.T) {
	client := redis.NewClient(&redis.Options{})
	ring := redis.NewRing(&redis.RingOptions{})
	t.Cleanup(func() { _, _ = client.Close(), ring.Close() })
	set := func(float64, int) {}
	for want, change := range map[string]func(*redisstore.SharesConfig){
		"SharesConfig.Client is nil":                                               func(c *redisstore.SharesConfig) { c.Client = nil },
		"SharesConfig.Client is a Ring":                                            func(c *redisstore.SharesConfig) { c.Client = ring },
		"SharesConfig.Prefix has braces":                                           func(c *redisstore.SharesConfig) { c.Prefix = "{" },
		"SharesConfig.Name is empty":                                               func(c *redisstore.SharesConfig) { c.Name = "" },
		"SharesConfig.Name has braces":                                             func(c *redisstore.SharesConfig) { c.Name = "}" },
		"SharesConfig.PerSecond is negative or not a number":                       func(c *redisstore.SharesConfig) { c.PerSecond = math.NaN() },
		"SharesConfig.Concurrent is negative":                                      func(c *redisstore.SharesConfig) { c.Concurrent = -1 },
		"SharesConfig.PerSecond and Concurrent are zero: there is nothing to shar": func(c *redisstore.SharesConfig) { c.PerSecond = 0 },
		"SharesConfig.Set is nil":                                                  func(c *redisstore.SharesConfig) { c.Set = nil },
		"SharesConfig.Interval is not between 100ms and 1h0m0s":                    func(c *redisstore.SharesConfig) { c.Interval = time.Millisecond },
		"SharesConfig.Expected is negative":                                        func(c *redisstore.SharesConfig) { c.Expected = -1 },
	} {
		cfg := redisstore.SharesConfig{Client: client, Name: "gateway", PerSecond: 1, Set: set}
		change(&cfg)
		s, err := redisstore.NewShares(cfg)
		assert.Nil(t, s)
		require.ErrorContains(t, err, "redisstore: "+want)
	}
}

func TestShares_PrintsNoCredentials(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "password-of-secrets")
	options := server.Options()
	options.Password = "password-of-secrets"
	cfg := redisstore.SharesConfig{Client: server.ClientWith(options)}
	p := startShares(t, cfg)
	awaitShares(t, []*sharesProcess{p}, limits{100, 10})
	p.stop(t)
	text := diffOf(t, p.shares, &redisstore.Shares{})
	require.Contains(t, text, "agsauth:", "the report must show the Shares")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		text += fmt.Sprintf(verb, p.shares) + fmt.Sprintf(verb, cfg) + fmt.Sprintf(verb, p.shares.Status())
	}
	assert.NotContains(t, text, "of-secrets")
}

// Run ends soon after its context, although the server does not answer.
func TestShares_EndWithoutTheServer(t *testing.T) {
	server := redistest.Start(t)
	fake := stoppedClock()
	watched := newWatchedClock(fake)
	p := newSharesProcess(t, redisstore.SharesConfig{Client: server.Client(), Clock: watched})
	server.Pause()
	t.Cleanup(server.Resume)
	p.run(t)
	watched.await(shortInterval * 3 / 4)
	p.cancel(errCause)
	watched.await(5 * time.Second)
	fake.Advance(5 * time.Second)
	require.Equal(t, errCause, <-p.done)
}
