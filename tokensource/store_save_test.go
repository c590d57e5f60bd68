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
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.replace("")
		require.NoError(t, f.src.Sync(t.Context()))
		f.want("a1")
		assert.Equal(t, "a1 r1", fake.pair())
		fake.replace("")
		f.clock.Advance(access)
		f.want("a2")
		assert.Equal(t, "a2 r2", fake.pair())
		assert.InDelta(t, 4, fake.field("generation"), 0)
	})
}

func TestStoreSave_AdoptsARecordThatWasSavedWithoutTheLock(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		f.gw.Refreshes.Do(func() error {
			fake.rotate(t, "theirs", f.clock.Now().Add(access))
			return nil
		})
		f.clock.Advance(access)
		f.want("theirs") // adopted, not overwritten
		assert.Equal(t, "theirs r-theirs", fake.pair())
	})
}

func TestStoreSave_AnUnsavedRefreshIsReplacedByANewerRecord(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		f.gw.Refreshes.Do(func() error { fake.failSaves(errUnreachable); return nil })
		f.clock.Advance(access)
		f.want("a2")
		for range 3 {
			f.clock.Advance(time.Minute)
			f.want("a2")
		}
		require.GreaterOrEqual(t, f.events.count(tokensource.EventStoreFailed), 3)
		fake.failSaves(nil)
		fake.replace(f.otherSession(7)) // the unsaved pair is not from SetToken
		f.clock.Advance(time.Minute)
		_, _ = f.ask()
		f.want("theirs")
		assert.Equal(t, "theirs r-theirs", fake.pair())
		assert.Equal(t, 1, f.gw.Refreshes.Count())
	})
}

func TestStoreSave_ThatHangsIsGivenUp(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.saving.hold()
		f.clock.Advance(access)
		collect := f.startCallers(t.Context(), 3)
		f.clock.Advance(5 * time.Second) // StoreTimeout ends the save of the attempt mark
		synctest.Wait()
		assert.Equal(t, 1, f.gw.Refreshes.Count())
		f.clock.Advance(5 * time.Second) // and the save of the pair
		wantAll(t, collect, "a2")
		fake.saving.release()
		f.clock.Advance(time.Minute)
		f.want("a2")
		assert.Equal(t, "a2 r2", fake.pair())
	})
}

func TestStoreSave_ASpentPairIsNotAdopted(t *testing.T) {
	t.Run("saved with an attempt mark whose answer was lost", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			fake.failSaves(errUnreachable)
			require.ErrorIs(t, f.setToken()(t.Context()), errUnreachable)
			fake.failSaves(nil)
			fake.lost = true
			f.gw.Refreshes.Do(func() error {
				require.Equal(t, "a2 r2", fake.pair(), "the mark was saved")
				fake.lost = false
				fake.failSaves(errUnreachable)
				return nil
			})
			f.clock.Advance(access)
			f.want("a3")
			fake.failSaves(nil)
			f.clock.Advance(2 * time.Second)
			f.want("a3")
			assert.Equal(t, "a3 r3", fake.pair(), "the only valid pair was replaced by the spent one")
			assert.Equal(t, []string{"r2"}, f.gw.presented())
		})
	})
	t.Run("saved again by another process without the lock", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			f.gw.Refreshes.Do(func() error {
				fake.edit(t, func(record map[string]any) { record["generation"] = 7 })
				return nil
			})
			f.clock.Advance(access)
			f.want("a2")
			assert.Equal(t, "a2 r2", fake.pair())
			assert.Equal(t, []string{"r1"}, f.gw.presented())
		})
	})
}

// Another process adopts and refreshes a pair whose save has taken effect, although its
// answer was lost.
func TestStoreSave_WithALostAnswer(t *testing.T) {
	for name, tt := range map[string]struct {
		pair      string
		presented []string
	}{
		"of SetToken":         {"a2 r2", nil},
		"of the Config token": {"a1 r1", nil},
		"of a refresh":        {"a2 r2", []string{"r1"}},
	} {
		t.Run(name, func(t *testing.T) {
			scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
				fake.lost = name == "of the Config token"
				f.want("a1")
				fake.lost = true
				switch name {
				case "of SetToken":
					require.ErrorIs(t, f.setToken()(t.Context()), errUnreachable)
				case "of a refresh":
					f.clock.Advance(access)
					f.want("a2")
				}
				require.Equal(t, tt.pair, fake.pair())
				fake.lost = false
				fake.rotate(t, "theirs", f.clock.Now().Add(2*access))
				f.clock.Advance(access)
				f.want("theirs")
				assert.Equal(t, tt.presented, f.gw.presented(), "the pair is spent: another process has refreshed it")
				assert.Equal(t, "theirs r-theirs", fake.pair(), "the only valid pair was overwritten by a spent one")
			})
		})
	}
}

func TestStoreSave_AGenerationIsNotUsedTwice(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.failSaves(errUnreachable)
		require.ErrorIs(t, f.setToken()(t.Context()), errUnreachable)
		fake.failSaves(nil)
		fake.lost = true // the attempt mark is saved with the pair, and the answer is lost
		var marked any
		f.gw.Refreshes.Do(func() error {
			require.Equal(t, "a2 r2", fake.pair())
			marked, fake.lost = fake.field("generation"), false
			return nil
		})
		f.clock.Advance(access)
		f.want("a3")
		require.Equal(t, "a3 r3", fake.pair())
		assert.Greater(t, fake.field("generation"), marked, "otherwise a process that has adopted a2 would not adopt a3")
	})
}
