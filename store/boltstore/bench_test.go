package boltstore_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store/boltstore"
)

func BenchmarkDB_Store(b *testing.B) {
	db := openDB(b)
	var kept *boltstore.Store
	for b.Loop() {
		kept = db.Store("customer-1")
	}
	runtime.KeepAlive(kept)
}

// Saves of 64 sessions at once for each processor.
func BenchmarkStore_Save(b *testing.B) {
	db, record := openDB(b), []byte(strings.Repeat("r", 2500))
	first := db.Transactions()
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		s := db.Store(fmt.Sprintf("%p", pb))
		for pb.Next() {
			if err := s.Save(b.Context(), record); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/float64(db.Transactions()-first), "Saves/transaction")
}

// A restart with 20,000 sessions: open, and load each.
func BenchmarkOpen(b *testing.B) {
	const sessions = 20_000
	path, record := filepath.Join(b.TempDir(), "sessions.db"), []byte(strings.Repeat("r", 2500))
	db := openAt(b, path)
	saved := make(chan error)
	for i := range sessions {
		go func() { saved <- db.Store(fmt.Sprint(i)).Save(b.Context(), record) }()
	}
	for range sessions {
		require.NoError(b, <-saved)
	}
	require.NoError(b, db.Close())
	for b.Loop() {
		db, err := boltstore.Open(path, boltstore.Options{})
		require.NoError(b, err)
		for key, err := range db.Keys(b.Context()) {
			require.NoError(b, err)
			_, err := db.Store(key).Load(b.Context())
			require.NoError(b, err)
		}
		require.NoError(b, db.Close())
	}
	b.ReportMetric(float64(sessions*b.N)/b.Elapsed().Seconds(), "records/s")
}
