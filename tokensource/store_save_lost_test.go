package tokensource_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStoreSave_OfSetTokenWithALostAnswer(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		shelf.lost = true
		require.ErrorIs(t, r.setToken()(t.Context()), errAway)
		require.Equal(t, "a2 r2", shelf.pair())
		shelf.lost = false
		shelf.rotate(t, "theirs", start.Add(2*access))
		r.clock.Advance(access)
		r.want("theirs")
		assert.Empty(t, r.gw.presented(), "r2 is spent: a neighbour has refreshed it")
		assert.Equal(t, "theirs r-theirs", shelf.pair(), "the only pair that is good was overwritten with a spent one")
	})
}

func TestStoreSave_OfTheConfigTokenWithALostAnswer(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		shelf.lost = true
		r.want("a1")
		require.Equal(t, "a1 r1", shelf.pair())
		shelf.lost = false
		shelf.rotate(t, "theirs", start.Add(2*access))
		r.clock.Advance(access)
		r.want("theirs")
		assert.Empty(t, r.gw.presented())
	})
}

func TestStoreSave_OfARefreshWithALostAnswer(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		shelf.lost = true
		r.clock.Advance(access)
		r.want("a2")
		require.Equal(t, "a2 r2", shelf.pair())
		shelf.lost = false
		shelf.rotate(t, "theirs", start.Add(3*access))
		r.clock.Advance(access)
		r.want("theirs")
		assert.Equal(t, []string{"r1"}, r.gw.presented())
	})
}

func TestStoreSave_AGenerationIsNotUsedTwice(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		shelf.fail(errAway)
		require.ErrorIs(t, r.setToken()(t.Context()), errAway)
		shelf.fail(nil)
		shelf.lost = true // the note of the attempt is stored, unanswered, with the pair
		var noted any
		r.gw.Refreshes.Do(func() error {
			require.Equal(t, "a2 r2", shelf.pair())
			noted, shelf.lost = shelf.field("generation"), false
			return nil
		})
		r.clock.Advance(access)
		r.want("a3")
		require.Equal(t, "a3 r3", shelf.pair())
		assert.Greater(t, shelf.field("generation"), noted, "or a neighbour that has adopted a2 r2 takes a3 r3 for no news")
	})
}
