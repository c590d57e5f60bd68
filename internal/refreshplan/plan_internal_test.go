package refreshplan

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// owedBySimulation finds by trial how many must be refreshed in this second, so that
// afterwards, one second after the other and the earliest first, none is too late.
func owedBySimulation(counts map[int64]int, now, latest int64, perSecond int) int {
	for owed := 0; ; owed++ {
		if isInTime(counts, now, latest, perSecond, owed) {
			return owed
		}
	}
}

func isInTime(counts map[int64]int, now, latest int64, perSecond, first int) bool {
	done, due := first, 0
	for s := now; s <= latest; s++ {
		due += counts[s]
		if s <= now+1 {
			if due > first {
				return false // these have only this second
			}
			continue
		}
		done += perSecond
		if due > done {
			return false
		}
	}
	return true
}

func TestPlan_OwesWhatWouldNotFitLater(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		var p Plan
		counts, latest := map[int64]int{}, int64(1+r.IntN(60))
		p.Advance(1)
		for range r.IntN(200) {
			s := 1 + r.Int64N(latest)
			if r.IntN(2) == 0 {
				s = latest // a cohort
			}
			require.Equal(t, s, p.Add(s))
			counts[s]++
		}
		perSecond := 1 + r.IntN(5)
		require.Equal(t, owedBySimulation(counts, 1, latest, perSecond), p.Owed(float64(perSecond)), "seed %d", seed)
	}
}

func TestPlan_CountsWhatIsOverdue(t *testing.T) {
	var p Plan
	p.Advance(10)
	assert.Zero(t, p.Owed(1))
	early, late := p.Add(5), p.Add(100)
	assert.Equal(t, []int64{10, 100}, []int64{early, late}, "what is past is planned for now")
	assert.Zero(t, p.Add(0))
	assert.Zero(t, p.Add(10+horizon), "too far away to matter")
	p.Advance(50)
	assert.Equal(t, 1, p.Owed(1))
	p.Remove(early)
	assert.Equal(t, 0, p.Owed(1))
	p.Advance(101)
	assert.Equal(t, 1, p.Owed(1))
	p.Remove(late)
	p.Remove(0)
	assert.Equal(t, 0, p.Owed(1))
	p.Advance(1_000_000_000) // returns at once, because nothing is planned
	again := p.Add(1_000_000_007)
	assert.Zero(t, p.Owed(1))
	p.Remove(again)
}

// Long spans in which nothing is planned make no difference.
func TestPlan_PassesOverEmptyBlocks(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 3))
		var p Plan
		now := 1 + r.Int64N(3*horizon)
		p.Advance(now)
		counts, latest, perSecond := map[int64]int{}, now, 1+r.IntN(3)
		for range 1 + r.IntN(3) {
			second, n := now+r.Int64N(8*block), r.IntN(4*block*perSecond)
			for range n {
				p.Add(second)
			}
			counts[second], latest = counts[second]+n, max(latest, second)
		}
		owed := p.Owed(float64(perSecond))
		require.True(t, isInTime(counts, now, latest, perSecond, owed), "seed %d", seed)
		require.False(t, isInTime(counts, now, latest, perSecond, owed-1), "seed %d", seed)
		p.Advance(latest + 1)
		require.Equal(t, total(counts), p.Owed(1), "all are overdue")
	}
}

func total(counts map[int64]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}
