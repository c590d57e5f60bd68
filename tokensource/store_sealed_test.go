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

// sealedRecord is a record that is stored sealed.
type sealedRecord struct {
	t       *testing.T
	inner   store.Memory
	loadErr error // of every Load through open
}

// open returns the Store of a process with these keys.
func (r *sealedRecord) open(keys ...byte) *store.Sealed {
	r.t.Helper()
	s := &store.Sealed{Store: &sealedRecordStore{r.inner.Peer(), r}, Name: "dave"}
	for _, n := range keys {
		key, err := store.NewKey(bytes.Repeat([]byte{n}, 32))
		require.NoError(r.t, err)
		s.Keys = append(s.Keys, key)
	}
	return s
}

// bytes returns the bytes that are stored.
func (r *sealedRecord) bytes() string {
	r.t.Helper()
	data, err := r.inner.Peer().Load(r.t.Context())
	require.NoError(r.t, err)
	return string(data)
}

// reseal opens the record with some keys, and seals it with the first.
func (r *sealedRecord) reseal(keys ...byte) {
	r.t.Helper()
	s := r.open(keys...)
	data, err := s.Load(r.t.Context())
	require.NoError(r.t, err)
	require.NoError(r.t, s.Save(r.t.Context(), data))
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

// scenarioSealed is a scenario with a Login, and with the first pair saved under key 1.
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
		f.want("a4") // the fixture grants a pair for each Source
		f.restartSealed(sealed, nil, 2)
		f.want("a4")
		assert.NotContains(t, sealed.bytes(), "access_token")
		assert.Equal(t, 2, f.gw.Refreshes.Count())
		assert.Zero(t, f.gw.Logins.Count())
	})
}

func TestStoreSealed_WithoutTheKeyIsNotTakenForEmpty(t *testing.T) {
	scenarioSealed(t, func(_ *testing.T, f *fixture, sealed *sealedRecord) {
		f.restartSealed(sealed, nil, 2)
		f.wantNothingDone(sealed)
		f.restartSealed(sealed, nil, 1)
		f.want("a1")
	})
}

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

func TestStoreSealed_WithoutTheKeyAConfigTokenOverwritesNothing(t *testing.T) {
	scenarioSealed(t, func(t *testing.T, f *fixture, sealed *sealedRecord) {
		given, before := f.gw.signOn(), sealed.bytes()
		f.restartSealed(sealed, given, 2)
		f.want("a2") // not expired
		assert.Equal(t, before, sealed.bytes())
		f.clock.Advance(access)
		f.wantNothingDone(sealed)
		f.restartSealed(sealed, nil, 1)
		f.want("a5")
		assert.Equal(t, []string{"r1"}, f.gw.presented())
	})
}

// Another process goes on with the session under a new key: a process without that key
// must not redeem the refresh token that both have.
func TestStoreSealed_WithAKeyOnlyAnotherProcessHas(t *testing.T) {
	scenarioSealed(t, func(t *testing.T, f *fixture, sealed *sealedRecord) {
		sealed.reseal(2, 1)
		f.clock.Advance(access - 4*time.Minute)
		f.want("a1") // not expired, but it cannot be refreshed
		assert.Zero(t, f.gw.Refreshes.Count())
		f.clock.Advance(4 * time.Minute)
		f.wantNothingDone(sealed)
		assert.Equal(t, 1, f.events.count(tokensource.EventStoreFailed), "emitted once")

		sealed.reseal(1, 2) // back to a known key
		f.clock.Advance(10 * time.Second)
		f.want("a2")
		assert.Equal(t, []string{"r1"}, f.gw.presented())
		assert.Zero(t, f.gw.Logins.Count())
		f.restartSealed(sealed, nil, 1)
		f.want("a2")
	})
}

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

// Even after a long outage of the store, the record is read once more before a refresh
// without the lock.
func TestStoreSealed_UnavailableThenNotOpened(t *testing.T) {
	scenarioSealed(t, func(t *testing.T, f *fixture, sealed *sealedRecord) {
		sealed.reseal(2, 1)
		sealed.loadErr = errUnreachable
		f.clock.Advance(access)
		require.ErrorIs(t, f.wantUnavailable(), sealed.loadErr)
		f.clock.Advance(40 * time.Second)
		collect := f.startCallers(t.Context(), 3) // wait for a random second
		sealed.loadErr = nil
		f.clock.Advance(time.Second)
		for _, a := range collect() {
			require.ErrorIs(t, a.err, store.ErrNotOpened)
		}
		synctest.Wait() // the event follows the answers
		assert.Equal(t, 1, f.events.count(tokensource.EventUnlocked), "the refresh was about to start")
		assert.Zero(t, f.gw.Refreshes.Count())
		assert.Zero(t, f.gw.Logins.Count())
	})
}

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

func TestStoreSealed_NotOpenedSetTokenAndSignOutAreNotSaved(t *testing.T) {
	scenarioSealed(t, func(t *testing.T, f *fixture, sealed *sealedRecord) {
		sealed.reseal(2, 1)
		before := sealed.bytes()
		require.ErrorIs(t, f.src.SetToken(t.Context(), f.gw.signOn()), store.ErrNotOpened)
		f.want("a2")
		require.ErrorIs(t, f.src.SignOut(t.Context()), store.ErrNotOpened)
		f.wantEnded(tokensource.SignedOut)
		assert.Equal(t, before, sealed.bytes())
		assert.Zero(t, f.gw.Logins.Count())
	})
}

func TestStoreSealed_ADamagedRecordIsSetAside(t *testing.T) {
	scenarioSealed(t, func(t *testing.T, f *fixture, sealed *sealedRecord) {
		s := sealed.open(1)
		_, err := s.Load(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Save(t.Context(), []byte("damaged")))
		damaged := sealed.bytes()
		f.restartSealed(sealed, nil, 1)
		f.want("a3")
		assert.Equal(t, 1, f.gw.Logins.Count())
		assert.Equal(t, map[string][]byte{"damaged": []byte(damaged)}, sealed.inner.Aside())
	})
}

// wantNothingDone asserts that callers fail for ten minutes, which is longer than any
// wait for a store, and that nothing is saved, refreshed or logged in.
func (f *fixture) wantNothingDone(sealed *sealedRecord) {
	f.t.Helper()
	before, calls, signOns := sealed.bytes(), f.gw.Refreshes.Count(), f.gw.Logins.Count()
	for range 60 {
		require.ErrorContains(f.t, f.wantUnavailable(), "sealed")
		f.clock.Advance(10 * time.Second)
	}
	assert.Equal(f.t, before, sealed.bytes(), "nothing is saved")
	assert.Equal(f.t, calls, f.gw.Refreshes.Count(), "no refresh is made")
	assert.Equal(f.t, signOns, f.gw.Logins.Count(), "no login is made")
	assert.Zero(f.t, f.events.count(tokensource.EventUnlocked))
}

// restartSealed replaces the Source by one with these keys.
func (f *fixture) restartSealed(sealed *sealedRecord, given *ags.Token, keys ...byte) {
	f.t.Helper()
	require.NoError(f.t, f.src.Close())
	f.src = f.source(func(_ *fixture, c *tokensource.Config) {
		c.Store, c.Token, c.Login = sealed.open(keys...), given, f.gw.login
	})
}
