package tokensource_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

func TestEvents_InOrderWithStatusAndLog(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.gw.Refreshes.Fail(errBusy)
		f.clock.Advance(access - 5*time.Minute)
		f.want("a1")
		f.clock.Advance(time.Second)
		f.want("a1")
		f.clock.Advance(fixed - 30*time.Hour)
		f.wantEnded(tokensource.RefreshExpired)
		require.Equal(t, []string{"refresh failed", "refreshed", "session ended"}, f.events.kinds())
		failed, refreshed, ended := f.events.all()[0], f.events.all()[1], f.events.all()[2]
		assert.ErrorIs(t, failed.Err, ags.ErrUnavailable)
		assert.Equal(t, start.Add(access-5*time.Minute), failed.At)
		assert.Equal(t, failed.At.Add(187500*time.Microsecond), failed.NextAt)
		assert.Equal(t, tokensource.Ageing, failed.Status.Phase)
		assert.Equal(t, tokensource.Fresh, refreshed.Status.Phase)
		assert.Equal(t, refreshed.At.Add(access), refreshed.Status.ExpiresAt)
		assert.Equal(t, tokensource.RefreshExpired, ended.Reason)
		assert.Equal(t, tokensource.Ended, ended.Status.Phase)
		log := f.logs.String()
		assert.Equal(t, 1, lines(log, "level=DEBUG"), "a refresh is debug")
		assert.Equal(t, 1, lines(log, "level=INFO"), "a retry is info")
		assert.Equal(t, 1, lines(log, "level=WARN"), "an end is warn")
	})
}

func TestEvents_OnEventMayCallTheSourceAndMayPanic(t *testing.T) {
	scenario(t, func(f *fixture, c *tokensource.Config) {
		c.OnEvent = func(e tokensource.Event) {
			f.events.add(e)
			assert.Equal(t, e.Status.Phase, f.src.Status().Phase)
			_, err := f.src.Token() // the token is published before the event
			assert.NoError(t, err)
			panic("a secret")
		}
	}, func(t *testing.T, f *fixture) {
		for range 2 {
			f.clock.Advance(access)
			f.wantAny()
		}
		assert.Equal(t, []string{"refreshed", "refreshed"}, f.events.kinds())
		log := f.logs.String()
		assert.Contains(t, log, "level=ERROR")
		assert.NotContains(t, log, "a secret")
	})
}

func TestEvents_ASlowOnEventDelaysNoCaller(t *testing.T) {
	block := make(chan struct{})
	scenario(t, func(_ *fixture, c *tokensource.Config) {
		block = make(chan struct{})
		c.OnEvent = func(tokensource.Event) { <-block }
	}, func(_ *testing.T, f *fixture) {
		f.clock.Advance(access)
		f.want("a2")
		f.clock.Advance(access)
		f.want("a3")
		close(block)
	})
}

func TestEvents_AreEmittedWithoutALock(t *testing.T) {
	t.Run("of the store", func(t *testing.T) {
		events, held := 0, 0
		scenarioWithStore(t, func(_ *fixture, c *tokensource.Config) {
			fake := c.Store.(*lockingStore)
			c.OnEvent = func(tokensource.Event) { events++; held += len(fake.locked) }
		}, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			fake.rotate(t, "theirs", f.clock.Now().Add(2*access))
			f.clock.Advance(access)
			f.want("theirs")
			f.clock.Advance(access)
			f.want("a2")
			assert.Equal(t, 2, events)
			assert.Zero(t, held)
			assert.Equal(t, 1, f.gw.Refreshes.Count())
		})
	})
	t.Run("of the Source, so that OnEvent may call SetToken", func(t *testing.T) {
		scenarioWithStore(t, func(f *fixture, c *tokensource.Config) {
			c.OnEvent = func(e tokensource.Event) {
				f.events.add(e)
				if e.Kind == tokensource.EventEnded {
					assert.NoError(t, f.setToken()(context.Background()))
				}
			}
		}, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			fake.edit(t, func(record map[string]any) { record["generation"], record["signed_out_at"] = 2, start })
			f.clock.Advance(access)
			_, _ = f.ask() // finds the sign-out mark
			f.want("a2")
			assert.Equal(t, []string{"session ended", "token set"}, f.events.kinds())
			assert.Zero(t, f.gw.Refreshes.Count())
		})
	})
}

func TestEvents_AFailedSaveFollowsItsRefresh(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		f.gw.Refreshes.Do(func() error { fake.failSaves(errUnreachable); return nil })
		f.clock.Advance(access)
		f.want("a2")
		require.Equal(t, []string{"refreshed", "store failed"}, f.events.kinds())
		for _, e := range f.events.all() {
			assert.Equal(t, start.Add(2*access), e.Status.ExpiresAt, "the status just after the refresh")
			assert.False(t, e.Status.Busy)
			assert.True(t, e.Status.Unsaved)
		}
		fake.failSaves(nil)
		f.clock.Advance(time.Second)
		f.want("a2")
		require.Equal(t, []string{"refreshed", "store failed", "saved"}, f.events.kinds())
		assert.False(t, f.events.all()[2].Status.Unsaved)
		assert.Equal(t, 1, f.gw.Refreshes.Count())
	})
}

// panickingHandler is a slog.Handler that panics.
type panickingHandler struct{ slog.Handler }

func (panickingHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (panickingHandler) Handle(context.Context, slog.Record) error { panic("no space left on device") }

func TestEvents_ALoggerMayPanic(t *testing.T) {
	scenario(t, func(_ *fixture, c *tokensource.Config) { c.Logger = slog.New(panickingHandler{}) }, func(t *testing.T, f *fixture) {
		f.clock.Advance(access)
		f.want("a2")
		assert.Equal(t, []string{"refreshed"}, f.events.kinds())
		assert.Equal(t, 1, f.gw.Refreshes.Count())
	})
}

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
			f.wantAny()
		}
		for range 20 {
			f.clock.Advance(30 * time.Minute)
			f.wantAny()
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
			f.wantAny()
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

// A gateway's time is that of its calls, not that of waiting for a retry or a lock.
func TestEvents_TellHowLongTheGatewayTook(t *testing.T) {
	scenario(t, func(f *fixture, c *tokensource.Config) { c.Login = f.gw.login }, func(t *testing.T, f *fixture) {
		takes := func(d time.Duration, err error) func() error {
			return func() error { f.clock.Advance(d); return err }
		}
		f.gw.Refreshes.Do(takes(2*time.Second, errBusy), takes(3*time.Second, nil), takes(time.Second, errUnauthorized))
		f.gw.Logins.Do(takes(4*time.Second, errBusy), takes(5*time.Second, nil))
		for range 2 {
			f.clock.Advance(access)
			_, _ = f.ask()
		}
		f.clock.Advance(access)
		_, _ = f.ask()
		f.clock.Advance(time.Hour)
		f.wantAny()
		require.NoError(t, f.src.SetToken(t.Context(), f.gw.signOn()))
		type told struct {
			kind  string
			class string
			took  time.Duration
		}
		var got []told
		for _, e := range f.events.all() {
			got = append(got, told{e.Kind.String(), e.Class.String(), e.Duration})
		}
		assert.Equal(t, []told{
			{"refresh failed", "unavailable", 2 * time.Second},
			{"refreshed", "none", 3 * time.Second},
			{"session ended", "unauthorized", time.Second},
			{"login failed", "unavailable", 4 * time.Second},
			{"logged in", "none", 5 * time.Second},
			{"token set", "none", 0},
		}, got)
		assert.Contains(t, f.logs.String(), "error_class=unavailable duration=2s")
	})
}
