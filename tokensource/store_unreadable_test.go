package tokensource_test

import (
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
			// A store that cannot set it aside is not overwritten.
			onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
				shelf.put(record)
				r.want("a1") // what was handed in is good meanwhile
				require.Equal(t, 1, r.events.count(tokensource.EventStoreFailed))
				assert.ErrorContains(t, r.events.all()[0].Err, "damaged")
				assert.True(t, r.src.Status().Unsaved)
				r.clock.Advance(access)
				r.want("a2") // and goes on in memory
				assert.Empty(t, shelf.saves)
			})
		})
	}
	t.Run("of a newer version", func(t *testing.T) {
		story(t, func(r *rig, c *tokensource.Config) {
			withLogin(r, c)
			shelf := newLockedShelf()
			shelf.put(`{"version":2}`)
			c.Store, c.Token = shelf, nil
		}, func(t *testing.T, r *rig) {
			for range 60 {
				assert.ErrorContains(t, r.wantUnavailable(), "newer version")
				r.clock.Advance(10 * time.Second)
			}
			assert.Zero(t, r.gw.Logins.Count(), "no sign-on is spent")
			assert.Zero(t, r.gw.Refreshes.Count())
		})
	})
	t.Run("unknown fields are ignored", func(t *testing.T) {
		onShelf(t, func(_ *rig, c *tokensource.Config) { c.Token = nil }, func(_ *testing.T, r *rig, shelf *lockedShelf) {
			shelf.put(`{"version":1,"generation":7,"access_token":"stored","colour":"blue"}`)
			r.want("stored")
		})
	})
}

func TestStoreUnreadable_IsSetAside(t *testing.T) {
	var shelf *asideShelf
	set := func(r *rig, c *tokensource.Config) {
		shelf = &asideShelf{lockedShelf: newLockedShelf()}
		shelf.t = r.t
		shelf.put("damaged")
		c.Store = shelf
	}
	t.Run("and what was handed in is stored", func(t *testing.T) {
		story(t, set, func(t *testing.T, r *rig) {
			r.want("a1")
			assert.Equal(t, []string{"damaged"}, shelf.aside)
			assert.Equal(t, "a1 r1", shelf.pair())
		})
	})
	t.Run("in the middle of a session too", func(t *testing.T) {
		story(t, set, func(t *testing.T, r *rig) {
			r.want("a1")
			shelf.put("damaged again")
			r.clock.Advance(access)
			r.want("a2")
			assert.Len(t, shelf.aside, 2)
			assert.Equal(t, "a2 r2", shelf.pair())
		})
	})
	t.Run("and when it cannot be, it stays and the session goes on", func(t *testing.T) {
		story(t, set, func(t *testing.T, r *rig) {
			r.want("a1")
			shelf.put("damaged again")
			shelf.err = errors.ErrUnsupported
			r.clock.Advance(access)
			r.want("a2")
			assert.Empty(t, shelf.pair())
			assert.True(t, r.src.Status().Unsaved)
			shelf.err = nil
			r.clock.Advance(time.Minute)
			r.want("a2")
			assert.Equal(t, "a2 r2", shelf.pair())
		})
	})
	t.Run("nothing left is no session", func(t *testing.T) {
		story(t, func(r *rig, c *tokensource.Config) { set(r, c); c.Token = nil }, func(_ *testing.T, r *rig) {
			r.wantEnded(tokensource.NoSession)
		})
	})
}

func TestStoreUnreadable_TheSessionGoesOnInMemory(t *testing.T) {
	t.Run("a session ends as any other", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			shelf.put("damaged")
			r.want("a1")
			r.clock.Advance(access)
			r.want("a2")
			r.clock.Advance(fixed)
			r.wantEnded(tokensource.FixedExpired)
			assert.Equal(t, 1, r.gw.Refreshes.Count())
		})
	})
	t.Run("a rejection is withheld", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			shelf.put("damaged")
			r.gw.Refreshes.Fail(errUnauthorized)
			r.clock.Advance(access)
			for range 5 {
				assert.ErrorIs(t, r.wantUnavailable(), ags.ErrUnauthorized)
				r.clock.Advance(10 * time.Second)
			}
			assert.Equal(t, 1, r.gw.Refreshes.Count(), "nor is the token presented again")
			assert.Zero(t, r.events.count(tokensource.EventEnded))
		})
	})
}

func TestStoreUnreadable_ANewerVersionIsKeptWhenTheStoreFails(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		shelf.put(`{"version":99}`)
		r.want("a1")
		shelf.cut(errAway)
		r.clock.Advance(access)
		for range 10 {
			r.wantUnavailable()
			r.clock.Advance(30 * time.Second)
		}
		assert.Zero(t, r.gw.Refreshes.Count())
		assert.EqualValues(t, 99, shelf.field("version"))
	})
}
