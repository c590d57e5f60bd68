package tokensource_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/tokensource"
)

func TestEvents_TheEndIsEmittedOncePerSession(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.clock.Advance(sliding)
		f.wantEnded(tokensource.RefreshExpired)
		for range 2 {
			require.NoError(t, f.src.SignOut(t.Context()))
			f.wantEnded(tokensource.SignedOut)
		}
		assert.Equal(t, []string{"session ended"}, f.events.kinds())
		require.NoError(t, f.setToken()(t.Context()))
		require.NoError(t, f.src.SignOut(t.Context()))
		assert.Equal(t, []string{"session ended", "token set", "session ended"}, f.events.kinds())
		assert.Zero(t, f.gw.Refreshes.Count())
	})
}

func TestEvents_TheWarningIsEmittedOnce(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		for f.clock.Now().Before(start.Add(fixed - 24*time.Hour)) {
			assert.Zero(t, f.events.count(tokensource.EventEnding))
			f.clock.Advance(30 * time.Minute)
			_, err := f.ask()
			require.NoError(t, err)
		}
		for range 20 {
			f.clock.Advance(30 * time.Minute)
			_, err := f.ask()
			require.NoError(t, err)
		}
		require.Equal(t, 1, f.events.count(tokensource.EventEnding))
		for _, e := range f.events.all() {
			if e.Kind == tokensource.EventEnding {
				assert.Equal(t, start.Add(fixed), e.NextAt)
				assert.Equal(t, tokensource.FixedExpired, e.Reason)
				assert.Equal(t, start.Add(fixed-24*time.Hour), e.At)
			}
		}
	})
}

func TestEvents_TheWarningIsEmittedForEachSession(t *testing.T) {
	scenario(t, func(f *fixture, c *tokensource.Config) {
		withLogin(f, c)
		f.gw.access, f.gw.fixed = time.Hour, 30*time.Second // sessions that end in quick succession
		c.Token = f.gw.signOn()
	}, func(t *testing.T, f *fixture) {
		for range 100 {
			f.clock.Advance(time.Second)
			_, err := f.ask()
			require.NoError(t, err)
		}
		assert.Greater(t, f.gw.Logins.Count(), 2)
		assert.GreaterOrEqual(t, f.events.count(tokensource.EventEnding), f.gw.Logins.Count())
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
			scenario(t, func(f *fixture, c *tokensource.Config) {
				f.gw.access, f.gw.sliding, f.gw.fixed = 100*24*time.Hour, 0, tt.span
				c.Token, c.WarnBefore = f.gw.signOn(), tt.before
			}, func(t *testing.T, f *fixture) {
				f.clock.Advance(tt.span - tt.want - 1)
				f.want("a2")
				assert.Zero(t, f.events.count(tokensource.EventEnding))
				f.clock.Advance(1)
				f.want("a2")
				assert.Equal(t, 1, f.events.count(tokensource.EventEnding))
			})
		})
	}
}

func TestEvents_LevelOfALoggedEnd(t *testing.T) {
	ended := func(log, level string) int {
		return lines(log, "level="+level+` msg="agsauth session" event="session ended"`)
	}
	t.Run("at the start of a program with a Login", func(t *testing.T) {
		scenario(t, withLoginOnly, func(t *testing.T, f *fixture) {
			f.gw.Logins.Fail(errBusy)
			f.wantEnded(tokensource.NoSession)
			assert.Equal(t, 1, ended(f.logs.String(), "INFO"), "no reason for a warning")
			assert.Equal(t, 1, lines(f.logs.String(), `level=WARN msg="agsauth session" event="login failed"`), "but this is one")
			assert.Contains(t, f.logs.String(), `reason="no session"`)
		})
	})
	t.Run("at the start of a program without a Login", func(t *testing.T) {
		scenario(t, func(_ *fixture, c *tokensource.Config) { c.Token = nil }, func(t *testing.T, f *fixture) {
			f.wantEnded(tokensource.NoSession)
			assert.Equal(t, 1, ended(f.logs.String(), "WARN"))
		})
	})
	t.Run("after a session", func(t *testing.T) {
		scenario(t, withLogin, func(t *testing.T, f *fixture) {
			f.clock.Advance(sliding)
			f.want("a2")
			assert.Equal(t, 1, ended(f.logs.String(), "WARN"))
			assert.Equal(t, 1, lines(f.logs.String(), "reason="), "only the end has a reason")
			assert.Contains(t, f.logs.String(), `reason="refresh token expired"`)
		})
	})
}
