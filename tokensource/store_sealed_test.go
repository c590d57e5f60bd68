package tokensource_test

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// vault is a record that is sealed, and the ways to it.
type sealedRecord struct {
	t       *testing.T
	inner   store.Memory
	loadErr error // of every Load of what open returns
}

// open returns a store of the record, as a process with these keys has it.
func (sealed *sealedRecord) open(keys ...byte) *store.Sealed {
	sealed.t.Helper()
	s := &store.Sealed{Store: &sealedRecordStore{sealed.inner.Peer(), sealed}, Name: "dave"}
	for _, n := range keys {
		key, err := store.NewKey(bytes.Repeat([]byte{n}, 32))
		require.NoError(sealed.t, err)
		s.Keys = append(s.Keys, key)
	}
	return s
}

// sealed returns the bytes that are stored.
func (sealed *sealedRecord) sealed() string {
	sealed.t.Helper()
	data, err := sealed.inner.Peer().Load(sealed.t.Context())
	require.NoError(sealed.t, err)
	return string(data)
}

// resealed seals the record with the first of some keys.
func (sealed *sealedRecord) reseal(keys ...byte) {
	sealed.t.Helper()
	s := sealed.open(keys...)
	data, err := s.Load(sealed.t.Context())
	require.NoError(sealed.t, err)
	require.NoError(sealed.t, s.Save(sealed.t.Context(), data))
}

type sealedRecordStore struct {
	*store.Memory
	record *sealedRecord
}

func (s *sealedRecordStore) Load(ctx context.Context) ([]byte, error) {
	if s.record.loadErr != nil {
		return nil, s.record.loadErr
	}
	return s.Memory.Load(ctx)
}

// atTheVault is a story with a Source that has key 1 and a Login, and that has
// stored the session it was handed.
func scenarioSealed(t *testing.T, body func(t *testing.T, f *fixture, sealed *sealedRecord)) {
	t.Helper()
	sealed := &sealedRecord{t: t}
	scenario(t, func(f *fixture, c *tokensource.Config) {
		withLogin(f, c)
		sealed.t = f.t
		c.Store, c.Rand = sealed.open(1), func() float64 { return 0.5 }
	}, func(t *testing.T, f *fixture) {
		f.want("a1")
		body(t, f, sealed)
	})
}

func TestStoreSealed_SurvivesARestart(t *testing.T) {
	scenarioSealed(t, func(t *testing.T, f *fixture, sealed *sealedRecord) {
		f.clock.Advance(access)
		f.want("a2")
		f.restartSealed(sealed, nil, 2, 1)
		f.want("a2")
		f.clock.Advance(access)
		f.want("a4") // the rig grants one for each Source that it makes
		f.restartSealed(sealed, nil, 2)
		f.want("a4")
		assert.NotContains(t, sealed.sealed(), "access_token")
		assert.Equal(t, 2, f.gw.Refreshes.Count())
		assert.Zero(t, f.gw.Logins.Count())
	})
}

// A process without the key does not take the sealed session for none.
func TestStoreSealed_WithoutTheKeyIsNotTakenForEmpty(t *testing.T) {
	scenarioSealed(t, func(_ *testing.T, f *fixture, sealed *sealedRecord) {
		f.restartSealed(sealed, nil, 2)
		f.wantNothingDone(sealed)
		f.restartSealed(sealed, nil, 1)
		f.want("a1")
	})
}

// Nor does one that knows of no sealing, which would be no less of a loss.
func TestStoreSealed_WithoutSealedIsNotTakenForEmpty(t *testing.T) {
	scenarioSealed(t, func(t *testing.T, f *fixture, sealed *sealedRecord) {
		require.NoError(t, f.src.Close())
		f.src = f.source(func(_ *fixture, c *tokensource.Config) {
			c.Store, c.Token, c.Login = sealed.inner.Peer(), nil, f.gw.login
		})
		f.wantNothingDone(sealed)
		assert.Empty(t, sealed.inner.Aside())
		require.ErrorContains(t, f.src.Sync(t.Context()), "sealed")
		f.restartSealed(sealed, nil, 1)
		f.want("a1")
	})
}

// Nor does it put what it was handed in its place.
func TestStoreSealed_WithoutTheKeyAConfigTokenOverwritesNothing(t *testing.T) {
	scenarioSealed(t, func(t *testing.T, f *fixture, sealed *sealedRecord) {
		given, before := f.gw.signOn(), sealed.sealed()
		f.restartSealed(sealed, given, 2)
		f.want("a2") // it lives
		assert.Equal(t, before, sealed.sealed())
		f.clock.Advance(access)
		f.wantNothingDone(sealed)
		f.restartSealed(sealed, nil, 1)
		f.want("a5")
		assert.Equal(t, []string{"r1"}, f.gw.presented())
	})
}

// A neighbour has sealed the session with a key that this process does not have,
// and goes on with it: this one must not spend the refresh token that both have.
func TestStoreSealed_WithAKeyOnlyAnotherProcessHas(t *testing.T) {
	scenarioSealed(t, func(t *testing.T, f *fixture, sealed *sealedRecord) {
		sealed.reseal(2, 1)
		f.clock.Advance(access - 4*time.Minute)
		f.want("a1") // lives, and cannot be refreshed
		assert.Zero(t, f.gw.Refreshes.Count())
		f.clock.Advance(4 * time.Minute)
		f.wantNothingDone(sealed)
		assert.Equal(t, 1, f.events.count(tokensource.EventStoreFailed), "announced once")

		sealed.reseal(1, 2) // the right key is back
		f.clock.Advance(10 * time.Second)
		f.want("a2")
		assert.Equal(t, []string{"r1"}, f.gw.presented())
		assert.Zero(t, f.gw.Logins.Count())
		f.restartSealed(sealed, nil, 1)
		f.want("a2")
	})
}

