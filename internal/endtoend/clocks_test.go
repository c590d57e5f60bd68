package endtoend_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// A laptop that slept: the wall clock has moved, the monotonic one has not.
func TestEndToEnd_Suspended(t *testing.T) {
	for _, c := range []struct {
		name      string
		asleep    time.Duration
		refreshes int
		reason    tokensource.Reason // zero for none
	}{
		{"for a nap", 10 * time.Minute, 0, 0},
		{"into the margin", 57 * time.Minute, 1, 0},
		{"for a night", 8 * time.Hour, 1, 0},
		// The gateway is asked, as the clocks do not agree; it says no, and the
		// horizon that one of them has seen pass says why.
		{"past the refresh token", 50 * time.Hour, 1, tokensource.RefreshExpired},
		{"past the fixed horizon", 31 * 24 * time.Hour, 1, tokensource.FixedExpired},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := clock.NewFake(time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC))
			loopback(t, plan{platform: agstest.Config{Clock: fake}}, func(t *testing.T, h *house) {
				h.served(1)
				fake.Suspend(c.asleep)
				if c.reason != 0 {
					e := h.ended(c.reason)
					require.ErrorIs(t, e.Err, ags.ErrUnauthorized)
					h.wantCount(agstest.Refresh, c.refreshes)
					h.wantCount(agstest.API, 1)
					return
				}
				require.NoError(t, h.get(t.Context()).failed())
				if c.refreshes > 0 {
					h.events.awaitRefresh(t)
				}
				h.served(1 + c.refreshes)
				h.wantCount(agstest.Refresh, c.refreshes)
				h.wantCount(agstest.API, 3)
				assert.Zero(t, h.rejections())
				h.wantSound()
			})
		})
	}
}

// With Run a machine that wakes up is looked after within a minute.
func TestEndToEnd_RunAfterASleep(t *testing.T) {
	fake := clock.NewFake(time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC))
	loopback(t, plan{platform: agstest.Config{Clock: fake}}, func(t *testing.T, h *house) {
		stopped := make(chan error, 1)
		go func() { stopped <- h.src.Run(t.Context()) }()
		require.NoError(t, fake.BlockUntil(t.Context(), 1))
		fake.Suspend(8 * time.Hour)
		assert.LessOrEqual(t, fake.AdvanceToNext(), time.Minute)
		h.events.awaitRefresh(t)
		h.served(2)
		h.wantCount(agstest.Refresh, 1)
		require.NoError(t, h.src.Close())
		assert.ErrorIs(t, <-stopped, tokensource.ErrClosed)
	})
}

// A set-top box boots in 1970, signs on, and then learns what time it is: no
// horizon that is decades past by one clock alone ends the session.
func TestEndToEnd_BoxThatBootsIn1970(t *testing.T) {
	now := time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC)
	for shape, quirks := range map[string]agstest.Quirks{
		"claims": {}, "opaque": {OpaqueTokens: true}, "opaque, the whole fixed lifetime every time": {OpaqueTokens: true, RepeatFixedLifetime: true},
	} {
		t.Run(shape, func(t *testing.T) {
			box, platform := clock.NewFake(time.Unix(90, 0)), clock.NewFake(now)
			p := plan{
				platform: agstest.Config{Clock: platform, Quirks: quirks},
				gateway:  func(cfg *ags.Config) { cfg.Clock = box },
			}
			loopback(t, p, func(t *testing.T, h *house) {
				h.served(1)
				box.Suspend(now.Sub(time.Unix(90, 0)))
				h.served(2)
				h.events.awaitRefresh(t)
				h.wantCount(agstest.Refresh, 1)
				st := h.src.Status()
				assert.Equal(t, tokensource.Fresh, st.Phase)
				assert.WithinDuration(t, now.Add(time.Hour), st.ExpiresAt, time.Second)
				assert.WithinDuration(t, now.Add(30*24*time.Hour), st.FixedExpiresAt, time.Second)
				for generation := 2; generation < 30; generation++ {
					step := st.RefreshAt.Sub(box.Now())
					box.Advance(step)
					platform.Advance(step)
					h.served(generation)
					h.events.awaitRefresh(t)
					st = h.src.Status()
				}
				h.wantCount(agstest.Refresh, 29)
				assert.Zero(t, h.rejections())
				h.wantSound()
			})
		})
	}
}

