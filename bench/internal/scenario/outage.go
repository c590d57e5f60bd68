package scenario

import (
	"context"
	"math"
	"time"

	"github.com/agsauth/agsauth/bench/internal/endpoint"
	"github.com/agsauth/agsauth/bench/internal/impl"
)

// answerDelay is the endpoint's delay while it is available.
const answerDelay = 100 * time.Millisecond

// outageInMargin makes the endpoint unavailable for a second from when the token is due
// for refresh, three seconds before the token expires.
func outageInMargin(c impl.Implementation, quick bool) (Result, error) {
	if c.Name == impl.FloorName || c.Spacing > 0 && quick {
		return Result{}, nil
	}
	life, margin := 6*time.Second+c.Spacing, 3*time.Second
	t, err := newTrial(c, life, answerDelay, margin)
	if err != nil {
		return Result{}, err
	}
	defer t.close()
	ctx := context.Background()
	if _, err := t.in.Get(ctx); err != nil {
		return Result{}, err
	}
	expiry := time.Now().Add(life)
	// client-go has no margin: the outage begins when its token expires.
	due := life - margin - 50*time.Millisecond
	if c.Name == "client-go" {
		due = life - 50*time.Millisecond
	}
	requests := logRequests(t)
	start := time.Now()
	time.AfterFunc(due, func() { t.endpoint.SetDown(true) })
	time.AfterFunc(due+time.Second+50*time.Millisecond, func() { t.endpoint.SetDown(false) })
	calls := load(ctx, callers, interval, due+margin+500*time.Millisecond, t.call)
	renewed := math.NaN()
	times := requests.since(start)
	if len(times) > 0 {
		renewed = ms(expiry.Sub(start) - times[len(times)-1])
	}
	return Result{Figures: clean(map[string]float64{
		"calls": float64(len(calls)), "failed": float64(count(calls, failed)), "expired": float64(count(calls, expired)),
		"delayed": float64(count(calls, longerThan(answerDelay/2))), "longest_call_ms": ms(longest(calls)),
		"fetches": float64(len(times)), "renewed_before_expiry_ms": renewed,
	})}, nil
}

// outagePastExpiry makes the endpoint unavailable before the token is due for refresh,
// until four seconds after it has expired. Each call has a timeout of half a second.
func outagePastExpiry(c impl.Implementation, _ bool) (Result, error) {
	const (
		life, margin = 3 * time.Second, time.Second
		outage       = 4 * time.Second // after the expiry
		timeout      = 500 * time.Millisecond
		tolerance    = 50 * time.Millisecond // for a loaded machine
		after        = 11 * time.Second      // longer than the back-off's cap for an expired token
	)
	if c.Name == impl.FloorName {
		return Result{}, nil // it handles no failure
	}
	t, err := newTrial(c, life, answerDelay, margin)
	if err != nil {
		return Result{}, err
	}
	defer t.close()
	if _, err := t.in.Get(context.Background()); err != nil {
		return Result{}, err
	}
	t.endpoint.SetDown(true)
	start := time.Now()
	end := start.Add(life + outage)
	recovered := make(chan time.Time, 1)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	time.AfterFunc(life+outage, func() { t.endpoint.SetDown(false) })
	calls := load(ctx, callers, 10*interval, life+outage+after, func(ctx context.Context) Call {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		token, err := t.in.Get(ctx)
		c := Call{Err: err, Expired: err == nil && endpoint.ExpiredAt(token, time.Now())}
		if err == nil && !c.Expired && time.Now().After(end) {
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
		recovery = ms(at.Sub(end))
	default:
	}
	inOutage := func(c Call) bool { return c.Due > life && c.Due < life+outage }
	return Result{Figures: clean(map[string]float64{
		"calls_while_expired": float64(count(calls, inOutage)),
		"expired_served":      float64(count(calls, func(c Call) bool { return inOutage(c) && c.Expired })),
		"past_deadline":       float64(count(calls, longerThan(timeout+tolerance))),
		"longest_call_ms":     ms(longest(calls)),
		"failed_fetches":      float64(t.endpoint.Failures()),
		"recovered_ms":        recovery,
	})}, nil
}

// clean removes NaN values, which JSON cannot represent.
func clean(figures map[string]float64) map[string]float64 {
	for name, v := range figures {
		if math.IsNaN(v) {
			delete(figures, name)
		}
	}
	return figures
}
