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

// table stands for what keeps the records: a database, say, in which a session is a
// row with a version that no row before had.
type table struct {
	mu       sync.Mutex
	sequence int // the last version given
	version  int // of the row; 0 while there is none
	data     []byte
}

// row is a store of one's own: it remembers which version it has seen, and
// replaces no other one. It has no lock.
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
	r.table.mu.Lock() // UPDATE … WHERE id = ? AND version = ?, or INSERT when none was seen
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

// The whole test of a store of one's own.
func ExampleRun() {
	_ = func(t *testing.T) { // func TestRow(t *testing.T) {
		storetest.Run(t, func(testing.TB) storetest.Opener {
			var empty table // each check has a record of its own
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
