package redisstore

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
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
	shared *shared
	name   string // checked by each method
	locks  locks

	// version is the version of the record that was last loaded or saved. A Save
	// replaces it, or one of later. "" is the version of nothing stored. Both fields
	// are guarded by the lock operating.
	version string
	later   *versions // of later Saves with unknown outcome; nil if there are none
}

type versions []string

// maxUnknown is how many Saves with unknown outcome a Store remembers. If an older one
// took effect, the next Save is a conflict.
const maxUnknown = 8

// New returns a Store that has loaded nothing yet. It does not connect to the server. For
// many sessions use a [Family], whose Stores share what they have in common.
func New(cfg Config) (*Store, error) {
	family := cfg.family()
	if err := family.check("Config"); err != nil {
		return nil, err
	}
	if err := checkName(cfg.Name); err != nil {
		return nil, fmt.Errorf("redisstore: Config.Name %w", err)
	}
	return &Store{shared: newShared(family, false), name: cfg.Name}, nil
}

// The keys of a session, and its channel. They have the same hash tag, so that a cluster
// stores them on one node.
const (
	keyRecord   = "record"   // a hash of version and data
	keyLock     = "lock"     // the lock token of the holder, while the lock is held
	keyReleased = "released" // the lock token of the last holder, for the length of a lease
	keyAside    = "aside:"   // the prefix of the keys of records that were set aside
	keyChannel  = "unlocked" // for notifications of releases
)

// key returns the name of a key or channel. A Store keeps no names: they would be most of
// the memory that it takes.
func (s *Store) key(part string) string { return s.shared.cfg.Prefix + "{" + s.name + "}:" + part }

// begin takes a lock. If begin returns nil, the caller must unlock it.
func (s *Store) begin(ctx context.Context, op string, which lockName) error {
	if err := checkName(s.name); err != nil {
		return badName(op, err)
	}
	return s.locks.lock(ctx, which)
}

// seen sets the version that the next Save replaces.
func (s *Store) seen(version string) { s.version, s.later = version, nil }

// Load returns the record. If nothing is stored, the error Is [io/fs.ErrNotExist]. No
// other error means that.
func (s *Store) Load(ctx context.Context) ([]byte, error) {
	const op = "load"
	if err := s.begin(ctx, op, operating); err != nil {
		return nil, err
	}
	defer s.locks.unlock(operating)
	r, err := s.call(ctx, op, s.shared.script.load.Run, []string{s.key(keyRecord)}, maxRecord)
	if err != nil {
		return nil, err
	}
	return s.loaded(op, r)
}

// loaded notes and returns the record of a result.
func (s *Store) loaded(op string, r result) ([]byte, error) {
	switch {
	case r.status == statusRecord && len(r.values) == 2:
		s.seen(r.values[0])
		return []byte(r.values[1]), nil
	case r.status == statusNothing:
		s.seen("")
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
	if err := s.begin(ctx, op, operating); err != nil {
		return err
	}
	defer s.locks.unlock(operating)
	// A random version is never repeated, even if the server has lost all data.
	version := rand.Text()
	args := []any{version, string(data), s.version}
	if s.later != nil {
		for _, v := range *s.later {
			args = append(args, v)
		}
	}
	r, err := s.call(ctx, op, s.shared.script.save.Run, []string{s.key(keyRecord)}, args...)
	switch {
	case err != nil:
		s.addUnknown(version)
		return err
	case r.status == statusSaved:
		s.seen(version)
		return nil
	case r.status == statusConflict:
		return conflict(op)
	default:
		return failed(op, r.problem())
	}
}

// addUnknown adds the version of a Save with unknown outcome.
func (s *Store) addUnknown(version string) {
	if s.later == nil {
		s.later = &versions{}
	}
	if len(*s.later) >= maxUnknown {
		*s.later = (*s.later)[1:]
	}
	*s.later = append(*s.later, version)
}

// Delete removes the record, no matter which one is stored. If nothing is stored it
// does nothing. Records that were set aside stay.
func (s *Store) Delete(ctx context.Context) error {
	const op = "delete"
	if err := s.begin(ctx, op, operating); err != nil {
		return err
	}
	defer s.locks.unlock(operating)
	r, err := s.call(ctx, op, s.shared.script.remove.Run, []string{s.key(keyRecord)})
	switch {
	case err != nil:
		return err
	case r.status == statusDeleted:
		s.seen("")
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
	if err := s.begin(ctx, op, operating); err != nil {
		return err
	}
	defer s.locks.unlock(operating)
	key := s.key(keyAside) + sanitize(suffix) + ":" + rand.Text()
	r, err := s.call(ctx, op, s.shared.script.aside.Run, []string{s.key(keyRecord), key})
	switch {
	case err != nil:
		return err
	case r.status == statusAside:
		s.seen("")
		return nil
	case r.status == statusNothing:
		s.seen("")
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
