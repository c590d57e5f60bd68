package tokensource_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

func TestRefresh_AMonthOfASession(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		failed, before := 0, time.Now()
		for r.clock.Now().Before(start.Add(fixed - time.Minute)) {
			r.clock.Advance(time.Minute)
			if _, err := r.ask(); err != nil {
				failed++
			}
		}
		assert.Zero(t, failed)
		// Every 55 minutes, the last one when what it wins is worth it.
		assert.Equal(t, int(fixed/(55*time.Minute)), r.gw.Refreshes.Count())
		assert.Equal(t, before, time.Now(), "without waiting")
		r.clock.Advance(time.Minute)
		assert.Equal(t, start.Add(fixed), r.wantEnded(tokensource.FixedExpired).At)
	})
}

func TestRefresh_StartsAtTheMargin(t *testing.T) {
	for _, tt := range []struct {
		name     string
		access   time.Duration
		before   time.Duration
		draw     float64
		wantLeft time.Duration // before the expiry
	}{
		{"a tenth", 10 * time.Minute, 0, 0, time.Minute},
		{"at most five minutes", time.Hour, 0, 0, 5 * time.Minute},
		{"at least ten seconds", time.Minute, 0, 0, 10 * time.Second},
		{"never more than half", 12 * time.Second, 0, 0, 6 * time.Second},
		{"as configured", time.Hour, 20 * time.Minute, 0, 20 * time.Minute},
		{"configured beyond half", time.Hour, 50 * time.Minute, 0, 30 * time.Minute},
		{"up to a fifth more", time.Hour, 0, 0.5, 5*time.Minute + 30*time.Second},
		{"half and a fifth of it", 12 * time.Second, 0, 0.999, 7*time.Second + 198*time.Millisecond + 799999*time.Nanosecond + 201},
	} {
		t.Run(tt.name, func(t *testing.T) {
			story(t, func(r *rig, c *tokensource.Config) {
				r.gw.access = tt.access
				c.Token, c.RefreshBefore = r.gw.signOn(), tt.before
				c.Rand = func() float64 { return tt.draw }
			}, func(t *testing.T, r *rig) {
				due := r.src.Status().RefreshAt
				assert.WithinDuration(t, start.Add(tt.access-tt.wantLeft), due, time.Millisecond)
				r.clock.Advance(due.Sub(start) - 1)
				r.want("a2")
				assert.Equal(t, tokensource.Fresh, r.src.Status().Phase)
				assert.Zero(t, r.gw.Refreshes.Count())
				r.clock.Advance(1)
				r.want("a2")
				r.want("a3")
				assert.Equal(t, 1, r.gw.Refreshes.Count())
			})
		})
	}
}

func TestRefresh_StartsAtOnceForAPairIssuedInTheFuture(t *testing.T) {
	for _, tt := range []struct {
		name  string
		ahead time.Duration
		want  string
		calls int
	}{
		{"by more than a minute", time.Minute + 1, "a3", 1},
		{"but not by what two clocks may differ", time.Minute, "a2", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			story(t, func(r *rig, c *tokensource.Config) {
				c.Token = r.gw.signOn()
				c.Token.IssuedAt = start.Add(tt.ahead)
			}, func(t *testing.T, r *rig) {
				r.want("a2")
				r.want(tt.want)
				assert.Equal(t, tt.calls, r.gw.Refreshes.Count())
			})
		})
	}
}

func TestRefresh_IsNotDelayedByAnIssueTimeInThePast(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.edit = func(t *ags.Token) { t.IssuedAt = t.IssuedAt.Add(-30 * 24 * time.Hour) }
		r.clock.Advance(access)
		r.want("a2")
		r.clock.Advance(access)
		r.want("a3") // and not only when a quarter of that life has passed
		require.Equal(t, 2, r.gw.Refreshes.Count())
	})
}

func TestRefresh_IsNotRepeatedNearTheFixedExpiry(t *testing.T) {
	story(t, func(r *rig, c *tokensource.Config) {
		// A gateway that cuts the access token's life at the fixed horizon.
		r.gw.fixed = 90 * time.Minute
		r.gw.edit = func(t *ags.Token) {
			if t.ExpiresAt.After(t.FixedExpiresAt) {
				t.ExpiresAt = t.FixedExpiresAt
			}
		}
		c.Token = r.gw.signOn()
	}, func(t *testing.T, r *rig) {
		for range 90*60 - 2 {
			r.clock.Advance(time.Second)
			_, err := r.ask()
			require.NoError(t, err)
		}
		assert.Equal(t, 1, r.gw.Refreshes.Count())
		r.clock.Advance(time.Second)
		r.wantEnded(tokensource.FixedExpired)
		assert.Equal(t, 1, r.gw.Refreshes.Count())
	})
}

func TestRefresh_ARepeatedFixedLifetimeDoesNotExtendTheSession(t *testing.T) {
	story(t, func(r *rig, c *tokensource.Config) {
		r.gw.edit = func(t *ags.Token) { t.FixedExpiresAt = t.IssuedAt.Add(fixed) }
		c.Token = r.gw.signOn()
	}, func(t *testing.T, r *rig) {
		for range 5 {
			r.clock.Advance(access)
			_, err := r.ask()
			require.NoError(t, err)
		}
		assert.Equal(t, start.Add(fixed), r.src.Status().FixedExpiresAt)
	})
}

func TestRefresh_AGrantPastTheFixedExpiryReplacesIt(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.want("a1")
		r.clock.Suspend(2 * fixed)
		r.gw.fixedAt = r.clock.Now().Add(time.Hour * 24)
		r.want("a2")
		assert.Equal(t, r.gw.fixedAt, r.src.Status().FixedExpiresAt)
		r.clock.Advance(time.Hour * 24)
		r.wantEnded(tokensource.FixedExpired)
	})
}

func TestRefresh_AnOutageWithinTheMarginIsNotSeen(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.Refreshes.FailAlways(errBusy)
		r.clock.Advance(access - 5*time.Minute)
		for range 200 { // twenty seconds
			r.want("a1")
			r.clock.Advance(100 * time.Millisecond)
		}
		assert.LessOrEqual(t, r.gw.Refreshes.Count(), 8)
		assert.Equal(t, tokensource.Ageing, r.src.Status().Phase)
		assert.ErrorIs(t, r.src.Status().Err, ags.ErrUnavailable)
		r.gw.Refreshes.FailAlways(nil)
		r.clock.Advance(30 * time.Second)
		r.want("a1")
		r.want("a2")
		assert.NoError(t, r.src.Status().Err)
		assert.Equal(t, r.gw.Refreshes.Count()-1, r.events.count(tokensource.EventRefreshFailed))
	})
}

func TestRefresh_AnOutagePastTheExpiryIsRetriedOnTheBackoff(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.Refreshes.FailAlways(errBusy)
		r.clock.Advance(access - time.Second - 1)
		r.want("a1")
		r.clock.Advance(1)
		before := r.gw.Refreshes.Count()
		for range 600 { // ten minutes; the back-off is capped at ten seconds
			later := r.wantUnavailable()
			assert.LessOrEqual(t, later.NextAt.Sub(r.clock.Now()), 12500*time.Millisecond)
			r.clock.Advance(time.Second)
		}
		assert.LessOrEqual(t, r.gw.Refreshes.Count()-before, 85)
		r.gw.Refreshes.FailAlways(nil)
		r.clock.Advance(10 * time.Second)
		r.want("a2")
	})
}
