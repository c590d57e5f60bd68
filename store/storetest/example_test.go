package storetest_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"sync"
	"testing"

	"github.com/agsauth/agsauth/store/storetest"
)

// table simulates a database table, in which each version of a session has a new number.
type table struct {
	mu       sync.Mutex
	sequence int // the last version
	version  int // of the row, 0 for none
	data     []byte
}

// row is a store in a database table. It replaces only the version that it has loaded or
// saved. It has no lock.
type row struct {
	table *table
	seen  int // 0 for none; guarded by table.mu
}

func (r *row) Load(ctx context.Context) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	r.table.mu.Lock() // SELECT version, data FROM sessions WHERE id = ?
	defer r.table.mu.Unlock()
	r.seen = r.table.version
	if r.seen == 0 {
		return nil, fmt.Errorf("row: load: nothing is stored: %w", fs.ErrNotExist)
	}
	return bytes.Clone(r.table.data), nil
}

func (r *row) Save(ctx context.Context, data []byte) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r.table.mu.Lock() // UPDATE … WHERE id = ? AND version = ?, or INSERT if seen is 0
	defer r.table.mu.Unlock()
	if r.seen != r.table.version {
		return fmt.Errorf("row: save: another record is stored: %w", fs.ErrExist)
	}
	r.table.sequence++
	r.table.version, r.table.data = r.table.sequence, bytes.Clone(data)
	r.seen = r.table.version
	return nil
}

func (r *row) Delete(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r.table.mu.Lock() // DELETE FROM sessions WHERE id = ?
	defer r.table.mu.Unlock()
	r.table.version, r.table.data, r.seen = 0, nil, 0
	return nil
}

// The complete test of a store.
func ExampleRun() {
	_ = func(t *testing.T) { // func TestRow(t *testing.T) {
		storetest.Run(t, func(testing.TB) storetest.Opener {
			var empty table // each check has its own record
			return func() storetest.Store { return &row{table: &empty} }
		})
	}
}

func TestRow(t *testing.T) {
	storetest.Run(t, func(testing.TB) storetest.Opener {
		var empty table
		return func() storetest.Store { return &row{table: &empty} }
	})
}
