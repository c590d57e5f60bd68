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

func TestSignOut_CoversARefreshThatIsAnsweredLater(t *testing.T) {
	scenario(t, withSignOut, func(t *testing.T, f *fixture) {
		collect := f.holdRefresh(1)
		require.NoError(t, f.src.SignOut(t.Context()))
		assert.ErrorIs(t, collect()[0].err, tokensource.ErrLoginRequired)
		f.gw.Refreshes.Release()
		synctest.Wait()
		f.wantEnded(tokensource.SignedOut)
		assert.Equal(t, []string{"a1", "a2"}, f.gw.signedOut())
	})
}

func TestSignOut_CoversOperationsInFlight(t *testing.T) {
	t.Run("a pair that is being saved", func(t *testing.T) {
		scenarioWithStore(t, withSignOut, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			f.gw.Refreshes.Do(func() error { fake.saving.hold(); return nil })
			f.clock.Advance(access)
			collect := f.startCallers(t.Context(), 1)
			_, returned := begin(t, f.src.SignOut)
			assert.ErrorIs(t, collect()[0].err, tokensource.ErrLoginRequired)
			fake.saving.release()
			require.NoError(t, <-returned)
			synctest.Wait()
			assert.Equal(t, []string{"a1", "a2"}, f.gw.signedOut())
			assert.NotNil(t, fake.field("signed_out_at"))
			assert.Equal(t, 1, f.gw.Refreshes.Count())
		})
	})
	t.Run("a login that the gateway has answered", func(t *testing.T) {
		var answered latch
		scenario(t, func(f *fixture, c *tokensource.Config) {
			answered.hold()
			c.Token, c.Refresher = nil, f.gw
			c.Login = func(context.Context, *tokensource.LoginRequiredError) (*ags.Token, error) {
				token := f.gw.signOn()
				answered.wait(nil)
				return token, nil
			}
		}, func(t *testing.T, f *fixture) {
			collect := f.startCallers(t.Context(), 1)
			require.NoError(t, f.src.SignOut(t.Context()))
			assert.ErrorIs(t, collect()[0].err, tokensource.ErrLoginRequired)
			answered.release()
			synctest.Wait()
			assert.Equal(t, []string{"a2"}, f.gw.signedOut())
		})
	})
	t.Run("with a SetToken that waits", func(t *testing.T) {
		scenarioWithStore(t, withSignOut, func(t *testing.T, f *fixture, fake *lockingStore) {
			collect := f.holdRefresh(1)
			_, set := begin(t, f.setToken())
			_, setAgain := begin(t, f.setToken()) // both wait for the slot
			_, returned := begin(t, f.src.SignOut)
			assert.ErrorIs(t, collect()[0].err, tokensource.ErrLoginRequired)
			f.gw.Refreshes.Release()
			require.ErrorContains(t, <-set, "came in between")
			require.ErrorContains(t, <-setAgain, "came in between")
			require.NoError(t, <-returned)
			synctest.Wait()
			assert.Equal(t, []string{"a1", "a4"}, f.gw.signedOut())
			assert.NotNil(t, fake.field("signed_out_at"))
		})
	})
	t.Run("a pair that has been saved", func(t *testing.T) {
		scenarioWithStore(t, withSignOut, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			fake.unlocking.hold()
			f.clock.Advance(access)
			collect := f.startCallers(t.Context(), 1)
			require.Equal(t, "a2 r2", fake.pair())
			f.gw.failSignOutOf("a2", ags.ErrUnauthorized) // a1's sign-out has ended a2, too
			_, returned := begin(t, f.src.SignOut)
			collect()
			fake.unlocking.release()
			require.NoError(t, <-returned)
			synctest.Wait()
			assert.Equal(t, []string{"a1", "a2"}, f.gw.signedOut())
			assert.NotNil(t, fake.field("signed_out_at"))
		})
	})
	t.Run("a login that has been saved", func(t *testing.T) {
		login := func(f *fixture, c *tokensource.Config) {
			fake := c.Store.(*lockingStore)
			c.Refresher, c.Token = f.gw, nil
			c.Login = func(context.Context, *tokensource.LoginRequiredError) (*ags.Token, error) {
				fake.unlocking.hold()
				return f.gw.signOn(), nil
			}
		}
		scenarioWithStore(t, login, func(t *testing.T, f *fixture, fake *lockingStore) {
			collect := f.startCallers(t.Context(), 1)
			require.Equal(t, "a2 r2", fake.pair())
			_, returned := begin(t, f.src.SignOut)
			collect()
			fake.unlocking.release()
			require.NoError(t, <-returned)
			assert.Equal(t, []string{"a2"}, f.gw.signedOut())
			assert.NotNil(t, fake.field("signed_out_at"))
		})
	})
	t.Run("a pair that has been saved, with a SetToken that waits", func(t *testing.T) {
		scenarioWithStore(t, withSignOut, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			f.gw.Refreshes.Do(func() error {
				fake.loading.hold() // of the SetToken, which gets the slot next
				return nil
			})
			collect := f.holdRefresh(1)
			_, set := begin(t, f.setToken())
			f.gw.Refreshes.Release()
			synctest.Wait()
			require.Equal(t, "a3 r3", fake.pair())
			f.gw.failSignOutOf("a3", errUnreachable)
			_, returned := begin(t, f.src.SignOut)
			collect()
			fake.loading.release()
			require.ErrorContains(t, <-set, "came in between")
			require.ErrorIs(t, <-returned, errUnreachable)
			assert.Equal(t, []string{"a1", "a3"}, f.gw.signedOut())
		})
	})
	t.Run("despite a later SetToken", func(t *testing.T) {
		scenario(t, withSignOut, func(t *testing.T, f *fixture) {
			collect := f.holdRefresh(1)
			require.NoError(t, f.src.SignOut(t.Context()))
			collect()
			require.NoError(t, f.setToken()(t.Context()))
			f.gw.Refreshes.Release()
			synctest.Wait()
			assert.Equal(t, []string{"a1", "a3"}, f.gw.signedOut())
			f.want("a2")
			assert.Equal(t, 1, f.gw.Refreshes.Count())
		})
	})
}

func TestSignOut_WaitsForTheRefreshInFlight(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		collect := f.holdRefresh(1)
		_, out := begin(t, f.src.SignOut)
		assert.ErrorIs(t, collect()[0].err, tokensource.ErrLoginRequired, "the session ends locally at once")
		f.gw.Refreshes.Release()
		require.NoError(t, <-out)
		assert.NotNil(t, fake.field("signed_out_at"))
	})
}

func TestSignOut_IsNotSavedByALateAttemptMark(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.saving.hold()
		f.clock.Advance(access)
		collect := f.startCallers(t.Context(), 1)
		cancel, out := begin(t, f.src.SignOut)
		cancel()
		require.ErrorIs(t, <-out, context.Canceled)
		fake.saving.release()
		assert.ErrorIs(t, collect()[0].err, tokensource.ErrLoginRequired)
		synctest.Wait()
		assert.Equal(t, "a1 r1", fake.pair())
		f.clock.Advance(2 * time.Second)
		f.wantEnded(tokensource.SignedOut)
		assert.NotNil(t, fake.field("signed_out_at"))
		f.restart(nil, fake)
		f.wantEnded(tokensource.SignedOut)
		assert.Zero(t, f.gw.Refreshes.Count())
	})
}
