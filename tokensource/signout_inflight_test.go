package tokensource_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

func TestSignOut_CoversARefreshThatIsAnsweredLater(t *testing.T) {
	story(t, withSignOut, func(t *testing.T, r *rig) {
		r.gw.Refreshes.Hold()
		r.clock.Advance(access)
		collect := r.callers(t.Context(), 1)
		require.NoError(t, r.src.SignOut(t.Context()))
		assert.ErrorIs(t, collect()[0].err, tokensource.ErrLoginRequired)
		r.gw.Refreshes.Release()
		synctest.Wait()
		r.wantEnded(tokensource.SignedOut)
		assert.Equal(t, []string{"a1", "a2"}, r.gw.signedOut())
	})
}

func TestSignOut_CoversOperationsInFlight(t *testing.T) {
	t.Run("a pair that is being saved", func(t *testing.T) {
		onShelf(t, withSignOut, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			r.gw.Refreshes.Do(func() error { shelf.saving.close(); return nil })
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 1)
			_, came := begin(t, r.src.SignOut)
			assert.ErrorIs(t, collect()[0].err, tokensource.ErrLoginRequired)
			shelf.saving.open()
			require.NoError(t, <-came)
			synctest.Wait()
			assert.Equal(t, []string{"a1", "a2"}, r.gw.signedOut())
			assert.NotNil(t, shelf.field("signed_out_at"))
			assert.Equal(t, 1, r.gw.Refreshes.Count())
		})
	})
	t.Run("a login that was answered already", func(t *testing.T) {
		var answered latch
		story(t, func(r *rig, c *tokensource.Config) {
			answered.close()
			c.Token, c.Refresher = nil, r.gw
			c.Login = func(context.Context, *tokensource.LoginRequiredError) (*ags.Token, error) {
				token := r.gw.signOn()
				answered.pass(nil)
				return token, nil
			}
		}, func(t *testing.T, r *rig) {
			collect := r.callers(t.Context(), 1)
			require.NoError(t, r.src.SignOut(t.Context()))
			assert.ErrorIs(t, collect()[0].err, tokensource.ErrLoginRequired)
			answered.open()
			synctest.Wait()
			assert.Equal(t, []string{"a2"}, r.gw.signedOut())
		})
	})
	t.Run("though another session was being handed in", func(t *testing.T) {
		onShelf(t, withSignOut, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			r.gw.Refreshes.Hold()
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 1)
			_, set := begin(t, r.setToken())
			_, setAgain := begin(t, r.setToken()) // both wait for their turn
			_, came := begin(t, r.src.SignOut)
			assert.ErrorIs(t, collect()[0].err, tokensource.ErrLoginRequired)
			r.gw.Refreshes.Release()
			require.ErrorContains(t, <-set, "came in between")
			require.ErrorContains(t, <-setAgain, "came in between")
			require.NoError(t, <-came)
			synctest.Wait()
			assert.Equal(t, []string{"a1", "a4"}, r.gw.signedOut())
			assert.NotNil(t, shelf.field("signed_out_at"))
		})
	})
	t.Run("a pair that is saved", func(t *testing.T) {
		onShelf(t, withSignOut, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			shelf.unlocking.close()
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 1)
			require.Equal(t, "a2 r2", shelf.pair())
			r.gw.failSignOutOf("a2", ags.ErrUnauthorized) // a2 was of a1's session, after all
			_, came := begin(t, r.src.SignOut)
			collect()
			shelf.unlocking.open()
			require.NoError(t, <-came)
			synctest.Wait()
			assert.Equal(t, []string{"a1", "a2"}, r.gw.signedOut())
			assert.NotNil(t, shelf.field("signed_out_at"))
		})
	})
	t.Run("a login that is saved", func(t *testing.T) {
		login := func(r *rig, c *tokensource.Config) {
			shelf := c.Store.(*lockedShelf)
			c.Refresher, c.Token = r.gw, nil
			c.Login = func(context.Context, *tokensource.LoginRequiredError) (*ags.Token, error) {
				shelf.unlocking.close()
				return r.gw.signOn(), nil
			}
		}
		onShelf(t, login, func(t *testing.T, r *rig, shelf *lockedShelf) {
			collect := r.callers(t.Context(), 1)
			require.Equal(t, "a2 r2", shelf.pair())
			_, came := begin(t, r.src.SignOut)
			collect()
			shelf.unlocking.open()
			require.NoError(t, <-came)
			assert.Equal(t, []string{"a2"}, r.gw.signedOut())
			assert.NotNil(t, shelf.field("signed_out_at"))
		})
	})
	t.Run("a pair that is saved, and another session was being handed in", func(t *testing.T) {
		onShelf(t, withSignOut, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			r.gw.Refreshes.Do(func() error {
				shelf.loading.close() // of the SetToken, which has its turn next
				return nil
			})
			r.gw.Refreshes.Hold()
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 1)
			_, set := begin(t, r.setToken())
			r.gw.Refreshes.Release()
			synctest.Wait()
			require.Equal(t, "a3 r3", shelf.pair())
			r.gw.failSignOutOf("a3", errAway)
			_, came := begin(t, r.src.SignOut)
			collect()
			shelf.loading.open()
			require.ErrorContains(t, <-set, "came in between")
			require.ErrorIs(t, <-came, errAway)
			assert.Equal(t, []string{"a1", "a3"}, r.gw.signedOut())
		})
	})
	t.Run("though another session was handed in since", func(t *testing.T) {
		story(t, withSignOut, func(t *testing.T, r *rig) {
			r.gw.Refreshes.Hold()
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 1)
			require.NoError(t, r.src.SignOut(t.Context()))
			collect()
			require.NoError(t, r.setToken()(t.Context()))
			r.gw.Refreshes.Release()
			synctest.Wait()
			assert.Equal(t, []string{"a1", "a3"}, r.gw.signedOut())
			r.want("a2")
			assert.Equal(t, 1, r.gw.Refreshes.Count())
		})
	})
}
