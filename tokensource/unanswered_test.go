package tokensource_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// A login that could not be saved gives way to what a human has wanted since.

func TestUnanswered_AnUnsavedLoginAndASignOutNextDoor(t *testing.T) {
	var shelf *lockedShelf
	atTheDesk(t, func(_ *rig, c *tokensource.Config) {
		shelf = newLockedShelf()
		c.Store = shelf
	}, func(t *testing.T, r *rig, d *desk) {
		r.want("a1")
		r.gw.fail(errUnauthorized)
		shelf.fail(errAway) // no space left, say
		r.clock.Advance(access)
		r.want("a2") // logged in, and not saved
		require.Equal(t, 1, d.count())
		shelf.fail(nil)
		shelf.edit(t, func(f map[string]any) { // a human signs out next door
			f["generation"], f["signed_out_at"] = 7, r.clock.Now().Add(time.Second)
			delete(f, "access_token")
		})
		r.clock.Advance(2 * time.Second)
		_, _ = r.ask()
		assert.NotNil(t, shelf.field("signed_out_at"), "the sign-out is undone by a login of our own")
		r.wantEnded(tokensource.SignedOut)
	})
}

// A rejection that was withheld, and a store that stays away.

func TestUnanswered_ARejectedTokenIsPresentedAgainWithoutTheLock(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.gw.script = append(r.gw.script, func(context.Context, *ags.Token) error {
			shelf.away(errAway)
			return errUnauthorized
		})
		r.gw.always = func(context.Context, *ags.Token) error { return errUnauthorized }
		r.clock.Advance(access)
		r.wantUnavailable()
		shelf.lockErr = errAway
		for range 20 {
			r.clock.Advance(10 * time.Second)
			_, _ = r.ask()
		}
		assert.Equal(t, 1, r.gw.count(), "a token that the gateway has rejected is presented again")
	})
}

// deafShelf is a shelf whose saves take effect, and whose answers get lost.

type deafShelf struct {
	*lockedShelf
	deaf bool
}

func (s *deafShelf) Save(ctx context.Context, record []byte) error {
	err := s.lockedShelf.Save(ctx, record)
	if s.deaf {
		return errAway
	}
	return err
}

// SetToken's save took effect, but the store's answer was lost; a neighbour has

// adopted it, and refreshed it since.

func TestUnanswered_ASaveThatTookEffectThoughItsAnswerWasLost(t *testing.T) {
	var shelf *deafShelf
	story(t, func(_ *rig, c *tokensource.Config) {
		shelf = &deafShelf{lockedShelf: newLockedShelf()}
		c.Store = shelf
	}, func(t *testing.T, r *rig) {
		r.want("a1")
		shelf.deaf = true
		require.ErrorIs(t, r.setToken()(t.Context()), errAway)
		require.Equal(t, "a2 r2", shelf.pair())
		shelf.deaf = false
		shelf.rotate(t, "theirs", start.Add(2*access))
		r.clock.Advance(access)
		r.want("theirs")
		assert.Empty(t, r.gw.presented(), "r2 is spent: a neighbour has refreshed it")
		assert.Equal(t, "theirs r-theirs", shelf.pair(), "the only pair that is good was overwritten with a spent one")
	})
}

// The same of the token of the Config.

func TestUnanswered_TheSameOfTheTokenOfTheConfig(t *testing.T) {
	var shelf *deafShelf
	story(t, func(_ *rig, c *tokensource.Config) {
		shelf = &deafShelf{lockedShelf: newLockedShelf(), deaf: true}
		c.Store = shelf
	}, func(t *testing.T, r *rig) {
		r.want("a1")
		require.Equal(t, "a1 r1", shelf.pair())
		shelf.deaf = false
		shelf.rotate(t, "theirs", start.Add(2*access))
		r.clock.Advance(access)
		r.want("theirs")
		assert.Empty(t, r.gw.presented())
	})
}

// And of a refresh.

func TestUnanswered_TheSameOfARefresh(t *testing.T) {
	var shelf *deafShelf
	story(t, func(_ *rig, c *tokensource.Config) {
		shelf = &deafShelf{lockedShelf: newLockedShelf()}
		c.Store = shelf
	}, func(t *testing.T, r *rig) {
		r.want("a1")
		shelf.deaf = true
		r.clock.Advance(access)
		r.want("a2")
		require.Equal(t, "a2 r2", shelf.pair())
		shelf.deaf = false
		shelf.rotate(t, "theirs", start.Add(3*access))
		r.clock.Advance(access)
		r.want("theirs")
		assert.Equal(t, []string{"r1"}, r.gw.presented())
		_ = time.Second
	})
}

