package pool

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/agsauth/agsauth/tokensource"
)

// entry is what the Pool knows of one key. It is resident if it has a Source, and dormant
// otherwise. It implements [tokensource.Observer]. A program may have very many, so it has
// no room to spare: see TestEntry_IsSmall.
type entry struct {
	pool *Pool
	key  string
	// live is the Source. It is set and cleared under the lock of the shard.
	live atomic.Pointer[tokensource.Source]
	// used is the tick of the last use, zero if nobody has used the session.
	used atomic.Int32
	// changed is whether the entry is in Pool.changes.
	changed atomic.Bool

	// warming is whether Warm is about to load the session, which Run then leaves alone.
	warming atomic.Bool

	// Pool.mu guards these: the positions in the queues of the schedule, and the second
	// for which the plan has the entry.
	due, idle, early int32
	planned          int64

	// The lock of the shard guards these.
	busy     chan struct{} // closed when the Source was made or closed; nil if neither is under way
	required chan struct{} // what LoginRequired returns; nil until it is called
}

// isResident reports whether the entry has a Source. The caller must hold Pool.mu.
func (e *entry) isResident() bool { return e.idle != 0 }

// touch notes a use. It writes only if it must, because many may use a session at once.
func (e *entry) touch() {
	if tick := e.pool.tick.Load(); e.used.Load() != tick {
		e.used.Store(tick)
	}
}

// Changed implements [tokensource.Observer].
func (e *entry) Changed() {
	if e.changed.CompareAndSwap(false, true) {
		e.pool.changes.add(e)
	}
}

// Event implements [tokensource.Observer].
func (e *entry) Event(event tokensource.Event) {
	e.noteEnd(event.Status.Reason != 0)
	if f := e.pool.cfg.OnEvent; f != nil {
		f(e.key, event)
	}
}

// noteEnd closes the channel that LoginRequired returned when the session has ended, and
// forgets it when there is a session again.
func (e *entry) noteEnd(ended bool) {
	sh := e.pool.shard(e.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if e.required == nil {
		return
	}
	select {
	case <-e.required:
		if !ended {
			e.required = nil
		}
	default:
		if ended {
			close(e.required)
		}
	}
}

// wasEvicted reports whether err is that of a Source that was closed because its session
// was evicted. The call is to be repeated.
func (e *entry) wasEvicted(src *tokensource.Source, err error) bool {
	return errors.Is(err, tokensource.ErrClosed) && e.live.Load() != src
}

// changes are the entries that are to be polled again.
type changes struct {
	mu      sync.Mutex // guards entries
	entries []*entry
	wake    chan struct{} // has an element if there are entries
}

func (c *changes) add(e *entry) {
	c.mu.Lock()
	first := len(c.entries) == 0
	c.entries = append(c.entries, e)
	c.mu.Unlock()
	if first {
		c.notify()
	}
}

// notify makes Run look again.
func (c *changes) notify() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *changes) take() []*entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.entries
	c.entries = nil
	return taken
}

// putBack returns entries that were taken and not looked at.
func (c *changes) putBack(entries []*entry) {
	c.mu.Lock()
	c.entries = append(c.entries, entries...)
	c.mu.Unlock()
	c.notify()
}
