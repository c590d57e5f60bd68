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

var errUnreachable = errors.New("connection refused")

// latch makes calls wait while it is held.
type latch struct {
	mu       sync.Mutex
	released chan struct{} // nil while the latch is not held
}

func (l *latch) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.released = make(chan struct{})
}

func (l *latch) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.released)
	l.released = nil
}

// wait waits until the latch is released or done is closed.
func (l *latch) wait(done <-chan struct{}) {
	l.mu.Lock()
	opened := l.released
	l.mu.Unlock()
	if opened != nil {
		select {
		case <-opened:
		case <-done:
		}
	}
}

// fakeStore is a Store of one record without a lock. A test can read the record, change
// it as another process would, and make the calls fail or wait.
type fakeStore struct {
	t      *testing.T
	unused bool // any call fails the test

	loading latch // for loads, whatever their context
	saving  latch // for saves, until their context ends

	mu       sync.Mutex // guards all below
	record   []byte
	loaded   []byte // what the Source has loaded or saved last
	err      error  // of every Save
	loadErr  error  // of every Load
	lost     bool   // saves take effect, but return an error
	loads    int
	saves    []string // the pairs saved, in order
	attempts int      // the records saved with an attempt mark
}

func (s *fakeStore) Load(context.Context) ([]byte, error) {
	s.called()
	s.loading.wait(nil)
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

func (s *fakeStore) Save(ctx context.Context, record []byte) error {
	s.called()
	s.saving.wait(ctx.Done())
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
	fields := s.fields()
	if fields["attempt_at"] != nil {
		s.attempts++
	}
	s.saves = append(s.saves, pairOf(fields))
	if s.lost {
		return errUnreachable
	}
	return nil
}

func (s *fakeStore) Delete(context.Context) error {
	s.t.Error("the Source deleted the record")
	return nil
}

func (s *fakeStore) called() {
	if s.unused {
		s.t.Error("the store was called")
	}
}

// fields returns the fields of the record. The caller must hold mu.
func (s *fakeStore) fields() map[string]any {
	var record map[string]any
	if err := json.Unmarshal(s.record, &record); err != nil {
		return nil
	}
	return record
}

// pair returns the stored tokens, "a1 r1".
func (s *fakeStore) pair() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return pairOf(s.fields())
}

// field returns one field of the stored record.
func (s *fakeStore) field(name string) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fields()[name]
}

// replace replaces the record, as another process would; "" removes it.
func (s *fakeStore) replace(record string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record = []byte(record)
	if record == "" {
		s.record = nil
	}
}

// edit changes the record, as another process would.
func (s *fakeStore) edit(t *testing.T, change func(map[string]any)) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	record := s.fields()
	change(record)
	data, err := json.Marshal(record)
	require.NoError(t, err)
	s.record = data
}

// rotate stores the next generation, as another process would after a refresh.
func (s *fakeStore) rotate(t *testing.T, accessToken string, expires time.Time) {
	t.Helper()
	s.edit(t, func(record map[string]any) {
		record["generation"] = record["generation"].(float64) + 1
		record["access_token"] = accessToken
		record["refresh_token"] = "r-" + accessToken
		record["issued_at"] = expires.Add(-access)
		record["expires_at"] = expires
		delete(record, "attempt_at")
		delete(record, "signed_out_at")
	})
}

func (s *fakeStore) failSaves(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *fakeStore) setUnavailable(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loadErr, s.err = err, err
}

func pairOf(record map[string]any) string {
	a, _ := record["access_token"].(string)
	r, _ := record["refresh_token"].(string)
	if a == "" {
		return ""
	}
	return a + " " + r
}

// failReads makes loads and locks fail, but not saves.
func (s *lockingStore) failReads(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loadErr, s.lockErr = err, err
}

// failLocks makes locks fail, but not loads and saves.
func (s *lockingStore) failLocks(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lockErr = err
}

// lockingStore is a fakeStore with a lock.
type lockingStore struct {
	fakeStore

	unlocking latch
	locked    chan struct{}
	lockErr   error
}

func newLockingStore() *lockingStore { return &lockingStore{locked: make(chan struct{}, 1)} }

func (s *lockingStore) Lock(ctx context.Context) (func() error, error) {
	s.mu.Lock()
	err := s.lockErr
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case s.locked <- struct{}{}:
		return func() error { s.unlocking.wait(nil); <-s.locked; return nil }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// lock takes the lock, as another process would.
func (s *lockingStore) lock(t *testing.T) (unlock func() error) {
	t.Helper()
	unlock, err := s.Lock(t.Context())
	require.NoError(t, err)
	return unlock
}

// scenarioWithStore is a scenario with a lockingStore.
func scenarioWithStore(t *testing.T, set func(*fixture, *tokensource.Config), body func(*testing.T, *fixture, *lockingStore)) {
	t.Helper()
	var fake *lockingStore
	scenario(t, func(f *fixture, c *tokensource.Config) {
		fake = newLockingStore()
		fake.t = f.t
		c.Store = fake
		if set != nil {
			set(f, c)
		}
	}, func(t *testing.T, f *fixture) { body(t, f, fake) })
}

// otherProcesses returns n further Sources on the fixture's store.
func (f *fixture) otherProcesses(n int) []*tokensource.Source {
	f.t.Helper()
	var sources []*tokensource.Source
	for range n {
		sources = append(sources, f.source(func(_ *fixture, c *tokensource.Config) {
			c.Token, c.Store = nil, f.memory.Peer()
		}))
	}
	return sources
}

// restart replaces the Source by a new one on the same store.
func (f *fixture) restart(set func(*fixture, *tokensource.Config), fake *lockingStore) {
	f.t.Helper()
	require.NoError(f.t, f.src.Close())
	f.src = f.source(func(f *fixture, c *tokensource.Config) {
		c.Store, c.Token = fake, nil
		if set != nil {
			set(f, c)
		}
	})
}

// otherSession is the record of a session of another process.
func (f *fixture) otherSession(generation int) string {
	now := f.clock.Now()
	return fmt.Sprintf(
		`{"version":1,"generation":%d,"access_token":"theirs","refresh_token":"r-theirs","client_id":"PUB_1","issued_at":%q,"expires_at":%q,"started_at":%q}`,
		generation, now.Format(time.RFC3339), now.Add(access).Format(time.RFC3339), now.Format(time.RFC3339))
}
