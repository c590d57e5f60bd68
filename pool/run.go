package pool

import (
	"context"
	"math"
	"time"

	"github.com/agsauth/agsauth/tokensource"
)

const (
	// maxWait is the longest wait of Run: the timers of a machine that slept are late.
	maxWait = time.Minute
	// maxReviving is how many sessions Run has in memory at a time only for what is due.
	maxReviving = 1024
	// share is the part of the Gate's rate that the plan counts on.
	share = 0.8
	// maxMargin is how long before the expiry of a token the plan has it refreshed.
	maxMargin = 10 * time.Second
)

// Run keeps the sessions alive, as Config.KeepAlive says, and evicts those that are idle or
// too many. It also finishes what must not be lost, such as a save that has failed. It
// returns the cause of ctx's end; [ErrClosed] after Drain; and [ErrRunning] at once if
// another Run is running.
func (p *Pool) Run(ctx context.Context) error {
	if !p.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer p.running.Store(false)
	if !p.enter() {
		return ErrClosed
	}
	defer p.group.Done()
	for {
		wait := p.step(ctx)
		timer := p.timeline.clock.NewTimer(wait)
		select {
		case <-timer.C():
		case <-p.changes.wake:
		case <-p.closing:
		case <-ctx.Done():
		}
		timer.Stop()
		switch {
		case p.isClosing():
			return ErrClosed
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
	}
}

func (p *Pool) isClosing() bool {
	select {
	case <-p.closing:
		return true
	default:
		return false
	}
}

// step does what is due, and returns how long to wait for the next step.
func (p *Pool) step(ctx context.Context) time.Duration {
	now, wall := p.timeline.now()
	p.mu.Lock()
	p.advanceTick(now)
	p.mu.Unlock()
	changed := p.changes.take()
	for i, e := range changed {
		if ctx.Err() != nil || p.isClosing() {
			p.changes.putBack(changed[i:])
			return 0
		}
		e.changed.Store(false) // what changes from now on counts again
		p.poll(ctx, e)
	}
	for ctx.Err() == nil && !p.isClosing() {
		e := p.popDue(now)
		if e == nil {
			break
		}
		p.poll(ctx, e)
	}
	p.revive(ctx, now)
	p.renewEarly(ctx, now)
	p.evictIdle(ctx, wall)
	return p.untilNext(now)
}

// ticks returns how many ticks a time has. A tick is at least a second long, so that those
// of 68 years are counted.
func ticks(d, length time.Duration) int32 { return int32(max(0, min(d/length, math.MaxInt32-1))) }

// popDue returns a resident that is to be polled, nil if there is none.
func (p *Pool) popDue(now time.Duration) *entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, e := p.schedule.due.top()
	if e == nil || at > int64(now) {
		return nil
	}
	p.schedule.due.remove(e)
	return e
}

// untilNext returns how long to wait for what is due next.
func (p *Pool) untilNext(now time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, next := &p.schedule, now+maxWait
	if p.cfg.Store != nil && s.residents() > 0 {
		next = min(next, now+p.tickLength)
	}
	if at, e := s.due.top(); e != nil {
		next = min(next, time.Duration(at))
	}
	if at, e := s.dormant.top(); e != nil && len(s.revived) < maxReviving {
		next = min(next, time.Duration(at))
	}
	if s.early.len() > 0 && p.plans() {
		next = min(next, time.Duration(p.renewAgain)*time.Second)
	}
	return max(0, next-now)
}

// keep returns what is to be kept alive of a session.
func (p *Pool) keep(e *entry) tokensource.KeepAlive {
	switch p.cfg.KeepAlive {
	case Tokens:
		return tokensource.KeepToken
	case OnDemand:
		return tokensource.KeepNothing
	case Sessions:
	}
	if p.isInUse(e) {
		return tokensource.KeepToken
	}
	return tokensource.KeepSession
}

// isInUse reports whether somebody has used a session within IdleAfter.
func (p *Pool) isInUse(e *entry) bool {
	used := e.used.Load()
	return used != 0 && p.tick.Load()-used <= p.idleTicks
}

