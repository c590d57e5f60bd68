package scenario

import (
	"context"
	"time"

	"github.com/agsauth/agsauth/bench/internal/endpoint"
	"github.com/agsauth/agsauth/bench/internal/impl"
)

// Result is the result of one job for one implementation. The names of Figures end
// with their unit; durations are in milliseconds.
type Result struct {
	Job     string             `json:"job"`
	Of      string             `json:"of"`
	Figures map[string]float64 `json:"figures"`
	// Around has the greatest and the median latency in each step of time around a
	// refresh, for the chart.
	Around []Step `json:"around,omitempty"`
}

// Step is one step of time.
type Step struct {
	At     float64 `json:"at_ms"` // from the request to the endpoint
	Max    float64 `json:"max_ms"`
	Median float64 `json:"median_ms"`
}

// Job is one scenario.
type Job struct {
	Name string
	Run  func(c impl.Implementation, quick bool) (Result, error)
}

// Jobs returns all jobs.
func Jobs() []Job {
	return []Job{
		{"refresh", refreshUnderLoad},
		{"stampede", stampede},
		{"outage", outageInMargin},
		{"outage-past-expiry", outagePastExpiry},
		{"cancelled", cancelledWaiter},
		{"rest", atRest},
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// trial is an endpoint and an instance that uses it.
type trial struct {
	endpoint *endpoint.Endpoint
	in       impl.Instance
}

func newTrial(c impl.Implementation, life, delay, margin time.Duration) (*trial, error) {
	e, err := endpoint.Start(life, delay, margin)
	if err != nil {
		return nil, err
	}
	in, err := c.New(impl.Setup{Fetch: e.Fetch, URL: e.URL, Margin: margin})
	if err != nil {
		e.Close()
		return nil, err
	}
	return &trial{e, in}, nil
}

func (t *trial) close() {
	t.in.Close()
	t.endpoint.Close()
}

// call gets a token once, and checks whether it has expired.
func (t *trial) call(ctx context.Context) Call {
	token, err := t.in.Get(ctx)
	return Call{Err: err, Expired: err == nil && endpoint.ExpiredAt(token, time.Now())}
}
