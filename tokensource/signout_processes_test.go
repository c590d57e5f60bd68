package tokensource_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

func TestSignOut_EndsTheSessionOfOtherProcesses(t *testing.T) {
	story(t, func(r *rig, c *tokensource.Config) {
		r.memory = &store.Memory{}
		c.Store = r.memory
	}, func(t *testing.T, r *rig) {
		r.want("a1")
		other := r.neighbours(1)[0]
		_, err := other.TokenContext(t.Context())
		require.NoError(t, err)
		require.NoError(t, other.SignOut(t.Context()))
		r.want("a1") // within one access lifetime
		r.clock.Advance(access)
		r.wantEnded(tokensource.SignedOut)
		assert.Zero(t, r.gw.Refreshes.Count())

		require.NoError(t, other.SetToken(t.Context(), r.gw.signOn()))
		r.clock.Advance(time.Second)
		r.want("a3")
		require.NoError(t, other.Close())
	})
}

func TestSignOut_InAnotherProcessEndsTheSessionItBelongsTo(t *testing.T) {
	t.Run("though we do not know that it was saved", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			shelf.lost = true
			require.ErrorIs(t, r.setToken()(t.Context()), errAway)
			shelf.lost = false
			shelf.edit(t, func(f map[string]any) { // a neighbour has adopted a2, and signs out
				f["generation"], f["signed_out_at"] = 7, r.clock.Now()
				delete(f, "access_token")
				delete(f, "refresh_token")
			})
			r.clock.Advance(2 * time.Second)
			_, _ = r.ask()
			r.wantEnded(tokensource.SignedOut)
			assert.NotNil(t, shelf.field("signed_out_at"), "the sign-out was undone")
			assert.Zero(t, r.gw.Refreshes.Count())
		})
	})
	t.Run("as the mark tells", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			require.NoError(t, r.src.SignOut(t.Context()))
			assert.Equal(t, start.Format(time.RFC3339), shelf.field("started_at"))
			assert.Zero(t, r.gw.Refreshes.Count())
		})
	})
}

// The API and the gateway end at once what is signed out, and a neighbour with a Login
// learns of that before the sign-out has returned.
func TestSignOut_RunsNoLoginInAnotherProcess(t *testing.T) {
	logins := 0
	login := func(r *rig) tokensource.LoginFunc {
		return func(context.Context, *tokensource.LoginRequiredError) (*ags.Token, error) {
			logins++
			return r.gw.signOn(), nil
		}
	}
	shelf := newLockedShelf()
	story(t, func(r *rig, c *tokensource.Config) {
		c.Refresher, c.Store, c.Login = r.gw, shelf, login(r)
	}, func(t *testing.T, r *rig) {
		r.want("a1")
		next := r.source(func(r *rig, c *tokensource.Config) {
			c.Token, c.Store, c.Login = nil, &sameShelf{lockedShelf: shelf}, login(r)
		})
		tok, err := next.TokenContext(t.Context())
		require.NoError(t, err)
		require.Equal(t, "a1", tok.AccessToken)

		answers := make(chan error, 1)
		r.gw.SignOuts.Always(func(*ags.Token) error {
			r.gw.Refreshes.FailAlways(errUnauthorized)
			next.Invalidate("a1")
			go func() {
				_, err := next.TokenContext(t.Context())
				answers <- err
			}()
			return nil
		})
		require.NoError(t, r.src.SignOut(t.Context()))
		err = <-answers
		var ended *tokensource.LoginRequiredError
		require.ErrorAs(t, err, &ended)
		assert.Equal(t, tokensource.SignedOut, ended.Reason)
		assert.Zero(t, logins)
		assert.NotNil(t, shelf.field("signed_out_at"))
		require.NoError(t, next.Close())
	})
}

// Without a lock a refresh can be under way next door, and come back to a mark.
func TestSignOut_InAnotherProcessCoversAPairThatIsGrantedMeanwhile(t *testing.T) {
	shelf := &shelf{}
	story(t, func(r *rig, c *tokensource.Config) {
		shelf.t = r.t
		c.Refresher, c.Store = r.gw, shelf
	}, func(t *testing.T, r *rig) {
		r.want("a1")
		r.gw.Refreshes.Do(func() error {
			var record map[string]any
			require.NoError(t, json.Unmarshal(shelf.record, &record))
			shelf.edit(t, func(f map[string]any) {
				f["generation"] = f["generation"].(float64) + 1
				f["signed_out_at"] = r.clock.Now()
				delete(f, "access_token")
				delete(f, "refresh_token")
			})
			return nil
		})
		r.clock.Advance(access)
		r.wantEnded(tokensource.SignedOut)
		r.wantEnded(tokensource.SignedOut)
		synctest.Wait()
		assert.Equal(t, []string{"a2"}, r.gw.signedOut(), "it is stored nowhere")
		assert.NotNil(t, shelf.field("signed_out_at"))
		assert.Nil(t, shelf.field("sign_out_pending"))
	})
}

func TestSignOut_InAnotherProcessIsNotUndoneByAnUnsavedLogin(t *testing.T) {
	onShelf(t, withLogin, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.gw.Refreshes.Fail(errUnauthorized)
		shelf.fail(errAway) // no space left, say
		r.clock.Advance(access)
		r.want("a2") // logged in, and not saved
		require.Equal(t, 1, r.gw.Logins.Count())
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
