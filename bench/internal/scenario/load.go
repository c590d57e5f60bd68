// Package scenario measures what a micro-benchmark cannot: refreshes, outages and
// stampedes under load, against the endpoint.
package scenario

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Call is one call of one caller.
type Call struct {
	Due     time.Duration // when it was due, from the start of the load
	Took    time.Duration // from its start
	Latency time.Duration // from when it was due, which corrects for coordinated omission
	Expired bool          // the token it got had expired
	Err     error
}

// load makes each caller call once per interval, on a schedule that does not wait for
// answers. A delayed caller makes the missed calls at once; their latency counts from
// when they were due.
func load(ctx context.Context, callers int, interval, length time.Duration, call func(context.Context) Call) []Call {
	start := time.Now()
	each := make([][]Call, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			calls := make([]Call, 0, length/interval+1)
			offset := interval * time.Duration(i) / time.Duration(callers)
			for due := offset; due < length && ctx.Err() == nil; due += interval {
				if wait := due - time.Since(start); wait > 0 {
					time.Sleep(wait)
				}
				began := time.Since(start)
				c := call(ctx)
				ended := time.Since(start)
				c.Due, c.Took, c.Latency = due, ended-began, ended-due
				calls = append(calls, c)
			}
			each[i] = calls
		})
	}
	wg.Wait()
	return slices.Concat(each...)
}

// quantile returns the q-quantile of the latencies, by nearest rank.
func quantile(calls []Call, q float64) time.Duration {
	if len(calls) == 0 {
		return 0
	}
	latencies := make([]time.Duration, len(calls))
	for i, c := range calls {
		latencies[i] = c.Latency
	}
	slices.Sort(latencies)
	return latencies[min(len(latencies)-1, int(q*float64(len(latencies))))]
}

// longest returns the duration of the longest call from its start.
func longest(calls []Call) time.Duration {
	result := time.Duration(0)
	for _, c := range calls {
		result = max(result, c.Took)
	}
	return result
}

// count returns the number of calls for which is returns true.
func count(calls []Call, is func(Call) bool) int {
	n := 0
	for _, c := range calls {
		if is(c) {
			n++
		}
	}
	return n
}

func failed(c Call) bool  { return c.Err != nil }
func expired(c Call) bool { return c.Expired }

// longerThan selects calls that waited for the endpoint, not only for a CPU.
func longerThan(d time.Duration) func(Call) bool { return func(c Call) bool { return c.Took > d } }

// median returns the median, for an even number of spans the mean of the middle two.
func median(spans []time.Duration) time.Duration {
	if len(spans) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(spans))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
