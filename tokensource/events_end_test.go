package tokensource_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/tokensource"
)

func TestEvents_TheEndIsEmittedOncePerSession(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.clock.Advance(sliding)
		r.wantEnded(tokensource.RefreshExpired)
		for range 2 {
			require.NoError(t, r.src.SignOut(t.Context()))
			r.wantEnded(tokensource.SignedOut)
		}
		assert.Equal(t, []string{"session ended"}, r.events.kinds())
		require.NoError(t, r.setToken()(t.Context()))
		require.NoError(t, r.src.SignOut(t.Context()))
		assert.Equal(t, []string{"session ended", "token set", "session ended"}, r.events.kinds())
		assert.Zero(t, r.gw.Refreshes.Count())
	})
}

func TestEvents_TheWarningIsEmittedOnce(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		for r.clock.Now().Before(start.Add(fixed - 24*time.Hour)) {
			assert.Zero(t, r.events.count(tokensource.EventEnding))
			r.clock.Advance(30 * time.Minute)
			_, err := r.ask()
			require.NoError(t, err)
		}
		for range 20 {
			r.clock.Advance(30 * time.Minute)
			_, err := r.ask()
			require.NoError(t, err)
		}
		require.Equal(t, 1, r.events.count(tokensource.EventEnding))
		for _, e := range r.events.all() {
			if e.Kind == tokensource.EventEnding {
				assert.Equal(t, start.Add(fixed), e.NextAt)
				assert.Equal(t, tokensource.FixedExpired, e.Reason)
				assert.Equal(t, start.Add(fixed-24*time.Hour), e.At)
			}
		}
	})
}

func TestEvents_TheWarningIsEmittedForEachSession(t *testing.T) {
	story(t, func(r *rig, c *tokensource.Config) {
		withLogin(r, c)
		r.gw.access, r.gw.fixed = time.Hour, 30*time.Second // ends that lie close together
		c.Token = r.gw.signOn()
	}, func(t *testing.T, r *rig) {
		for range 100 {
			r.clock.Advance(time.Second)
			_, err := r.ask()
			require.NoError(t, err)
		}
		assert.Greater(t, r.gw.Logins.Count(), 2)
		assert.GreaterOrEqual(t, r.events.count(tokensource.EventEnding), r.gw.Logins.Count())
	})
}

func TestEvents_WarnBefore(t *testing.T) {
	for _, tt := range []struct {
		name               string
		span, before, want time.Duration
	}{
		{"a tenth", 50 * time.Hour, 0, 5 * time.Hour},
		{"at most a day", 90 * 24 * time.Hour, 0, 24 * time.Hour},
		{"at least ten minutes", time.Hour, 0, 10 * time.Minute},
		{"never more than half", 10 * time.Minute, 0, 5 * time.Minute},
		{"as configured", 50 * time.Hour, 7 * time.Hour, 7 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			story(t, func(r *rig, c *tokensource.Config) {
				r.gw.access, r.gw.sliding, r.gw.fixed = 100*24*time.Hour, 0, tt.span
				c.Token, c.WarnBefore = r.gw.signOn(), tt.before
			}, func(t *testing.T, r *rig) {
				r.clock.Advance(tt.span - tt.want - 1)
				r.want("a2")
				assert.Zero(t, r.events.count(tokensource.EventEnding))
				r.clock.Advance(1)
				r.want("a2")
				assert.Equal(t, 1, r.events.count(tokensource.EventEnding))
			})
		})
	}
}

func TestEvents_LevelOfALoggedEnd(t *testing.T) {
	ended := func(log, level string) int {
		return lines(log, "level="+level+` msg="agsauth session" event="session ended"`)
	}
	t.Run("a program with a Login begins without a session", func(t *testing.T) {
		story(t, withLoginOnly, func(t *testing.T, r *rig) {
			r.gw.Logins.Fail(errBusy)
			r.wantEnded(tokensource.NoSession)
			assert.Equal(t, 1, ended(r.logs.String(), "INFO"), "which is nothing to be warned of")
			assert.Equal(t, 1, lines(r.logs.String(), `level=WARN msg="agsauth session" event="login failed"`), "but this is")
			assert.Contains(t, r.logs.String(), `reason="no session"`)
		})
	})
	t.Run("one without needs a human", func(t *testing.T) {
		story(t, func(_ *rig, c *tokensource.Config) { c.Token = nil }, func(t *testing.T, r *rig) {
			r.wantEnded(tokensource.NoSession)
			assert.Equal(t, 1, ended(r.logs.String(), "WARN"))
		})
	})
	t.Run("a session that was there has ended", func(t *testing.T) {
		story(t, withLogin, func(t *testing.T, r *rig) {
			r.clock.Advance(sliding)
			r.want("a2")
			assert.Equal(t, 1, ended(r.logs.String(), "WARN"))
			assert.Equal(t, 1, lines(r.logs.String(), "reason="), "what is no end has no reason")
			assert.Contains(t, r.logs.String(), `reason="refresh token expired"`)
		})
	})
}
