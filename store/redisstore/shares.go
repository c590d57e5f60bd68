package redisstore

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	keyShares = "shares" // the division
	// noRate stands for no share, since a Gate takes zero for no limit.
	noRate = 1e-9
	// The division is kept for a day without a beat, so that members keep what they hold
	// while they cannot reach the server.
	keepDivision = 24 * time.Hour
	// A member that has not got its whole part asks again after 1/impatience of the
	// period.
	impatience = 4
)

var errSharesRunning = errors.New("redisstore: shares: another Run is running")

// Shares divides the limits of a gateway between the processes that use it: each gets an
// equal part for its Gate, and the parts are made again when a process comes or goes. All
// methods are safe for concurrent use.
//
//	gate := tokensource.NewGate(tokensource.GateConfig{})
//	shares, err := redisstore.NewShares(redisstore.SharesConfig{
//		Client: client, Name: "gateway", PerSecond: 200, Concurrent: 64, Set: gate.SetLimits,
//	})
//	…
//	go shares.Run(ctx)
//
// Parts of the rate are whole numbers of calls a second, and some are larger by one; only
// if there is less than one a second for each process are they fractions, and then one call
// of each process may come in the same second.
//
// The sum of the shares never exceeds the limits, except as said below. A process starts
// with no share. It gets one after the others have taken theirs back, in two intervals at
// most; the first process of all waits for two intervals in case there are others, and a
// process that comes after all have left gets everything at once. When Run ends, the others
// get the share in an interval, and when a process is killed, after three or four.
//
// While the server cannot be reached a process keeps the share that it has. A process that
// has not reached it since its start waits for three intervals, and then takes the part of
// one of Expected processes. After an outage, and after the server has lost its data, no
// share grows for two intervals, until all processes have said what they use.
//
// The sum can exceed the limits in these cases. A process that cannot reach the server keeps
// its share although the others, which can, divide it after three intervals. One that was
// suspended for longer uses its old share until the server answers its next call. One that
// starts without the server takes a part while others hold everything. Calls that are under
// way when Concurrent becomes less are not ended.
type Shares struct {
	cfg     SharesConfig // with defaults, without Client
	shared  *shared
	name    string // of the member
	running atomic.Bool

	last share // of the last call of Set; only Run uses it, one at a time

	mu     sync.Mutex // guards status
	status SharesStatus
}

// SharesStatus is the state of [Shares].
type SharesStatus struct {
	// PerSecond and Concurrent are the share of this process. Zero means no limit, or, while
	// Waiting, no share.
	PerSecond  float64
	Concurrent int
	// Waiting says that the process has no share yet.
	Waiting bool
	// Processes is how many processes there were at the last answer of the server, this one
	// included.
	Processes int
	// ReachedAt is when the server last answered, by the clock of SharesConfig. It is zero
	// before the first answer.
	ReachedAt time.Time
	// Err is why the server could not be used since. It is nil if the last call succeeded.
	Err error
}

// NewShares returns Shares. It does not connect to the server. It calls Set, so that no
// call of the gateway starts before there is a share.
func NewShares(cfg SharesConfig) (*Shares, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := &Shares{cfg: cfg, shared: newShared(cfg.family(), false), name: rand.Text()}
	s.cfg.Client = nil
	if s.cfg.Interval == 0 {
		s.cfg.Interval = defaultInterval
	}
	if s.cfg.Expected == 0 {
		s.cfg.Expected = defaultExpected
	}
	s.status.Waiting = true
	cfg.Set(noRate, 1)
	return s, nil
}

// Status returns the state.
func (s *Shares) Status() SharesStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Run takes part until ctx ends. Then it gives the share back and returns the cause of
// ctx's end; it takes up to 5 seconds if the server does not answer. Calls that are to be
// under the limits must have ended before, so end Run after the Sources or the Pool. Run
// returns an error at once if another Run is running.
//
// Errors of the server end nothing; [Shares.Status] tells them.
func (s *Shares) Run(ctx context.Context) error {
	if !s.running.CompareAndSwap(false, true) {
		return errSharesRunning
	}
	defer s.running.Store(false)
	defer s.leave(context.WithoutCancel(ctx))
	c, reached := s.shared.cfg.Clock, false
	for began := c.Now(); ; {
		sent := c.Now()
		timer := c.NewTimer(s.period())
		g, err := s.beat(ctx, timer.C())
		if ctx.Err() == nil {
			s.note(g, err)
		}
		timer.Stop()
		switch {
		case err == nil:
			reached = true
		case !reached && c.Now().Sub(began) >= lifeBeats*s.cfg.Interval:
			s.set(s.total().part(s.cfg.Expected-1, s.cfg.Expected))
		}
		// The time of a call without an answer counts.
		if err := s.shared.pause(ctx, s.untilNext(err == nil && !g.complete)-c.Now().Sub(sent)); err != nil {
			return err
		}
	}
}

