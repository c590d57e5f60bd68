package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/agsauth/agsauth/pool"
	"github.com/agsauth/agsauth/tokensource"
)

// ManyPlan says what happens in the demo of many sessions.
type ManyPlan struct {
	Sessions       int           // of each pool
	Access         time.Duration // lifetime of an access token
	Left           time.Duration // how long those of the start are still valid
	RefreshBefore  time.Duration // how long before its expiry a token is due for refresh
	RefreshTimeout time.Duration
	Capacity, Rate int           // calls a second: that a gateway can answer, and that the gate lets start
	Latency        time.Duration // of a gateway that has nothing else to do
	Interval       time.Duration // between two lines
	Lines          int
}

// manyPlan returns the plan of the command, which takes 9 seconds. On average a pool needs a
// tenth of what its gateway can answer. The gate takes 5.6 of the 7 seconds in which the tokens
// of the start can be used. There are few enough calls that a slow or busy machine can make
// them all.
func manyPlan() ManyPlan {
	return ManyPlan{
		Sessions: 500, Access: 50 * second, Left: 8 * second, RefreshBefore: 4 * second, RefreshTimeout: second,
		Capacity: 100, Rate: 90, Latency: 20 * ms, Interval: second, Lines: 9,
	}
}

// Many is the command "agsauth demo --many".
type Many struct {
	Out io.Writer
	// Adjust, for tests, changes the plan.
	Adjust func(*ManyPlan)
}

// Run executes the command. The end of ctx interrupts it. The error has nothing to say if
// the report has said it.
func (m Many) Run(ctx context.Context) error {
	plan := manyPlan()
	if m.Adjust != nil {
		m.Adjust(&plan)
	}
	report, err := m.run(ctx, plan)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return conclude(m.Out, report, report.Interrupted, report.OK())
}

// run runs both pools, and prints a line about them after each interval.
func (m Many) run(ctx context.Context, plan ManyPlan) (ManyReport, error) {
	var report ManyReport
	expires := time.Now().Add(plan.Left)
	without, err := newManyPool(ctx, plan, expires, nil)
	if err != nil {
		return report, err
	}
	defer without.close(ctx)
	with, err := newManyPool(ctx, plan, expires, tokensource.NewGate(tokensource.GateConfig{PerSecond: float64(plan.Rate)}))
	if err != nil {
		return report, err
	}
	defer with.close(ctx)

	fmt.Fprint(m.Out, plan)
	started := time.Now()
	without.start(ctx, started)
	with.start(ctx, started)
	for range plan.Lines {
		if sleep(ctx, plan.Interval) != nil {
			report.Interrupted = true
			break
		}
		line := ManyLine{Plan: plan, At: time.Since(started), Without: without.measure(), With: with.measure()}
		report.add(line)
		fmt.Fprintln(m.Out, line)
	}
	return report, nil
}

// manyPool is a pool of sessions, and the gateway that they have for themselves.
type manyPool struct {
	gateway   *smallGateway
	sessions  *pool.Pool
	running   sync.WaitGroup
	refreshed atomic.Int64

	// When it was measured last, and the calls until then.
	at    time.Time
	calls int
}

// newManyPool returns a pool whose sessions have all signed on at the same time: their access
// tokens expire together.
func newManyPool(ctx context.Context, plan ManyPlan, expires time.Time, gate *tokensource.Gate) (*manyPool, error) {
	p := &manyPool{gateway: newSmallGateway(plan)}
	var err error
	p.sessions, err = pool.New(pool.Config{
		Refresher: p.gateway, Gate: gate, KeepAlive: pool.Tokens,
		RefreshBefore: plan.RefreshBefore, RefreshTimeout: plan.RefreshTimeout, OnEvent: p.count,
	})
	if err != nil {
		return nil, err
	}
	for i := range plan.Sessions {
		if err := p.sessions.Session(strconv.Itoa(i)).SetToken(ctx, p.gateway.grant(expires)); err != nil {
			return nil, errors.Join(err, p.sessions.Drain(ctx))
		}
	}
	return p, nil
}

// count counts the refreshes whose answer came in time.
func (p *manyPool) count(_ string, e tokensource.Event) {
	if e.Kind == tokensource.EventRefreshed {
		p.refreshed.Add(1)
	}
}

// start begins to keep the sessions alive.
func (p *manyPool) start(ctx context.Context, now time.Time) {
	p.at = now
	p.running.Go(func() { _ = p.sessions.Run(ctx) }) // until close, or the end of ctx
}

// close ends the pool. It does not wait for answers: the sessions are of no use any more.
func (p *manyPool) close(ctx context.Context) {
	close(p.gateway.closed)
	_ = p.sessions.Drain(context.WithoutCancel(ctx)) // without a store there is nothing to fail
	p.running.Wait()
}

// measure returns the state of the pool, and what has happened since the last time.
func (p *manyPool) measure() Measured {
	now := time.Now()
	calls, wait := p.gateway.measure(now)
	m := Measured{
		Calls: calls, PerSecond: float64(calls-p.calls) / now.Sub(p.at).Seconds(), Wait: wait,
		Refreshed: int(p.refreshed.Load()), Expired: p.sessions.Status().Expired,
	}
	p.at, p.calls = now, calls
	return m
}
