package scenario

import (
	"context"
	"time"

	"github.com/agsauth/agsauth/bench/internal/endpoint"
	"github.com/agsauth/agsauth/bench/internal/impl"
)

// Result is what one implementation has made of one job. Figures have their unit in
// their name, durations in milliseconds.
type Result struct {
	Job     string             `json:"job"`
	Of      string             `json:"of"`
	Figures map[string]float64 `json:"figures"`
	// Around is the greatest and the median latency in each step of time around
	// a refresh, for the chart.
	Around []Step    `json:"around,omitempty"`
	Marks  []float64 `json:"marks_ms,omitempty"` // when the endpoint was asked
}

// Step is one step of time.
type Step struct {
	At     float64 `json:"at_ms"` // from when the endpoint was asked
	Max    float64 `json:"max_ms"`
	Median float64 `json:"median_ms"`
}

// Job is one row of the table.
type Job struct {
	Name string
	Run  func(c impl.Implementation, quick bool) (Result, error)
}

// Jobs returns all of them, in the order of the table.
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

// trial is an endpoint and an implementation that is to use it.
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

// call asks once, and looks whether what is served is alive.
func (t *trial) call(ctx context.Context) Call {
	token, err := t.in.Get(ctx)
	return Call{Err: err, Dead: err == nil && endpoint.DeadAt(token, time.Now())}
}
