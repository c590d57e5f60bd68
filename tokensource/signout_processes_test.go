package tokensource_test

import (
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

func TestSignOut_EndsTheSessionOfOtherProcesses(t *testing.T) {
	scenario(t, func(f *fixture, c *tokensource.Config) {
		f.memory = &store.Memory{}
		c.Store = f.memory
	}, func(t *testing.T, f *fixture) {
		f.want("a1")
		other := f.otherProcesses(1)[0]
		_, err := other.TokenContext(t.Context())
		require.NoError(t, err)
		require.NoError(t, other.SignOut(t.Context()))
		f.want("a1") // until the access token is refreshed
		f.clock.Advance(access)
		f.wantEnded(tokensource.SignedOut)
		assert.Zero(t, f.gw.Refreshes.Count())

		require.NoError(t, other.SetToken(t.Context(), f.gw.signOn()))
		f.clock.Advance(time.Second)
		f.want("a3")
		require.NoError(t, other.Close())
	})
}

func TestSignOut_InAnotherProcessEndsTheSessionItBelongsTo(t *testing.T) {
	t.Run("when the answer to its save was lost", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			fake.lost = true
			require.ErrorIs(t, f.setToken()(t.Context()), errUnreachable)
			fake.lost = false
			fake.edit(t, func(record map[string]any) { // another process has adopted a2 and signs out
				record["generation"], record["signed_out_at"] = 7, f.clock.Now()
				delete(record, "access_token")
				delete(record, "refresh_token")
			})
			f.clock.Advance(2 * time.Second)
			_, _ = f.ask()
			f.wantEnded(tokensource.SignedOut)
			assert.NotNil(t, fake.field("signed_out_at"), "the sign-out was undone")
			assert.Zero(t, f.gw.Refreshes.Count())
		})
	})
	t.Run("which the mark identifies", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			require.NoError(t, f.src.SignOut(t.Context()))
			assert.Equal(t, start.Format(time.RFC3339), fake.field("started_at"))
			assert.Zero(t, f.gw.Refreshes.Count())
		})
	})
}

// The API and the gateway reject the token at once: another process with a Login sees
// the rejection before SignOut has returned.
func TestSignOut_RunsNoLoginInAnotherProcess(t *testing.T) {
	logins := 0
	login := func(f *fixture) tokensource.LoginFunc {
		return func(context.Context, *tokensource.LoginRequiredError) (*ags.Token, error) {
			logins++
			return f.gw.signOn(), nil
		}
	}
	fake := newLockingStore()
	scenario(t, func(f *fixture, c *tokensource.Config) {
		c.Refresher, c.Store, c.Login = f.gw, fake, login(f)
	}, func(t *testing.T, f *fixture) {
		f.want("a1")
		next := f.source(func(f *fixture, c *tokensource.Config) {
			c.Token, c.Store, c.Login = nil, &peerStore{lockingStore: fake}, login(f)
		})
		tok, err := next.TokenContext(t.Context())
		require.NoError(t, err)
		require.Equal(t, "a1", tok.AccessToken)

		answers := make(chan error, 1)
		f.gw.SignOuts.Always(func(*ags.Token) error {
			f.gw.Refreshes.FailAlways(errUnauthorized)
			next.Invalidate("a1")
			go func() {
				_, err := next.TokenContext(t.Context())
				answers <- err
			}()
			return nil
		})
		require.NoError(t, f.src.SignOut(t.Context()))
		err = <-answers
		var ended *tokensource.LoginRequiredError
		require.ErrorAs(t, err, &ended)
		assert.Equal(t, tokensource.SignedOut, ended.Reason)
		assert.Zero(t, logins)
		assert.NotNil(t, fake.field("signed_out_at"))
		require.NoError(t, next.Close())
	})
}

// Without a lock, a process can sign out during the refresh of another one.
func TestSignOut_InAnotherProcessCoversAPairThatIsGrantedMeanwhile(t *testing.T) {
	fake := &fakeStore{}
	scenario(t, func(f *fixture, c *tokensource.Config) {
		fake.t = f.t
		c.Refresher, c.Store = f.gw, fake
	}, func(t *testing.T, f *fixture) {
		f.want("a1")
		f.gw.Refreshes.Do(func() error {
			fake.edit(t, func(record map[string]any) {
				record["generation"] = record["generation"].(float64) + 1
				record["signed_out_at"] = f.clock.Now()
				delete(record, "access_token")
				delete(record, "refresh_token")
			})
			return nil
		})
		f.clock.Advance(access)
		f.wantEnded(tokensource.SignedOut)
		f.wantEnded(tokensource.SignedOut)
		synctest.Wait()
		assert.Equal(t, []string{"a2"}, f.gw.signedOut(), "the granted pair is not stored")
		assert.NotNil(t, fake.field("signed_out_at"))
		assert.Nil(t, fake.field("sign_out_pending"))
	})
}

func TestSignOut_InAnotherProcessIsNotUndoneByAnUnsavedLogin(t *testing.T) {
	scenarioWithStore(t, withLogin, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		f.gw.Refreshes.Fail(errUnauthorized)
		fake.failSaves(errUnreachable) // for example, the disk is full
		f.clock.Advance(access)
		f.want("a2") // logged in, and not saved
		require.Equal(t, 1, f.gw.Logins.Count())
		fake.failSaves(nil)
		fake.edit(t, func(record map[string]any) { // another process signs out
			record["generation"], record["signed_out_at"] = 7, f.clock.Now().Add(time.Second)
			delete(record, "access_token")
		})
		f.clock.Advance(2 * time.Second)
		_, _ = f.ask()
		assert.NotNil(t, fake.field("signed_out_at"), "the sign-out was undone by the login")
		f.wantEnded(tokensource.SignedOut)
	})
}

// peerStore is the view that another process has of a store.
type peerStore struct {
	*lockingStore
	known string
}

func (s *peerStore) Load(ctx context.Context) ([]byte, error) {
	data, err := s.lockingStore.Load(ctx)
	s.known = string(data)
	return data, err
}

func (s *peerStore) Save(ctx context.Context, record []byte) error {
	s.mu.Lock()
	s.loaded = []byte(s.known)
	s.mu.Unlock()
	err := s.lockingStore.Save(ctx, record)
	if err == nil {
		s.known = string(record)
	}
	return err
}
