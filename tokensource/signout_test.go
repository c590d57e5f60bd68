package tokensource_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// observedSigner is a gateway that is looked at in the moment in which it is told of a
// sign-out.
type observedSigner struct {
	*signer
	told func(accessToken string)
}

func (s *observedSigner) SignOut(ctx context.Context, t *ags.Token) error {
	s.told(t.AccessToken.Reveal())
	return s.signer.SignOut(ctx, t)
}

func TestSignOut_TheMarkIsStoredBeforeTheGatewayIsTold(t *testing.T) {
	gw := &observedSigner{}
	onShelf(t, func(r *rig, c *tokensource.Config) {
		gw.signer = &signer{gateway: r.gw}
		c.Refresher = gw
	}, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		gw.told = func(string) {
			assert.NotNil(t, shelf.field("signed_out_at"), "every reader takes it for signed out")
			assert.Empty(t, shelf.pair())
			assert.Equal(t, []any{map[string]any{
				"access_token": "a1", "refresh_token": "r1", "token_type": "bearer", "client_id": "PUB_989", "account_id": "1663",
				"expires_at": start.Add(access).Format("2006-01-02T15:04:05Z07:00"),
			}}, shelf.field("sign_out_pending"), "after a crash the gateway can still be told")
			assert.Len(t, shelf.slot, 1, "the lock is held")
		}
		require.NoError(t, r.src.SignOut(t.Context()))
		assert.Equal(t, []string{"a1"}, gw.signedOut)
		assert.NotNil(t, shelf.field("signed_out_at"))
		assert.Nil(t, shelf.field("sign_out_pending"), "no token is kept longer than needed")
	})
}

// The API and the gateway end at once what is signed out, and a neighbour with a Login
// learns of that before the sign-out has returned.
func TestSignOut_NoLoginIsRunOnItNextDoor(t *testing.T) {
	gw, logins := &observedSigner{}, 0
	login := func(r *rig) tokensource.LoginFunc {
		return func(context.Context, *tokensource.LoginRequiredError) (*ags.Token, error) {
			logins++
			return r.gw.signOn(), nil
		}
	}
	shelf := newLockedShelf()
	story(t, func(r *rig, c *tokensource.Config) {
		gw.signer = &signer{gateway: r.gw}
		c.Refresher, c.Store, c.Login = gw, shelf, login(r)
	}, func(t *testing.T, r *rig) {
		r.want("a1")
		next := r.source(func(r *rig, c *tokensource.Config) {
			c.Token, c.Store, c.Login = nil, &sameShelf{lockedShelf: shelf}, login(r)
		})
		tok, err := next.TokenContext(t.Context())
		require.NoError(t, err)
		require.Equal(t, "a1", tok.AccessToken)

		answers := make(chan error, 1)
		gw.told = func(string) {
			r.gw.down(errUnauthorized)
			next.Invalidate("a1")
			go func() {
				_, err := next.TokenContext(t.Context())
				answers <- err
			}()
		}
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

// sameShelf is another process's view of a shelf.
type sameShelf struct {
	*lockedShelf
	known string
}

func (s *sameShelf) Load(ctx context.Context) ([]byte, error) {
	data, err := s.lockedShelf.Load(ctx)
	s.known = string(data)
	return data, err
}

func (s *sameShelf) Save(ctx context.Context, record []byte) error {
	s.mu.Lock()
	s.loaded = []byte(s.known)
	s.mu.Unlock()
	err := s.lockedShelf.Save(ctx, record)
	if err == nil {
		s.known = string(record)
	}
	return err
}

// Without a lock a refresh can be under way next door, and come back to a mark.
func TestSignOut_APairThatIsGrantedMeanwhileNextDoorIsSignedOutToo(t *testing.T) {
	var gw *signer
	shelf := &shelf{}
	story(t, func(r *rig, c *tokensource.Config) {
		gw = &signer{gateway: r.gw}
		shelf.t = r.t
		c.Refresher, c.Store = gw, shelf
	}, func(t *testing.T, r *rig) {
		r.want("a1")
		r.gw.script = append(r.gw.script, func(context.Context, *ags.Token) error {
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
		assert.Equal(t, []string{"a2"}, gw.signedOut, "it is stored nowhere")
		assert.NotNil(t, shelf.field("signed_out_at"))
		assert.Nil(t, shelf.field("sign_out_pending"))
	})
}
