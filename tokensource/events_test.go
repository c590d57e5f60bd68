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
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.Refreshes.Fail(errBusy)
		r.clock.Advance(access - 5*time.Minute)
		r.want("a1")
		r.clock.Advance(time.Second)
		r.want("a1")
		r.clock.Advance(fixed - 30*time.Hour)
		r.wantEnded(tokensource.RefreshExpired)
		require.Equal(t, []string{"refresh failed", "refreshed", "session ended"}, r.events.kinds())
		failed, refreshed, ended := r.events.all()[0], r.events.all()[1], r.events.all()[2]
		assert.ErrorIs(t, failed.Err, ags.ErrUnavailable)
		assert.Equal(t, start.Add(access-5*time.Minute), failed.At)
		assert.Equal(t, failed.At.Add(187500*time.Microsecond), failed.NextAt)
		assert.Equal(t, tokensource.Ageing, failed.Status.Phase)
		assert.Equal(t, tokensource.Fresh, refreshed.Status.Phase)
		assert.Equal(t, refreshed.At.Add(access), refreshed.Status.ExpiresAt)
		assert.Equal(t, tokensource.RefreshExpired, ended.Reason)
		assert.Equal(t, tokensource.Ended, ended.Status.Phase)
		log := r.logs.String()
		assert.Equal(t, 1, lines(log, "level=DEBUG"), "a refresh is debug")
		assert.Equal(t, 1, lines(log, "level=INFO"), "a retry is info")
		assert.Equal(t, 1, lines(log, "level=WARN"), "an end is warn")
	})
}

func TestEvents_OnEventMayCallTheSourceAndMayPanic(t *testing.T) {
	story(t, func(r *rig, c *tokensource.Config) {
		c.OnEvent = func(e tokensource.Event) {
			r.events.record(e)
			assert.Equal(t, e.Status.Phase, r.src.Status().Phase)
			_, err := r.src.Token() // published before it is announced
			assert.NoError(t, err)
			panic("what is secret")
		}
	}, func(t *testing.T, r *rig) {
		for range 2 {
			r.clock.Advance(access)
			_, err := r.ask()
			require.NoError(t, err)
		}
		assert.Equal(t, []string{"refreshed", "refreshed"}, r.events.kinds())
		log := r.logs.String()
		assert.Contains(t, log, "level=ERROR")
		assert.NotContains(t, log, "what is secret")
	})
}

func TestEvents_ASlowOnEventDelaysNoCaller(t *testing.T) {
	block := make(chan struct{})
	story(t, func(_ *rig, c *tokensource.Config) {
		block = make(chan struct{})
		c.OnEvent = func(tokensource.Event) { <-block }
	}, func(_ *testing.T, r *rig) {
		r.clock.Advance(access)
		r.want("a2")
		r.clock.Advance(access)
		r.want("a3")
		close(block)
	})
}

func TestEvents_AreEmittedWithoutALock(t *testing.T) {
	t.Run("not the store's", func(t *testing.T) {
		told, held := 0, 0
		onShelf(t, func(_ *rig, c *tokensource.Config) {
			shelf := c.Store.(*lockedShelf)
			c.OnEvent = func(tokensource.Event) { told++; held += len(shelf.slot) }
		}, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			shelf.rotate(t, "theirs", r.clock.Now().Add(2*access))
			r.clock.Advance(access)
			r.want("theirs")
			r.clock.Advance(access)
			r.want("a2")
			assert.Equal(t, 2, told)
			assert.Zero(t, held)
			assert.Equal(t, 1, r.gw.Refreshes.Count())
		})
	})
	t.Run("nor the turn in this process: SetToken may answer an end", func(t *testing.T) {
		onShelf(t, func(r *rig, c *tokensource.Config) {
			c.OnEvent = func(e tokensource.Event) {
				r.events.record(e)
				if e.Kind == tokensource.EventEnded {
					assert.NoError(t, r.setToken()(context.Background()))
				}
			}
		}, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			shelf.edit(t, func(f map[string]any) { f["generation"], f["signed_out_at"] = 2, start })
			r.clock.Advance(access)
			_, _ = r.ask() // notices the mark
			r.want("a2")
			assert.Equal(t, []string{"session ended", "token set"}, r.events.kinds())
			assert.Zero(t, r.gw.Refreshes.Count())
		})
	})
}

func TestEvents_AFailedSaveFollowsItsRefresh(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.gw.Refreshes.Do(func() error { shelf.fail(errAway); return nil })
		r.clock.Advance(access)
		r.want("a2")
		require.Equal(t, []string{"refreshed", "store failed"}, r.events.kinds())
		for _, e := range r.events.all() {
			assert.Equal(t, start.Add(2*access), e.Status.ExpiresAt, "the session just after")
			assert.False(t, e.Status.Busy)
			assert.True(t, e.Status.Unsaved)
		}
		shelf.fail(nil)
		r.clock.Advance(time.Second)
		r.want("a2")
		require.Equal(t, []string{"refreshed", "store failed", "saved"}, r.events.kinds())
		assert.False(t, r.events.all()[2].Status.Unsaved)
		assert.Equal(t, 1, r.gw.Refreshes.Count())
	})
}

// panicky is a slog.Handler that fails whoever logs.
type panicky struct{ slog.Handler }

func (panicky) Enabled(context.Context, slog.Level) bool  { return true }
func (panicky) Handle(context.Context, slog.Record) error { panic("no space left on device") }

func TestEvents_ALoggerMayPanic(t *testing.T) {
	story(t, func(_ *rig, c *tokensource.Config) { c.Logger = slog.New(panicky{}) }, func(t *testing.T, r *rig) {
		r.clock.Advance(access)
		r.want("a2")
		assert.Equal(t, []string{"refreshed"}, r.events.kinds())
		assert.Equal(t, 1, r.gw.Refreshes.Count())
	})
}
