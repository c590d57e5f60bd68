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

func TestSignOut_EndsTheSessionAtTheGatewayAndInTheStore(t *testing.T) {
	onShelf(t, withSignOut, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		ended := r.src.LoginRequired()
		require.NoError(t, r.src.SignOut(t.Context()))
		assert.True(t, closed(ended))
		assert.Equal(t, "PUB_989", r.wantEnded(tokensource.SignedOut).ClientID)
		assert.Equal(t, []string{"a1"}, r.gw.signedOut())
		assert.Empty(t, shelf.pair())
		assert.NotNil(t, shelf.field("signed_out_at"), "a mark, for the others")
		assert.Equal(t, "PUB_989", shelf.field("client_id"), "the device stays known")
	})
}

func TestSignOut_EndsTheSessionLocallyDespiteErrors(t *testing.T) {
	refused := errors.New("refused")
	onShelf(t, withSignOut, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.gw.SignOuts.FailAlways(refused)
		shelf.away(errAway)
		err := r.src.SignOut(t.Context())
		assert.ErrorIs(t, err, errAway)
		assert.ErrorIs(t, err, refused)
		r.wantEnded(tokensource.SignedOut)
		assert.Equal(t, "a1 r1", shelf.pair())
		shelf.away(nil)
		shelf.rotate(t, "theirs", r.clock.Now().Add(access))
		r.clock.Advance(2 * time.Second)
		r.wantEnded(tokensource.SignedOut)
		r.wantEnded(tokensource.SignedOut)
		assert.NotNil(t, shelf.field("signed_out_at"), "what could not be stored is stored later, and wins")
	})
}

func TestSignOut_LoadsTheSessionFirst(t *testing.T) {
	shelf := newLockedShelf()
	story(t, func(_ *rig, c *tokensource.Config) { c.Store = shelf }, func(_ *testing.T, r *rig) { r.want("a1") })
	story(t, func(r *rig, c *tokensource.Config) {
		c.Store, c.Token, c.Refresher = shelf, nil, r.gw
	}, func(t *testing.T, r *rig) {
		require.NoError(t, r.src.SignOut(t.Context()))
		assert.Equal(t, []string{"a1"}, r.gw.signedOut())
		assert.Equal(t, "PUB_989", shelf.field("client_id"))
		r.wantEnded(tokensource.SignedOut)
	})
}

func TestSignOut_OfAConfigTokenThatWasNotUsed(t *testing.T) {
	onShelf(t, withSignOut, func(t *testing.T, r *rig, shelf *lockedShelf) {
		require.NoError(t, r.src.SignOut(t.Context()))
		assert.Equal(t, []string{"a1"}, r.gw.signedOut())
		assert.NotNil(t, shelf.field("signed_out_at"))
		r.wantEnded(tokensource.SignedOut)
	})
}

func TestSignOut_SurvivesARestart(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		old := r.gw.grant()
		r.want("a1")
		r.clock.Advance(time.Minute)
		require.NoError(t, r.src.SignOut(t.Context()))
		r.restart(func(_ *rig, c *tokensource.Config) { c.Token = old }, shelf)
		assert.Equal(t, "PUB_989", r.wantEnded(tokensource.SignedOut).ClientID)
		r.clock.Advance(time.Minute)
		fresh := r.gw.signOn()
		r.restart(func(_ *rig, c *tokensource.Config) { c.Token = fresh }, shelf)
		r.want(fresh.AccessToken.Reveal())
	})
}

func TestSignOut_SavedAtOnceEmitsNoSavedEvent(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		require.NoError(t, r.src.SignOut(t.Context()))
		assert.Equal(t, []string{"session ended"}, r.events.kinds())
		assert.NotNil(t, shelf.field("signed_out_at"))
	})
}

func TestSignOut_StoresWhenItWasCalled(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		shelf.away(errAway)
		require.ErrorIs(t, r.src.SignOut(t.Context()), errAway)
		r.clock.Advance(20 * time.Minute)
		shelf.away(nil)
		r.wantEnded(tokensource.SignedOut)
		assert.Equal(t, start.Format(time.RFC3339), shelf.field("signed_out_at"),
			"or it would outdate a token that was issued since")
		assert.Zero(t, r.gw.Refreshes.Count())
	})
}

func TestSignOut_StoredLateKeepsTheDevice(t *testing.T) {
	onShelf(t, func(_ *rig, c *tokensource.Config) { c.Token = nil }, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.wantEnded(tokensource.NoSession)
		shelf.put(r.theirs(1))
		shelf.cut(errAway)
		require.ErrorIs(t, r.src.SignOut(t.Context()), errAway)
		shelf.cut(nil)
		r.clock.Advance(2 * time.Second)
		r.wantEnded(tokensource.SignedOut)
		assert.NotNil(t, shelf.field("signed_out_at"))
		assert.Equal(t, "PUB_1", shelf.field("client_id"))
		assert.Zero(t, r.gw.Refreshes.Count())
	})
}

func TestSignOut_StoresItsMarkBeforeItCallsTheGateway(t *testing.T) {
	onShelf(t, withSignOut, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.gw.SignOuts.Always(func(*ags.Token) error {
			assert.NotNil(t, shelf.field("signed_out_at"), "every reader takes it for signed out")
			assert.Empty(t, shelf.pair())
			assert.Equal(t, []any{map[string]any{
				"access_token": "a1", "refresh_token": "r1", "token_type": "bearer", "client_id": "PUB_989", "account_id": "1663",
				"expires_at": start.Add(access).Format("2006-01-02T15:04:05Z07:00"),
			}}, shelf.field("sign_out_pending"), "after a crash the gateway can still be told")
			assert.Len(t, shelf.slot, 1, "the lock is held")
			return nil
		})
		require.NoError(t, r.src.SignOut(t.Context()))
		assert.Equal(t, []string{"a1"}, r.gw.signedOut())
		assert.NotNil(t, shelf.field("signed_out_at"))
		assert.Nil(t, shelf.field("sign_out_pending"), "no token is kept longer than needed")
	})
}
