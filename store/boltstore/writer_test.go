package boltstore_test

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store/boltstore"
)

// Saves that come together share a transaction, and a thousand need a few.
func TestStore_SavesAreGrouped(t *testing.T) {
	const saves = 1000
	db := openDB(t)
	before := db.Transactions()
	var all, begun sync.WaitGroup
	db.Hold(t.Context(), func() {
		for i := range saves {
			begun.Add(1)
			all.Go(func() {
				begun.Done()
				assert.NoError(t, db.Store(fmt.Sprint(i)).Save(t.Context(), []byte("record")))
			})
		}
		begun.Wait()
	})
	all.Wait()
	transactions := db.Transactions() - before
	t.Logf("%d Saves in %d transactions", saves, transactions)
	assert.Less(t, transactions, saves/4)
	assert.Len(t, keys(t, db), saves)
}

// Large records do not all share one transaction, which is in memory.
func TestStore_LargeRecords(t *testing.T) {
	db := openDB(t)
	record := strings.Repeat("r", 1<<20)
	var all sync.WaitGroup
	db.Hold(t.Context(), func() {
		for i := range 40 {
			all.Go(func() { assert.NoError(t, db.Store(fmt.Sprint(i)).Save(t.Context(), []byte(record))) })
		}
	})
	all.Wait()
	for i := range 40 {
		assert.Equal(t, record, load(t, db.Store(fmt.Sprint(i))))
	}
	assertStoreError(t, "save", db.Store("larger").Save(t.Context(), []byte(record+"r")))
}

// A conflict does not prevent the other Saves of its transaction.
func TestStore_ConflictInAGroup(t *testing.T) {
	db := openDB(t)
	save(t, db.Store("session"), "record-one")
	results := make(chan error, 100)
	var all sync.WaitGroup
	db.Hold(t.Context(), func() {
		for i := range 100 {
			key := fmt.Sprint(i)
			if i%10 == 0 {
				key = "session"
			}
			all.Go(func() { results <- db.Store(key).Save(t.Context(), []byte("record")) })
		}
	})
	all.Wait()
	close(results)
	conflicts := 0
	for err := range results {
		if err != nil {
			require.ErrorIs(t, err, fs.ErrExist)
			conflicts++
		}
	}
	assert.Equal(t, 10, conflicts)
	assert.Equal(t, "record-one", load(t, db.Store("session")))
	assert.Len(t, keys(t, db), 91)
}

// A Save whose context ends before its transaction begins changes nothing.
func TestStore_SaveIsWithdrawn(t *testing.T) {
	db := openDB(t)
	s := db.Store("session")
	save(t, s, "record-one")
	db.Hold(t.Context(), func() {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, errCause)
		defer cancel()
		assert.Equal(t, errCause, s.Save(ctx, []byte("record-two")))
		assert.Equal(t, errCause, s.Delete(ctx))
	})
	assert.Equal(t, "record-one", load(t, db.Store("session")))
	save(t, s, "record-three")
	assert.Equal(t, "record-three", load(t, db.Store("session")))
}

// Of what comes while Close waits, all is saved or refused.
func TestDB_CloseWhileSaving(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	db := openAt(t, path)
	saved := make(chan string, 200)
	var all sync.WaitGroup
	for i := range cap(saved) {
		all.Go(func() {
			key := fmt.Sprint(i)
			if err := db.Store(key).Save(t.Context(), []byte("record")); err == nil {
				saved <- key
			} else {
				assert.ErrorIs(t, err, boltstore.ErrClosed)
			}
		})
	}
	saved <- <-saved // the first one
	require.NoError(t, db.Close())
	all.Wait()
	close(saved)
	var want []string
	for key := range saved {
		want = append(want, key)
	}
	assert.ElementsMatch(t, want, keys(t, openAt(t, path)))
}
