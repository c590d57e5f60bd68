package store

import (
	"bytes"
	"context"
	"sync"
)

// Memory is a store that forgets when the process ends. Its zero value is ready
// for use, with nothing stored; it must not be copied. All methods are safe for
// concurrent use, but a value belongs to one user: see [Memory.Peer].
type Memory struct {
	once sync.Once
	cell *cell
	seen uint64 // the number last loaded or saved, 0 for nothing; guarded by cell.mu
}

// A cell is the record that a Memory and its peers share.
type cell struct {
	lock gate // held from a Lock to its unlock

	mu    sync.Mutex           // guards all below
	now   *revision            // nil while nothing is stored
	last  uint64               // the highest number so far: none is given twice
	aside map[string]*revision // by name, what was set aside
}

// A revision is a record as it was saved once. A function holds its bytes, since
// printers stop at functions: those of fmt, and those that use reflection and follow
// every pointer, as the ones that report a failed assertion do.
type revision struct {
	number uint64
	data   func() []byte // returns a copy
}

func newRevision(number uint64, data []byte) *revision {
	kept := bytes.Clone(data)
	return &revision{number, func() []byte { return append([]byte{}, kept...) }}
}

// Peer returns a store of the same record that has loaded nothing yet: what
// another process would have, or this one after a restart.
func (m *Memory) Peer() *Memory {
	p := &Memory{cell: m.shared()}
	p.once.Do(func() {})
	return p
}

// Load returns a copy of the record. With nothing stored it returns an error
// that Is [fs.ErrNotExist].
func (m *Memory) Load(ctx context.Context) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	c := m.shared()
	c.mu.Lock()
	defer c.mu.Unlock()
	m.seen = c.numberLocked()
	if c.now == nil {
		return nil, notStored("load")
	}
	return c.now.data(), nil
}

// Save stores a copy of data, of 1 MiB at most, in place of the record that this
// value last loaded or saved. If that is not the one stored it changes nothing,
// and returns an error that Is [fs.ErrExist].
func (m *Memory) Save(ctx context.Context, data []byte) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(data) > maxRecord {
		return failed("save", errTooLarge)
	}
	c := m.shared()
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.seen != c.numberLocked() {
		return conflict("save")
	}
	c.last++
	c.now, m.seen = newRevision(c.last, data), c.last
	return nil
}

// Delete removes the record, whichever it is. With nothing stored it does
// nothing. What was set aside stays.
func (m *Memory) Delete(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c := m.shared()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now, m.seen = nil, 0
	return nil
}

// Lock waits until no other holds the lock, and takes it: neither this value nor
// any of its peers. The wait ends with ctx, whose cause is then returned. What is
// returned gives the lock back; calling it again does nothing, and its error is
// always nil.
func (m *Memory) Lock(ctx context.Context) (unlock func() error, err error) {
	c := m.shared()
	if err := c.lock.enter(ctx); err != nil {
		return nil, err
	}
	return sync.OnceValue(func() error {
		c.lock.leave()
		return nil
	}), nil
}

// SetAside takes the record out of the way without destroying it; afterwards
// nothing is stored. [Memory.Aside] has it under a name made of suffix. With
// nothing stored it returns an error that Is [fs.ErrNotExist].
func (m *Memory) SetAside(ctx context.Context, suffix string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c := m.shared()
	c.mu.Lock()
	defer c.mu.Unlock()
	m.seen = 0
	if c.now == nil {
		return notStored("set aside")
	}
	name, err := spareName(suffix, func(name string) (bool, error) {
		_, used := c.aside[name]
		return used, nil
	})
	if err != nil {
		return failed("set aside", err)
	}
	if c.aside == nil {
		c.aside = make(map[string]*revision)
	}
	c.aside[name], c.now = c.now, nil
	return nil
}

// Aside returns what was set aside, by name: the suffix that was given, with a
// number behind it when there was one of that name. What is returned is a copy.
func (m *Memory) Aside() map[string][]byte {
	c := m.shared()
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string][]byte, len(c.aside))
	for name, r := range c.aside {
		all[name] = r.data()
	}
	return all
}

func (m *Memory) shared() *cell {
	m.once.Do(func() { m.cell = &cell{} })
	return m.cell
}

// numberLocked returns the number of what is stored, 0 when that is nothing.
func (c *cell) numberLocked() uint64 {
	if c.now == nil {
		return 0
	}
	return c.now.number
}