// And one whose clock is set back in the middle of it.
func TestEndToEnd_ClockSetBack(t *testing.T) {
	box := clock.NewFake(time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC))
	platform := clock.NewFake(box.Now())
	p := plan{platform: agstest.Config{Clock: platform}, gateway: func(cfg *ags.Config) { cfg.Clock = box }}
	loopback(t, p, func(t *testing.T, h *house) {
		box.Suspend(-365 * 24 * time.Hour)
		h.served(1)
		box.Advance(90 * time.Minute)
		platform.Advance(90 * time.Minute)
		h.served(2) // dead by the clock that cannot be set
		box.Advance(90 * time.Minute)
		platform.Advance(90 * time.Minute)
		h.served(3)
		h.wantCount(agstest.Refresh, 2)
		assert.Zero(t, h.rejections())
		h.wantSound()
	})
}

// The machine sleeps across the fixed horizon, with an access token that says of
// itself that it lives, by either clock: it is not served on that word.
func TestEndToEnd_SuspendedAcrossTheFixedHorizon(t *testing.T) {
	fake := clock.NewFake(time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC))
	p := plan{platform: agstest.Config{Clock: fake, FixedLifetime: 30 * time.Minute}}
	loopback(t, p, func(t *testing.T, h *house) {
		h.served(1)
		fake.Suspend(40 * time.Minute)
		require.True(t, h.token.ExpiresAt.After(fake.Now()))
		require.ErrorIs(t, h.ended(tokensource.FixedExpired).Err, ags.ErrUnauthorized)
		h.wantCount(agstest.Refresh, 1)
		h.wantCount(agstest.API, 1)
	})
}

// A clock that is set two and a half days ahead by mistake, and right again: the
// gateway is asked before the session is given up, and no dead token is sent.
func TestEndToEnd_ClockSetWrongAndRightAgain(t *testing.T) {
	for name, restart := range map[string]bool{"": false, "with a restart in between": true} {
		t.Run(name, func(t *testing.T) {
			box := clock.NewFake(time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC))
			platform := clock.NewFake(box.Now())
			var memory store.Memory
			p := plan{
				platform: agstest.Config{Clock: platform},
				gateway:  func(cfg *ags.Config) { cfg.Clock = box },
				source:   func(_ *house, cfg *tokensource.Config) { cfg.Store = &memory },
			}
			loopback(t, p, func(t *testing.T, h *house) {
				h.served(1)
				box.Suspend(60 * time.Hour)
				h.served(2)
				h.events.awaitRefresh(t)
				box.Suspend(-60 * time.Hour)
				if restart {
					require.NoError(t, h.src.Close())
					h.src = h.source(func(_ *house, cfg *tokensource.Config) { cfg.Store, cfg.Token = memory.Peer(), nil })
					h.client = h.clientOf(h.src)
					h.served(2) // from a minute that is yet to come: refreshed at once
					h.events.awaitRefresh(t)
					h.served(3)
				}
				for range 30 {
					box.Advance(10 * time.Minute)
					platform.Advance(10 * time.Minute)
					require.NoError(t, h.get(t.Context()).failed())
				}
				assert.Zero(t, h.rejections())
				assert.Empty(t, h.events.of(tokensource.EventEnded))
				assert.InDelta(t, 7, h.srv.Count(agstest.Refresh), 1)
				h.wantSound()
			})
		})
	}
}

// A clock that is an hour off, this or that way, changes nothing.
func TestEndToEnd_SkewedServer(t *testing.T) {
	for name, skew := range map[string]time.Duration{"ahead": time.Hour, "behind": -time.Hour, "decades ahead": 50 * 365 * 24 * time.Hour} {
		for shape, quirks := range map[string]agstest.Quirks{
			"spans and claims": {},
			"claims alone":     {OmitFields: []string{"expires_in", "refresh_expires_in", "fixed_refresh_expires_in"}},
			"spans alone":      {OpaqueTokens: true},
		} {
			t.Run(name+", "+shape, func(t *testing.T) {
				p := plan{platform: agstest.Config{Skew: skew, FixedLifetime: 4 * time.Hour, Quirks: quirks}}
				bubble(t, p, func(t *testing.T, h *house) {
					issuedAt := h.token.IssuedAt
					y := h.crowd(2, 8*time.Minute, 4*time.Hour-2*time.Second)
					assert.Empty(t, y.errs)
					assert.Zero(t, y.slowest)
					assert.Zero(t, h.rejections())
					st := h.src.Status()
					assert.WithinDuration(t, st.IssuedAt.Add(time.Hour), st.ExpiresAt, time.Second)
					assert.WithinDuration(t, st.IssuedAt.Add(48*time.Hour), st.RefreshExpiresAt, time.Second)
					assert.WithinDuration(t, issuedAt.Add(4*time.Hour), st.FixedExpiresAt, time.Second)
					sleep(3 * time.Second)
					h.ended(tokensource.FixedExpired)
					h.wantCount(agstest.Refresh, 4)
					h.wantSound()
				})
			})
		}
	}
}
