package pool

import (
	"context"
	"time"

	"github.com/agsauth/agsauth/tokensource"
)

const (
	// maxEvicting is how many evictions are under way at most.
	maxEvicting = 64
	// The waits between attempts to save what an eviction has found double from the first to
	// the last.
	firstCloseRetry, lastCloseRetry = 250 * time.Millisecond, 10 * time.Second
)

// isAtRest reports whether a session can be evicted: nothing is under way, everything is
// saved, and no failure is remembered that delays the next attempt.
func isAtRest(st *tokensource.Status, wall time.Time) bool {
	return !st.Busy && !st.Queued && !st.Unsaved && !st.SignOutPending && !st.NextAt.After(wall)
}

// evict begins to evict a session, and reports whether it has. The caller must call
// finishEviction then.
func (p *Pool) evict(e *entry) (src *tokensource.Source, begun bool) {
	sh := p.shard(e.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	src = e.live.Load()
	if src == nil || sh.closed || !p.enter() {
		return nil, false
	}
	e.busy = make(chan struct{})
	e.live.Store(nil)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.schedule.dismiss(e)
	p.schedule.evicting++
	return src, true
}

// finishEviction closes the Source of a session whose eviction has begun, unless somebody
// has begun to use it meanwhile.
func (p *Pool) finishEviction(ctx context.Context, e *entry, src *tokensource.Source) {
	defer p.group.Done()
	defer p.changes.notify() // there may be more to evict
	_, wall := p.timeline.now()
	st, next := src.Status(), time.Duration(0)
	if !p.isForgettable(&st) {
		next = src.Poll(ctx, p.keep(e))
		st = src.Status()
	}
	keep := !isAtRest(&st, wall)
	if !keep {
		// A caller may have begun something since. Close ends or saves that, and the
		// caller goes on with the next Source.
		p.closeSaved(src)
	}
	sh := p.shard(e.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	close(e.busy)
	e.busy = nil
	p.mu.Lock()
	p.schedule.evicting--
	p.mu.Unlock()
	switch {
	case keep:
		p.admit(e, src)
	case p.isForgettable(&st) && e.required == nil:
		delete(sh.entries, e.key)
	default:
		p.setDormant(e, next)
	}
}

// closeSaved closes a Source, and tries again while what a caller has begun cannot be saved.
// After Drain has begun that is left to it.
func (p *Pool) closeSaved(src *tokensource.Source) {
	for wait := firstCloseRetry; src.Close() != nil; wait = min(2*wait, lastCloseRetry) {
		timer := p.timeline.clock.NewTimer(wait)
		select {
		case <-timer.C():
		case <-p.closing:
			timer.Stop()
			p.drainMu.Lock()
			defer p.drainMu.Unlock()
			p.open = append(p.open, src)
			return
		}
	}
}

// isForgettable reports whether nothing is to be done for a session that is not in memory
// before somebody asks for it.
func (p *Pool) isForgettable(st *tokensource.Status) bool {
	return p.cfg.KeepAlive == OnDemand || st.Phase == tokensource.Ended && (p.cfg.Login == nil || p.cfg.KeepAlive == Sessions)
}

// setDormant has Run bring a session into memory after next.
func (p *Pool) setDormant(e *entry, next time.Duration) {
	now, _ := p.timeline.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !e.isResident() {
		p.schedule.dormant.set(e, int64(now+max(next, time.Second)))
	}
}

// evictIdle evicts sessions that were idle for too long, or that are too many.
func (p *Pool) evictIdle(ctx context.Context, wall time.Time) {
	if p.cfg.Store == nil {
		return
	}
	for {
		e := p.nextIdle()
		if e == nil {
			return
		}
		src := e.live.Load()
		if src == nil {
			return // its eviction has begun
		}
		if st := src.Status(); !isAtRest(&st, wall) {
			p.lookLater(e)
			continue
		}
		if !p.evictSoon(ctx, e) {
			return // the Pool is being closed, or somebody else evicts it
		}
	}
}

// evictSoon evicts a session on a goroutine of its own, because Close may have to wait. It
// reports whether it has begun to.
func (p *Pool) evictSoon(ctx context.Context, e *entry) bool {
	src, begun := p.evict(e)
	if begun {
		go p.finishEviction(ctx, e, src)
	}
	return begun
}

// nextIdle returns the next session to evict, nil if there is none.
func (p *Pool) nextIdle() *entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, now := &p.schedule, int64(p.tick.Load())
	for s.evicting < maxEvicting {
		tick, e := s.idle.top()
		if e == nil || tick > now {
			return nil
		}
		if used := int64(e.used.Load()); used > tick {
			s.idle.set(e, used)
			continue
		}
		isOver := p.cfg.MaxResident > 0 && s.residents() > p.cfg.MaxResident
		if !isOver && now-tick <= int64(p.idleTicks) {
			return nil
		}
		return e
	}
	return nil
}

// lookLater has nextIdle return a session that cannot be evicted now at the next tick.
func (p *Pool) lookLater(e *entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.isResident() {
		p.schedule.idle.set(e, int64(p.tick.Load())+1)
	}
}
