package modeltest_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// sharedStore is the store that the processes share.
type sharedStore struct {
	model       *model
	memory      *store.Memory
	unavailable bool
	faults      []fault
	released    chan struct{}
	tampered    bool // records were lost, damaged or replaced, which excuses some violations
	unlocked    bool // a refresh was made without the lock, or there is none
	numbers     map[int64]*pair
	signedOut   map[*session]bool // with a saved sign-out mark
	outside     func() error      // releases the lock of a process without a Source
}

func newSharedStore(m *model) *sharedStore {
	return &sharedStore{
		model: m, memory: &store.Memory{}, released: make(chan struct{}), unlocked: !m.settings.locks,
		numbers: map[int64]*pair{}, signedOut: map[*session]bool{},
	}
}

// fault is a fault of one call of a store.
type fault struct {
	op                    string
	hangs, ignoresContext bool
	effect                bool // it takes effect, but fails
}

func (f fault) String() string {
	return fmt.Sprintf("%s fails%s%s%s", f.op, map[bool]string{true: " hanging"}[f.hangs],
		map[bool]string{true: " deaf"}[f.ignoresContext], map[bool]string{true: " though it took effect"}[f.effect])
}

func drawFaults(a drawArgs) (string, func(*model)) {
	faults := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) fault {
		f := fault{op: rapid.SampledFrom([]string{"save", "save", "save", "load", "lock", "unlock"}).Draw(rt, "op")}
		f.effect = rapid.Bool().Draw(rt, "effect") && f.op != "load"
		f.hangs = rapid.IntRange(0, 3).Draw(rt, "hangs") == 3
		f.ignoresContext = f.hangs && rapid.Bool().Draw(rt, "deaf")
		return f
	}), 1, 3).Draw(a.rt, "faults")
	return fmt.Sprint(faults), func(m *model) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.shared.faults = append(m.shared.faults, faults...)
	}
}

var (
	errStore   = errors.New("input/output error")
	errCrashed = errors.New("the process has crashed")
)

// processStore is the store of one process.
type processStore struct {
	p         *process
	memory    *store.Memory
	held      *heldLock                  // nil without the lock
	taken     map[*heldLock]bool         // including those whose Lock has failed
	calls     map[context.Context]string // in flight
	loaded    int                        // loads without an error
	unwritten bool                       // the last save failed
	clean     bool                       // the last load found nothing, or a readable record

	loadedAt                  time.Duration // of the last load without an error
	newest                    int64         // its generation
	found                     *pair         // its pair
	failingSince              time.Duration // since when locks and loads fail; 0 if they do not
	failedBefore, recoveredAt time.Duration // the failing period before
	savesFailSince            time.Duration // since when saves fail, or the first is under way; 0 if they do not
	lockCalls                 int           // the number of calls of Lock
	lockBegan                 time.Duration // since when Lock waits; 0 if it does not
	lockedIn                  time.Duration // the duration of the last Lock
}

