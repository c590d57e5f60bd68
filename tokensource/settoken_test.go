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
	scenario(t, nil, func(t *testing.T, f *fixture) {
		collect := f.holdRefresh(2)
		require.NoError(t, f.src.SetToken(t.Context(), f.gw.signOn()))
		for _, a := range collect() {
			assert.Equal(t, answer{token: "a2"}, a, "waiters get the new token")
		}
		f.gw.Refreshes.Release()
		synctest.Wait()
		f.want("a2") // a3, the answer to the superseded refresh, is not used
		assert.Equal(t, 3, f.gw.granted)
		assert.Equal(t, 1, f.events.count(tokensource.EventTokenSet))
		assert.Zero(t, f.events.count(tokensource.EventRefreshed))
	})
}

func TestSetToken_KeepsTheDevice(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		given := f.gw.signOn()
		given.ClientID, given.AccountID = "", ""
		require.NoError(t, f.src.SetToken(t.Context(), given))
		st := f.src.Status()
		assert.Equal(t, []string{"PUB_989", "1663"}, []string{st.ClientID, st.AccountID})
		require.Error(t, f.src.SetToken(t.Context(), nil))
		require.Error(t, f.src.SetToken(t.Context(), &ags.Token{}))
		f.want("a2")
	})
}

func TestSetToken_IsSavedAsANewGeneration(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.rotate(t, "theirs", f.clock.Now().Add(access))
		require.NoError(t, f.src.SetToken(t.Context(), f.gw.signOn()))
		assert.Equal(t, "a2 r2", fake.pair(), "an explicit SetToken overwrites a newer record")
		assert.InDelta(t, 3, fake.field("generation"), 0)
		f.want("a2")
	})
}

func TestSetToken_IsUsedEvenIfItCannotBeSaved(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		full := errors.New("no space left on device")
		fake.failSaves(full)
		f.clock.Advance(time.Minute)
		assert.ErrorIs(t, f.src.SetToken(t.Context(), f.gw.signOn()), full)
		f.want("a2")
		fake.failSaves(nil)
		fake.rotate(t, "theirs", f.clock.Now().Add(access))
		f.clock.Advance(2 * time.Second)
		f.want("a2")
		f.want("a2")
		assert.Equal(t, "a2 r2", fake.pair())
	})
}

func TestSetToken_IsNotReplacedBeforeItIsSaved(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.failSaves(errUnreachable)
		require.ErrorIs(t, f.setToken()(t.Context()), errUnreachable)
		f.gw.Refreshes.Do(func() error {
			fake.failSaves(nil)
			fake.rotate(t, "theirs", f.clock.Now().Add(access)) // another process, without the lock
			return nil
		})
		f.clock.Advance(access)
		f.want("a3") // a2 and a3 are not replaced by the other record
		assert.Equal(t, "a3 r3", fake.pair())
		assert.Equal(t, []string{"r2"}, f.gw.presented())
	})
}

func TestSetToken_OverwritesNothingOnceItHasEnded(t *testing.T) {
	t.Run("rejected", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			fake.failSaves(errUnreachable)
			require.ErrorIs(t, f.setToken()(t.Context()), errUnreachable)
			f.gw.Refreshes.Do(func() error {
				fake.failSaves(nil)
				fake.replace(f.otherSession(7))
				return errUnauthorized
			})
			f.clock.Advance(access)
			f.want("theirs")
			assert.Equal(t, "theirs r-theirs", fake.pair())
			assert.Equal(t, []string{"r2"}, f.gw.presented())
		})
	})
	t.Run("expired", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			fake.failSaves(errUnreachable)
			require.ErrorIs(t, f.setToken()(t.Context()), errUnreachable)
			f.clock.Advance(sliding)
			fake.failSaves(nil)
			fake.replace(f.otherSession(7))
			_, _ = f.ask()
			f.want("theirs")
			assert.Equal(t, "theirs r-theirs", fake.pair())
			assert.Zero(t, f.gw.Refreshes.Count())
		})
	})
}

func TestSetToken_TheSessionThatItReplacedIsNotAdoptedAgain(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		fake.lost = true
		f.want("a1") // saved, but the answer is lost
		require.Equal(t, "a1 r1", fake.pair())
		fake.lost = false
		fake.failSaves(errUnreachable)
		require.ErrorIs(t, f.src.SignOut(t.Context()), errUnreachable)
		require.ErrorIs(t, f.setToken()(t.Context()), errUnreachable)
		f.gw.Refreshes.Fail(errUnauthorized)
		f.clock.Advance(access)
		f.wantEnded(tokensource.RefreshRejected)
		assert.Equal(t, []string{"r2"}, f.gw.presented())
		assert.Zero(t, f.events.count(tokensource.EventAdopted))
	})
}
