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
	story(t, withLoginOnly, func(t *testing.T, r *rig) {
		for range 7 {
			r.gw.Logins.Fail(wrong)
		}
		for i, minutes := range []int{1, 2, 4, 8, 15, 15} {
			ended := r.wantEnded(tokensource.NoSession)
			require.ErrorIs(t, ended, wrong)
			require.Equal(t, i+1, r.gw.Logins.Count())
			r.clock.Advance(time.Duration(minutes)*time.Minute - 1)
			r.wantEnded(tokensource.NoSession)
			require.Equal(t, i+1, r.gw.Logins.Count(), "remembered")
			r.clock.Advance(1)
		}
		require.NoError(t, r.src.SetToken(t.Context(), r.gw.signOn()))
		r.want("a2")
		assert.Equal(t, 6, r.events.count(tokensource.EventLoginFailed))
	})
}

func TestLogin_TransientFailuresAreOnTheBackoff(t *testing.T) {
	story(t, withLoginOnly, func(t *testing.T, r *rig) {
		r.gw.Logins.Fail(errBusy, errBusy)
		r.wantEnded(tokensource.NoSession)
		r.clock.Advance(187500 * time.Microsecond)
		r.wantEnded(tokensource.NoSession)
		r.clock.Advance(375 * time.Millisecond)
		r.want("a2")
		assert.Equal(t, 3, r.gw.Logins.Count())
	})
}

func TestLogin_RegistersAgainAfterADeletedDevice(t *testing.T) {
	story(t, withLogin, func(t *testing.T, r *rig) {
		r.gw.Logins.Fail(errDeviceDeleted)
		r.clock.Advance(sliding)
		r.want("a2")
		require.Equal(t, 2, r.gw.Logins.Count())
		assert.Equal(t, "PUB_989", r.gw.Logins.Calls()[0].ClientID)
		assert.Empty(t, r.gw.Logins.Calls()[1].ClientID)
		assert.True(t, ags.DeviceDeleted(r.gw.Logins.Calls()[1].Err))
	})
}

func TestLogin_ForgetsADeletedDeviceEvenIfTheNextLoginFails(t *testing.T) {
	story(t, withLogin, func(t *testing.T, r *rig) {
		r.gw.Logins.Fail(errDeviceDeleted, errBusy)
		r.clock.Advance(sliding)
		assert.Empty(t, r.wantEnded(tokensource.RefreshExpired).ClientID)
		r.clock.Advance(10 * time.Second)
		r.want("a2")
		require.Equal(t, 3, r.gw.Logins.Count())
		assert.Empty(t, r.gw.Logins.Calls()[2].ClientID)
	})
}

func TestLogin_AnAnswerWithoutALiveTokenIsAFailure(t *testing.T) {
	for name, answer := range map[string]*ags.Token{
		"none":  nil,
		"empty": {},
		"dead":  {AccessToken: ags.NewSecret("a"), IssuedAt: start, ExpiresAt: start.Add(time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(_ *rig, c *tokensource.Config) {
				c.Token = nil
				c.Login = func(context.Context, *tokensource.LoginRequiredError) (*ags.Token, error) { return answer, nil }
			}, func(t *testing.T, r *rig) {
				r.clock.Advance(time.Hour)
				assert.Error(t, r.wantEnded(tokensource.NoSession).Err)
				assert.Equal(t, 1, r.events.count(tokensource.EventLoginFailed))
			})
		})
	}
}

func TestLogin_ATokenNearItsExpiryCausesNoLoop(t *testing.T) {
	logins := 0
	story(t, func(_ *rig, c *tokensource.Config) {
		// A broker that keeps the refresh token, and hands on what it has cached.
		cached := &ags.Token{
			AccessToken: ags.NewSecret("cached"),
			IssuedAt:    start.Add(-57 * time.Minute), ExpiresAt: start.Add(3 * time.Minute),
		}
		c.Token = nil
		c.Login = func(ctx context.Context, _ *tokensource.LoginRequiredError) (*ags.Token, error) {
			if logins++; logins > 10 {
				<-ctx.Done() // or a loop would not end
			}
			return cached, nil
		}
	}, func(t *testing.T, r *rig) {
		cancel, ran := begin(t, r.src.Run)
		r.want("cached")
		assert.Equal(t, 1, logins)
		r.clock.Advance(time.Minute)
		r.want("cached")
		assert.Equal(t, 2, logins, "it is asked for again after the wait of a refusal")
		cancel()
		require.ErrorIs(t, <-ran, context.Canceled)
		assert.Zero(t, r.gw.Refreshes.Count())
	})
}

func TestLogin_ItsFailureDelaysNoRefresh(t *testing.T) {
	story(t, func(r *rig, c *tokensource.Config) {
		withLogin(r, c)
		r.gw.fixed = access
		c.Token = r.gw.signOn()
	}, func(t *testing.T, r *rig) {
		r.gw.Logins.Fail(errSuspended, errSuspended, errSuspended)
		r.clock.Advance(access - 5*time.Minute)
		for i, wait := range []time.Duration{0, time.Minute, 2 * time.Minute} {
			r.clock.Advance(wait)
			r.want("a2")
			require.Equal(t, i+1, r.gw.Logins.Count())
		}
		// No login for another four minutes; but by the wall clock, and by that
		// alone, all is over, so that the gateway is to be asked.
		r.clock.Suspend(2 * time.Minute)
		r.gw.fixedAt = r.clock.Now().Add(fixed)
		r.want("a3")
		assert.Equal(t, 3, r.gw.Logins.Count())
		assert.Equal(t, []string{"r2"}, r.gw.presented())
	})
}