// poll starts what is due for a session, and notes when to poll it again.
func (p *Pool) poll(ctx context.Context, e *entry) {
	src := e.live.Load()
	if src == nil || e.warming.Load() {
		return
	}
	keep := p.keep(e)
	next := src.Poll(ctx, keep)
	st := src.Status()
	now, wall := p.timeline.now()
	if p.cfg.KeepAlive == Sessions && keep == tokensource.KeepSession && st.RefreshAt.After(wall) {
		next = min(next, st.RefreshAt.Sub(wall)) // it may be in use by then
	}
	if p.note(e, keep, now, now+next, &st, wall) {
		p.evictSoon(ctx, e)
	}
}

// note notes what a poll has come to. It reports whether the session is to be evicted,
// because it was brought into memory only for what was due, and that is done.
func (p *Pool) note(e *entry, keep tokensource.KeepAlive, now, next time.Duration, st *tokensource.Status, wall time.Time) (evict bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	second := int64(0)
	if p.plans() {
		if at, ok := refreshBy(keep, st); ok {
			p.schedule.plan.Advance(seconds(now))
			second = max(1, seconds(now+at.Sub(wall)))
		}
	}
	p.schedule.polled(e, int64(next), second, !st.Busy && !st.Queued && st.Err == nil)
	if p.isInUse(e) {
		p.schedule.used(e)
	}
	return p.schedule.isRevived(e) && st.Phase != tokensource.Unknown && isAtRest(st, wall)
}

// plans reports whether sessions may be refreshed ahead of time.
func (p *Pool) plans() bool { return p.cfg.Gate != nil && p.cfg.KeepAlive != OnDemand }

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// refreshBy returns by when a session must be refreshed, if it must and can be.
func refreshBy(keep tokensource.KeepAlive, st *tokensource.Status) (at time.Time, ok bool) {
	expiry := st.ExpiresAt
	if keep == tokensource.KeepSession {
		expiry = st.RefreshExpiresAt
	}
	fixed := st.FixedExpiresAt
	switch {
	case expiry.IsZero(), st.Reason != 0, st.Phase == tokensource.Unknown, !fixed.IsZero() && !expiry.Before(fixed):
		return time.Time{}, false
	}
	at = expiry.Add(-min(maxMargin, expiry.Sub(st.IssuedAt)/10))
	if keep != tokensource.KeepSession && st.RefreshAt.After(at) {
		at = st.RefreshAt // it is not to be refreshed before
	}
	return at, true
}

// revive brings sessions into memory for which something is due.
func (p *Pool) revive(ctx context.Context, now time.Duration) {
	for ctx.Err() == nil && !p.isClosing() {
		e := p.popDormant(now)
		if e == nil {
			return
		}
		if !p.enter() {
			return
		}
		go func() {
			defer p.group.Done()
			if _, _, err := p.source(ctx.Done(), e.key, nil); err != nil {
				p.setDormant(e, maxWait)
				p.mu.Lock()
				p.schedule.used(e)
				p.mu.Unlock()
			}
		}()
	}
}

// popDormant returns a session to bring into memory, nil if there is none.
func (p *Pool) popDormant(now time.Duration) *entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.schedule
	at, e := s.dormant.top()
	if e == nil || at > int64(now) || len(s.revived) >= maxReviving {
		return nil
	}
	s.dormant.remove(e)
	s.revived[e] = struct{}{}
	return e
}

// renewEarly refreshes sessions ahead of time, if those to come are more than the Gate
// lets start before they expire. It does so once a second, and has no more wait at the
// Gate than start in about a second.
func (p *Pool) renewEarly(ctx context.Context, now time.Duration) {
	second := seconds(now)
	if !p.plans() || second < p.renewAgain {
		return
	}
	p.renewAgain = second + 1
	for _, e := range p.nextEarly(second, p.cfg.Gate.Status()) {
		src := e.live.Load()
		if src == nil {
			continue
		}
		src.Poll(ctx, tokensource.RenewToken)
	}
}

// nextEarly returns the sessions to refresh ahead of time in this second.
func (p *Pool) nextEarly(second int64, gate tokensource.GateStatus) (next []*entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.schedule
	s.plan.Advance(second)
	if gate.PerSecond == 0 || !gate.NextAt.IsZero() || s.early.len() == 0 {
		return nil
	}
	room := int(math.Ceil(gate.PerSecond)) - gate.Queued
	for range min(s.plan.Owed(share*gate.PerSecond), room) {
		_, e := s.early.top()
		if e == nil {
			break
		}
		s.unplan(e)
		next = append(next, e)
	}
	return next
}
