package boltstore

import (
	"context"

	"go.etcd.io/bbolt"
)

// Decode, Encode and HeaderSize are decode, encode and headerSize.
var (
	Decode = decode
	Encode = encode
)

const HeaderSize = headerSize

// WithMaxSize returns options that limit the size of the file.
func WithMaxSize(size int) Options { return Options{maxSize: size} }

// Transactions returns how many transactions have changed the file.
func (db *DB) Transactions() (id int) {
	_ = db.bolt.View(func(tx *bbolt.Tx) error { id = tx.ID(); return nil })
	return id
}

// Hold calls f in a transaction of the writer: what is saved meanwhile waits for the next
// one.
func (db *DB) Hold(ctx context.Context, f func()) {
	_ = db.writer.do(ctx, &change{apply: func(buckets, uint64) (refusal, err error) { f(); return errUnchanged, nil }})
}

// Replace replaces a value, and Value returns it, as they are in the file.
func (db *DB) Replace(key string, value []byte) error {
	return db.bolt.Update(func(tx *bbolt.Tx) error { return bucketsOf(tx).records.Put([]byte(key), value) })
}

// Aside returns what was set aside.
func (db *DB) Aside() (all map[string]string) {
	all = map[string]string{}
	_ = db.bolt.View(func(tx *bbolt.Tx) error {
		return bucketsOf(tx).aside.ForEach(func(k, v []byte) error { all[string(k)] = string(v); return nil })
	})
	return all
}
