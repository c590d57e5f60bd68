package vectors_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"sync"
	"syscall"
	"testing/synctest"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/store"
)

var errStore = errors.New("the store is away")

// cell is the record that the Source under test shares with a neighbour.
type cell struct {
	g         *gateway
	memory    *store.Memory // a neighbour's
	noLock    bool
	noAside   bool
	unlock    func() error // of the neighbour, while it has the lock
	mu        sync.Mutex   // guards all below
	how       behaviour
	repairs   []error // that the store has made, and not told of
	forgotten bool    // Delete was called, which no Source does
}

// open returns what a Source is given: its own view of the record.
func (c *cell) open() interface {
	Load(ctx context.Context) ([]byte, error)
	Save(ctx context.Context, record []byte) error
	Delete(ctx context.Context) error
} {
	shelf := &sharedStore{memory: c.memory.Peer(), cell: c}
	if c.noAside {
		return shelf
	}
	return &asideStore{shelf}
}

type sharedStore struct {
	memory *store.Memory
	cell   *cell
}

// behave lets a call go as the vector says.
func (s *sharedStore) behave(ctx context.Context, which func(behaviour) string) error {
	s.cell.mu.Lock()
	how := which(s.cell.how)
	s.cell.mu.Unlock()
	switch how {
	case "fails":
		return errStore
	case "hangs":
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return nil
}

func (s *sharedStore) Load(ctx context.Context) ([]byte, error) {
	if err := s.behave(ctx, func(b behaviour) string { return b.Load }); err != nil {
		return nil, err
	}
	s.cell.mu.Lock()
	if s.cell.how.Load == "repairs" {
		s.cell.how.Load, s.cell.repairs = "", append(s.cell.repairs, errors.New("its mode was 0660, and is 0600 again"))
	}
	s.cell.mu.Unlock()
	return s.memory.Load(ctx)
}

// Notices returns what the store has repaired by itself since it was last asked.
func (s *sharedStore) Notices() []error {
	s.cell.mu.Lock()
	defer s.cell.mu.Unlock()
	repairs := s.cell.repairs
	s.cell.repairs = nil
	return repairs
}

func (s *sharedStore) Save(ctx context.Context, record []byte) error {
	lost := false
	err := s.behave(ctx, func(b behaviour) string { lost = b.Save == "lost"; return b.Save })
	if err != nil {
		return err
	}
	if err := s.memory.Save(ctx, record); err != nil || !lost {
		return err
	}
	return errStore
}

func (s *sharedStore) Delete(context.Context) error {
	s.cell.mu.Lock()
	defer s.cell.mu.Unlock()
	s.cell.forgotten = true
	return nil
}

func (s *sharedStore) Lock(ctx context.Context) (func() error, error) {
	s.cell.mu.Lock()
	unsupported := s.cell.how.Lock == "unsupported"
	s.cell.mu.Unlock()
	switch {
	case s.cell.noLock:
		return nil, errors.ErrUnsupported
	case unsupported:
		return nil, &fs.PathError{Op: "lock", Path: "session.lock", Err: syscall.EOPNOTSUPP}
	}
	if err := s.behave(ctx, func(b behaviour) string { return b.Lock }); err != nil {
		return nil, err
	}
	return s.memory.Lock(ctx)
}

// asideStore can set a damaged record aside as well.
type asideStore struct{ *sharedStore }

func (s *asideStore) SetAside(ctx context.Context, suffix string) error {
	return s.memory.SetAside(ctx, suffix)
}

// change sets how the store's calls go from now on.
func (c *cell) change(to behaviour) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range []struct{ is, to *string }{
		{&c.how.Load, &to.Load}, {&c.how.Save, &to.Save}, {&c.how.Lock, &to.Lock},
	} {
		if *f.to != "" {
			*f.is = *f.to
		}
	}
}

// record is a record as it is stored. The format belongs to the contract.
type record map[string]any

func (c *cell) load(ctx context.Context) (record, string) {
	data, err := c.memory.Load(ctx)
	if err != nil {
		return nil, ""
	}
	var r record
	if json.Unmarshal(data, &r) != nil {
		return nil, string(data)
	}
	return r, string(data)
}

