package pool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"sync"

	"github.com/agsauth/agsauth/tokensource"
)

// warmers is how many sessions Warm loads at a time.
const warmers = 64

// errNoStore says that there is nothing to restore from.
var errNoStore = errors.New("pool: warm: Config.Store is nil")

// Warm restores the sessions of keys from the store, 64 at a time. It never calls the
// gateway, and does not wait for the Gate, which limits only that. A session that somebody
// asks for meanwhile is loaded at once, and those that are known already are not loaded
// again. Above Config.MaxResident, less those that are being loaded, sessions are loaded
// only to learn when something is due for them; with OnDemand they are not loaded at all.
//
// Warm returns when all keys were read and all sessions were tried. The error is a
// [*WarmError] if any of them failed, or if ctx has ended before, or Drain was called.
func (p *Pool) Warm(ctx context.Context, keys iter.Seq[string]) error {
	if p.cfg.Store == nil {
		return errNoStore
	}
	if !p.enter() {
		return ErrClosed
	}
	defer p.group.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-p.closing:
			cancel(ErrClosed)
		case <-ctx.Done():
		}
	}()
	w := &warming{pool: p}
	if err := w.run(ctx, keys); err != nil {
		w.result.Err = err
	}
	if w.result.Err == nil {
		return nil
	}
	return &w.result
}

// warming is one call of Warm.
type warming struct {
	pool *Pool

	mu     sync.Mutex // guards result
	result WarmError
}

// run restores all sessions. The error is the cause of ctx's end.
func (w *warming) run(ctx context.Context, keys iter.Seq[string]) error {
	jobs := make(chan Loaded, warmers)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer close(jobs)
	for range warmers {
		workers.Go(func() {
			for job := range jobs {
				if ctx.Err() == nil {
					w.restore(ctx, &job)
				}
			}
		})
	}
	for job := range w.jobs(ctx, keys) {
		select {
		case jobs <- job:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
	}
	return context.Cause(ctx) // nil if it has not ended
}

// jobs yields what to restore. Those with a Store were loaded by LoadAll.
func (w *warming) jobs(ctx context.Context, keys iter.Seq[string]) iter.Seq[Loaded] {
	unknown := w.unknown(ctx, keys)
	return func(yield func(Loaded) bool) {
		if w.pool.cfg.LoadAll == nil {
			for key := range unknown {
				if !yield(Loaded{Key: key}) {
					return
				}
			}
			return
		}
		for loaded, err := range w.pool.cfg.LoadAll(ctx, unknown) {
			switch {
			case ctx.Err() != nil:
				yield(Loaded{}) // the caller sees that ctx has ended
				return
			case errors.Is(err, fs.ErrNotExist):
				continue
			case err == nil && loaded.Key == "":
				err = &CallbackError{"LoadAll", "yielded an empty key"}
			case err == nil && loaded.Store == nil:
				err = &CallbackError{"LoadAll", "yielded no Store"}
			}
			if err != nil {
				w.failed(err)
				w.pool.retryLater(loaded.Key)
			} else if !yield(loaded) {
				return
			}
		}
	}
}

// unknown yields those keys whose sessions are not known yet, and counts all. It ends with
// ctx, although it may have nothing to yield for long.
func (w *warming) unknown(ctx context.Context, keys iter.Seq[string]) iter.Seq[string] {
	return func(yield func(string) bool) {
		for key := range keys {
			if ctx.Err() != nil {
				return
			}
			w.count()
			if key == "" {
				w.failed(ErrEmptyKey)
			} else if w.pool.find(key) == nil && !yield(key) {
				return
			}
		}
	}
}

func (w *warming) count() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.result.Keys++
}

func (w *warming) failed(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.result.Failed++
	if w.result.Err == nil {
		w.result.Err = err
	}
}

// restore loads one session, unless that was done already.
func (w *warming) restore(ctx context.Context, job *Loaded) {
	p := w.pool
	if p.cfg.KeepAlive == OnDemand && p.isFull(0) {
		return
	}
	e, src, err := p.source(ctx.Done(), job.Key, job)
	if err != nil {
		if ctx.Err() == nil {
			w.failed(err)
		}
		return
	}
	if !e.warming.Load() {
		return // somebody else has asked for it first
	}
	if src.Status().Phase == tokensource.Unknown { // it was not loaded with others
		if err := src.Sync(ctx); err != nil && ctx.Err() == nil && !e.wasEvicted(src, err) {
			w.failed(fmt.Errorf("pool: %w", err))
		}
	}
	e.warming.Store(false)
	if p.isFull(1) && e.used.Load() == 0 {
		if src, begun := p.evict(e); begun {
			p.finishEviction(ctx, e, src)
			return
		}
	}
	e.Changed()
}

// isFull reports whether there is no room in memory for so many sessions less than there
// are.
func (p *Pool) isFull(less int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cfg.MaxResident > 0 && p.schedule.residents()-less >= p.cfg.MaxResident
}

// retryLater has Run load a session that LoadAll could not load.
func (p *Pool) retryLater(key string) {
	if key == "" || p.cfg.KeepAlive == OnDemand {
		return
	}
	sh := p.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.closed || sh.entries[key] != nil {
		return
	}
	e := &entry{pool: p, key: key}
	sh.entries[key] = e
	p.setDormant(e, maxWait)
}
