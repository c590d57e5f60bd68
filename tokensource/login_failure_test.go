package tokensource_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

func TestLogin_RefusalsDoubleTheirWait(t *testing.T) {
	wrong := &ags.Error{Op: "sign on", Status: 401}
	scenario(t, withLoginOnly, func(t *testing.T, f *fixture) {
		for range 7 {
			f.gw.Logins.Fail(wrong)
		}
		for i, minutes := range []int{1, 2, 4, 8, 15, 15} {
			ended := f.wantEnded(tokensource.NoSession)
			require.ErrorIs(t, ended, wrong)
			require.Equal(t, i+1, f.gw.Logins.Count())
			f.clock.Advance(time.Duration(minutes)*time.Minute - 1)
			f.wantEnded(tokensource.NoSession)
			require.Equal(t, i+1, f.gw.Logins.Count(), "remembered")
			f.clock.Advance(1)
		}
		require.NoError(t, f.src.SetToken(t.Context(), f.gw.signOn()))
		f.want("a2")
		assert.Equal(t, 6, f.events.count(tokensource.EventLoginFailed))
	})
}

func TestLogin_TransientFailuresAreOnTheBackoff(t *testing.T) {
	scenario(t, withLoginOnly, func(t *testing.T, f *fixture) {
		f.gw.Logins.Fail(errBusy, errBusy)
		f.wantEnded(tokensource.NoSession)
		f.clock.Advance(187500 * time.Microsecond)
		f.wantEnded(tokensource.NoSession)
		f.clock.Advance(375 * time.Millisecond)
		f.want("a2")
		assert.Equal(t, 3, f.gw.Logins.Count())
	})
}

func TestLogin_RegistersAgainAfterADeletedDevice(t *testing.T) {
	scenario(t, withLogin, func(t *testing.T, f *fixture) {
		f.gw.Logins.Fail(errDeviceDeleted)
		f.clock.Advance(sliding)
		f.want("a2")
		require.Equal(t, 2, f.gw.Logins.Count())
		assert.Equal(t, "PUB_989", f.gw.Logins.Calls()[0].ClientID)
		assert.Empty(t, f.gw.Logins.Calls()[1].ClientID)
		assert.True(t, ags.DeviceDeleted(f.gw.Logins.Calls()[1].Err))
	})
}

func TestLogin_ForgetsADeletedDeviceEvenIfTheNextLoginFails(t *testing.T) {
	scenario(t, withLogin, func(t *testing.T, f *fixture) {
		f.gw.Logins.Fail(errDeviceDeleted, errBusy)
		f.clock.Advance(sliding)
		assert.Empty(t, f.wantEnded(tokensource.RefreshExpired).ClientID)
		f.clock.Advance(10 * time.Second)
		f.want("a2")
		require.Equal(t, 3, f.gw.Logins.Count())
		assert.Empty(t, f.gw.Logins.Calls()[2].ClientID)
	})
}

func TestLogin_AnAnswerWithoutALiveTokenIsAFailure(t *testing.T) {
	for name, answer := range map[string]*ags.Token{
		"none":  nil,
		"empty": {},
		"dead":  {AccessToken: ags.NewSecret("a"), IssuedAt: start, ExpiresAt: start.Add(time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(_ *fixture, c *tokensource.Config) {
				c.Token = nil
				c.Login = func(context.Context, *tokensource.LoginRequiredError) (*ags.Token, error) { return answer, nil }
			}, func(t *testing.T, f *fixture) {
				f.clock.Advance(time.Hour)
				assert.Error(t, f.wantEnded(tokensource.NoSession).Err)
				assert.Equal(t, 1, f.events.count(tokensource.EventLoginFailed))
			})
		})
	}
}

func TestLogin_ATokenNearItsExpiryCausesNoLoop(t *testing.T) {
	logins := 0
	scenario(t, func(_ *fixture, c *tokensource.Config) {
		// A broker that keeps the refresh token and returns a cached access token.
		cached := &ags.Token{
			AccessToken: ags.NewSecret("cached"),
			IssuedAt:    start.Add(-57 * time.Minute), ExpiresAt: start.Add(3 * time.Minute),
		}
		c.Token = nil
		c.Login = func(ctx context.Context, _ *tokensource.LoginRequiredError) (*ags.Token, error) {
			if logins++; logins > 10 {
				<-ctx.Done() // ends a loop
			}
			return cached, nil
		}
	}, func(t *testing.T, f *fixture) {
		cancel, ran := begin(t, f.src.Run)
		f.want("cached")
		assert.Equal(t, 1, logins)
		f.clock.Advance(time.Minute)
		f.want("cached")
		assert.Equal(t, 2, logins, "the login is repeated after the wait for a refusal")
		cancel()
		require.ErrorIs(t, <-ran, context.Canceled)
		assert.Zero(t, f.gw.Refreshes.Count())
	})
}

func TestLogin_ItsFailureDelaysNoRefresh(t *testing.T) {
	scenario(t, func(f *fixture, c *tokensource.Config) {
		withLogin(f, c)
		f.gw.fixed = access
		c.Token = f.gw.signOn()
	}, func(t *testing.T, f *fixture) {
		f.gw.Logins.Fail(errSuspended, errSuspended, errSuspended)
		f.clock.Advance(access - 5*time.Minute)
		for i, wait := range []time.Duration{0, time.Minute, 2 * time.Minute} {
			f.clock.Advance(wait)
			f.want("a2")
			require.Equal(t, i+1, f.gw.Logins.Count())
		}
		// The next login is due in four minutes. The session has ended by the wall clock
		// alone, so that a refresh is made.
		f.clock.Suspend(2 * time.Minute)
		f.gw.fixedAt = f.clock.Now().Add(fixed)
		f.want("a3")
		assert.Equal(t, 3, f.gw.Logins.Count())
		assert.Equal(t, []string{"r2"}, f.gw.presented())
	})
}
