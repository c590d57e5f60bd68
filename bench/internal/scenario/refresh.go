package scenario

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/agsauth/agsauth/bench/internal/impl"
)

// The refreshes under load.
const (
	callers  = 50
	interval = time.Millisecond
	slow     = 200 * time.Millisecond // the endpoint's answer

	// waited is how long a call has to take to have waited for the endpoint, and
	// not for one of two cores.
	waited = slow / 4
)

// refreshUnderLoad has 50 callers ask every millisecond while the token is
// refreshed, several times, by an endpoint that takes 200 ms.
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
	asked := newAsked(t)
	start := time.Now()
	period := life - margin + slow
	if c.Name == "client-go" { // it has no margin
		period = life + slow
	}
	calls := load(ctx, callers, interval, time.Duration(refreshes)*period+margin/2, t.call)
	marks := asked.since(start)
	r := Result{Figures: map[string]float64{
		"calls": float64(len(calls)), "refreshes": float64(len(marks)),
		"delayed": float64(count(calls, longerThan(waited))), "failed": float64(count(calls, failed)), "dead": float64(count(calls, dead)),
		"p50_ms": ms(quantile(calls, 0.5)), "p99_ms": ms(quantile(calls, 0.99)), "p999_ms": ms(quantile(calls, 0.999)),
		"longest_call_ms": ms(longest(calls)),
	}}
	for i := 1; i < len(marks); i++ {
		apart := ms(marks[i] - marks[i-1])
		if least, ok := r.Figures["least_apart_ms"]; !ok || apart < least {
			r.Figures["least_apart_ms"] = apart
		}
	}
	if len(marks) > 0 {
		r.Around = around(calls, marks[min(1, len(marks)-1)])
	}
	return r, nil
}

// asked notes when the endpoint is asked.
type asked struct {
	mu sync.Mutex
	at []time.Time
}

func newAsked(t *trial) *asked {
	a := &asked{}
	t.endpoint.OnCall(func(bool) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.at = append(a.at, time.Now())
	})
	return a
}

func (a *asked) since(start time.Time) []time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	var spans []time.Duration
	for _, at := range a.at {
		spans = append(spans, at.Sub(start))
	}
	return spans
}

// around returns the latencies of the calls due near an instant, in steps.
func around(calls []Call, mark time.Duration) []Step {
	const before, after, step = 150 * time.Millisecond, 450 * time.Millisecond, 10 * time.Millisecond
	bins := make([][]time.Duration, (before+after)/step)
	for _, c := range calls {
		if at := c.Due - mark + before; at >= 0 && at < before+after {
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
