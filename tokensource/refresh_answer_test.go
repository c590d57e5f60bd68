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
			scenario(t, nil, func(t *testing.T, f *fixture) {
				f.gw.Refreshes.FailAlways(refusal)
				f.clock.Advance(access)
				for _, wait := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute, 5 * time.Minute} {
					later := f.wantUnavailable()
					require.ErrorIs(t, later, refusal)
					require.Equal(t, f.clock.Now().Add(wait), later.NextAt, "the waits double")
					f.clock.Advance(wait)
				}
				assert.Equal(t, 5, f.gw.Refreshes.Count())
				f.gw.Refreshes.FailAlways(nil)
				f.want("a2")
			})
		})
	}
}

func TestRefresh_AnswersNotFromTheGatewayDoNotEndTheSession(t *testing.T) {
	for name, failure := range map[string]error{
		"page of a firewall":             &ags.Error{Op: "refresh", Status: 403, Malformed: true},
		"401 of a proxy":                 &ags.Error{Op: "refresh", Status: 401, Malformed: true},
		"error of another Refresher":     errors.New("some error"),
		"answer without an access token": nil,
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, nil, func(t *testing.T, f *fixture) {
				f.gw.Refreshes.Fail(failure)
				if failure == nil {
					f.gw.edit = func(t *ags.Token) { t.AccessToken = ags.Secret{} }
				}
				f.clock.Advance(access)
				f.wantUnavailable()
				f.gw.edit = nil
				f.clock.Advance(10 * time.Second)
				f.wantAny()
				assert.Equal(t, 2, f.gw.Refreshes.Count())
			})
		})
	}
}

func TestRefresh_ARejectionLeavesTheTokenInUseUntilItExpires(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		ended := f.src.LoginRequired()
		f.gw.Refreshes.Fail(errUnauthorized)
		f.clock.Advance(access - 5*time.Minute)
		f.want("a1")
		assert.True(t, closed(ended), "signalled at once")
		assert.Equal(t, tokensource.RefreshRejected, f.src.Status().Reason)
		f.clock.Advance(5*time.Minute - time.Second - 1)
		f.want("a1")
		assert.Equal(t, tokensource.Ageing, f.src.Status().Phase)
		f.clock.Advance(1)
		e := f.wantEnded(tokensource.RefreshRejected)
		assert.ErrorIs(t, e, ags.ErrUnauthorized)
		assert.Equal(t, start.Add(access-5*time.Minute), e.At)
		assert.Equal(t, "PUB_989", e.ClientID)
		assert.Equal(t, "1663", e.AccountID)
		assert.Equal(t, 1, f.gw.Refreshes.Count(), "a rejected token is not presented again")
		assert.Equal(t, 1, f.events.count(tokensource.EventEnded), "emitted once")
	})
}

func TestRefresh_ForgetsADeletedDevice(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.gw.Refreshes.Fail(errDeviceDeleted)
		f.clock.Advance(access)
		assert.Empty(t, f.wantEnded(tokensource.RefreshRejected).ClientID)
	})
}

func TestRefresh_KeepsWhatAnAnswerOmits(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.gw.edit = func(t *ags.Token) {
			t.ClientID, t.AccountID, t.RefreshToken, t.FixedExpiresAt = "", "", ags.Secret{}, time.Time{}
		}
		f.clock.Advance(access)
		f.want("a2")
		st := f.src.Status()
		assert.Equal(t, []string{"PUB_989", "1663"}, []string{st.ClientID, st.AccountID})
		assert.Equal(t, start.Add(fixed), st.FixedExpiresAt)
		f.clock.Advance(access)
		f.want("a3")
		assert.Equal(t, []string{"r1", "r1"}, f.gw.presented())
	})
}

func TestRefresh_AnAnswerThatHasExpiredIsNotServed(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.gw.edit = func(t *ags.Token) { t.ExpiresAt = t.IssuedAt }
		f.clock.Advance(access)
		for range 3 {
			f.wantUnavailable()
		}
		assert.Equal(t, 1, f.gw.Refreshes.Count(), "no loop of refreshes")
		f.gw.edit = nil
		f.clock.Advance(time.Second)
		f.want("a3")
		assert.Equal(t, []string{"r1", "r2"}, f.gw.presented(), "the new refresh token is used")
	})
}

func TestRefresh_AnswersThatHaveExpiredAreOnTheBackoff(t *testing.T) {
	scenario(t, withMedianRand, func(t *testing.T, f *fixture) {
		f.gw.edit = func(t *ags.Token) { t.ExpiresAt = t.IssuedAt }
		f.clock.Advance(access)
		for range 600 { // a minute
			f.wantUnavailable()
			f.clock.Advance(100 * time.Millisecond)
		}
		assert.LessOrEqual(t, f.gw.Refreshes.Count(), 15)
		assert.Greater(t, f.gw.Refreshes.Count(), 7)
	})
}

func TestRefresh_TinyLifetimesAreOnTheBackoff(t *testing.T) {
	scenario(t, func(f *fixture, c *tokensource.Config) {
		f.gw.access = 100 * time.Millisecond
		c.Token = nil
		c.Login = func(context.Context, *tokensource.LoginRequiredError) (*ags.Token, error) { return f.gw.signOn(), nil }
	}, func(t *testing.T, f *fixture) {
		begin(t, f.src.Run)
		for range 1000 { // ten seconds
			f.clock.Advance(10 * time.Millisecond)
			synctest.Wait()
		}
		assert.Equal(t, 6, f.gw.Refreshes.Count(), "after 0.25, 0.375, 0.75, 1.5 and 3 s")
	})
}