func (s *Shares) period() time.Duration { return time.Duration(period * float64(s.cfg.Interval)) }

// untilNext returns the time until the next beat.
func (s *Shares) untilNext(incomplete bool) time.Duration {
	d := s.period()
	if incomplete {
		d /= impatience
	}
	return d - time.Duration(s.shared.random()/impatience*float64(d))
}

func (s *Shares) total() share { return share{s.cfg.PerSecond, s.cfg.Concurrent} }

// beat tells the server that the process is alive, and sets the share that it gets. If that
// is less than before, a second beat tells that it is in use, so that others get the rest.
func (s *Shares) beat(ctx context.Context, timeout <-chan time.Time) (grant, error) {
	for {
		b := beat{name: s.name, using: s.last, total: s.total(), interval: s.cfg.Interval}
		g, err := await(ctx, timeout, func(ctx context.Context) (g grant, err error) {
			err = s.replace(ctx, func(d division, now int64) (division, bool) {
				d, g = d.beat(now, b)
				return d, true
			})
			return g, err
		}, nil)
		if err != nil {
			return g, err
		}
		s.set(g.share)
		if b.using.atMost(g.share) == b.using {
			return g, nil
		}
	}
}

// leave gives the share back. If that fails, the server's clock ends it.
func (s *Shares) leave(ctx context.Context) {
	s.set(share{})
	timer := s.shared.cfg.Clock.NewTimer(releaseTimeout)
	defer timer.Stop()
	_, _ = await(ctx, timer.C(), func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.replace(ctx, func(d division, _ int64) (division, bool) { return d.leave(s.name) })
	}, nil)
}

// replace replaces the division by the result of f, if f has changed it. f may be called
// several times.
func (s *Shares) replace(ctx context.Context, f func(d division, now int64) (division, bool)) error {
	key := s.shared.cfg.Prefix + "{" + s.cfg.Name + "}:" + keyShares
	var args []any
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r, err := s.shared.run(ctx, s.shared.script.divide.Run, []string{key}, args...)
		switch {
		case err != nil:
			return err
		case r.status == statusSaved:
			return nil
		case r.status != statusRecord || len(r.values) != 2:
			return errResult
		}
		d, err := parseDivision(r.values[0])
		if err != nil {
			return err
		}
		now, err := strconv.ParseInt(r.values[1], 10, 64)
		if err != nil {
			return errResult // err would quote the value
		}
		next, changed := f(d, now)
		if !changed {
			return nil
		}
		text, err := json.Marshal(next)
		if err != nil {
			return fmt.Errorf("redisstore: shares: %w", err)
		}
		args = []any{r.values[0], string(text), keepDivision.Milliseconds()}
	}
}

// set sets the limits of this process.
func (s *Shares) set(to share) {
	if to == s.last {
		return
	}
	s.last = to
	waiting := s.total().isNothing(to)
	s.mu.Lock()
	s.status.PerSecond, s.status.Concurrent, s.status.Waiting = to.PerSecond, to.Concurrent, waiting
	s.mu.Unlock()
	if waiting {
		s.cfg.Set(noRate, 1)
	} else {
		s.cfg.Set(to.PerSecond, to.Concurrent)
	}
}

// note notes the result of a beat for Status.
func (s *Shares) note(g grant, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(err, errTimeout) {
		err = timeoutError{}
	}
	if err != nil {
		s.status.Err = failed("shares", err)
		return
	}
	s.status.Err, s.status.Processes, s.status.ReachedAt = nil, g.members, s.shared.cfg.Clock.Now()
}