// A store that comes back while who has given it up keeps apart from the others.

func TestUnanswered_AStoreThatIsBackIsLockedAgain(t *testing.T) {
	onShelf(t, func(_ *rig, c *tokensource.Config) { c.Rand = func() float64 { return 0.5 } },
		func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			shelf.away(errAway)
			shelf.lockErr = errAway
			r.clock.Advance(access)
			r.wantUnavailable()
			r.clock.Advance(40 * time.Second)
			collect := r.callers(t.Context(), 1) // given up: waits for the random second
			shelf.away(nil)                      // and it is back, and a neighbour refreshes
			shelf.lockErr = nil
			unlock, err := shelf.Lock(t.Context())
			require.NoError(t, err)
			r.clock.Advance(time.Second)
			synctest.Wait()
			assert.Zero(t, r.gw.count(), "the store can be reached, and is not locked")
			shelf.rotate(t, "theirs", r.clock.Now().Add(access))
			require.NoError(t, unlock())
			assert.Equal(t, answer{token: "theirs"}, collect()[0])
		})
}

// deafShelf is a shelf whose saves take effect, and whose answers get lost.

// A pair of our own, found in the store, is no news: what the monotonic clock knows

// of it is not forgotten.

func TestUnanswered_OurOwnPairIsNotAdoptedAnew(t *testing.T) {
	var shelf *deafShelf
	story(t, func(_ *rig, c *tokensource.Config) {
		shelf = &deafShelf{lockedShelf: newLockedShelf()}
		c.Store = shelf
	}, func(t *testing.T, r *rig) {
		r.want("a1")
		shelf.deaf = true
		r.clock.Advance(access)
		r.want("a2")
		require.Equal(t, "a2 r2", shelf.pair())
		shelf.deaf = false
		r.clock.Suspend(-2 * access)
		r.clock.Advance(30 * time.Minute)
		require.NoError(t, r.src.Sync(t.Context()))
		assert.Zero(t, r.events.count(tokensource.EventAdopted))
		r.clock.Advance(30 * time.Minute) // a2 is an hour old
		r.want("a3")
	})
}

// deafShelf is a shelf whose saves take effect, and whose answers get lost.

// A generation that may be stored is not given to another pair.

func TestUnanswered_AGenerationIsNotGivenTwice(t *testing.T) {
	var shelf *deafShelf
	story(t, func(_ *rig, c *tokensource.Config) {
		shelf = &deafShelf{lockedShelf: newLockedShelf()}
		c.Store = shelf
	}, func(t *testing.T, r *rig) {
		r.want("a1")
		shelf.fail(errAway)
		require.ErrorIs(t, r.setToken()(t.Context()), errAway)
		shelf.fail(nil)
		shelf.deaf = true // the note of the attempt is stored, unanswered, with the pair
		var noted any
		r.gw.script = append(r.gw.script, func(context.Context, *ags.Token) error {
			require.Equal(t, "a2 r2", shelf.pair())
			noted, shelf.deaf = shelf.field("generation"), false
			return nil
		})
		r.clock.Advance(access)
		r.want("a3")
		require.Equal(t, "a3 r3", shelf.pair())
		assert.Greater(t, shelf.field("generation"), noted, "or a neighbour that has adopted a2 r2 takes a3 r3 for no news")
	})
}

// What a superseded SetToken has stored has a generation, which no other pair gets.

func TestUnanswered_AGenerationOfASupersededSetTokenIsNotGivenTwice(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		shelf.hold()
		_, first := begin(t, r.setToken()) // hangs in its save
		shelf.mu.Lock()
		shelf.lockErr = errAway
		shelf.mu.Unlock()
		_, second := begin(t, r.setToken())
		shelf.release()
		require.ErrorContains(t, <-first, "another")
		require.ErrorIs(t, <-second, errAway)
		require.Equal(t, "a2 r2", shelf.pair())
		stored := shelf.field("generation")

		// The store cannot be read, nor locked, for so long that it is done without.
		shelf.mu.Lock()
		shelf.loadErr = errAway
		shelf.mu.Unlock()
		r.clock.Advance(access)
		r.want("a4")
		require.Equal(t, "a4 r4", shelf.pair())
		assert.Greater(t, shelf.field("generation"), stored, "or a neighbour that has adopted a2 takes a4 for no news")
	})
}
