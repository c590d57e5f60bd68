package scenario

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/agsauth/agsauth/bench/internal/impl"
)

// stampede has 10,000 goroutines ask a cold cache at once, of which the endpoint
// takes 100 ms to fill. They cannot leave, as half of the implementations do not let
// them; what it takes to let them is measured besides.
func stampede(c impl.Implementation, quick bool) (Result, error) {
	rounds := 5
	if quick {
		rounds = 3
	}
	var totals []time.Duration
	var heaps, leaving []float64
	fetches, errs := int64(0), 0
	ending, stop := context.WithCancel(context.Background())
	defer stop()
	for range rounds {
		for _, ctx := range []context.Context{context.Background(), ending} {
			t, err := newTrial(c, time.Hour, 100*time.Millisecond, time.Minute)
			if err != nil {
				return Result{}, err
			}
			total, heap, wrong := stampedeOnce(ctx, t)
			fetches, errs = max(fetches, t.endpoint.Calls()), errs+wrong
			t.close()
			if ctx == ending {
				leaving = append(leaving, heap)
				continue
			}
			totals, heaps = append(totals, total), append(heaps, heap)
		}
	}
	slices.Sort(heaps)
	slices.Sort(leaving)
	return Result{Figures: map[string]float64{
		"total_ms": ms(median(totals)), "fetches": float64(fetches), "failed": float64(errs),
		"heap_kib": heaps[len(heaps)/2] / 1024, "heap_if_cancellable_kib": leaving[len(leaving)/2] / 1024,
	}}, nil
}

// stampedeOnce returns how long it took until all were answered, and how much the
// heap grew meanwhile, without the goroutines themselves, which are there before.
func stampedeOnce(ctx context.Context, t *trial) (total time.Duration, heap float64, wrong int) {
	const goroutines = 10_000
	gate := make(chan struct{})
	var ready, done sync.WaitGroup
	var failures atomic.Int64
	ready.Add(goroutines)
	for range goroutines {
		done.Go(func() {
			ready.Done()
			<-gate
			if _, err := t.in.Get(ctx); err != nil {
				failures.Add(1)
			}
		})
	}
	ready.Wait()
	runtime.GC()
	runtime.GC() // what the first one left in pools is gone after the second
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	close(gate)
	done.Wait()
	total = time.Since(start)
	runtime.ReadMemStats(&after)
	return total, float64(after.TotalAlloc - before.TotalAlloc), int(failures.Load())
}

// cancelledWaiter has a caller give up after 10 ms on an endpoint that takes 300.
func cancelledWaiter(c impl.Implementation, _ bool) (Result, error) {
	const rounds = 10
	var spans []time.Duration
	lives := 0
	for range rounds {
		t, err := newTrial(c, time.Hour, 300*time.Millisecond, time.Minute)
		if err != nil {
			return Result{}, err
		}
		began := make(chan struct{})
		var once sync.Once
		t.endpoint.OnCall(func(bool) { once.Do(func() { close(began) }) })
		first := make(chan error, 1)
		go func() {
			_, err := t.in.Get(context.Background())
			first <- err
		}()
		<-began
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		start := time.Now()
		_, err = t.in.Get(ctx)
		spans = append(spans, time.Since(start))
		cancel()
		if firstErr := <-first; firstErr == nil && t.endpoint.Calls() == 1 && errors.Is(err, context.DeadlineExceeded) {
			lives++
		}
		t.close()
	}
	return Result{Figures: map[string]float64{
		"median_ms": ms(median(spans)), "longest_ms": ms(slices.Max(spans)), "refresh_lives": float64(lives), "rounds": rounds,
	}}, nil
}
