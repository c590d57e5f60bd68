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

// stampede has 10,000 goroutines ask an empty cache at the same time. The endpoint takes
// 100 ms. The callers' context cannot end, because half of the implementations ignore it;
// the heap growth with a context that can end is measured separately.
func stampede(c impl.Implementation, quick bool) (Result, error) {
	rounds := 5
	if quick {
		rounds = 3
	}
	var totals []time.Duration
	var heaps, cancellableHeaps []float64
	fetches, errs := int64(0), 0
	cancellable, stop := context.WithCancel(context.Background())
	defer stop()
	for range rounds {
		for _, ctx := range []context.Context{context.Background(), cancellable} {
			t, err := newTrial(c, time.Hour, 100*time.Millisecond, time.Minute)
			if err != nil {
				return Result{}, err
			}
			total, heap, failed := stampedeOnce(ctx, t)
			fetches, errs = max(fetches, t.endpoint.Calls()), errs+failed
			t.close()
			if ctx == cancellable {
				cancellableHeaps = append(cancellableHeaps, heap)
				continue
			}
			totals, heaps = append(totals, total), append(heaps, heap)
		}
	}
	slices.Sort(heaps)
	slices.Sort(cancellableHeaps)
	return Result{Figures: map[string]float64{
		"total_ms": ms(median(totals)), "fetches": float64(fetches), "failed": float64(errs),
		"heap_kib": heaps[len(heaps)/2] / 1024, "heap_if_cancellable_kib": cancellableHeaps[len(cancellableHeaps)/2] / 1024,
	}}, nil
}

// stampedeOnce returns the time until all goroutines were answered, and the bytes that
// were allocated meanwhile. The goroutines are created before.
func stampedeOnce(ctx context.Context, t *trial) (total time.Duration, heap float64, failed int) {
	const goroutines = 10_000
	begin := make(chan struct{})
	var ready, done sync.WaitGroup
	var failures atomic.Int64
	ready.Add(goroutines)
	for range goroutines {
		done.Go(func() {
			ready.Done()
			<-begin
			if _, err := t.in.Get(ctx); err != nil {
				failures.Add(1)
			}
		})
	}
	ready.Wait()
	runtime.GC()
	runtime.GC() // the second collection empties pools
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	close(begin)
	done.Wait()
	total = time.Since(start)
	runtime.ReadMemStats(&after)
	return total, float64(after.TotalAlloc - before.TotalAlloc), int(failures.Load())
}

// cancelledWaiter has a second caller give up after 10 ms on a refresh that takes
// 300 ms, and checks that the refresh goes on.
func cancelledWaiter(c impl.Implementation, _ bool) (Result, error) {
	const rounds = 10
	var spans []time.Duration
	survived := 0
	for range rounds {
		t, err := newTrial(c, time.Hour, 300*time.Millisecond, time.Minute)
		if err != nil {
			return Result{}, err
		}
		started := make(chan struct{})
		var once sync.Once
		t.endpoint.OnCall(func(bool) { once.Do(func() { close(started) }) })
		first := make(chan error, 1)
		go func() {
			_, err := t.in.Get(context.Background())
			first <- err
		}()
		<-started
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		start := time.Now()
		_, err = t.in.Get(ctx)
		spans = append(spans, time.Since(start))
		cancel()
		if firstErr := <-first; firstErr == nil && t.endpoint.Calls() == 1 && errors.Is(err, context.DeadlineExceeded) {
			survived++
		}
		t.close()
	}
	return Result{Figures: map[string]float64{
		"median_ms": ms(median(spans)), "longest_ms": ms(slices.Max(spans)), "refresh_lives": float64(survived), "rounds": rounds,
	}}, nil
}
