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

var errStore = errors.New("the store is unavailable")

// sharedRecord is the record that the Source shares with another process.
type sharedRecord struct {
	g          *gateway
	memory     *store.Memory // of the other process
	noLock     bool
	noSetAside bool
	unlock     func() error // of the other process, while it has the lock
	mu         sync.Mutex   // guards all below
	behaviour  behaviour
	repairs    []error // that Notices has not returned yet
	deleted    bool    // a Source must not call Delete
}

// open returns the record as a Store, as one process sees it.
func (c *sharedRecord) open() interface {
	Load(ctx context.Context) ([]byte, error)
	Save(ctx context.Context, record []byte) error
	Delete(ctx context.Context) error
} {
	s := &sourceStore{memory: c.memory.Peer(), record: c}
	if c.noSetAside {
		return s
	}
	return &setAsideStore{s}
}

type sourceStore struct {
	memory *store.Memory
	record *sharedRecord
}

// behave waits or fails as the vector says.
func (s *sourceStore) behave(ctx context.Context, which func(behaviour) string) error {
	s.record.mu.Lock()
	how := which(s.record.behaviour)
	s.record.mu.Unlock()
	switch how {
	case "fails":
		return errStore
	case "hangs":
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return nil
}

func (s *sourceStore) Load(ctx context.Context) ([]byte, error) {
	if err := s.behave(ctx, func(b behaviour) string { return b.Load }); err != nil {
		return nil, err
	}
	s.record.mu.Lock()
	if s.record.behaviour.Load == "repairs" {
		s.record.behaviour.Load, s.record.repairs = "", append(s.record.repairs, errors.New("its mode was 0660, and is 0600 again"))
	}
	s.record.mu.Unlock()
	return s.memory.Load(ctx)
}

// Notices returns the repairs since it was last called.
func (s *sourceStore) Notices() []error {
	s.record.mu.Lock()
	defer s.record.mu.Unlock()
	repairs := s.record.repairs
	s.record.repairs = nil
	return repairs
}

func (s *sourceStore) Save(ctx context.Context, record []byte) error {
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

func (s *sourceStore) Delete(context.Context) error {
	s.record.mu.Lock()
	defer s.record.mu.Unlock()
	s.record.deleted = true
	return nil
}

func (s *sourceStore) Lock(ctx context.Context) (func() error, error) {
	s.record.mu.Lock()
	unsupported := s.record.behaviour.Lock == "unsupported"
	s.record.mu.Unlock()
	switch {
	case s.record.noLock:
		return nil, errors.ErrUnsupported
	case unsupported:
		return nil, &fs.PathError{Op: "lock", Path: "session.lock", Err: syscall.EOPNOTSUPP}
	}
	if err := s.behave(ctx, func(b behaviour) string { return b.Lock }); err != nil {
		return nil, err
	}
	return s.memory.Lock(ctx)
}

// setAsideStore can set a damaged record aside, too.
type setAsideStore struct{ *sourceStore }

func (s *setAsideStore) SetAside(ctx context.Context, suffix string) error {
	return s.memory.SetAside(ctx, suffix)
}

// change sets how the store's calls behave from now on.
func (c *sharedRecord) change(to behaviour) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range []struct{ is, to *string }{
		{&c.behaviour.Load, &to.Load}, {&c.behaviour.Save, &to.Save}, {&c.behaviour.Lock, &to.Lock},
	} {
		if *f.to != "" {
			*f.is = *f.to
		}
	}
}

// record is a stored record, whose format is part of the contract.
type record map[string]any

func (c *sharedRecord) load(ctx context.Context) (record, string) {
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

func (c *sharedRecord) save(ctx context.Context, r record) error {
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

// number returns a record's generation, 0 for none.
func (r record) number() int64 {
	n, _ := r["generation"].(float64)
	return int64(n)
}

// act carries out the action of another process.
func (c *sharedRecord) act(ctx context.Context, n *neighbour) error {
	r, _ := c.load(ctx)
	generation := valueOr(n.Generation, r.number()+1)
	c.g.mu.Lock()
	now := c.g.nowLocked()
	c.g.mu.Unlock()
	switch {
	case n.Rotates != nil:
		next := recordOf(c.g.issue(n.Rotates, now, false), generation, now.wall)
		if began, ok := r["started_at"]; ok {
			next["started_at"] = began
		}
		return c.save(ctx, next)
	case n.LogsIn != nil:
		return c.save(ctx, recordOf(c.g.issue(n.LogsIn, now, true), generation, now.wall))
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
	return errors.New("the other process cannot do that now")
}

// takeLock takes the lock for the other process, without waiting for it.
func (c *sharedRecord) takeLock(ctx context.Context) (err error) {
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

// stored returns the content of the store in the vectors' words.
func (c *sharedRecord) stored(ctx context.Context) *stored {
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
