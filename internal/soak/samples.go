package main

import (
	"cmp"
	"context"
	"math"
	"runtime"
	"slices"
	"time"
)

const (
	// sampleInterval is how often memory and goroutines are looked at.
	sampleInterval = 5 * time.Second
	// warmUp is what it takes until what is bounded has grown to its bound: connections,
	// and the fake API's records of its requests.
	warmUp = 30 * time.Second
	// heapGrowth is how much more memory the later samples may have than the earlier
	// ones, and moreGoroutines how many more goroutines.
	heapGrowth     = 8 << 20
	moreGoroutines = 100
	// heapPerRefresh is what the fake gateway keeps of each refresh, with its sign-on's
	// share, of which there are too few in an hour for it to begin to forget them.
	heapPerRefresh = 4 << 10
)

// sample is what is in use at an instant, garbage left out.
type sample struct {
	At         time.Duration `json:"at_ns"`
	Heap       int64         `json:"heap"`
	Goroutines int           `json:"goroutines"`
}

func takeSample(began time.Time) sample {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return sample{time.Since(began), int64(min(m.HeapAlloc, math.MaxInt64)), runtime.NumGoroutine()}
}

// watch takes samples until ctx ends.
func takeSamples(ctx context.Context, began time.Time) []sample {
	var all []sample
	for pause(ctx, sampleInterval) {
		all = append(all, takeSample(began))
	}
	return all
}

// grown compares the last third of the samples with the first, those of the warm-up
// left out, by what is in the median of each.
func growth(all []sample) (heap int64, goroutines int) {
	all = slices.DeleteFunc(slices.Clone(all), func(s sample) bool { return s.At < warmUp })
	n := len(all) / 3
	if n == 0 {
		return 0, 0
	}
	first, last := all[:n], all[len(all)-n:]
	inUse, running := func(s sample) int64 { return s.Heap }, func(s sample) int { return s.Goroutines }
	return median(last, inUse) - median(first, inUse), median(last, running) - median(first, running)
}

func median[T cmp.Ordered](of []sample, what func(sample) T) T {
	values := make([]T, len(of))
	for i, s := range of {
		values[i] = what(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
