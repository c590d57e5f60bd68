package redisstore

import (
	"context"
	"crypto/rand"
	"strings"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// Store stores a session in Redis. Create it with [New]; do not copy it. All methods are
// safe for concurrent use. A Store counts as one user of the session, however many
// goroutines call it; other users of the same session need a Store of their own, with
// the same Name.
//
// If its context ends, a method returns the cause at once. A command that was sent
// before may still take effect; after a Save, the next Load shows whether it did.
//
// A Store has goroutines and connections only during a call, and from Lock until its
// unlock. It need not be closed.
type Store struct {
	// client returns Config.Client. It is a function since the options of the client
	// contain a password, and printers that follow pointers print no functions.
	// cfg.Client is nil.
	client func() redis.UniversalClient
	cfg    Config
	names  names
	script scripts
	// rightsChecked is set after the user's rights were found sufficient, and cleared
	// when the server denies one.
	rightsChecked atomic.Bool

	lockMu mutex // held from Lock until its unlock
	mu     mutex // held by each of the other operations; guards the fields below

	// replaceable are the versions that a Save may replace: the one last loaded or
	// saved, followed by those of later Saves with unknown outcome. "" is the version
	// of nothing stored.
	replaceable []string
}

// maxUnknown is how many Saves with unknown outcome a Store remembers. If an older one
// took effect, the next Save is a conflict.
const maxUnknown = 8

// New returns a Store that has loaded nothing yet. It does not connect to the server.
func New(cfg Config) (*Store, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	client := cfg.Client
	cfg.Client = nil
	return &Store{
		client: func() redis.UniversalClient { return client },
		cfg:    cfg, names: cfg.names(), script: newScripts(),
		lockMu: newMutex(), mu: newMutex(), replaceable: []string{""},
	}, nil
}

// Load returns the record. If nothing is stored, the error Is [io/fs.ErrNotExist]. No
// other error means that.
func (s *Store) Load(ctx context.Context) ([]byte, error) {
	const op = "load"
	if err := s.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.unlock()
	r, err := s.call(ctx, op, s.script.load.Run, []string{s.names.record}, maxRecord)
	switch {
	case err != nil:
		return nil, err
	case r.status == statusRecord && len(r.values) == 2:
		s.replaceable = []string{r.values[0]}
		return []byte(r.values[1]), nil
	case r.status == statusNothing:
		s.replaceable = []string{""}
		return nil, notStored(op)
	default:
		return nil, failed(op, r.problem())
	}
}

// Save stores data, at most 1 MiB, in place of the record that this Store last loaded
// or saved. If another record is stored, Save changes nothing and returns an error that
// Is [io/fs.ErrExist]. If the record has a time to live, Save removes it.
//
// After any other error the record may be the old or the new one, since the result of
// the command may have been lost. Save can then be repeated: what an earlier Save of
// this Store may have stored is no conflict.
func (s *Store) Save(ctx context.Context, data []byte) error {
	const op = "save"
	if len(data) > maxRecord {
		return failed(op, errTooLarge)
	}
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.unlock()
	// A random version is never repeated, even if the server has lost all data.
	version := rand.Text()
	args := []any{version, string(data)}
	for _, v := range s.replaceable {
		args = append(args, v)
	}
	r, err := s.call(ctx, op, s.script.save.Run, []string{s.names.record}, args...)
	switch {
	case err != nil:
		s.addUnknown(version)
		return err
	case r.status == statusSaved:
		s.replaceable = []string{version}
		return nil
	case r.status == statusConflict:
		return conflict(op)
	default:
		return failed(op, r.problem())
	}
}

// addUnknown adds the version of a Save with unknown outcome.
func (s *Store) addUnknown(version string) {
	if len(s.replaceable) > maxUnknown {
		s.replaceable = append(s.replaceable[:1], s.replaceable[2:]...)
	}
	s.replaceable = append(s.replaceable, version)
}

// Delete removes the record, no matter which one is stored. If nothing is stored it
// does nothing. Records that were set aside stay.
func (s *Store) Delete(ctx context.Context) error {
	const op = "delete"
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.unlock()
	r, err := s.call(ctx, op, s.script.remove.Run, []string{s.names.record})
	switch {
	case err != nil:
		return err
	case r.status == statusDeleted:
		s.replaceable = []string{""}
		return nil
	default:
		return failed(op, r.problem())
	}
}

// SetAside renames the record, so that it can be examined; nothing is stored
// afterwards. In the new key "aside:<suffix>:<a random word>" replaces "record". It has
// no time to live. The suffix is cut to 32 characters; all except letters, digits,
// hyphens and underscores become underscores. If nothing is stored, the error Is
// [io/fs.ErrNotExist].
func (s *Store) SetAside(ctx context.Context, suffix string) error {
	const op = "set aside"
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.unlock()
	key := s.names.aside + sanitize(suffix) + ":" + rand.Text()
	r, err := s.call(ctx, op, s.script.aside.Run, []string{s.names.record, key})
	switch {
	case err != nil:
		return err
	case r.status == statusAside:
		s.replaceable = []string{""}
		return nil
	case r.status == statusNothing:
		s.replaceable = []string{""}
		return notStored(op)
	default:
		return failed(op, r.problem())
	}
}

// maxSuffix is the length limit of the suffix of SetAside.
const maxSuffix = 32

// sanitize makes a suffix, which comes from the caller, a safe part of a key.
func sanitize(suffix string) string {
	s := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_':
			return r
		default:
			return '_'
		}
	}, suffix)
	if s == "" {
		return "aside"
	}
	return s[:min(len(s), maxSuffix)]
}
