package scenario

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/agsauth/agsauth/bench/internal/impl"
)

const (
	callers  = 50
	interval = time.Millisecond
	slow     = 200 * time.Millisecond // the endpoint's delay

	// delayThreshold is the duration from which a call has waited for the endpoint, and not
	// only for a CPU.
	delayThreshold = slow / 4
)

// refreshUnderLoad has 50 callers that each ask every millisecond while the token is
// refreshed several times. The endpoint takes 200 ms.
func refreshUnderLoad(c impl.Implementation, quick bool) (Result, error) {
	refreshes := 4
	if quick {
		refreshes = 2
	}
	life, margin := 3*time.Second, 1300*time.Millisecond
	if c.Spacing > 0 { // it would not refresh so often
		life += c.Spacing
		refreshes /= 2
		if quick {
			return Result{}, nil
		}
	}
	t, err := newTrial(c, life, slow, margin)
	if err != nil {
		return Result{}, err
	}
	defer t.close()
	ctx := context.Background()
	if _, err := t.in.Get(ctx); err != nil {
		return Result{}, err
	}
	requests := logRequests(t)
	start := time.Now()
	period := life - margin + slow
	if c.Name == "client-go" { // it has no margin
		period = life + slow
	}
	calls := load(ctx, callers, interval, time.Duration(refreshes)*period+margin/2, t.call)
	times := requests.since(start)
	r := Result{Figures: map[string]float64{
		"calls": float64(len(calls)), "refreshes": float64(len(times)),
		"delayed": float64(count(calls, longerThan(delayThreshold))), "failed": float64(count(calls, failed)), "expired": float64(count(calls, expired)),
		"p50_ms": ms(quantile(calls, 0.5)), "p99_ms": ms(quantile(calls, 0.99)), "p999_ms": ms(quantile(calls, 0.999)),
		"longest_call_ms": ms(longest(calls)),
	}}
	for i := 1; i < len(times); i++ {
		apart := ms(times[i] - times[i-1])
		if least, ok := r.Figures["least_apart_ms"]; !ok || apart < least {
			r.Figures["least_apart_ms"] = apart
		}
	}
	if len(times) > 0 {
		r.Around = around(calls, times[min(1, len(times)-1)])
	}
	return r, nil
}

// requestLog records when the endpoint gets requests.
type requestLog struct {
	mu sync.Mutex
	at []time.Time
}

func logRequests(t *trial) *requestLog {
	a := &requestLog{}
	t.endpoint.OnCall(func(bool) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.at = append(a.at, time.Now())
	})
	return a
}

func (a *requestLog) since(start time.Time) []time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	var spans []time.Duration
	for _, at := range a.at {
		spans = append(spans, at.Sub(start))
	}
	return spans
}

// around returns the latencies of the calls that were due near a time, in steps.
func around(calls []Call, center time.Duration) []Step {
	const before, after, step = 150 * time.Millisecond, 450 * time.Millisecond, 10 * time.Millisecond
	bins := make([][]time.Duration, (before+after)/step)
	for _, c := range calls {
		if at := c.Due - center + before; at >= 0 && at < before+after {
			bins[at/step] = append(bins[at/step], c.Latency)
		}
	}
	var steps []Step
	for i, bin := range bins {
		if len(bin) > 0 {
			at := time.Duration(i)*step - before
			steps = append(steps, Step{At: ms(at), Max: ms(slices.Max(bin)), Median: ms(median(bin))})
		}
	}
	return steps
}
