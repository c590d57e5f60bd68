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
type disk struct {
	w        *world
	memory   *store.Memory
	away     bool
	faults   []fault
	released chan struct{}
	tampered bool // records were lost, damaged or replaced: what follows from that is nobody's fault
	unlocked bool // a refresh was made without the lock, or there is none
	numbers  map[int64]*pair
	signed   map[*account]bool // those for which a mark of a sign-out was stored
	outside  func() error      // gives back the lock that somebody outside has
}

func newDisk(w *world) *disk {
	return &disk{
		w: w, memory: &store.Memory{}, released: make(chan struct{}), unlocked: !w.house.locks,
		numbers: map[int64]*pair{}, signed: map[*account]bool{},
	}
}

// fault is what happens to one call of a store.
type fault struct {
	op          string
	hangs, deaf bool
	effect      bool // it takes effect, and fails all the same
}

func (f fault) String() string {
	return fmt.Sprintf("%s fails%s%s%s", f.op, map[bool]string{true: " hanging"}[f.hangs],
		map[bool]string{true: " deaf"}[f.deaf], map[bool]string{true: " though it took effect"}[f.effect])
}

func drawFaults(a args) (string, func(*world)) {
	faults := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) fault {
		f := fault{op: rapid.SampledFrom([]string{"save", "save", "save", "load", "lock", "unlock"}).Draw(rt, "op")}
		f.effect = rapid.Bool().Draw(rt, "effect") && f.op != "load"
		f.hangs = rapid.IntRange(0, 3).Draw(rt, "hangs") == 3
		f.deaf = f.hangs && rapid.Bool().Draw(rt, "deaf")
		return f
	}), 1, 3).Draw(a.rt, "faults")
	return fmt.Sprint(faults), func(w *world) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.disk.faults = append(w.disk.faults, faults...)
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
func (d *disk) storedLocked() (*record, *pair) {
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
	errDisk    = errors.New("input/output error")
	errCrashed = errors.New("the process is gone")
)

// drawer is the store as one process has it.
type drawer struct {
	p         *proc
	memory    *store.Memory
	hold      *hold                      // the lock, nil when the process does not have it
	taken     map[*hold]bool             // the locks that it has, whether it was told so or not
	calls     map[context.Context]string // that are under way
	loaded    int                        // loads that were answered
	unwritten bool                       // the last save failed
	clean     bool                       // the last load found nothing, or what can be read

	loadedAt            time.Duration // of the last of these
	newest              int64         // the generation that it found
	found               *pair         // and its pair
	troubled            time.Duration // since when lock and load have failed; 0 is not
	formerly, recovered time.Duration // since when they had, and until when
	lockCalls           int           // how often it was asked for
	lockBegan           time.Duration // since when the lock is waited for; 0 is not
	lockedIn            time.Duration // how long the last wait for the lock was
}

// call makes one call of the store, with what happens to it.
func (s *drawer) call(ctx context.Context, op string, effect func() error) error {
	w := s.p.w
	w.mu.Lock()
	if s.p.crashed {
		w.mu.Unlock()
		return errCrashed
	}
	s.p.beganLocked("the store's " + op)
	for other, of := range s.calls {
		if other.Err() == nil && op != "unlock" { // of a lock that came too late, perhaps
			w.failLocked("3: %s: the store is called to %s during its %s", s.p.name, op, of)
		}
	}
	if op != "unlock" { // which has no context to end
		s.calls[ctx] = op
	}
	f, away, released := s.faultLocked(op), w.disk.away, w.disk.released
	w.mu.Unlock()
	defer func() { w.mu.Lock(); delete(s.calls, ctx); w.mu.Unlock() }()
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
		if f.deaf {
			ended = nil
			w.mu.Lock()
			if s.troubled == 0 && op == "load" { // for the one who calls it has failed by then
				s.troubled = w.fake.Elapsed() + 5*time.Second + 1
			}
			w.mu.Unlock()
		}
		select {
		case <-released:
		case <-ended:
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		err = errDisk
	}
	w.sayLocked("  %s: %s failed", s.p.name, op)
	return err
}

