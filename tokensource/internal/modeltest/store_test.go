package modeltest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// disk is what the processes share, and all that happens to it.
type sharedStore struct {
	w           *model
	memory      *store.Memory
	unavailable bool
	faults      []fault
	released    chan struct{}
	tampered    bool // records were lost, damaged or replaced: what follows from that is nobody's fault
	unlocked    bool // a refresh was made without the lock, or there is none
	numbers     map[int64]*pair
	signedOut   map[*session]bool // those for which a mark of a sign-out was stored
	outside     func() error      // gives back the lock that somebody outside has
}

func newSharedStore(m *model) *sharedStore {
	return &sharedStore{
		w: m, memory: &store.Memory{}, released: make(chan struct{}), unlocked: !m.settings.locks,
		numbers: map[int64]*pair{}, signedOut: map[*session]bool{},
	}
}

// fault is what happens to one call of a store.
type fault struct {
	op                    string
	hangs, ignoresContext bool
	effect                bool // it takes effect, and fails all the same
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

// record is a stored session, as the format is written down.
type record struct {
	Version          int       `json:"version"`
	Generation       int64     `json:"generation"`
	AccessToken      string    `json:"access_token,omitempty"`
	RefreshToken     string    `json:"refresh_token,omitempty"`
	TokenType        string    `json:"token_type,omitempty"`
	ClientID         string    `json:"client_id,omitempty"`
	AccountID        string    `json:"account_id,omitempty"`
	IssuedAt         time.Time `json:"issued_at,omitzero"`
	ExpiresAt        time.Time `json:"expires_at,omitzero"`
	RefreshExpiresAt time.Time `json:"refresh_expires_at,omitzero"`
	FixedExpiresAt   time.Time `json:"fixed_expires_at,omitzero"`
	StartedAt        time.Time `json:"started_at,omitzero"`
	AttemptAt        time.Time `json:"attempt_at,omitzero"`
	SignedOutAt      time.Time `json:"signed_out_at,omitzero"`
	SignOutPending   []struct {
		AccessToken string `json:"access_token"`
	} `json:"sign_out_pending,omitempty"`
}

// hasPending reports whether the gateway is still to be told to sign out a pair.
func (r *record) hasPending(accessToken string) bool {
	for _, p := range r.SignOutPending {
		if p.AccessToken == accessToken {
			return true
		}
	}
	return false
}

func (r *record) token() *ags.Token {
	return &ags.Token{
		AccessToken: ags.NewSecret(r.AccessToken), RefreshToken: ags.NewSecret(r.RefreshToken), TokenType: r.TokenType,
		ClientID: r.ClientID, AccountID: r.AccountID, IssuedAt: r.IssuedAt, ExpiresAt: r.ExpiresAt,
		RefreshExpiresAt: r.RefreshExpiresAt, FixedExpiresAt: r.FixedExpiresAt,
	}
}

// parse reads a record; nil is none, or one that cannot be read.
func parse(data []byte) *record {
	var r record
	if json.Unmarshal(data, &r) != nil || r.Version != 1 {
		return nil
	}
	return &r
}

// storedLocked is what is stored now, and whose pair that is.
func (d *sharedStore) storedLocked() (*record, *pair) {
	data, err := d.memory.Peer().Load(context.Background())
	if err != nil {
		return nil, nil
	}
	r := parse(data)
	if r == nil {
		return nil, nil
	}
	return r, d.w.gw.pairs[r.AccessToken]
}

var (
	errStore   = errors.New("input/output error")
	errCrashed = errors.New("the process is gone")
)

// drawer is the store as one process has it.
type processStore struct {
	p         *process
	memory    *store.Memory
	held      *heldLock                  // the lock, nil when the process does not have it
	taken     map[*heldLock]bool         // the locks that it has, whether it was told so or not
	calls     map[context.Context]string // that are under way
	loaded    int                        // loads that were answered
	unwritten bool                       // the last save failed
	clean     bool                       // the last load found nothing, or what can be read

	loadedAt                  time.Duration // of the last of these
	newest                    int64         // the generation that it found
	found                     *pair         // and its pair
	failingSince              time.Duration // since when lock and load have failed; 0 is not
	failedBefore, recoveredAt time.Duration // since when they had, and until when
	lockCalls                 int           // how often it was asked for
	lockBegan                 time.Duration // since when the lock is waited for; 0 is not
	lockedIn                  time.Duration // how long the last wait for the lock was
}

// call makes one call of the store, with what happens to it.
func (s *processStore) call(ctx context.Context, op string, effect func() error) error {
	m := s.p.w
	m.mu.Lock()
	if s.p.crashed {
		m.mu.Unlock()
		return errCrashed
	}
	s.p.outgoingLocked("the store's " + op)
	for other, of := range s.calls {
		if other.Err() == nil && op != "unlock" { // of a lock that came too late, perhaps
			m.failLocked("3: %s: the store is called to %s during its %s", s.p.name, op, of)
		}
	}
	if op != "unlock" { // which has no context to end
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
			if s.failingSince == 0 && op == "load" { // for the one who calls it has failed by then
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
	i := slices.IndexFunc(s.p.w.shared.faults, func(f fault) bool { return f.op == op })
	if i < 0 {
		return nil
	}
	f := s.p.w.shared.faults[i]
	s.p.w.shared.faults = slices.Delete(s.p.w.shared.faults, i, i+1)
	return &f
}

func (s *processStore) Load(ctx context.Context) (data []byte, err error) {
	before := s.answered()
	err = s.call(ctx, "load", func() error {
		data, err = s.memory.Load(ctx)
		return err
	})
	m := s.p.w
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.failedLocked(before)
		return nil, err
	}
	if now := m.fake.Elapsed(); s.failingSince > 0 {
		if s.failedBefore == 0 || s.recoveredAt < now { // else it came, and went, and came
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

// answered counts the loads that were answered.
func (s *processStore) answered() int {
	s.p.w.mu.Lock()
	defer s.p.w.mu.Unlock()
	return s.loaded
}

// troubleLocked notes a call that failed, and began after so many loads. One that
// fails after another was answered was left behind, and says nothing.
func (s *processStore) failedLocked(before int) {
	if s.loaded > before {
		return
	}
	s.clean = false
	if s.failingSince == 0 {
		s.failingSince = s.p.w.fake.Elapsed() + 1
	}
}

func (s *processStore) Save(ctx context.Context, data []byte) error {
	m, r := s.p.w, parse(data)
	m.mu.Lock()
	if r == nil {
		r = &record{}
		m.failLocked("5: %s: a record that nobody can read", s.p.name)
	}
	of := m.gw.pairs[r.AccessToken]
	s.p.tried[of], s.unwritten = true, true
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
	if err == nil && s.p.lastAction.matches(of) {
		s.p.lastAction.unsaved = false
	}
	return err
}

func (s *processStore) Delete(context.Context) error {
	s.p.w.fail("5: a Source has deleted the record")
	return nil
}

func (s *processStore) SetAside(ctx context.Context, suffix string) error {
	return s.call(ctx, "set aside", func() error { return s.memory.SetAside(ctx, suffix) })
}

var (
	_ tokensource.Locker = lockingStore{}
	_ tokensource.Store  = (*processStore)(nil)
)
