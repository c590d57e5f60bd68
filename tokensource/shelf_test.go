package tokensource_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/tokensource"
)

// shelf is a scripted Store, without a lock: one record, which a test can look
// at, change behind the Source's back, and make fail, hang or vanish.
type shelf struct {
	t      *testing.T
	strict bool // any call fails the test

	mu       sync.Mutex
	record   []byte
	loaded   []byte // what the Source knows
	err      error  // of every Save
	loadErr  error  // of every Load
	held     chan struct{}
	loads    int
	saves    []string // the pairs saved, in order
	attempts int      // the records saved with a note of an attempt
}

func (s *shelf) touch() {
	if s.strict {
		s.t.Error("the store was called")
	}
}

func (s *shelf) Load(context.Context) ([]byte, error) {
	s.touch()
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
	s.touch()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.held != nil {
		held := s.held
		s.mu.Unlock()
		select {
		case <-held:
		case <-ctx.Done():
		}
		s.mu.Lock()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	if s.err != nil {
		return s.err
	}
	if string(s.record) != string(s.loaded) {
		return fs.ErrExist
	}
	s.record, s.loaded = slices.Clone(record), slices.Clone(record)
	f := s.fields()
	if f["attempt_at"] != nil {
		s.attempts++
	}
	s.saves = append(s.saves, pairOf(f))
	return nil
}

func (s *shelf) Delete(context.Context) error {
	s.touch()
	s.t.Error("a Source never deletes")
	return nil
}

// fields returns the record as its JSON says. Who calls it holds mu.
func (s *shelf) fields() map[string]any {
	var f map[string]any
	if err := json.Unmarshal(s.record, &f); err != nil {
		return nil
	}
	return f
}

func pairOf(f map[string]any) string {
	a, _ := f["access_token"].(string)
	r, _ := f["refresh_token"].(string)
	if a == "" {
		return ""
	}
	return a + " " + r
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

// hold makes all saves from now on wait for release.
func (s *shelf) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = make(chan struct{})
}

func (s *shelf) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.held)
	s.held = nil
}

// lockedShelf is a shelf with a lock.
type lockedShelf struct {
	shelf

	slot    chan struct{}
	lockErr error
	locks   int
}

func newLockedShelf() *lockedShelf { return &lockedShelf{slot: make(chan struct{}, 1)} }

func (s *lockedShelf) Lock(ctx context.Context) (func() error, error) {
	s.mu.Lock()
	err := s.lockErr
	s.locks++
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case s.slot <- struct{}{}:
		return func() error { <-s.slot; return nil }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
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
