package tokensource_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

func TestRefresh_RefusalsThatDoNotEndTheSession(t *testing.T) {
	for name, refusal := range map[string]error{
		"403 of another code": errSuspended,
		"400":                 &ags.Error{Op: "refresh", Status: 400},
		"404":                 &ags.Error{Op: "refresh", Status: 404},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, nil, func(t *testing.T, r *rig) {
				r.gw.Refreshes.FailAlways(refusal)
				r.clock.Advance(access)
				for _, wait := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute, 5 * time.Minute} {
					later := r.wantUnavailable()
					require.ErrorIs(t, later, refusal)
					require.Equal(t, r.clock.Now().Add(wait), later.NextAt, "no hammering")
					r.clock.Advance(wait)
				}
				assert.Equal(t, 5, r.gw.Refreshes.Count())
				r.gw.Refreshes.FailAlways(nil)
				r.want("a2")
			})
		})
	}
}

func TestRefresh_AnswersNotFromTheGatewayDoNotEndTheSession(t *testing.T) {
	for name, failure := range map[string]error{
		"a firewall's page":      &ags.Error{Op: "refresh", Status: 403, Malformed: true},
		"a proxy's 401":          &ags.Error{Op: "refresh", Status: 401, Malformed: true},
		"another Refresher's":    errors.New("some error"),
		"an answer without both": nil,
	} {
		t.Run(name, func(t *testing.T) {
			story(t, nil, func(t *testing.T, r *rig) {
				r.gw.Refreshes.Fail(failure)
				if failure == nil {
					r.gw.edit = func(t *ags.Token) { t.AccessToken = ags.Secret{} }
				}
				r.clock.Advance(access)
				r.wantUnavailable()
				r.gw.edit = nil
				r.clock.Advance(10 * time.Second)
				_, err := r.ask()
				require.NoError(t, err)
				assert.Equal(t, 2, r.gw.Refreshes.Count())
			})
		})
	}
}

func TestRefresh_ARejectionLeavesTheTokenInUseUntilItExpires(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		ended := r.src.LoginRequired()
		r.gw.Refreshes.Fail(errUnauthorized)
		r.clock.Advance(access - 5*time.Minute)
		r.want("a1")
		assert.True(t, closed(ended), "announced at once")
		assert.Equal(t, tokensource.RefreshRejected, r.src.Status().Reason)
		r.clock.Advance(5*time.Minute - time.Second - 1)
		r.want("a1")
		assert.Equal(t, tokensource.Ageing, r.src.Status().Phase)
		r.clock.Advance(1)
		e := r.wantEnded(tokensource.RefreshRejected)
		assert.ErrorIs(t, e, ags.ErrUnauthorized)
		assert.Equal(t, start.Add(access-5*time.Minute), e.At)
		assert.Equal(t, "PUB_989", e.ClientID)
		assert.Equal(t, "1663", e.AccountID)
		assert.Equal(t, 1, r.gw.Refreshes.Count(), "a rejected token is not presented again")
		assert.Equal(t, 1, r.events.count(tokensource.EventEnded), "announced once")
	})
}

func TestRefresh_ForgetsADeletedDevice(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.Refreshes.Fail(errDeviceDeleted)
		r.clock.Advance(access)
		assert.Empty(t, r.wantEnded(tokensource.RefreshRejected).ClientID)
	})
}

func TestRefresh_KeepsWhatAnAnswerOmits(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.edit = func(t *ags.Token) {
			t.ClientID, t.AccountID, t.RefreshToken, t.FixedExpiresAt = "", "", ags.Secret{}, time.Time{}
		}
		r.clock.Advance(access)
		r.want("a2")
		st := r.src.Status()
		assert.Equal(t, []string{"PUB_989", "1663"}, []string{st.ClientID, st.AccountID})
		assert.Equal(t, start.Add(fixed), st.FixedExpiresAt)
		r.clock.Advance(access)
		r.want("a3")
		assert.Equal(t, []string{"r1", "r1"}, r.gw.presented())
	})
}

func TestRefresh_AnAnswerThatHasExpiredIsNotServed(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.edit = func(t *ags.Token) { t.ExpiresAt = t.IssuedAt }
		r.clock.Advance(access)
		for range 3 {
			r.wantUnavailable()
		}
		assert.Equal(t, 1, r.gw.Refreshes.Count(), "nor asked for in a loop")
		r.gw.edit = nil
		r.clock.Advance(time.Second)
		r.want("a3")
		assert.Equal(t, []string{"r1", "r2"}, r.gw.presented(), "but its refresh token is the one that is good")
	})
}

func TestRefresh_AnswersThatHaveExpiredAreOnTheBackoff(t *testing.T) {
	story(t, func(_ *rig, c *tokensource.Config) { c.Rand = func() float64 { return 0.5 } }, func(t *testing.T, r *rig) {
		r.gw.edit = func(t *ags.Token) { t.ExpiresAt = t.IssuedAt }
		r.clock.Advance(access)
		for range 600 { // a minute
			r.wantUnavailable()
			r.clock.Advance(100 * time.Millisecond)
		}
		assert.LessOrEqual(t, r.gw.Refreshes.Count(), 15)
		assert.Greater(t, r.gw.Refreshes.Count(), 7)
	})
}

func TestRefresh_TinyLifetimesAreOnTheBackoff(t *testing.T) {
	story(t, func(r *rig, c *tokensource.Config) {
		r.gw.access = 100 * time.Millisecond
		c.Token = nil
		c.Login = func(context.Context, *tokensource.LoginRequiredError) (*ags.Token, error) { return r.gw.signOn(), nil }
	}, func(t *testing.T, r *rig) {
		go func() { _ = r.src.Run(t.Context()) }()
		synctest.Wait()
		for range 1000 { // ten seconds
			r.clock.Advance(10 * time.Millisecond)
			synctest.Wait()
		}
		assert.Equal(t, 6, r.gw.Refreshes.Count(), "after 0.25, 0.375, 0.75, 1.5 and 3 s")
	})
}
