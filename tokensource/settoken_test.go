package tokensource_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

func TestSetToken_AnswersWaitersAndSupersedesARefresh(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.Refreshes.Hold()
		r.clock.Advance(access)
		collect := r.callers(t.Context(), 2)
		require.NoError(t, r.src.SetToken(t.Context(), r.gw.signOn()))
		for _, a := range collect() {
			assert.Equal(t, answer{token: "a2"}, a, "those who wait are served the new one")
		}
		r.gw.Refreshes.Release()
		synctest.Wait()
		r.want("a2") // the answer to the former session's refresh, a3, is not used
		assert.Equal(t, 3, r.gw.granted)
		assert.Equal(t, 1, r.events.count(tokensource.EventTokenSet))
		assert.Zero(t, r.events.count(tokensource.EventRefreshed))
	})
}

func TestSetToken_KeepsTheDevice(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		given := r.gw.signOn()
		given.ClientID, given.AccountID = "", ""
		require.NoError(t, r.src.SetToken(t.Context(), given))
		st := r.src.Status()
		assert.Equal(t, []string{"PUB_989", "1663"}, []string{st.ClientID, st.AccountID})
		require.Error(t, r.src.SetToken(t.Context(), nil))
		require.Error(t, r.src.SetToken(t.Context(), &ags.Token{}))
		r.want("a2")
	})
}

func TestSetToken_IsSavedAsANewGeneration(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		shelf.rotate(t, "theirs", r.clock.Now().Add(access))
		require.NoError(t, r.src.SetToken(t.Context(), r.gw.signOn()))
		assert.Equal(t, "a2 r2", shelf.pair(), "a human's wish goes over what others stored")
		assert.InDelta(t, 3, shelf.field("generation"), 0)
		r.want("a2")
	})
}

func TestSetToken_IsUsedEvenIfItCannotBeSaved(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		full := errors.New("no space left on device")
		shelf.fail(full)
		r.clock.Advance(time.Minute)
		assert.ErrorIs(t, r.src.SetToken(t.Context(), r.gw.signOn()), full)
		r.want("a2")
		shelf.fail(nil)
		shelf.rotate(t, "theirs", r.clock.Now().Add(access))
		r.clock.Advance(2 * time.Second)
		r.want("a2")
		r.want("a2")
		assert.Equal(t, "a2 r2", shelf.pair())
	})
}

func TestSetToken_IsNotReplacedBeforeItIsSaved(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		shelf.fail(errAway)
		require.ErrorIs(t, r.setToken()(t.Context()), errAway)
		r.gw.Refreshes.Do(func() error {
			shelf.fail(nil)
			shelf.rotate(t, "theirs", r.clock.Now().Add(access)) // somebody without our lock
			return nil
		})
		r.clock.Advance(access)
		r.want("a3") // neither before nor after its first refresh
		assert.Equal(t, "a3 r3", shelf.pair())
		assert.Equal(t, []string{"r2"}, r.gw.presented())
	})
}

func TestSetToken_OverwritesNothingOnceItHasEnded(t *testing.T) {
	t.Run("rejected", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			shelf.fail(errAway)
			require.ErrorIs(t, r.setToken()(t.Context()), errAway)
			r.gw.Refreshes.Do(func() error {
				shelf.fail(nil)
				shelf.put(r.theirs(7))
				return errUnauthorized
			})
			r.clock.Advance(access)
			r.want("theirs")
			assert.Equal(t, "theirs r-theirs", shelf.pair())
			assert.Equal(t, []string{"r2"}, r.gw.presented())
		})
	})
	t.Run("over by time", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			shelf.fail(errAway)
			require.ErrorIs(t, r.setToken()(t.Context()), errAway)
			r.clock.Advance(sliding)
			shelf.fail(nil)
			shelf.put(r.theirs(7))
			_, _ = r.ask()
			r.want("theirs")
			assert.Equal(t, "theirs r-theirs", shelf.pair())
			assert.Zero(t, r.gw.Refreshes.Count())
		})
	})
}

func TestSetToken_TheSessionThatItReplacedIsNotAdoptedAgain(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		shelf.lost = true
		r.want("a1") // stored, though we do not know
		require.Equal(t, "a1 r1", shelf.pair())
		shelf.lost = false
		shelf.fail(errAway)
		require.ErrorIs(t, r.src.SignOut(t.Context()), errAway)
		require.ErrorIs(t, r.setToken()(t.Context()), errAway)
		r.gw.Refreshes.Fail(errUnauthorized)
		r.clock.Advance(access)
		r.wantEnded(tokensource.RefreshRejected)
		assert.Equal(t, []string{"r2"}, r.gw.presented())
		assert.Zero(t, r.events.count(tokensource.EventAdopted))
	})
}
