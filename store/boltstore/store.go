package boltstore

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.etcd.io/bbolt"
)

// Store stores the session of one key. Create it with [DB.Store]; do not copy it. All
// methods are safe for concurrent use. A Store counts as one user of the session, however
// many goroutines call it; other users of the same session need a Store of their own, of
// the same key.
type Store struct {
	db  *DB
	key string // checked by each method

	// The fields are guarded by the lock of the Store in db.operations. A Save replaces
	// the record of either version. 0 is the version of nothing stored.
	version uint64 // of the record that was last loaded or saved
	maybe   uint64 // of the last Save, if its outcome is unknown
}

// begin takes the lock of the Store. If begin returns nil, the caller must release it.
func (s *Store) begin(ctx context.Context, op string) error {
	switch {
	case s.key == "":
		return failed(op, errEmptyKey)
	case len(s.key) > maxKey:
		return failed(op, errLongKey)
	default:
		return s.db.operations.lock(ctx, s)
	}
}

func (s *Store) end() { s.db.operations.unlock(s) }

// Load returns the record. If nothing is stored, the error Is [io/fs.ErrNotExist]. If the
// record is damaged, the error has a method Damaged() bool that returns true; if a newer
// version of this library has saved it, one LeaveAlone() bool. Load waits for other
// operations of this Store, but for no lock and no other Store.
func (s *Store) Load(ctx context.Context) ([]byte, error) {
	const op = "load"
	if err := s.begin(ctx, op); err != nil {
		return nil, err
	}
	defer s.end()
	var value []byte
	err := guarded(func() error {
		return s.db.bolt.View(func(tx *bbolt.Tx) error {
			value = slices.Clone(bucketsOf(tx).records.Get([]byte(s.key)))
			return nil
		})
	})
	switch {
	case err != nil:
		return nil, failed(op, err)
	case value == nil:
		s.version, s.maybe = 0, 0
		return nil, notStored(op)
	}
	version, data, err := decode(s.key, value)
	if err != nil {
		return nil, failed(op, err)
	}
	s.version, s.maybe = version, 0
	return data, nil
}

// Save stores data, at most 1 MiB, in place of the record that this Store last loaded or
// saved. If another record is stored, Save changes nothing and returns an error that Is
// [io/fs.ErrExist]. When Save returns nil, the record is synced to disk.
//
// If ctx ends while Save waits for others' transactions, Save returns the cause and
// changes nothing. After any other error, such as that of a full disk, the record may be
// the old or the new one. Save can then be repeated: what an earlier Save of this Store may
// have stored is no conflict.
func (s *Store) Save(ctx context.Context, data []byte) error {
	const op = "save"
	if len(data) > maxRecord {
		return failed(op, errTooLarge)
	}
	if err := s.begin(ctx, op); err != nil {
		return err
	}
	defer s.end()
	c := &change{size: len(data), apply: func(b buckets, version uint64) (refusal, err error) {
		if !s.mayReplace(b.records.Get([]byte(s.key))) {
			return conflict(op), nil
		}
		return nil, b.records.Put([]byte(s.key), encode(s.key, version, data))
	}}
	err := s.db.writer.do(ctx, c)
	switch {
	case err == nil:
		s.version, s.maybe = c.version, 0
	case c.err != nil:
		s.maybe = c.version
	}
	return s.ended(ctx, op, c, err)
}

// mayReplace reports whether a Save may replace value, which is nil if nothing is stored.
func (s *Store) mayReplace(value []byte) bool {
	if value == nil {
		return s.version == 0
	}
	version, known := versionOf(value)
	return known && (version == s.version || version == s.maybe)
}

// ended returns the error of a change: its refusal or the cause of ctx's end as they are,
// and any other one as that of op.
func (*Store) ended(ctx context.Context, op string, c *change, err error) error {
	switch {
	case err == nil:
		return nil
	case c.err != nil:
		return failed(op, c.err)
	case c.refusal != nil:
		return c.refusal
	case errors.Is(err, ErrClosed):
		return failed(op, err)
	default:
		return context.Cause(ctx)
	}
}

// Delete removes the record, no matter which one is stored. If nothing is stored it does
// nothing. Records that were set aside stay.
func (s *Store) Delete(ctx context.Context) error {
	const op = "delete"
	if err := s.begin(ctx, op); err != nil {
		return err
	}
	defer s.end()
	c := &change{apply: func(b buckets, _ uint64) (refusal, err error) {
		return nil, b.records.Delete([]byte(s.key))
	}}
	err := s.db.writer.do(ctx, c)
	if err == nil {
		s.version, s.maybe = 0, 0
	}
	return s.ended(ctx, op, c, err)
}

// SetAside moves the record, as it is in the file, to another bucket, so that it can be
// examined; nothing is stored afterwards. The new key is "<suffix>.<a number>.<key>". The
// suffix is cut to 32 characters; all except letters, digits, hyphens and underscores
// become underscores. If nothing is stored, the error Is [io/fs.ErrNotExist].
func (s *Store) SetAside(ctx context.Context, suffix string) error {
	const op = "set aside"
	if err := s.begin(ctx, op); err != nil {
		return err
	}
	defer s.end()
	c := &change{apply: func(b buckets, version uint64) (refusal, err error) {
		value := b.records.Get([]byte(s.key))
		if value == nil {
			return notStored(op), nil
		}
		key := sanitize(suffix) + "." + strconv.FormatUint(version, 10) + "." + s.key
		return nil, errors.Join(b.aside.Put([]byte(key), slices.Clone(value)), b.records.Delete([]byte(s.key)))
	}}
	err := s.db.writer.do(ctx, c)
	if err == nil || c.refusal != nil {
		s.version, s.maybe = 0, 0
	}
	return s.ended(ctx, op, c, err)
}

// Lock waits until it holds the lock of the session, exclusively among all Stores of the
// key. No other process can use the file. If ctx ends first, Lock returns the cause. The
// lock is held until unlock is called, even if ctx ends. unlock never returns an error;
// further calls do nothing.
//
// The lock excludes only other callers of Lock. The other methods may be called with and
// without it.
func (s *Store) Lock(ctx context.Context) (unlock func() error, err error) {
	const op = "lock"
	if err := s.begin(ctx, op); err != nil {
		return nil, err
	}
	s.end()
	if s.db.isClosed() {
		return nil, failed(op, ErrClosed)
	}
	if err := s.db.sessions.lock(ctx, s.key); err != nil {
		return nil, err
	}
	return sync.OnceValue(func() error {
		s.db.sessions.unlock(s.key)
		return nil
	}), nil
}

// Notices returns, and removes, what [Open] has repaired: the mode of the file. Of all
// Stores of a DB the first one that is asked returns it.
func (s *Store) Notices() []error { return s.db.takeNotices() }

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
