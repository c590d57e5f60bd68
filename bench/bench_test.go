package bench_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/agsauth/agsauth/bench/internal/endpoint"
	"github.com/agsauth/agsauth/bench/internal/impl"
	"github.com/agsauth/agsauth/bench/internal/peer"
)

// eachWarm runs f for each implementation. Its instance has already got a token that
// lives for a day.
func eachWarm(b *testing.B, implementations []impl.Implementation, f func(b *testing.B, c impl.Implementation, in impl.Instance)) {
	b.Helper()
	e, err := endpoint.Start(24*time.Hour, 0, time.Minute)
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	for _, c := range implementations {
		in, err := c.New(impl.Setup{Fetch: e.Fetch, URL: e.URL, Margin: time.Minute})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := in.Get(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.Run("of="+c.Name, func(b *testing.B) { f(b, c, in) })
		in.Close()
	}
}

func BenchmarkCachedSerial(b *testing.B) {
	eachWarm(b, peer.All(), func(b *testing.B, _ impl.Implementation, in impl.Instance) {
		b.ReportAllocs()
		in.Loop(b.Context(), b.N)
	})
}

// BenchmarkCachedParallel uses one goroutine per core.
func BenchmarkCachedParallel(b *testing.B) {
	eachWarm(b, peer.All(), func(b *testing.B, _ impl.Implementation, in impl.Instance) {
		share(b, runtime.GOMAXPROCS(0), in.Loop)
	})
}

func BenchmarkCached100Goroutines(b *testing.B) {
	eachWarm(b, peer.All(), func(b *testing.B, _ impl.Implementation, in impl.Instance) {
		share(b, 100, in.Loop)
	})
}

// BenchmarkToken measures the method of oauth2.TokenSource. This library and the floor
// return a copy; the others return a token that all callers share.
func BenchmarkToken(b *testing.B) {
	eachWarm(b, peer.All(), func(b *testing.B, _ impl.Implementation, in impl.Instance) {
		loop := in.Loop
		if copying, ok := in.(interface{ LoopCopy(context.Context, int) }); ok {
			loop = copying.LoopCopy
		}
		b.ReportAllocs()
		loop(b.Context(), b.N)
	})
}

// share divides b.N calls among n goroutines.
func share(b *testing.B, n int, loop func(context.Context, int)) {
	b.Helper()
	b.ReportAllocs()
	ctx := b.Context()
	var wg sync.WaitGroup
	for i := range n {
		part := b.N / n
		if i < b.N%n {
			part++
		}
		wg.Go(func() { loop(ctx, part) })
	}
	wg.Wait()
}

// inMemory is a base RoundTripper that answers at once.
type inMemory struct{ answer http.Response }

func (m *inMemory) RoundTrip(*http.Request) (*http.Response, error) { return &m.answer, nil }

func BenchmarkRoundTrip(b *testing.B) {
	for _, headers := range []int{0, 2, 7} {
		b.Run(fmt.Sprintf("headers=%d", headers), func(b *testing.B) {
			b.Run("of=bare", func(b *testing.B) { roundTrip(b, newInMemory().RoundTrip, headers) })
			implementations := append(peer.All(), impl.DeepFloor())
			eachWarm(b, implementations, func(b *testing.B, c impl.Implementation, in impl.Instance) {
				if c.Wrap == nil {
					b.Skip("has no RoundTripper")
				}
				roundTrip(b, c.Wrap(in, newInMemory()), headers)
			})
		})
	}
}

func newInMemory() *inMemory {
	return &inMemory{http.Response{StatusCode: http.StatusOK, Body: http.NoBody}}
}

func roundTrip(b *testing.B, send impl.Sender, headers int) {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "https://api.example.com/v1/profile", nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{
		"Accept", "User-Agent", "X-Request-Id", "X-Tenant", "Accept-Language", "If-None-Match", "Cache-Control",
	}[:headers] {
		req.Header.Set(name, "a value of usual length")
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := send(req); err != nil {
			b.Fatal(err)
		}
	}
}
