// Package scenario has the jobs that a micro-benchmark cannot show: refreshes,
// outages and stampedes against the endpoint, under load.
package scenario

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Call is one call of one caller.
type Call struct {
	Due     time.Duration // when it was to be made, from the start of the load
	Took    time.Duration // the call itself
	Latency time.Duration // from when it was due: corrected for coordinated omission
	Dead    bool          // it was served a token that was dead
	Err     error
}

// load has callers make a call every interval each, on a schedule that does not
// wait for the answers: a caller who was delayed makes the calls that became due
// meanwhile at once, and their latency counts from when they were due.
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

// longest returns the longest call of all, not counting how late it was begun.
func longest(calls []Call) time.Duration {
	most := time.Duration(0)
	for _, c := range calls {
		most = max(most, c.Took)
	}
	return most
}

// count returns how many calls there are of a kind.
func count(calls []Call, is func(Call) bool) int {
	n := 0
	for _, c := range calls {
		if is(c) {
			n++
		}
	}
	return n
}

func failed(c Call) bool { return c.Err != nil }
func dead(c Call) bool   { return c.Dead }

// longerThan is for calls that took so long that they must have waited for the
// endpoint, and not for a core.
func longerThan(d time.Duration) func(Call) bool { return func(c Call) bool { return c.Took > d } }

// median of an odd or even number of spans.
func median(spans []time.Duration) time.Duration {
	if len(spans) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(spans))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
