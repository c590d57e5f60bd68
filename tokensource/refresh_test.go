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
	scenario(t, nil, func(t *testing.T, f *fixture) {
		failed, before := 0, time.Now()
		for f.clock.Now().Before(start.Add(fixed - time.Minute)) {
			f.clock.Advance(time.Minute)
			if _, err := f.ask(); err != nil {
				failed++
			}
		}
		assert.Zero(t, failed)
		// Every 55 minutes; the last one only if it extends the session enough.
		assert.Equal(t, int(fixed/(55*time.Minute)), f.gw.Refreshes.Count())
		assert.Equal(t, before, time.Now(), "without waiting")
		f.clock.Advance(time.Minute)
		assert.Equal(t, start.Add(fixed), f.wantEnded(tokensource.FixedExpired).At)
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
			scenario(t, func(f *fixture, c *tokensource.Config) {
				f.gw.access = tt.access
				c.Token, c.RefreshBefore = f.gw.signOn(), tt.before
				c.Rand = func() float64 { return tt.draw }
			}, func(t *testing.T, f *fixture) {
				due := f.src.Status().RefreshAt
				assert.WithinDuration(t, start.Add(tt.access-tt.wantLeft), due, time.Millisecond)
				f.clock.Advance(due.Sub(start) - 1)
				f.want("a2")
				assert.Equal(t, tokensource.Fresh, f.src.Status().Phase)
				assert.Zero(t, f.gw.Refreshes.Count())
				f.clock.Advance(1)
				f.want("a2")
				f.want("a3")
				assert.Equal(t, 1, f.gw.Refreshes.Count())
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
		{"by no more than the tolerated clock difference", time.Minute, "a2", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			scenario(t, func(f *fixture, c *tokensource.Config) {
				c.Token = f.gw.signOn()
				c.Token.IssuedAt = start.Add(tt.ahead)
			}, func(t *testing.T, f *fixture) {
				f.want("a2")
				f.want(tt.want)
				assert.Equal(t, tt.calls, f.gw.Refreshes.Count())
			})
		})
	}
}

func TestRefresh_IsNotDelayedByAnIssueTimeInThePast(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.gw.edit = func(t *ags.Token) { t.IssuedAt = t.IssuedAt.Add(-30 * 24 * time.Hour) }
		f.clock.Advance(access)
		f.want("a2")
		f.clock.Advance(access)
		f.want("a3") // not delayed by a quarter of the lifetime
		require.Equal(t, 2, f.gw.Refreshes.Count())
	})
}

func TestRefresh_IsNotRepeatedNearTheFixedExpiry(t *testing.T) {
	scenario(t, func(f *fixture, c *tokensource.Config) {
		// A gateway that limits the access token's lifetime to the fixed expiry.
		f.gw.fixed = 90 * time.Minute
		f.gw.edit = func(t *ags.Token) {
			if t.ExpiresAt.After(t.FixedExpiresAt) {
				t.ExpiresAt = t.FixedExpiresAt
			}
		}
		c.Token = f.gw.signOn()
	}, func(t *testing.T, f *fixture) {
		for range 90*60 - 2 {
			f.clock.Advance(time.Second)
			f.wantAny()
		}
		assert.Equal(t, 1, f.gw.Refreshes.Count())
		f.clock.Advance(time.Second)
		f.wantEnded(tokensource.FixedExpired)
		assert.Equal(t, 1, f.gw.Refreshes.Count())
	})
}

func TestRefresh_ARepeatedFixedLifetimeDoesNotExtendTheSession(t *testing.T) {
	scenario(t, func(f *fixture, c *tokensource.Config) {
		f.gw.edit = func(t *ags.Token) { t.FixedExpiresAt = t.IssuedAt.Add(fixed) }
		c.Token = f.gw.signOn()
	}, func(t *testing.T, f *fixture) {
		for range 5 {
			f.clock.Advance(access)
			f.wantAny()
		}
		assert.Equal(t, start.Add(fixed), f.src.Status().FixedExpiresAt)
	})
}

func TestRefresh_AGrantPastTheFixedExpiryReplacesIt(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.want("a1")
		f.clock.Suspend(2 * fixed)
		f.gw.fixedAt = f.clock.Now().Add(time.Hour * 24)
		f.want("a2")
		assert.Equal(t, f.gw.fixedAt, f.src.Status().FixedExpiresAt)
		f.clock.Advance(time.Hour * 24)
		f.wantEnded(tokensource.FixedExpired)
	})
}

func TestRefresh_AnOutageWithinTheMarginIsNotSeen(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.gw.Refreshes.FailAlways(errBusy)
		f.clock.Advance(access - 5*time.Minute)
		for range 200 { // twenty seconds
			f.want("a1")
			f.clock.Advance(100 * time.Millisecond)
		}
		assert.LessOrEqual(t, f.gw.Refreshes.Count(), 8)
		assert.Equal(t, tokensource.Ageing, f.src.Status().Phase)
		assert.ErrorIs(t, f.src.Status().Err, ags.ErrUnavailable)
		f.gw.Refreshes.FailAlways(nil)
		f.clock.Advance(30 * time.Second)
		f.want("a1")
		f.want("a2")
		assert.NoError(t, f.src.Status().Err)
		assert.Equal(t, f.gw.Refreshes.Count()-1, f.events.count(tokensource.EventRefreshFailed))
	})
}

func TestRefresh_AnOutagePastTheExpiryIsRetriedOnTheBackoff(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.gw.Refreshes.FailAlways(errBusy)
		f.clock.Advance(access - time.Second - 1)
		f.want("a1")
		f.clock.Advance(1)
		before := f.gw.Refreshes.Count()
		for range 600 { // ten minutes; the back-off is capped at ten seconds
			later := f.wantUnavailable()
			assert.LessOrEqual(t, later.NextAt.Sub(f.clock.Now()), 12500*time.Millisecond)
			f.clock.Advance(time.Second)
		}
		assert.LessOrEqual(t, f.gw.Refreshes.Count()-before, 85)
		f.gw.Refreshes.FailAlways(nil)
		f.clock.Advance(10 * time.Second)
		f.want("a2")
	})
}
