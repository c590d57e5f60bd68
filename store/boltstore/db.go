package boltstore

import (
	"context"
	"iter"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// maxKey is the length limit of a key, in bytes.
const maxKey = 512

// Options are the options of [Open]. The zero value has the defaults.
type Options struct {
	// Timeout is how long Open waits for the file if it is open already. Zero means one
	// second; with a negative value Open does not wait.
	Timeout time.Duration

	// maxSize is the size limit of the file, in bytes. It is set by tests.
	maxSize int
}

// DB is an open file with the sessions of many keys. Create it with [Open], and call
// [DB.Close] at the end. All methods are safe for concurrent use.
type DB struct {
	bolt   *bbolt.DB
	writer *writer

	operations locks[*Store] // held during the methods of a Store
	sessions   locks[string] // held from Lock until its unlock, by key

	mu      sync.Mutex // guards the fields below
	notices []error
	closed  bool
}

// Store returns a new Store of the session key, which has loaded nothing yet. It neither
// reads nor writes. A key is between 1 and 512 bytes long; with another key each method of
// the Store returns an error that says so.
func (db *DB) Store(key string) *Store { return &Store{db: db, key: key} }

// keysBatch is how many keys one transaction reads.
const keysBatch = 1000

// Keys yields the keys of all stored sessions, in the order of their bytes. Sessions that
// are saved or deleted meanwhile may be missing or not. If ctx ends, or the file cannot be
// read, Keys yields the error once, with an empty key, and ends.
//
// Keys reads a thousand keys at a time, so the loop may take any time, and may use the
// Stores.
func (db *DB) Keys(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		last := ""
		for {
			keys, err := db.keysAfter(ctx, last)
			if err != nil {
				yield("", err)
				return
			}
			for _, key := range keys {
				if !yield(key, nil) {
					return
				}
			}
			if len(keys) < keysBatch {
				return
			}
			last = keys[len(keys)-1]
		}
	}
}

// keysAfter returns at most keysBatch keys that follow last.
func (db *DB) keysAfter(ctx context.Context, last string) (keys []string, err error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	err = guarded(func() error {
		return db.bolt.View(func(tx *bbolt.Tx) error {
			c := bucketsOf(tx).records.Cursor()
			for k, _ := c.Seek([]byte(last)); k != nil && len(keys) < keysBatch; k, _ = c.Next() {
				if string(k) != last {
					keys = append(keys, string(k))
				}
			}
			return nil
		})
	})
	return keys, failed("keys", err)
}

// Close waits for the Saves that have begun, and closes the file. Afterwards every method
// returns an error that Is [ErrClosed]; a lock that is held can still be released. Further
// calls do nothing. If a Save has found the file damaged, Close returns an error, and the
// file stays locked until the process ends.
func (db *DB) Close() error {
	db.mu.Lock()
	closed := db.closed
	db.closed = true
	db.mu.Unlock()
	if closed {
		return nil
	}
	db.writer.close()
	if db.writer.broken {
		// To close it could wait for ever. The lock ends with the process.
		return failed("close", errFile)
	}
	return failed("close", guarded(db.bolt.Close))
}

func (db *DB) isClosed() bool {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.closed
}

func (db *DB) takeNotices() []error {
	db.mu.Lock()
	defer db.mu.Unlock()
	notices := db.notices
	db.notices = nil
	return notices
}
