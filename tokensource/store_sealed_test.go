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
type vault struct {
	t     *testing.T
	inner store.Memory
	away  error // of every Load of what open returns
}

// open returns a store of the record, as a process with these keys has it.
func (v *vault) open(keys ...byte) *store.Sealed {
	v.t.Helper()
	s := &store.Sealed{Store: &vaultDoor{v.inner.Peer(), v}, Name: "dave"}
	for _, n := range keys {
		key, err := store.NewKey(bytes.Repeat([]byte{n}, 32))
		require.NoError(v.t, err)
		s.Keys = append(s.Keys, key)
	}
	return s
}

// sealed returns the bytes that are stored.
func (v *vault) sealed() string {
	v.t.Helper()
	data, err := v.inner.Peer().Load(v.t.Context())
	require.NoError(v.t, err)
	return string(data)
}

// resealed seals the record with the first of some keys.
func (v *vault) resealed(keys ...byte) {
	v.t.Helper()
	s := v.open(keys...)
	data, err := s.Load(v.t.Context())
	require.NoError(v.t, err)
	require.NoError(v.t, s.Save(v.t.Context(), data))
}

type vaultDoor struct {
	*store.Memory
	vault *vault
}

func (d *vaultDoor) Load(ctx context.Context) ([]byte, error) {
	if d.vault.away != nil {
		return nil, d.vault.away
	}
	return d.Memory.Load(ctx)
}

// atTheVault is a story with a Source that has key 1 and a Login, and that has
// stored the session it was handed.
func atTheVault(t *testing.T, tell func(t *testing.T, r *rig, v *vault)) {
	t.Helper()
	v := &vault{t: t}
	story(t, func(r *rig, c *tokensource.Config) {
		withLogin(r, c)
		v.t = r.t
		c.Store, c.Rand = v.open(1), func() float64 { return 0.5 }
	}, func(t *testing.T, r *rig) {
		r.want("a1")
		tell(t, r, v)
	})
}

func TestStoreSealed_SurvivesARestart(t *testing.T) {
	atTheVault(t, func(t *testing.T, r *rig, v *vault) {
		r.clock.Advance(access)
		r.want("a2")
		r.next(v, nil, 2, 1)
		r.want("a2")
		r.clock.Advance(access)
		r.want("a4") // the rig grants one for each Source that it makes
		r.next(v, nil, 2)
		r.want("a4")
		assert.NotContains(t, v.sealed(), "access_token")
		assert.Equal(t, 2, r.gw.Refreshes.Count())
		assert.Zero(t, r.gw.Logins.Count())
	})
}

// A process without the key does not take the sealed session for none.
func TestStoreSealed_WithoutTheKeyIsNotTakenForEmpty(t *testing.T) {
	atTheVault(t, func(_ *testing.T, r *rig, v *vault) {
		r.next(v, nil, 2)
		r.wantLeftAlone(v)
		r.next(v, nil, 1)
		r.want("a1")
	})
}

// Nor does one that knows of no sealing, which would be no less of a loss.
func TestStoreSealed_WithoutSealedIsNotTakenForEmpty(t *testing.T) {
	atTheVault(t, func(t *testing.T, r *rig, v *vault) {
		require.NoError(t, r.src.Close())
		r.src = r.source(func(_ *rig, c *tokensource.Config) { c.Store, c.Token, c.Login = v.inner.Peer(), nil, r.gw.login })
		r.wantLeftAlone(v)
		assert.Empty(t, v.inner.Aside())
		require.ErrorContains(t, r.src.Sync(t.Context()), "sealed")
		r.next(v, nil, 1)
		r.want("a1")
	})
}

// Nor does it put what it was handed in its place.
func TestStoreSealed_WithoutTheKeyAConfigTokenOverwritesNothing(t *testing.T) {
	atTheVault(t, func(t *testing.T, r *rig, v *vault) {
		given, before := r.gw.signOn(), v.sealed()
		r.next(v, given, 2)
		r.want("a2") // it lives
		assert.Equal(t, before, v.sealed())
		r.clock.Advance(access)
		r.wantLeftAlone(v)
		r.next(v, nil, 1)
		r.want("a5")
		assert.Equal(t, []string{"r1"}, r.gw.presented())
	})
}

// A neighbour has sealed the session with a key that this process does not have,
// and goes on with it: this one must not spend the refresh token that both have.
func TestStoreSealed_WithAKeyOnlyAnotherProcessHas(t *testing.T) {
	atTheVault(t, func(t *testing.T, r *rig, v *vault) {
		v.resealed(2, 1)
		r.clock.Advance(access - 4*time.Minute)
		r.want("a1") // lives, and cannot be refreshed
		assert.Zero(t, r.gw.Refreshes.Count())
		r.clock.Advance(4 * time.Minute)
		r.wantLeftAlone(v)
		assert.Equal(t, 1, r.events.count(tokensource.EventStoreFailed), "announced once")

		v.resealed(1, 2) // the right key is back
		r.clock.Advance(10 * time.Second)
		r.want("a2")
		assert.Equal(t, []string{"r1"}, r.gw.presented())
		assert.Zero(t, r.gw.Logins.Count())
		r.next(v, nil, 1)
		r.want("a2")
	})
}

