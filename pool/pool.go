package pool

import (
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/agsauth/agsauth/tokensource"
)

// Pool keeps many sessions alive. Make one with [New]. All its methods are safe for
// concurrent use. While nothing is under way it has one goroutine, that of Run.
type Pool struct {
	cfg      Config
	family   *tokensource.Family
	timeline *timeline
	seed     maphash.Seed
	shards   [shards]shard
	changes  changes

	// tick counts spans of tickLength, from 1. It goes on with each step of Run and each new
	// Source: while there is none Run may wait for long.
	tick       atomic.Int32
	tickLength time.Duration
	idleTicks  int32 // IdleAfter

	running   atomic.Bool
	closing   chan struct{} // closed by Drain
	drainOnce sync.Once

	groupMu sync.Mutex // guards closed, and that group does not grow after that
	closed  bool
	group   sync.WaitGroup // Run, Warm and evictions

	drainMu sync.Mutex // held by Drain; guards open
	open    []*tokensource.Source

	renewAgain int64 // the second from which sessions are refreshed early again; Run alone uses it

	mu       sync.Mutex // guards schedule; never held during a call of a Source or the user's code
	schedule schedule
}

// shards is how many parts the entries are in, so that callers seldom wait for each other.
const shards = 256

type shard struct {
	mu      sync.Mutex // guards entries, and their fields that say so
	closed  bool
	entries map[string]*entry
}

// New returns a Pool. It does no I/O and starts no goroutine. The error is a [*ConfigError].
func New(cfg Config) (*Pool, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	family, err := cfg.family()
	if err != nil {
		return nil, err
	}
	if cfg.IdleAfter == 0 {
		cfg.IdleAfter = defaultIdleAfter
	}
	p := &Pool{
		cfg: cfg, family: family, timeline: newTimeline(cfg.Clock), seed: maphash.MakeSeed(),
		changes: changes{wake: make(chan struct{}, 1)}, closing: make(chan struct{}), schedule: newSchedule(),
		tickLength: min(max(cfg.IdleAfter/16, time.Second), time.Minute),
	}
	p.idleTicks = max(1, ticks(cfg.IdleAfter, p.tickLength))
	p.tick.Store(1)
	for i := range p.shards {
		p.shards[i].entries = map[string]*entry{}
	}
	return p, nil
}

func (p *Pool) shard(key string) *shard { return &p.shards[maphash.String(p.seed, key)%shards] }

// find returns the entry of a key, nil if there is none.
func (p *Pool) find(key string) *entry {
	sh := p.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.entries[key]
}

// enter registers something that Drain must wait for. It reports false if the Pool is
// closed.
func (p *Pool) enter() bool {
	p.groupMu.Lock()
	defer p.groupMu.Unlock()
	if p.closed {
		return false
	}
	p.group.Add(1)
	return true
}

// source returns the Source of a key. It makes one if there is none; for Warm, if warm
// is not nil. While the former Source of the key is being closed it waits for that. Closing
// done ends the wait, with errInterrupted.
func (p *Pool) source(done <-chan struct{}, key string, warm *Loaded) (*entry, *tokensource.Source, error) {
	if key == "" {
		return nil, nil, ErrEmptyKey
	}
	sh := p.shard(key)
	for {
		e, src, busy, err := p.lookUp(sh, key, warm != nil)
		switch {
		case err != nil || src != nil:
			return e, src, err
		case busy == nil:
			src, err = p.fill(sh, e, warm)
			return e, src, err
		}
		select {
		case <-busy:
		case <-done:
			return nil, nil, errInterrupted
		}
	}
}

// lookUp returns the entry of a key, and either its Source, or a channel to wait for, or
// neither: then the caller must call fill.
func (p *Pool) lookUp(sh *shard, key string, warm bool) (e *entry, src *tokensource.Source, busy chan struct{}, err error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.closed {
		return nil, nil, nil, ErrClosed
	}
	e = sh.entries[key]
	if e == nil {
		e = &entry{pool: p, key: key}
		sh.entries[key] = e
	}
	if src = e.live.Load(); src != nil {
		return e, src, nil, nil
	}
	if e.busy != nil {
		return e, nil, e.busy, nil
	}
	e.busy = make(chan struct{})
	e.warming.Store(warm)
	return e, nil, nil, nil
}

// fill makes the Source of an entry that is busy for that.
func (p *Pool) fill(sh *shard, e *entry, warm *Loaded) (src *tokensource.Source, err error) {
	err = &CallbackError{"Store", "has ended its goroutine"} // unless it returns
	defer func() {
		sh.mu.Lock()
		defer sh.mu.Unlock()
		close(e.busy)
		e.busy = nil
		switch {
		case sh.closed:
			src, err = nil, ErrClosed // what was made holds nothing
		case err != nil:
			p.forgetUnused(sh, e)
		default:
			p.admit(e, src)
		}
	}()
	src, err = p.newSource(e, warm)
	return src, err
}

// admit gives an entry its Source, and has Run poll it. The caller must hold the lock of
// the shard.
func (p *Pool) admit(e *entry, src *tokensource.Source) {
	now, _ := p.timeline.now()
	p.mu.Lock()
	p.advanceTick(now)
	p.schedule.admit(e, int64(p.tick.Load()))
	p.mu.Unlock()
	e.live.Store(src)
	e.Changed()
}

// advanceTick moves the tick on. The caller must hold Pool.mu.
func (p *Pool) advanceTick(now time.Duration) {
	p.tick.Store(max(p.tick.Load(), 1+ticks(now, p.tickLength)))
}

// forgetUnused forgets an entry that could not be filled, unless it is to be tried again.
func (p *Pool) forgetUnused(sh *shard, e *entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.due == 0 && !p.schedule.isRevived(e) && e.required == nil {
		delete(sh.entries, e.key)
	}
}

// newSource makes a Source. It calls the user's code.
func (p *Pool) newSource(e *entry, warm *Loaded) (*tokensource.Source, error) {
	m := tokensource.Member{Observer: e}
	var err error
	switch {
	case warm != nil && warm.Store != nil:
		m.Store, m.Record = warm.Store, warm.Data
	case p.cfg.Store != nil:
		if m.Store, err = callback("Store", p.cfg.Store, e.key); err == nil && m.Store == nil {
			err = &CallbackError{"Store", "returned nil"}
		}
	}
	if err == nil && p.cfg.Login != nil {
		m.Login, err = callback("Login", p.cfg.Login, e.key)
	}
	if err != nil {
		return nil, err
	}
	src, err := p.family.New(m)
	if err != nil {
		return nil, fmt.Errorf("pool: %w", err)
	}
	return src, nil
}

// callback calls a function of the user. A panic is an error; its value is not in it,
// because it may hold anything.
func callback[T any](name string, f func(string) T, key string) (result T, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &CallbackError{name, fmt.Sprintf("panicked with a %T", v)}
		}
	}()
	return f(key), nil
}