func (s *drawer) faultLocked(op string) *fault {
	i := slices.IndexFunc(s.p.w.disk.faults, func(f fault) bool { return f.op == op })
	if i < 0 {
		return nil
	}
	f := s.p.w.disk.faults[i]
	s.p.w.disk.faults = slices.Delete(s.p.w.disk.faults, i, i+1)
	return &f
}

func (s *drawer) Load(ctx context.Context) (data []byte, err error) {
	before := s.answered()
	err = s.call(ctx, "load", func() error {
		data, err = s.memory.Load(ctx)
		return err
	})
	w := s.p.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.troubleLocked(before)
		return nil, err
	}
	if now := w.fake.Elapsed(); s.troubled > 0 {
		if s.formerly == 0 || s.recovered < now { // else it came, and went, and came
			s.formerly = s.troubled
		}
		s.recovered = now
	}
	s.troubled, s.newest = 0, 0
	s.clean = err != nil || parse(data) != nil
	if p := s.p; s.clean && p.current == p.given && p.ended == 0 && !p.anyLocked(p.given, func(b *belief) bool { return b.over(p.moment()) }) {
		p.claims[p.given] = true
	}
	s.loaded, s.loadedAt = s.loaded+1, w.fake.Elapsed()
	if r := parse(data); err == nil && r != nil {
		s.newest, s.found = r.Generation, w.gw.pairs[r.AccessToken]
		if pr := w.gw.pairs[r.AccessToken]; pr != nil {
			s.p.arrivedLocked(pr, r.token(), arrival{at: s.p.moment(), stored: true})
		}
	}
	return data, err
}

// answered counts the loads that were answered.
func (s *drawer) answered() int {
	s.p.w.mu.Lock()
	defer s.p.w.mu.Unlock()
	return s.loaded
}

// troubleLocked notes a call that failed, and began after so many loads. One that
// fails after another was answered was left behind, and says nothing.
func (s *drawer) troubleLocked(before int) {
	if s.loaded > before {
		return
	}
	s.clean = false
	if s.troubled == 0 {
		s.troubled = s.p.w.fake.Elapsed() + 1
	}
}

func (s *drawer) Save(ctx context.Context, data []byte) error {
	w, r := s.p.w, parse(data)
	w.mu.Lock()
	if r == nil {
		r = &record{}
		w.failLocked("5: %s: a record that nobody can read", s.p.name)
	}
	of := w.gw.pairs[r.AccessToken]
	s.p.tried[of], s.unwritten = true, true
	w.mu.Unlock()
	err := s.call(ctx, "save", func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		former, held := w.disk.storedLocked()
		if raw, err := w.disk.memory.Peer().Load(ctx); err == nil && former == nil {
			defer func() {
				if now, err := w.disk.memory.Peer().Load(ctx); err == nil && string(now) != string(raw) {
					w.failLocked("5: %s: a record that cannot be read is overwritten", s.p.name)
				}
			}()
		}
		err := s.memory.Save(ctx, data)
		if err == nil {
			s.savedLocked(former, held, r, of)
		}
		return err
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	s.unwritten = s.unwritten && err != nil
	if err == nil && s.p.wish.of(of) {
		s.p.wish.unsaved = false
	}
	return err
}

func (s *drawer) Delete(context.Context) error {
	s.p.w.fail("5: a Source has deleted the record")
	return nil
}

func (s *drawer) SetAside(ctx context.Context, suffix string) error {
	return s.call(ctx, "set aside", func() error { return s.memory.SetAside(ctx, suffix) })
}

var (
	_ tokensource.Locker = lockingDrawer{}
	_ tokensource.Store  = (*drawer)(nil)
)
