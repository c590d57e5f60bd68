package tokensource_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStoreSave_OfSetTokenWithALostAnswer(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.lost = true
		require.ErrorIs(t, f.setToken()(t.Context()), errUnreachable)
		require.Equal(t, "a2 r2", fake.pair())
		fake.lost = false
		fake.rotate(t, "theirs", start.Add(2*access))
		f.clock.Advance(access)
		f.want("theirs")
		assert.Empty(t, f.gw.presented(), "r2 is spent: another process has refreshed it")
		assert.Equal(t, "theirs r-theirs", fake.pair(), "the only valid pair was overwritten by a spent one")
	})
}

func TestStoreSave_OfTheConfigTokenWithALostAnswer(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		fake.lost = true
		f.want("a1")
		require.Equal(t, "a1 r1", fake.pair())
		fake.lost = false
		fake.rotate(t, "theirs", start.Add(2*access))
		f.clock.Advance(access)
		f.want("theirs")
		assert.Empty(t, f.gw.presented())
	})
}

func TestStoreSave_OfARefreshWithALostAnswer(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.lost = true
		f.clock.Advance(access)
		f.want("a2")
		require.Equal(t, "a2 r2", fake.pair())
		fake.lost = false
		fake.rotate(t, "theirs", start.Add(3*access))
		f.clock.Advance(access)
		f.want("theirs")
		assert.Equal(t, []string{"r1"}, f.gw.presented())
	})
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
