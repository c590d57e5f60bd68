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
			_, err := f.ask()
			require.NoError(t, err)
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
