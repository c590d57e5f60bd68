package storetest

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// concurrentChecks test concurrent users of one record.
func concurrentChecks() []check {
	return []check{
		{name: "ConcurrentSaves", run: concurrentSaves},
		{name: "ConcurrentLocks", run: concurrentLocks, needs: requireLock},
		{name: "ConcurrentCreates", run: concurrentCreates},
		{name: "ConcurrentUseOfOneValue", run: concurrentUseOfOneValue},
		{name: "LoadDuringSaves", run: loadDuringSaves},
	}
}

const (
	users  = 4 // concurrent users
	rounds = 5 // increments by each of them
)

// increment adds one to the stored number, or returns a conflict.
func increment(ctx context.Context, s Store) error {
	n := 0
	data, err := s.Load(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		if n, err = strconv.Atoi(string(data)); err != nil {
			return err
		}
	}
	return s.Save(ctx, []byte(strconv.Itoa(n+1)))
}

// each calls use for each user concurrently, with a store of its own.
func each(open Opener, use func(Store)) {
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for range users {
		s := open()
		wg.Go(func() { <-begin; use(s) })
	}
	close(begin)
	wg.Wait()
}

// yield lets other goroutines run.
func yield() {
	for range 100 {
		runtime.Gosched()
	}
}

func concurrentSaves(t *testing.T, open Opener) {
	t.Helper()
	each(open, func(s Store) {
		for done := 0; done < rounds; {
			switch err := increment(t.Context(), s); {
			case err == nil:
				done++
			case !errors.Is(err, fs.ErrExist):
				t.Error(err)
				return
			}
		}
	})
	assert.Equal(t, strconv.Itoa(users*rounds), load(t, open()))
}

func concurrentLocks(t *testing.T, open Opener) {
	t.Helper()
	var inside atomic.Int32
	each(open, func(s Store) {
		for range rounds {
			unlock, err := s.(Locker).Lock(t.Context())
			if !assert.NoError(t, err) {
				return
			}
			assert.EqualValues(t, 1, inside.Add(1), "at most one user holds the lock")
			yield()
			assert.NoError(t, increment(t.Context(), s), "no other user saves under the lock")
			inside.Add(-1)
			assert.NoError(t, unlock())
		}
	})
	assert.Equal(t, strconv.Itoa(users*rounds), load(t, open()))
}

func concurrentCreates(t *testing.T, open Opener) {
	t.Helper()
	var created, refused atomic.Int32
	each(open, func(s Store) {
		switch err := s.Save(t.Context(), []byte("record-one")); {
		case err == nil:
			created.Add(1)
		case errors.Is(err, fs.ErrExist):
			refused.Add(1)
		default:
			t.Error(err)
		}
	})
	assert.EqualValues(t, 1, created.Load())
	assert.EqualValues(t, users-1, refused.Load())
}

// The goroutines that use one value cause no conflicts.
func concurrentUseOfOneValue(t *testing.T, open Opener) {
	t.Helper()
	s := open()
	save(t, s, "0")
	var wg sync.WaitGroup
	for range users {
		wg.Go(func() {
			for i := range rounds {
				assert.NoError(t, s.Save(t.Context(), []byte(strconv.Itoa(i))))
				data, err := s.Load(t.Context())
				assert.NoError(t, err)
				_, err = strconv.Atoi(string(data))
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, load(t, s), load(t, open()))
}

// saves is the number of Saves during loadDuringSaves.
const saves = 60

// A Load during Saves returns a complete record.
func loadDuringSaves(t *testing.T, open Opener) {
	t.Helper()
	records, saved := []string{}, map[string]bool{}
	for n := range 26 {
		record := strings.Repeat(string(rune('a'+n)), n*7919%9973+1)
		records, saved[record] = append(records, record), true
	}
	s := open()
	save(t, s, records[0])

	var done atomic.Bool
	var readers sync.WaitGroup
	begun := make(chan struct{}, 2)
	for range cap(begun) {
		reader := open()
		readers.Go(func() {
			for first := true; first || !done.Load(); first = false {
				data, err := reader.Load(t.Context())
				if first {
					begun <- struct{}{}
				}
				if !assert.NoError(t, err) || !assert.True(t, saved[string(data)], "%d bytes that were never saved", len(data)) {
					return
				}
			}
		})
	}
	for range cap(begun) {
		<-begun
	}
	for n := range saves {
		save(t, s, records[n%len(records)])
	}
	done.Store(true)
	readers.Wait()
}
