package main

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func first(n int, seed uint64) []fault {
	return firstOf(newSchedule(seed, kinds()), n)
}

func firstOf(s *schedule, n int) []fault {
	var faults []fault
	for range n {
		faults = append(faults, s.next())
	}
	return faults
}

func TestSchedule_FollowsFromItsSeed(t *testing.T) {
	assert.Equal(t, first(100, 7), first(100, 7))
	assert.NotEqual(t, first(100, 7), first(100, 8))
}

func TestSchedule_EveryKindComesBeforeAnyComesAgain(t *testing.T) {
	n := len(kinds())
	faults := first(3*n, 1)
	for round := range 3 {
		var met []kind
		for _, a := range faults[round*n : (round+1)*n] {
			met = append(met, a.kind)
		}
		assert.ElementsMatch(t, kinds(), met)
	}
}

func TestSchedule_OfSomeKindsOnly(t *testing.T) {
	for _, c := range groupConfigs(time.Hour) {
		ends := slices.ContainsFunc(firstOf(newSchedule(1, c.kinds), 100), func(a fault) bool { return a.kind.endsSessions() })
		assert.Equal(t, c.name == "ending", ends, c.name)
	}
	assert.Len(t, kinds(), len(groupConfigs(time.Hour)[1].kinds)+2, "a groupConfig has kinds of its own")
}

func TestSchedule_StaysWithinBounds(t *testing.T) {
	longest := 0
	for _, a := range first(2000, 3) {
		assert.Positive(t, a.gap)
		assert.LessOrEqual(t, a.gap, 2*time.Second)
		assert.LessOrEqual(t, a.span, 8*time.Second)
		assert.Less(t, a.jump.Abs(), refreshLifetime, "a session that is dead by every clock has ended")
		assert.Contains(t, []int{0, 1, 2, 3}, a.replica)
		if a.kind == tooMany {
			assert.Zero(t, a.span%time.Second, "the wire has all seconds")
		}
		if a.kind == outage && a.span > accessLifetime {
			longest++
		}
	}
	assert.Positive(t, longest, "some outages outlive a token")
	assert.True(t, slices.ContainsFunc(first(100, 3), func(a fault) bool { return a.jump < 0 }))
}
