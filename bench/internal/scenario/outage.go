package scenario

import (
	"context"
	"math"
	"time"

	"github.com/agsauth/agsauth/bench/internal/endpoint"
	"github.com/agsauth/agsauth/bench/internal/impl"
)

// quickAnswer is the endpoint's pace in the outages.
const quickAnswer = 100 * time.Millisecond

// outageInMargin has the endpoint out of order for a second from when the token
// is first due for refresh, three seconds before it dies.
func outageInMargin(c impl.Implementation, quick bool) (Result, error) {
	if c.Name == impl.FloorName || c.Spacing > 0 && quick {
		return Result{}, nil
	}
	life, margin := 6*time.Second+c.Spacing, 3*time.Second
	t, err := newTrial(c, life, quickAnswer, margin)
	if err != nil {
		return Result{}, err
	}
	defer t.close()
	ctx := context.Background()
	if _, err := t.in.Get(ctx); err != nil {
		return Result{}, err
	}
	dies := time.Now().Add(life)
	// Whoever has no margin finds the endpoint out of order when the token is dead.
	due := life - margin - 50*time.Millisecond
	if c.Name == "client-go" {
		due = life - 50*time.Millisecond
	}
	asked := newAsked(t)
	start := time.Now()
	time.AfterFunc(due, func() { t.endpoint.SetDown(true) })
	time.AfterFunc(due+time.Second+50*time.Millisecond, func() { t.endpoint.SetDown(false) })
	calls := load(ctx, callers, interval, due+margin+500*time.Millisecond, t.call)
	renewed := math.NaN()
	marks := asked.since(start)
	if len(marks) > 0 {
		renewed = ms(dies.Sub(start) - marks[len(marks)-1])
	}
	return Result{Figures: clean(map[string]float64{
		"calls": float64(len(calls)), "failed": float64(count(calls, failed)), "dead": float64(count(calls, dead)),
		"delayed": float64(count(calls, longerThan(quickAnswer/2))), "longest_call_ms": ms(longest(calls)),
		"fetches": float64(len(marks)), "renewed_before_expiry_ms": renewed,
	})}, nil
}

// outagePastExpiry has the endpoint go out of order before the token is due, and
// come back when it has been dead for seconds. Callers allow for half a second.
func outagePastExpiry(c impl.Implementation, _ bool) (Result, error) {
	const (
		life, margin = 3 * time.Second, time.Second
		dark         = 4 * time.Second // after the death
		patience     = 500 * time.Millisecond
		tolerance    = 50 * time.Millisecond // of a loaded machine
		after        = 11 * time.Second      // the back-off's cap once the token is dead, and a little
	)
	if c.Name == impl.FloorName {
		return Result{}, nil // it copes with no failure
	}
	t, err := newTrial(c, life, quickAnswer, margin)
	if err != nil {
		return Result{}, err
	}
	defer t.close()
	if _, err := t.in.Get(context.Background()); err != nil {
		return Result{}, err
	}
	t.endpoint.SetDown(true)
	start := time.Now()
	back := start.Add(life + dark)
	recovered := make(chan time.Time, 1)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	time.AfterFunc(life+dark, func() { t.endpoint.SetDown(false) })
	calls := load(ctx, callers, 10*interval, life+dark+after, func(ctx context.Context) Call {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		token, err := t.in.Get(ctx)
		c := Call{Err: err, Dead: err == nil && endpoint.DeadAt(token, time.Now())}
		if err == nil && !c.Dead && time.Now().After(back) {
			select {
			case recovered <- time.Now():
				stop()
			default:
			}
		}
		return c
	})
	recovery := math.NaN()
	select {
	case at := <-recovered:
		recovery = ms(at.Sub(back))
	default:
	}
	inDark := func(c Call) bool { return c.Due > life && c.Due < life+dark }
	return Result{Figures: clean(map[string]float64{
		"calls_while_dead": float64(count(calls, inDark)),
		"dead_served":      float64(count(calls, func(c Call) bool { return inDark(c) && c.Dead })),
		"past_deadline":    float64(count(calls, longerThan(patience+tolerance))),
		"longest_call_ms":  ms(longest(calls)),
		"fetches_in_vain":  float64(t.endpoint.Failures()),
		"recovered_ms":     recovery,
	})}, nil
}

// clean drops what is not a number, which JSON cannot tell.
func clean(figures map[string]float64) map[string]float64 {
	for name, v := range figures {
		if math.IsNaN(v) {
			delete(figures, name)
		}
	}
	return figures
}
