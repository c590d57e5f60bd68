package tokensource_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/internal/scriptedgateway"
	"github.com/agsauth/agsauth/tokensource"
)

func TestSignOut_EndsTheSessionAtTheGatewayAndInTheStore(t *testing.T) {
	scenarioWithStore(t, withSignOut, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		ended := f.src.LoginRequired()
		require.NoError(t, f.src.SignOut(t.Context()))
		assert.True(t, closed(ended))
		assert.Equal(t, "PUB_989", f.wantEnded(tokensource.SignedOut).ClientID)
		assert.Equal(t, []string{"a1"}, f.gw.signedOut())
		assert.Empty(t, fake.pair())
		assert.NotNil(t, fake.field("signed_out_at"), "the mark for other processes")
		assert.Equal(t, "PUB_989", fake.field("client_id"), "the device stays known")
	})
}

func TestSignOut_EndsTheSessionLocallyDespiteErrors(t *testing.T) {
	refused := errors.New("refused")
	scenarioWithStore(t, withSignOut, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		f.gw.SignOuts.FailAlways(refused)
		fake.setUnavailable(errUnreachable)
		err := f.src.SignOut(t.Context())
		assert.ErrorIs(t, err, errUnreachable)
		assert.ErrorIs(t, err, refused)
		f.wantEnded(tokensource.SignedOut)
		assert.Equal(t, "a1 r1", fake.pair())
		fake.setUnavailable(nil)
		fake.rotate(t, "theirs", f.clock.Now().Add(access))
		f.clock.Advance(2 * time.Second)
		f.wantEnded(tokensource.SignedOut)
		f.wantEnded(tokensource.SignedOut)
		assert.NotNil(t, fake.field("signed_out_at"), "the mark is saved later, and overwrites the newer record")
	})
}

func TestSignOut_OfTwoPairsOfOneSession(t *testing.T) {
	for name, tt := range map[string]struct {
		second error
		want   bool // the error is returned
	}{
		"the gateway does not know the session any more": {&ags.Error{Op: "sign out", Status: 404}, false},
		"the gateway rejects the second pair":            {&ags.Error{Op: "sign out", Status: 401}, false},
		"the gateway is busy":                            {&ags.Error{Op: "sign out", Status: 503}, true},
	} {
		t.Run(name, func(t *testing.T) {
			scenarioWithStore(t, withSignOut, func(t *testing.T, f *fixture, fake *lockingStore) {
				f.want("a1")
				fake.rotate(t, "theirs", f.clock.Now().Add(access)) // another process has refreshed
				f.gw.SignOuts.Replace(scriptedgateway.Reply{}, scriptedgateway.Reply{Err: tt.second})
				err := f.src.SignOut(t.Context())
				assert.Equal(t, []string{"a1", "theirs"}, f.gw.signedOut())
				assert.Equal(t, tt.want, errors.Is(err, tt.second), "%v", err)
			})
		})
	}
}

func TestSignOut_LoadsTheSessionFirst(t *testing.T) {
	fake := newLockingStore()
	scenario(t, func(_ *fixture, c *tokensource.Config) { c.Store = fake }, func(_ *testing.T, f *fixture) { f.want("a1") })
	scenario(t, func(f *fixture, c *tokensource.Config) {
		c.Store, c.Token, c.Refresher = fake, nil, f.gw
	}, func(t *testing.T, f *fixture) {
		require.NoError(t, f.src.SignOut(t.Context()))
		assert.Equal(t, []string{"a1"}, f.gw.signedOut())
		assert.Equal(t, "PUB_989", fake.field("client_id"))
		f.wantEnded(tokensource.SignedOut)
	})
}

func TestSignOut_OfAConfigTokenThatWasNotUsed(t *testing.T) {
	scenarioWithStore(t, withSignOut, func(t *testing.T, f *fixture, fake *lockingStore) {
		require.NoError(t, f.src.SignOut(t.Context()))
		assert.Equal(t, []string{"a1"}, f.gw.signedOut())
		assert.NotNil(t, fake.field("signed_out_at"))
		f.wantEnded(tokensource.SignedOut)
	})
}

func TestSignOut_SurvivesARestart(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		old := f.gw.grant()
		f.want("a1")
		f.clock.Advance(time.Minute)
		require.NoError(t, f.src.SignOut(t.Context()))
		f.restart(func(_ *fixture, c *tokensource.Config) { c.Token = old }, fake)
		assert.Equal(t, "PUB_989", f.wantEnded(tokensource.SignedOut).ClientID)
		f.clock.Advance(time.Minute)
		fresh := f.gw.signOn()
		f.restart(func(_ *fixture, c *tokensource.Config) { c.Token = fresh }, fake)
		f.want(fresh.AccessToken.Reveal())
	})
}

func TestSignOut_SavedAtOnceEmitsNoSavedEvent(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		require.NoError(t, f.src.SignOut(t.Context()))
		assert.Equal(t, []string{"session ended"}, f.events.kinds())
		assert.NotNil(t, fake.field("signed_out_at"))
	})
}

func TestSignOut_StoresWhenItWasCalled(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.setUnavailable(errUnreachable)
		require.ErrorIs(t, f.src.SignOut(t.Context()), errUnreachable)
		f.clock.Advance(20 * time.Minute)
		fake.setUnavailable(nil)
		f.wantEnded(tokensource.SignedOut)
		assert.Equal(t, start.Format(time.RFC3339), fake.field("signed_out_at"),
			"a later time would outdate a token that was issued since")
		assert.Zero(t, f.gw.Refreshes.Count())
	})
}

func TestSignOut_StoredLateKeepsTheDevice(t *testing.T) {
	scenarioWithStore(t, func(_ *fixture, c *tokensource.Config) { c.Token = nil }, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.wantEnded(tokensource.NoSession)
		fake.replace(f.otherSession(1))
		fake.failReads(errUnreachable)
		require.ErrorIs(t, f.src.SignOut(t.Context()), errUnreachable)
		fake.failReads(nil)
		f.clock.Advance(2 * time.Second)
		f.wantEnded(tokensource.SignedOut)
		assert.NotNil(t, fake.field("signed_out_at"))
		assert.Equal(t, "PUB_1", fake.field("client_id"))
		assert.Zero(t, f.gw.Refreshes.Count())
	})
}

func TestSignOut_StoresItsMarkBeforeItCallsTheGateway(t *testing.T) {
	scenarioWithStore(t, withSignOut, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		f.gw.SignOuts.Always(func(*ags.Token) error {
			assert.NotNil(t, fake.field("signed_out_at"), "other processes see the sign-out")
			assert.Empty(t, fake.pair())
			assert.Equal(t, []any{map[string]any{
				"access_token": "a1", "refresh_token": "r1", "token_type": "bearer", "client_id": "PUB_989", "account_id": "1663",
				"expires_at": start.Add(access).Format("2006-01-02T15:04:05Z07:00"),
			}}, fake.field("sign_out_pending"), "the sign-out can be completed after a crash")
			assert.Len(t, fake.locked, 1, "the lock is held")
			return nil
		})
		require.NoError(t, f.src.SignOut(t.Context()))
		assert.Equal(t, []string{"a1"}, f.gw.signedOut())
		assert.NotNil(t, fake.field("signed_out_at"))
		assert.Nil(t, fake.field("sign_out_pending"), "no token is kept longer than needed")
	})
}
