package tokensource_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/tokensource"
)

var errAway = errors.New("connection refused")

// latch makes calls wait while it is closed.
type latch struct {
	mu     sync.Mutex
	opened chan struct{} // nil while the latch is open
}

func (l *latch) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opened = make(chan struct{})
}

func (l *latch) open() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.opened)
	l.opened = nil
}

// pass waits until the latch is open, or a call is done; nil is never done.
func (l *latch) pass(done <-chan struct{}) {
	l.mu.Lock()
	opened := l.opened
	l.mu.Unlock()
	if opened != nil {
		select {
		case <-opened:
		case <-done:
		}
	}
}

// shelf is a Store of one record without a lock. A test can read the record, change
// it as another process would, and make the calls fail or wait.
type shelf struct {
	t      *testing.T
	unused bool // any call fails the test

	loading latch // for loads, whatever their context
	saving  latch // for saves, until their context ends

	mu       sync.Mutex // guards all below
	record   []byte
	loaded   []byte // what the Source knows
	err      error  // of every Save
	loadErr  error  // of every Load
	lost     bool   // saves take effect, and fail
	loads    int
	saves    []string // the pairs saved, in order
	attempts int      // the records saved with an attempt mark
}

func (s *shelf) Load(context.Context) ([]byte, error) {
	s.called()
	s.loading.pass(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loads++
	if s.loadErr != nil {
		return nil, s.loadErr
	}
	s.loaded = s.record
	if s.record == nil {
		return nil, fs.ErrNotExist
	}
	return slices.Clone(s.record), nil
}

func (s *shelf) Save(ctx context.Context, record []byte) error {
	s.called()
	s.saving.pass(ctx.Done())
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case s.err != nil:
		return s.err
	case string(s.record) != string(s.loaded):
		return fs.ErrExist
	}
	s.record, s.loaded = slices.Clone(record), slices.Clone(record)
	f := s.fields()
	if f["attempt_at"] != nil {
		s.attempts++
	}
	s.saves = append(s.saves, pairOf(f))
	if s.lost {
		return errAway
	}
	return nil
}

func (s *shelf) Delete(context.Context) error {
	s.t.Error("a Source never deletes")
	return nil
}

func (s *shelf) called() {
	if s.unused {
		s.t.Error("the store was called")
	}
}

// fields returns the record as its JSON says. Who calls it holds mu.
func (s *shelf) fields() map[string]any {
	var f map[string]any
	if err := json.Unmarshal(s.record, &f); err != nil {
		return nil
	}
	return f
}

// pair returns the stored tokens, "a1 r1".
func (s *shelf) pair() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return pairOf(s.fields())
}

// field returns one field of the stored record.
func (s *shelf) field(name string) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fields()[name]
}

// put stores a record behind the Source's back.
func (s *shelf) put(record string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record = []byte(record)
	if record == "" {
		s.record = nil
	}
}

// edit changes the stored record behind the Source's back.
func (s *shelf) edit(t *testing.T, change func(map[string]any)) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fields()
	change(f)
	data, err := json.Marshal(f)
	require.NoError(t, err)
	s.record = data
}

// rotate plays another process that has got the next generation.
func (s *shelf) rotate(t *testing.T, accessToken string, expires time.Time) {
	t.Helper()
	s.edit(t, func(f map[string]any) {
		f["generation"] = f["generation"].(float64) + 1
		f["access_token"] = accessToken
		f["refresh_token"] = "r-" + accessToken
		f["issued_at"] = expires.Add(-access)
		f["expires_at"] = expires
		delete(f, "attempt_at")
		delete(f, "signed_out_at")
	})
}

func (s *shelf) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *shelf) away(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loadErr, s.err = err, err
}

func pairOf(f map[string]any) string {
	a, _ := f["access_token"].(string)
	r, _ := f["refresh_token"].(string)
	if a == "" {
		return ""
	}
	return a + " " + r
}

// cut makes the loads and the lock fail, and not the saves.
func (s *lockedShelf) cut(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loadErr, s.lockErr = err, err
}

// lockedShelf is a shelf with a lock.
type lockedShelf struct {
	shelf

	unlocking latch
	slot      chan struct{}
	lockErr   error
}

func newLockedShelf() *lockedShelf { return &lockedShelf{slot: make(chan struct{}, 1)} }

func (s *lockedShelf) Lock(ctx context.Context) (func() error, error) {
	s.mu.Lock()
	err := s.lockErr
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case s.slot <- struct{}{}:
		return func() error { s.unlocking.pass(nil); <-s.slot; return nil }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// onShelf is a story with a Source on a store that can be locked.
func onShelf(t *testing.T, set func(*rig, *tokensource.Config), tell func(*testing.T, *rig, *lockedShelf)) {
	t.Helper()
	var shelf *lockedShelf
	story(t, func(r *rig, c *tokensource.Config) {
		shelf = newLockedShelf()
		shelf.t = r.t
		c.Store = shelf
		if set != nil {
			set(r, c)
		}
	}, func(t *testing.T, r *rig) { tell(t, r, shelf) })
}

// asideShelf is a store that can set a record aside.
type asideShelf struct {
	*lockedShelf
	aside []string
	err   error
}

func (s *asideShelf) SetAside(_ context.Context, suffix string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if len(s.slot) == 0 {
		return errors.New("set aside without the lock")
	}
	s.aside = append(s.aside, suffix)
	s.record = nil
	return nil
}

// sameShelf is another process's view of a shelf.
type sameShelf struct {
	*lockedShelf
	known string
}

func (s *sameShelf) Load(ctx context.Context) ([]byte, error) {
	data, err := s.lockedShelf.Load(ctx)
	s.known = string(data)
	return data, err
}

func (s *sameShelf) Save(ctx context.Context, record []byte) error {
	s.mu.Lock()
	s.loaded = []byte(s.known)
	s.mu.Unlock()
	err := s.lockedShelf.Save(ctx, record)
	if err == nil {
		s.known = string(record)
	}
	return err
}

// neighbours returns n further Sources on the rig's store, as other processes.
func (r *rig) neighbours(n int) []*tokensource.Source {
	r.t.Helper()
	var sources []*tokensource.Source
	for range n {
		sources = append(sources, r.source(func(_ *rig, c *tokensource.Config) {
			c.Token, c.Store = nil, r.memory.Peer()
		}))
	}
	return sources
}

// restart makes a Source on the same record, as the next process would.
func (r *rig) restart(set func(*rig, *tokensource.Config), shelf *lockedShelf) {
	r.t.Helper()
	require.NoError(r.t, r.src.Close())
	r.src = r.source(func(r *rig, c *tokensource.Config) {
		c.Store, c.Token = shelf, nil
		if set != nil {
			set(r, c)
		}
	})
}

// theirs is the record of a session that somebody else has signed on to.
func (r *rig) theirs(generation int) string {
	now := r.clock.Now()
	return fmt.Sprintf(
		`{"version":1,"generation":%d,"access_token":"theirs","refresh_token":"r-theirs","client_id":"PUB_1","issued_at":%q,"expires_at":%q,"started_at":%q}`,
		generation, now.Format(time.RFC3339), now.Add(access).Format(time.RFC3339), now.Format(time.RFC3339))
}