func (c *cell) save(ctx context.Context, r record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return c.memory.Save(ctx, data)
}

func recordOf(t *ags.Token, generation int64, startedAt time.Time) record {
	return record{
		"version": 1, "generation": generation,
		"access_token": t.AccessToken.Reveal(), "refresh_token": t.RefreshToken.Reveal(), "token_type": t.TokenType,
		"client_id": t.ClientID, "account_id": t.AccountID,
		"issued_at": t.IssuedAt, "expires_at": t.ExpiresAt, "refresh_expires_at": t.RefreshExpiresAt,
		"fixed_expires_at": t.FixedExpiresAt, "started_at": startedAt,
	}
}

// number returns a record's generation, 0 of none.
func (r record) number() int64 {
	n, _ := r["generation"].(float64)
	return int64(n)
}

// act does what a neighbour does.
func (c *cell) act(ctx context.Context, n *neighbour) error {
	r, _ := c.load(ctx)
	generation := or(n.Generation, r.number()+1)
	c.g.mu.Lock()
	now := c.g.nowLocked()
	c.g.mu.Unlock()
	switch {
	case n.Rotates != nil:
		next := recordOf(c.g.mint(n.Rotates, now, false), generation, now.wall)
		if began, ok := r["started_at"]; ok {
			next["started_at"] = began
		}
		return c.save(ctx, next)
	case n.LogsIn != nil:
		return c.save(ctx, recordOf(c.g.mint(n.LogsIn, now, true), generation, now.wall))
	case n.SignsOut:
		return c.save(ctx, record{
			"version": 1, "generation": generation, "signed_out_at": now.wall,
			"client_id": r["client_id"], "account_id": r["account_id"],
		})
	case n.BeginsSignOut && r != nil:
		return c.save(ctx, record{
			"version": 1, "generation": generation, "signed_out_at": now.wall,
			"client_id": r["client_id"], "account_id": r["account_id"],
			"sign_out_pending": []record{{"access_token": r["access_token"], "refresh_token": r["refresh_token"], "expires_at": r["expires_at"]}},
		})
	case n.NotesAttempt && r != nil:
		r["attempt_at"] = now.wall
		return c.save(ctx, r)
	case n.Empties:
		return c.memory.Delete(ctx)
	case n.Damages:
		return c.memory.Save(ctx, []byte(`{"version":1,"gen`))
	case n.WritesNewer:
		return c.save(ctx, record{"version": 99, "generation": generation})
	case n.TakesLock && c.unlock == nil:
		return c.takeLock(ctx)
	case n.GivesLockBack && c.unlock != nil:
		err := c.unlock()
		c.unlock = nil
		return err
	}
	return errors.New("the neighbour has nothing to do that with")
}

// takeLock takes the lock for the neighbour, who does not wait for it.
func (c *cell) takeLock(ctx context.Context) (err error) {
	ctx, leave := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.unlock, err = c.memory.Lock(ctx)
	}()
	synctest.Wait()
	leave()
	<-done
	return err
}

// stored returns what is stored, in the vectors' words.
func (c *cell) stored(ctx context.Context) *stored {
	r, raw := c.load(ctx)
	nameOf := func(value any) string {
		c.g.mu.Lock()
		defer c.g.mu.Unlock()
		return c.g.names[text(value)]
	}
	name := func(field string) string { return nameOf(r[field]) }
	generation, client := r.number(), text(r["client_id"])
	refresh := name("refresh_token")
	s := &stored{Generation: &generation, ClientID: &client, RefreshToken: &refresh}
	pending, _ := r["sign_out_pending"].([]any)
	for _, entry := range pending {
		pair, _ := entry.(map[string]any)
		s.SignOutPending = append(s.SignOutPending, nameOf(pair["access_token"]))
	}
	_, signedOut := r["signed_out_at"]
	version, _ := r["version"].(float64)
	switch {
	case raw == "":
		return &stored{Holds: "nothing"}
	case r == nil:
		return &stored{Holds: "damaged"}
	case version > 1:
		return &stored{Holds: "newer_version"}
	case signedOut:
		s.Holds = "tombstone"
	default:
		s.Holds, s.AccessToken = "pair", name("access_token")
		_, s.Attempt = r["attempt_at"]
	}
	return s
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
