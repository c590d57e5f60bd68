package boltstore

import (
	"context"
	"errors"
	"sync"

	"go.etcd.io/bbolt"
)

const (
	// A transaction has at most so many changes, and so many bytes if there is more than
	// one. bbolt keeps a transaction in memory until it is written.
	maxChanges = 1000
	maxBytes   = 16 << 20
)

// A writer makes all changes of a database, in one goroutine. Changes that come while a
// transaction is synced to disk are the next one together, so that a thousand Saves at
// once need a few syncs and not a thousand.
type writer struct {
	bolt  *bbolt.DB
	ended chan struct{} // closed when the goroutine has ended
	wake  chan struct{} // has a value after a change of the queue

	mu     sync.Mutex
	queue  []*change // guarded by mu
	closed bool      // guarded by mu

	// last is the last version that was used. Only the goroutine uses it. It is not
	// read from the database again, so that a transaction that failed, and may be
	// stored nevertheless, has versions that no other one has.
	last uint64
	// broken is set after bbolt has panicked in a transaction, since it may hold its own
	// locks for ever then. It is written by the goroutine, and read after its end.
	broken bool
}

// A change is a change of one record.
type change struct {
	// apply makes the change in a transaction. version is the version of the record
	// that it stores. A refusal is the result of the change and changes nothing; an
	// error ends the transaction.
	apply func(b buckets, version uint64) (refusal, err error)
	size  int // of what it stores, in bytes

	done chan struct{} // closed when the fields below are set
	// version is the version that was stored, or may be.
	version uint64
	refusal error
	err     error // of the transaction

	taken, withdrawn bool // guarded by writer.mu; at most one of them is set
}

func startWriter(bolt *bbolt.DB, last uint64) *writer {
	w := &writer{bolt: bolt, ended: make(chan struct{}), wake: make(chan struct{}, 1), last: last}
	go w.run()
	return w
}

// do makes a change. If ctx ends before its transaction has begun, do returns the cause
// and nothing is changed. Otherwise do returns when the change is synced to disk, with
// its refusal or the transaction's error.
func (w *writer) do(ctx context.Context, c *change) error {
	c.done = make(chan struct{})
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return ErrClosed
	}
	w.queue = append(w.queue, c)
	w.mu.Unlock()
	w.signal()
	select {
	case <-c.done:
	case <-ctx.Done():
		if w.withdraw(c) {
			return context.Cause(ctx)
		}
		<-c.done
	}
	return errors.Join(c.refusal, c.err)
}

func (w *writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// withdraw reports whether c was not taken, and never will be.
func (w *writer) withdraw(c *change) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.withdrawn = !c.taken
	return c.withdrawn
}

// run commits changes until the writer is closed and its queue is empty.
func (w *writer) run() {
	defer close(w.ended)
	for {
		group, more := w.take()
		if len(group) > 0 {
			w.commit(group)
		} else if !more {
			return
		} else {
			<-w.wake
		}
	}
}

// take removes the changes of the next transaction from the queue. more reports whether
// there may be others later.
func (w *writer) take() (group []*change, more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken, size := 0, 0
	for _, c := range w.queue {
		if len(group) == maxChanges || len(group) > 0 && size+c.size > maxBytes {
			break
		}
		taken++
		if c.withdrawn {
			continue
		}
		c.taken = true
		size += c.size
		group = append(group, c)
	}
	clear(w.queue[:taken])
	if w.queue = w.queue[taken:]; len(w.queue) == 0 {
		w.queue = nil
	}
	return group, !w.closed || len(w.queue) > 0
}

// errUnchanged ends a transaction that would change nothing.
var errUnchanged = errors.New("no change")

// commit makes changes in one transaction.
func (w *writer) commit(group []*change) {
	err := errFile
	if !w.broken {
		err = guarded(func() error { return w.bolt.Update(func(tx *bbolt.Tx) error { return w.apply(tx, group) }) })
		w.broken = errors.Is(err, errFile)
	}
	for _, c := range group {
		if err != nil && !errors.Is(err, errUnchanged) {
			c.refusal, c.err = nil, err
		}
		close(c.done)
	}
}

func (w *writer) apply(tx *bbolt.Tx, group []*change) error {
	b := bucketsOf(tx)
	changed := false
	for _, c := range group {
		w.last++
		c.version = w.last
		refusal, err := c.apply(b, c.version)
		if err != nil {
			return err
		}
		c.refusal = refusal
		changed = changed || refusal == nil
	}
	if !changed {
		return errUnchanged
	}
	return b.records.SetSequence(w.last)
}

// close makes the changes that are in the queue, and ends the goroutine.
func (w *writer) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.signal()
	<-w.ended
}
