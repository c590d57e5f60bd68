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

// togetherChecks are about many who use one record at once.
func togetherChecks() []check {
	return []check{
		{name: "NoUpdateIsLostBySave", run: noUpdateIsLostBySave},
		{name: "NoUpdateIsLostUnderLock", run: noUpdateIsLostUnderLock, needs: needLock},
		{name: "OneOfManyCreates", run: oneOfManyCreates},
		{name: "ManyGoroutinesOfOneValue", run: manyGoroutinesOfOneValue},
		{name: "ReadersSeeWholeRecords", run: readersSeeWholeRecords},
	}
}

// What the checks together count to.
const (
	users = 4
	turns = 5
)

// increment adds one to the number that is stored, unless somebody else comes
// between.
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

// each runs use for each of some users at once, with a store of its own.
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

// linger gives others the chance to come between.
func linger() {
	for range 100 {
		runtime.Gosched()
	}
}

func noUpdateIsLostBySave(t *testing.T, open Opener) {
	t.Helper()
	each(open, func(s Store) {
		for done := 0; done < turns; {
			switch err := increment(t.Context(), s); {
			case err == nil:
				done++
			case !errors.Is(err, fs.ErrExist):
				t.Error(err)
				return
			}
		}
	})
	assert.Equal(t, strconv.Itoa(users*turns), load(t, open()))
}

func noUpdateIsLostUnderLock(t *testing.T, open Opener) {
	t.Helper()
	var inside atomic.Int32
	each(open, func(s Store) {
		for range turns {
			unlock, err := s.(Locker).Lock(t.Context())
			if !assert.NoError(t, err) {
				return
			}
			assert.EqualValues(t, 1, inside.Add(1), "at most one holds the lock")
			linger()
			assert.NoError(t, increment(t.Context(), s), "nobody comes between")
			inside.Add(-1)
			assert.NoError(t, unlock())
		}
	})
	assert.Equal(t, strconv.Itoa(users*turns), load(t, open()))
}

func oneOfManyCreates(t *testing.T, open Opener) {
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

// A value's goroutines count as one user: none is refused, and each sees whole
// records.
func manyGoroutinesOfOneValue(t *testing.T, open Opener) {
	t.Helper()
	s := open()
	save(t, s, "0")
	var wg sync.WaitGroup
	for range users {
		wg.Go(func() {
			for i := range turns {
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

// saves is how many records readers see go by.
const saves = 60

// Whoever loads while others are saved sees one record or another, never a part of
// one, and never none.
func readersSeeWholeRecords(t *testing.T, open Opener) {
	t.Helper()
	records, saved := []string{}, map[string]bool{}
	for n := range 26 {
		record := strings.Repeat(string(rune('a'+n)), n*7919%9973+1)
		records, saved[record] = append(records, record), true
	}
	s := open()
	save(t, s, records[0])

	var over atomic.Bool
	var readers sync.WaitGroup
	begun := make(chan struct{}, 2)
	for range cap(begun) {
		reader := open()
		readers.Go(func() {
			for first := true; first || !over.Load(); first = false {
				data, err := reader.Load(t.Context())
				if first {
					begun <- struct{}{}
				}
				if !assert.NoError(t, err) || !assert.True(t, saved[string(data)], "%d bytes that nobody saved", len(data)) {
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
	over.Store(true)
	readers.Wait()
}
