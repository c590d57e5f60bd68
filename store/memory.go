package store

import (
	"bytes"
	"context"
	"sync"
)

// Memory is a store in memory, for tests and for sessions that need not outlast the
// process. The zero value is ready for use, with nothing stored. A Memory must not be
// copied after first use. All methods are safe for concurrent use. A Memory counts as
// one user of the record: see [Memory.Peer].
type Memory struct {
	once   sync.Once
	shared *sharedMemory
	seen   uint64 // the number last loaded or saved, 0 for nothing; guarded by shared.mu
}

// sharedMemory is what a Memory and its peers have in common.
type sharedMemory struct {
	lockMu mutex // held from Lock until its unlock

	mu    sync.Mutex           // guards the fields below
	now   *revision            // nil if nothing is stored
	last  uint64               // the highest number so far
	aside map[string]*revision // the records that were set aside, by name
}

// A revision is a record as one Save stored it. The bytes are behind a function, so
// that no fmt verb and no printer based on reflection shows them.
type revision struct {
	number uint64
	data   func() []byte // returns a copy
}

func newRevision(number uint64, data []byte) *revision {
	kept := bytes.Clone(data)
	return &revision{number, func() []byte { return append([]byte{}, kept...) }}
}

// Peer returns another user of the same record, which has loaded nothing yet: like
// another process, or this one after a restart.
func (m *Memory) Peer() *Memory { return &Memory{shared: m.init()} }

// Load returns a copy of the record. If nothing is stored, the error Is
// [fs.ErrNotExist].
func (m *Memory) Load(ctx context.Context) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	s := m.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	m.seen = s.numberLocked()
	if s.now == nil {
		return nil, notStored("load")
	}
	return s.now.data(), nil
}

// Save stores a copy of data, at most 1 MiB, in place of the record that this Memory
// last loaded or saved. If another record is stored, Save changes nothing and returns an
// error that Is [fs.ErrExist].
func (m *Memory) Save(ctx context.Context, data []byte) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(data) > maxRecord {
		return failed("save", errTooLarge)
	}
	s := m.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.seen != s.numberLocked() {
		return conflict("save")
	}
	s.last++
	s.now, m.seen = newRevision(s.last, data), s.last
	return nil
}

// Delete removes the record, no matter which one is stored. If nothing is stored it
// does nothing. Records that were set aside stay.
func (m *Memory) Delete(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s := m.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, m.seen = nil, 0
	return nil
}

// Lock waits until it holds the lock of the record, exclusively among this Memory and
// its peers. If ctx ends first, Lock returns the cause. The lock is held until unlock is
// called, even if ctx ends. unlock never returns an error; further calls do nothing.
func (m *Memory) Lock(ctx context.Context) (unlock func() error, err error) {
	s := m.init()
	if err := s.lockMu.lock(ctx); err != nil {
		return nil, err
	}
	return sync.OnceValue(func() error {
		s.lockMu.unlock()
		return nil
	}), nil
}

// SetAside moves the record to a name made of suffix, see [Memory.Aside]; nothing is
// stored afterwards. If nothing is stored, the error Is [fs.ErrNotExist].
func (m *Memory) SetAside(ctx context.Context, suffix string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s := m.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	m.seen = 0
	if s.now == nil {
		return notStored("set aside")
	}
	name, err := unusedSuffix(suffix, func(name string) (bool, error) {
		_, used := s.aside[name]
		return used, nil
	})
	if err != nil {
		return failed("set aside", err)
	}
	if s.aside == nil {
		s.aside = make(map[string]*revision)
	}
	s.aside[name], s.now = s.now, nil
	return nil
}

// Aside returns copies of the records that were set aside. The keys are the suffixes,
// with a number if one was used before.
func (m *Memory) Aside() map[string][]byte {
	s := m.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string][]byte, len(s.aside))
	for name, r := range s.aside {
		all[name] = r.data()
	}
	return all
}

func (m *Memory) init() *sharedMemory {
	m.once.Do(func() {
		if m.shared == nil {
			m.shared = &sharedMemory{}
		}
	})
	return m.shared
}

// numberLocked returns the number of what is stored, 0 for nothing.
func (s *sharedMemory) numberLocked() uint64 {
	if s.now == nil {
		return 0
	}
	return s.now.number
}