// That the store is away besides makes no difference: what was last seen of it was
// somebody's session.
func TestStoreSealed_NotOpenedThenUnavailable(t *testing.T) {
	scenarioSealed(t, func(t *testing.T, f *fixture, sealed *sealedRecord) {
		sealed.reseal(2, 1)
		f.clock.Advance(access)
		require.ErrorIs(t, f.wantUnavailable(), store.ErrNotOpened)
		sealed.loadErr = errUnreachable
		for range 60 {
			f.clock.Advance(10 * time.Second)
			require.ErrorIs(t, f.wantUnavailable(), sealed.loadErr)
		}
		assert.Zero(t, f.gw.Refreshes.Count())
		sealed.loadErr = nil
		f.clock.Advance(10 * time.Second)
		f.wantNothingDone(sealed)
		sealed.reseal(1, 2)
		f.clock.Advance(10 * time.Second)
		f.want("a2")
	})
}

// Nor does it matter that the store has been away for so long that the session goes
// on without it: it is looked at once more before.
func TestStoreSealed_UnavailableThenNotOpened(t *testing.T) {
	scenarioSealed(t, func(t *testing.T, f *fixture, sealed *sealedRecord) {
		sealed.reseal(2, 1)
		sealed.loadErr = errUnreachable
		f.clock.Advance(access)
		require.ErrorIs(t, f.wantUnavailable(), sealed.loadErr)
		f.clock.Advance(40 * time.Second)
		collect := f.startCallers(t.Context(), 3) // they wait for a second, since others may do the same
		sealed.loadErr = nil
		f.clock.Advance(time.Second)
		for _, a := range collect() {
			require.ErrorIs(t, a.err, store.ErrNotOpened)
		}
		synctest.Wait() // it is told once those who waited are
		assert.Equal(t, 1, f.events.count(tokensource.EventUnlocked), "it was about to")
		assert.Zero(t, f.gw.Refreshes.Count())
		assert.Zero(t, f.gw.Logins.Count())
	})
}

// A lock that is held for good is passed by, but not that.
func TestStoreSealed_NotOpenedWhileTheLockIsHeld(t *testing.T) {
	scenarioSealed(t, func(t *testing.T, f *fixture, sealed *sealedRecord) {
		sealed.reseal(2, 1)
		unlock, err := sealed.inner.Peer().Lock(t.Context())
		require.NoError(t, err)
		f.clock.Advance(access)
		collect := f.startCallers(t.Context(), 3)
		f.clock.Advance(31 * time.Second)
		for _, a := range collect() {
			require.ErrorContains(t, a.err, "lock")
		}
		assert.Zero(t, f.gw.Refreshes.Count())
		require.NoError(t, unlock())
	})
}

// What a human asks for is done in memory, and said not to be saved.
func TestStoreSealed_NotOpenedSetTokenAndSignOutAreNotSaved(t *testing.T) {
	scenarioSealed(t, func(t *testing.T, f *fixture, sealed *sealedRecord) {
		sealed.reseal(2, 1)
		before := sealed.sealed()
		require.ErrorIs(t, f.src.SetToken(t.Context(), f.gw.signOn()), store.ErrNotOpened)
		f.want("a2")
		require.ErrorIs(t, f.src.SignOut(t.Context()), store.ErrNotOpened)
		f.wantEnded(tokensource.SignedOut)
		assert.Equal(t, before, sealed.sealed())
		assert.Zero(t, f.gw.Logins.Count())
	})
}

// Damage inside of the seal is what it is without: the record is set aside, sealed.
func TestStoreSealed_ADamagedRecordIsSetAside(t *testing.T) {
	scenarioSealed(t, func(t *testing.T, f *fixture, sealed *sealedRecord) {
		s := sealed.open(1)
		_, err := s.Load(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Save(t.Context(), []byte("damaged")))
		damaged := sealed.sealed()
		f.restartSealed(sealed, nil, 1)
		f.want("a3")
		assert.Equal(t, 1, f.gw.Logins.Count())
		assert.Equal(t, map[string][]byte{"damaged": []byte(damaged)}, sealed.inner.Aside())
	})
}

// wantLeftAlone asserts that for ten minutes, which is longer than any store is
// waited for, callers are told why there is nothing for them, and nothing is done.
func (f *fixture) wantNothingDone(sealed *sealedRecord) {
	f.t.Helper()
	before, calls, signOns := sealed.sealed(), f.gw.Refreshes.Count(), f.gw.Logins.Count()
	for range 60 {
		require.ErrorContains(f.t, f.wantUnavailable(), "sealed")
		f.clock.Advance(10 * time.Second)
	}
	assert.Equal(f.t, before, sealed.sealed(), "nothing is saved")
	assert.Equal(f.t, calls, f.gw.Refreshes.Count(), "no token is spent")
	assert.Equal(f.t, signOns, f.gw.Logins.Count(), "no sign-on is spent")
	assert.Zero(f.t, f.events.count(tokensource.EventUnlocked))
}

// next makes the Source of a process that is started with these keys.
func (f *fixture) restartSealed(sealed *sealedRecord, given *ags.Token, keys ...byte) {
	f.t.Helper()
	require.NoError(f.t, f.src.Close())
	f.src = f.source(func(_ *fixture, c *tokensource.Config) {
		c.Store, c.Token, c.Login = sealed.open(keys...), given, f.gw.login
	})
}
