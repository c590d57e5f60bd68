package tokensource_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/tokensource"
)

func TestStoreSave_RefillsAnEmptiedStore(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		shelf.put("")
		require.NoError(t, r.src.Sync(t.Context()))
		r.want("a1")
		assert.Equal(t, "a1 r1", shelf.pair())
		shelf.put("")
		r.clock.Advance(access)
		r.want("a2")
		assert.Equal(t, "a2 r2", shelf.pair())
		assert.InDelta(t, 4, shelf.field("generation"), 0)
	})
}

func TestStoreSave_AdoptsARecordThatWasSavedWithoutTheLock(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.gw.Refreshes.Do(func() error {
			shelf.rotate(t, "theirs", r.clock.Now().Add(access))
			return nil
		})
		r.clock.Advance(access)
		r.want("theirs") // read and adopted, not overwritten
		assert.Equal(t, "theirs r-theirs", shelf.pair())
	})
}

func TestStoreSave_AnUnsavedRefreshIsReplacedByANewerRecord(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.gw.Refreshes.Do(func() error { shelf.fail(errAway); return nil })
		r.clock.Advance(access)
		r.want("a2")
		for range 3 {
			r.clock.Advance(time.Minute)
			r.want("a2")
		}
		require.GreaterOrEqual(t, r.events.count(tokensource.EventStoreFailed), 3)
		shelf.fail(nil)
		shelf.put(r.theirs(7)) // no wish of a human went before it
		r.clock.Advance(time.Minute)
		_, _ = r.ask()
		r.want("theirs")
		assert.Equal(t, "theirs r-theirs", shelf.pair())
		assert.Equal(t, 1, r.gw.Refreshes.Count())
	})
}

func TestStoreSave_ThatHangsIsGivenUp(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		shelf.saving.close()
		r.clock.Advance(access)
		collect := r.callers(t.Context(), 3)
		r.clock.Advance(5 * time.Second) // the note of the attempt is given up
		synctest.Wait()
		assert.Equal(t, 1, r.gw.Refreshes.Count())
		r.clock.Advance(5 * time.Second) // and the save
		for _, a := range collect() {
			assert.Equal(t, answer{token: "a2"}, a)
		}
		shelf.saving.open()
		r.clock.Advance(time.Minute)
		r.want("a2")
		assert.Equal(t, "a2 r2", shelf.pair())
	})
}

func TestStoreSave_ASpentPairIsNotAdopted(t *testing.T) {
	t.Run("stored by a note of ours that went unanswered", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			shelf.fail(errAway)
			require.ErrorIs(t, r.setToken()(t.Context()), errAway)
			shelf.fail(nil)
			shelf.lost = true
			r.gw.Refreshes.Do(func() error {
				require.Equal(t, "a2 r2", shelf.pair(), "the note took effect")
				shelf.lost = false
				shelf.fail(errAway)
				return nil
			})
			r.clock.Advance(access)
			r.want("a3")
			shelf.fail(nil)
			r.clock.Advance(2 * time.Second)
			r.want("a3")
			assert.Equal(t, "a3 r3", shelf.pair(), "the only pair that is good was given up for the one it was got for")
			assert.Equal(t, []string{"r2"}, r.gw.presented())
		})
	})
	t.Run("stored anew by somebody without our lock, who does not know", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			r.gw.Refreshes.Do(func() error {
				shelf.edit(t, func(f map[string]any) { f["generation"] = 7 })
				return nil
			})
			r.clock.Advance(access)
			r.want("a2")
			assert.Equal(t, "a2 r2", shelf.pair())
			assert.Equal(t, []string{"r1"}, r.gw.presented())
		})
	})
}
