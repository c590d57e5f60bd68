package pool

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// A program may hold very many entries.
func TestEntry_IsSmall(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the sizes are those of 64 bits")
	}
	require.LessOrEqual(t, unsafe.Sizeof(entry{}), uintptr(80))
}

// The queue agrees with a sorted slice, whatever is added, moved and removed.
func TestQueue_IsSorted(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 1))
		q := queue{position: func(e *entry) *int32 { return &e.due }}
		entries := make([]*entry, 40)
		for i := range entries {
			entries[i] = &entry{}
		}
		want := map[*entry]int64{}
		for range 500 {
			e := entries[r.IntN(len(entries))]
			if r.IntN(3) == 0 {
				q.remove(e)
				delete(want, e)
			} else {
				at := r.Int64N(20)
				q.set(e, at)
				want[e] = at
			}
			require.Equal(t, len(want), q.len())
			at, top := q.top()
			if len(want) == 0 {
				require.Nil(t, top)
				continue
			}
			require.Equal(t, want[top], at)
			for _, other := range want {
				require.LessOrEqual(t, at, other)
			}
		}
		var drained []int64
		for q.len() > 0 {
			at, e := q.top()
			require.Equal(t, want[e], at)
			drained = append(drained, at)
			q.remove(e)
			require.Zero(t, e.due)
		}
		require.True(t, slices.IsSorted(drained))
		require.Len(t, drained, len(want))
	}
}
