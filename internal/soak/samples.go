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
	// sampleInterval is how often memory and goroutines are sampled.
	sampleInterval = 5 * time.Second
	// warmUp is the time until bounded memory has reached its bound: connections, and the
	// fake API's records of its requests.
	warmUp = 30 * time.Second
	// heapGrowth is how much more memory the later samples may have than the earlier
	// ones, and moreGoroutines how many more goroutines.
	heapGrowth     = 8 << 20
	moreGoroutines = 100
	// heapPerRefresh is the memory that the fake gateway keeps for each refresh, including
	// its sign-ons. It has too few in an hour to begin to forget them.
	heapPerRefresh = 4 << 10
)

// sample is the memory and goroutines in use at an instant, without garbage.
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

// takeSamples takes samples until ctx ends.
func takeSamples(ctx context.Context, began time.Time) []sample {
	var all []sample
	for pause(ctx, sampleInterval) {
		all = append(all, takeSample(began))
	}
	return all
}

// grown compares the medians of the last and the first third of the samples, without those
// of the warm-up.
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
