package tokensource_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

func TestStoreUnreadable_IsNotOverwritten(t *testing.T) {
	for name, record := range map[string]string{
		"not JSON":             `{"version":1,"access_tok`,
		"no version":           `{"generation":1,"access_token":"a1"}`,
		"no generation":        `{"version":1,"access_token":"a1"}`,
		"no token":             `{"version":1,"generation":1}`,
		"of the wrong type":    `{"version":1,"generation":1,"access_token":1}`,
		"an unreadable expiry": `{"version":1,"generation":1,"access_token":"a1","expires_at":"tomorrow"}`,
	} {
		t.Run("damaged: "+name, func(t *testing.T) {
			// The store cannot set the record aside.
			scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
				fake.replace(record)
				f.want("a1") // the Config's token is used
				require.Equal(t, 1, f.events.count(tokensource.EventStoreFailed))
				assert.ErrorContains(t, f.events.all()[0].Err, "damaged")
				assert.True(t, f.src.Status().Unsaved)
				f.clock.Advance(access)
				f.want("a2") // the session goes on in memory
				assert.Empty(t, fake.saves)
			})
		})
	}
	t.Run("of a newer version", func(t *testing.T) {
		scenario(t, func(f *fixture, c *tokensource.Config) {
			withLogin(f, c)
			fake := newLockingStore()
			fake.replace(`{"version":2}`)
			c.Store, c.Token = fake, nil
		}, func(t *testing.T, f *fixture) {
			for range 60 {
				assert.ErrorContains(t, f.wantUnavailable(), "newer version")
				f.clock.Advance(10 * time.Second)
			}
			assert.Zero(t, f.gw.Logins.Count(), "no login is made")
			assert.Zero(t, f.gw.Refreshes.Count())
		})
	})
	t.Run("unknown fields are ignored", func(t *testing.T) {
		scenarioWithStore(t, func(_ *fixture, c *tokensource.Config) { c.Token = nil }, func(_ *testing.T, f *fixture, fake *lockingStore) {
			fake.replace(`{"version":1,"generation":7,"access_token":"stored","colour":"blue"}`)
			f.want("stored")
		})
	})
}

func TestStoreUnreadable_IsSetAside(t *testing.T) {
	var fake *setAsideStore
	set := func(f *fixture, c *tokensource.Config) {
		fake = &setAsideStore{lockingStore: newLockingStore()}
		fake.t = f.t
		fake.replace("damaged")
		c.Store = fake
	}
	t.Run("and the Config's token is saved", func(t *testing.T) {
		scenario(t, set, func(t *testing.T, f *fixture) {
			f.want("a1")
			assert.Equal(t, []string{"damaged"}, fake.aside)
			assert.Equal(t, "a1 r1", fake.pair())
		})
	})
	t.Run("during a session", func(t *testing.T) {
		scenario(t, set, func(t *testing.T, f *fixture) {
			f.want("a1")
			fake.replace("damaged again")
			f.clock.Advance(access)
			f.want("a2")
			assert.Len(t, fake.aside, 2)
			assert.Equal(t, "a2 r2", fake.pair())
		})
	})
	t.Run("later, if that fails at first", func(t *testing.T) {
		scenario(t, set, func(t *testing.T, f *fixture) {
			f.want("a1")
			fake.replace("damaged again")
			fake.err = errors.ErrUnsupported
			f.clock.Advance(access)
			f.want("a2")
			assert.Empty(t, fake.pair())
			assert.True(t, f.src.Status().Unsaved)
			fake.err = nil
			f.clock.Advance(time.Minute)
			f.want("a2")
			assert.Equal(t, "a2 r2", fake.pair())
		})
	})
	t.Run("without a token there is no session left", func(t *testing.T) {
		scenario(t, func(f *fixture, c *tokensource.Config) { set(f, c); c.Token = nil }, func(_ *testing.T, f *fixture) {
			f.wantEnded(tokensource.NoSession)
		})
	})
}

func TestStoreUnreadable_TheSessionGoesOnInMemory(t *testing.T) {
	t.Run("until it ends", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			fake.replace("damaged")
			f.want("a1")
			f.clock.Advance(access)
			f.want("a2")
			f.clock.Advance(fixed)
			f.wantEnded(tokensource.FixedExpired)
			assert.Equal(t, 1, f.gw.Refreshes.Count())
		})
	})
	t.Run("with a rejection deferred", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			fake.replace("damaged")
			f.gw.Refreshes.Fail(errUnauthorized)
			f.clock.Advance(access)
			for range 5 {
				assert.ErrorIs(t, f.wantUnavailable(), ags.ErrUnauthorized)
				f.clock.Advance(10 * time.Second)
			}
			assert.Equal(t, 1, f.gw.Refreshes.Count(), "the token is not presented again")
			assert.Zero(t, f.events.count(tokensource.EventEnded))
		})
	})
}

func TestStoreUnreadable_ANewerVersionIsKeptWhenTheStoreFails(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		fake.replace(`{"version":99}`)
		f.want("a1")
		fake.failReads(errUnreachable)
		f.clock.Advance(access)
		for range 10 {
			f.wantUnavailable()
			f.clock.Advance(30 * time.Second)
		}
		assert.Zero(t, f.gw.Refreshes.Count())
		assert.EqualValues(t, 99, fake.field("version"))
	})
}

// setAsideStore is a store that can set a record aside.
type setAsideStore struct {
	*lockingStore
	aside []string
	err   error
}

func (s *setAsideStore) SetAside(_ context.Context, suffix string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if len(s.locked) == 0 {
		return errors.New("set aside without the lock")
	}
	s.aside = append(s.aside, suffix)
	s.record = nil
	return nil
}
