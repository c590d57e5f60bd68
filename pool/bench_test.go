//go:build !race

package pool_test

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/pool"
	"github.com/agsauth/agsauth/tokensource"
)

// eachPath calls f for each way to a token that lives: without a Pool, through a Session,
// and through Keyed.
func eachPath(tb testing.TB, f func(name string, ask func(context.Context) (*oauth2.Token, error), ctx context.Context)) {
	tb.Helper()
	gw := newGateway()
	source, err := tokensource.New(tokensource.Config{Refresher: gw, Token: gw.grant("ada")})
	require.NoError(tb, err)
	f("Source", source.TokenContext, tb.Context())
	p, err := pool.New(pool.Config{Refresher: gw})
	require.NoError(tb, err)
	for _, key := range names(1000) {
		require.NoError(tb, p.Session(key).SetToken(tb.Context(), gw.grant(key)))
	}
	f("Session", p.Session("k00500").TokenContext, tb.Context())
	f("Keyed", p.Keyed().TokenContext, pool.WithKey(tb.Context(), "k00500"))
	require.NoError(tb, source.Close())
	require.NoError(tb, p.Drain(tb.Context()))
}

func BenchmarkTokenContext(b *testing.B) {
	eachPath(b, func(name string, ask func(context.Context) (*oauth2.Token, error), ctx context.Context) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = ask(ctx)
			}
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					_, _ = ask(ctx)
				}
			})
		})
	})
}

func TestTokenContext_DoesNotAllocate(t *testing.T) {
	eachPath(t, func(name string, ask func(context.Context) (*oauth2.Token, error), ctx context.Context) {
		assert.Zero(t, testing.AllocsPerRun(100, func() { _, _ = ask(ctx) }), name)
	})
}

// heap returns how many bytes are in use.
func heap() int64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// measure returns how many bytes make takes for each of n, and keeps what it returns
// alive until then.
func measure(n int, make func() any) int64 {
	before := heap()
	kept := make()
	size := (heap() - before) / int64(n)
	runtime.KeepAlive(kept)
	return size
}

// What the Pool takes for a session beyond its Source, and for a dormant one.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	const n = 20_000
	keys := names(n)
	gw := newGateway()
	token := gw.grant("any")
	family, err := tokensource.NewFamily(tokensource.Config{Refresher: gw})
	require.NoError(t, err)
	sources := measure(n, func() any {
		all := make([]*tokensource.Source, n)
		for i := range all {
			all[i], _ = family.New(tokensource.Member{})
			assert.NoError(t, all[i].SetToken(t.Context(), token))
		}
		return all
	}) - 8

	gate := tokensource.NewGate(tokensource.GateConfig{PerSecond: 1000})
	p, err := pool.New(pool.Config{Refresher: gw, Gate: gate, KeepAlive: pool.Tokens})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	residents := measure(n, func() any {
		for _, key := range keys {
			assert.NoError(t, p.Session(key).SetToken(t.Context(), token))
		}
		awaitRest(t, p)
		return p
	})
	cancel()
	require.Error(t, <-ended)
	require.NoError(t, p.Drain(t.Context()))
	p = nil

	s := newStores()
	oneStore := s.oneStore(t, token)
	dormants := measure(n, func() any {
		p, err = pool.New(pool.Config{Refresher: gw, Gate: gate, Store: oneStore, MaxResident: 1})
		require.NoError(t, err)
		assert.NoError(t, p.Warm(t.Context(), slices.Values(keys)))
		assert.Equal(t, pool.Status{Resident: 1, Dormant: n - 1, Fresh: 1}, p.Status())
		return p
	})
	t.Logf("a Source %d bytes; in the Pool %d more; a dormant session %d", sources, residents-sources, dormants)
	assert.LessOrEqual(t, residents-sources, int64(300))
	assert.LessOrEqual(t, dormants, int64(300))
	require.NoError(t, p.Drain(t.Context()))
}

// awaitRest waits until Run has polled all sessions.
func awaitRest(t *testing.T, p *pool.Pool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); p.Unpolled() > 0; time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(deadline))
	}
}