// That the store is away besides makes no difference: what was last seen of it was
// somebody's session.
func TestStoreSealed_NotOpenedThenUnavailable(t *testing.T) {
	atTheVault(t, func(t *testing.T, r *rig, v *vault) {
		v.resealed(2, 1)
		r.clock.Advance(access)
		require.ErrorIs(t, r.wantUnavailable(), store.ErrNotOpened)
		v.away = errAway
		for range 60 {
			r.clock.Advance(10 * time.Second)
			require.ErrorIs(t, r.wantUnavailable(), v.away)
		}
		assert.Zero(t, r.gw.Refreshes.Count())
		v.away = nil
		r.clock.Advance(10 * time.Second)
		r.wantLeftAlone(v)
		v.resealed(1, 2)
		r.clock.Advance(10 * time.Second)
		r.want("a2")
	})
}

// Nor does it matter that the store has been away for so long that the session goes
// on without it: it is looked at once more before.
func TestStoreSealed_UnavailableThenNotOpened(t *testing.T) {
	atTheVault(t, func(t *testing.T, r *rig, v *vault) {
		v.resealed(2, 1)
		v.away = errAway
		r.clock.Advance(access)
		require.ErrorIs(t, r.wantUnavailable(), v.away)
		r.clock.Advance(40 * time.Second)
		collect := r.callers(t.Context(), 3) // they wait for a second, since others may do the same
		v.away = nil
		r.clock.Advance(time.Second)
		for _, a := range collect() {
			require.ErrorIs(t, a.err, store.ErrNotOpened)
		}
		synctest.Wait() // it is told once those who waited are
		assert.Equal(t, 1, r.events.count(tokensource.EventUnlocked), "it was about to")
		assert.Zero(t, r.gw.Refreshes.Count())
		assert.Zero(t, r.gw.Logins.Count())
	})
}

// A lock that is held for good is passed by, but not that.
func TestStoreSealed_NotOpenedWhileTheLockIsHeld(t *testing.T) {
	atTheVault(t, func(t *testing.T, r *rig, v *vault) {
		v.resealed(2, 1)
		unlock, err := v.inner.Peer().Lock(t.Context())
		require.NoError(t, err)
		r.clock.Advance(access)
		collect := r.callers(t.Context(), 3)
		r.clock.Advance(31 * time.Second)
		for _, a := range collect() {
			require.ErrorContains(t, a.err, "lock")
		}
		assert.Zero(t, r.gw.Refreshes.Count())
		require.NoError(t, unlock())
	})
}

// What a human asks for is done in memory, and said not to be saved.
func TestStoreSealed_NotOpenedSetTokenAndSignOutAreNotSaved(t *testing.T) {
	atTheVault(t, func(t *testing.T, r *rig, v *vault) {
		v.resealed(2, 1)
		before := v.sealed()
		require.ErrorIs(t, r.src.SetToken(t.Context(), r.gw.signOn()), store.ErrNotOpened)
		r.want("a2")
		require.ErrorIs(t, r.src.SignOut(t.Context()), store.ErrNotOpened)
		r.wantEnded(tokensource.SignedOut)
		assert.Equal(t, before, v.sealed())
		assert.Zero(t, r.gw.Logins.Count())
	})
}

// Damage inside of the seal is what it is without: the record is set aside, sealed.
func TestStoreSealed_ADamagedRecordIsSetAside(t *testing.T) {
	atTheVault(t, func(t *testing.T, r *rig, v *vault) {
		s := v.open(1)
		_, err := s.Load(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Save(t.Context(), []byte("damaged")))
		damaged := v.sealed()
		r.next(v, nil, 1)
		r.want("a3")
		assert.Equal(t, 1, r.gw.Logins.Count())
		assert.Equal(t, map[string][]byte{"damaged": []byte(damaged)}, v.inner.Aside())
	})
}

// wantLeftAlone asserts that for ten minutes, which is longer than any store is
// waited for, callers are told why there is nothing for them, and nothing is done.
func (r *rig) wantLeftAlone(v *vault) {
	r.t.Helper()
	before, calls, signOns := v.sealed(), r.gw.Refreshes.Count(), r.gw.Logins.Count()
	for range 60 {
		require.ErrorContains(r.t, r.wantUnavailable(), "sealed")
		r.clock.Advance(10 * time.Second)
	}
	assert.Equal(r.t, before, v.sealed(), "nothing is saved")
	assert.Equal(r.t, calls, r.gw.Refreshes.Count(), "no token is spent")
	assert.Equal(r.t, signOns, r.gw.Logins.Count(), "no sign-on is spent")
	assert.Zero(r.t, r.events.count(tokensource.EventUnlocked))
}

// next makes the Source of a process that is started with these keys.
func (r *rig) next(v *vault, given *ags.Token, keys ...byte) {
	r.t.Helper()
	require.NoError(r.t, r.src.Close())
	r.src = r.source(func(_ *rig, c *tokensource.Config) {
		c.Store, c.Token, c.Login = v.open(keys...), given, r.gw.login
	})
}