// call makes one call of the store, with its fault.
func (s *processStore) call(ctx context.Context, op string, effect func() error) error {
	m := s.p.model
	m.mu.Lock()
	if s.p.crashed {
		m.mu.Unlock()
		return errCrashed
	}
	s.p.outgoingLocked("the store's " + op)
	for other, of := range s.calls {
		if other.Err() == nil && op != "unlock" { // perhaps of a lock that was abandoned
			m.failLocked("3: %s: the store is called to %s during its %s", s.p.name, op, of)
		}
	}
	if op != "unlock" { // which has no context of its own
		s.calls[ctx] = op
	}
	f, away, released := s.faultLocked(op), m.shared.unavailable, m.shared.released
	m.mu.Unlock()
	defer func() { m.mu.Lock(); delete(s.calls, ctx); m.mu.Unlock() }()
	if away && f == nil {
		f = &fault{op: op}
	}
	if f == nil {
		return effect()
	}
	var err error
	if f.effect {
		err = effect()
	}
	if f.hangs {
		ended := ctx.Done()
		if f.ignoresContext {
			ended = nil
			m.mu.Lock()
			if s.failingSince == 0 && op == "load" { // its caller gives up then
				s.failingSince = m.fake.Elapsed() + 5*time.Second + 1
			}
			m.mu.Unlock()
		}
		select {
		case <-released:
		case <-ended:
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		err = errStore
	}
	m.logLocked("  %s: %s failed", s.p.name, op)
	return err
}

func (s *processStore) faultLocked(op string) *fault {
	i := slices.IndexFunc(s.p.model.shared.faults, func(f fault) bool { return f.op == op })
	if i < 0 {
		return nil
	}
	f := s.p.model.shared.faults[i]
	s.p.model.shared.faults = slices.Delete(s.p.model.shared.faults, i, i+1)
	return &f
}

func (s *processStore) Load(ctx context.Context) (data []byte, err error) {
	before := s.answered()
	err = s.call(ctx, "load", func() error {
		data, err = s.memory.Load(ctx)
		return err
	})
	m := s.p.model
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.failedLocked(before)
		return nil, err
	}
	if now := m.fake.Elapsed(); s.failingSince > 0 {
		if s.failedBefore == 0 || s.recoveredAt < now { // otherwise it was short
			s.failedBefore = s.failingSince
		}
		s.recoveredAt = now
	}
	s.failingSince, s.newest = 0, 0
	s.clean = err != nil || parse(data) != nil
	if p := s.p; s.clean && p.current == p.given && p.ended == 0 && !p.anyLocked(p.given, func(b *belief) bool { return b.expired(p.now()) }) {
		p.comparedWithStore[p.given] = true
	}
	s.loaded, s.loadedAt = s.loaded+1, m.fake.Elapsed()
	if r := parse(data); err == nil && r != nil {
		s.newest, s.found = r.Generation, m.gw.pairs[r.AccessToken]
		if pr := m.gw.pairs[r.AccessToken]; pr != nil {
			s.p.obtainedLocked(pr, r.token(), origin{at: s.p.now(), stored: true})
		}
	}
	return data, err
}

// answered returns the number of loads without an error.
func (s *processStore) answered() int {
	s.p.model.mu.Lock()
	defer s.p.model.mu.Unlock()
	return s.loaded
}

// failedLocked records a call that failed. before is the number of loads when it began:
// a call that was abandoned says nothing about the store.
func (s *processStore) failedLocked(before int) {
	if s.loaded > before {
		return
	}
	s.clean = false
	if s.failingSince == 0 {
		s.failingSince = s.p.model.fake.Elapsed() + 1
	}
}

func (s *processStore) Save(ctx context.Context, data []byte) error {
	m, r := s.p.model, parse(data)
	m.mu.Lock()
	if r == nil {
		r = &record{}
		m.failLocked("5: %s: an unreadable record", s.p.name)
	}
	of := m.gw.pairs[r.AccessToken]
	s.p.tried[of], s.unwritten = true, true
	if s.savesFailSince == 0 {
		s.savesFailSince = m.fake.Elapsed() + 1
	}
	m.mu.Unlock()
	err := s.call(ctx, "save", func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		former, held := m.shared.storedLocked()
		if raw, err := m.shared.memory.Peer().Load(ctx); err == nil && former == nil {
			defer func() {
				if now, err := m.shared.memory.Peer().Load(ctx); err == nil && string(now) != string(raw) {
					m.failLocked("5: %s: a record that cannot be read is overwritten", s.p.name)
				}
			}()
		}
		err := s.memory.Save(ctx, data)
		if err == nil {
			s.savedLocked(former, held, r, of)
		}
		return err
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	s.unwritten = s.unwritten && err != nil
	if err == nil || errors.Is(err, fs.ErrExist) {
		s.savesFailSince = 0
	}
	if err == nil && s.p.lastAction.matches(of) {
		s.p.lastAction.unsaved = false
	}
	return err
}

func (s *processStore) Delete(context.Context) error {
	s.p.model.fail("5: a Source has deleted the record")
	return nil
}

func (s *processStore) SetAside(ctx context.Context, suffix string) error {
	return s.call(ctx, "set aside", func() error { return s.memory.SetAside(ctx, suffix) })
}

var (
	_ tokensource.Locker = lockingStore{}
	_ tokensource.Store  = (*processStore)(nil)
)
