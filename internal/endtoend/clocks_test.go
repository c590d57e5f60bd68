package endtoend_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// The machine was suspended: the wall clock has moved on, the monotonic clock has
// not.
func TestSuspended(t *testing.T) {
	for _, c := range []struct {
		name      string
		asleep    time.Duration
		refreshes int
		reason    tokensource.Reason // zero for none
	}{
		{"for ten minutes", 10 * time.Minute, 0, 0},
		{"into the margin", 57 * time.Minute, 1, 0},
		{"for a night", 8 * time.Hour, 1, 0},
		// The two clocks disagree, so the gateway is asked. It rejects, and the expiry
		// that has passed by one of the clocks is the reason.
		{"past the expiry of the refresh token", 50 * time.Hour, 1, tokensource.RefreshExpired},
		{"past the fixed expiry", 31 * 24 * time.Hour, 1, tokensource.FixedExpired},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := clock.NewFake(time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC))
			overLoopback(t, options{platform: agstest.Config{Clock: fake}}, func(t *testing.T, s *stack) {
				s.wantServed(1)
				fake.Suspend(c.asleep)
				if c.reason != 0 {
					e := s.wantLoginRequired(c.reason)
					require.ErrorIs(t, e.Err, ags.ErrUnauthorized)
					s.wantCount(agstest.Refresh, c.refreshes)
					s.wantCount(agstest.API, 1)
					return
				}
				require.NoError(t, s.get(t.Context()).asError())
				if c.refreshes > 0 {
					s.events.awaitRefresh(t)
				}
				s.wantServed(1 + c.refreshes)
				s.wantCount(agstest.Refresh, c.refreshes)
				s.wantCount(agstest.API, 3)
				assert.Zero(t, s.rejectedCalls())
				s.wantNoOverlap()
			})
		})
	}
}

// With Run, the token is refreshed within a minute of a resume.
func TestRunAfterASuspend(t *testing.T) {
	fake := clock.NewFake(time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC))
	overLoopback(t, options{platform: agstest.Config{Clock: fake}}, func(t *testing.T, s *stack) {
		stopped := make(chan error, 1)
		go func() { stopped <- s.src.Run(t.Context()) }()
		require.NoError(t, fake.BlockUntil(t.Context(), 1))
		fake.Suspend(8 * time.Hour)
		assert.LessOrEqual(t, fake.AdvanceToNext(), time.Minute)
		s.events.awaitRefresh(t)
		s.wantServed(2)
		s.wantCount(agstest.Refresh, 1)
		require.NoError(t, s.src.Close())
		assert.ErrorIs(t, <-stopped, tokensource.ErrClosed)
	})
}

// A set-top box starts with its clock in 1970, signs on, and then sets its clock. An
// expiry that has passed by one of the two clocks only does not end the session.
func TestClockStartsIn1970(t *testing.T) {
	now := time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC)
	for shape, quirks := range map[string]agstest.Quirks{
		"claims": {}, "opaque": {OpaqueTokens: true}, "opaque, the full fixed lifetime in every response": {OpaqueTokens: true, RepeatFixedLifetime: true},
	} {
		t.Run(shape, func(t *testing.T) {
			box, platform := clock.NewFake(time.Unix(90, 0)), clock.NewFake(now)
			opts := options{
				platform: agstest.Config{Clock: platform, Quirks: quirks},
				gateway:  func(cfg *ags.Config) { cfg.Clock = box },
			}
			overLoopback(t, opts, func(t *testing.T, s *stack) {
				s.wantServed(1)
				box.Suspend(now.Sub(time.Unix(90, 0)))
				s.wantServed(2)
				s.events.awaitRefresh(t)
				s.wantCount(agstest.Refresh, 1)
				st := s.src.Status()
				assert.Equal(t, tokensource.Fresh, st.Phase)
				assert.WithinDuration(t, now.Add(time.Hour), st.ExpiresAt, time.Second)
				assert.WithinDuration(t, now.Add(30*24*time.Hour), st.FixedExpiresAt, time.Second)
				for generation := 2; generation < 30; generation++ {
					step := st.RefreshAt.Sub(box.Now())
					box.Advance(step)
					platform.Advance(step)
					s.wantServed(generation)
					s.events.awaitRefresh(t)
					st = s.src.Status()
				}
				s.wantCount(agstest.Refresh, 29)
				assert.Zero(t, s.rejectedCalls())
				s.wantNoOverlap()
			})
		})
	}
}

// The wall clock is set back by a year during the session.
func TestClockSetBack(t *testing.T) {
	box := clock.NewFake(time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC))
	platform := clock.NewFake(box.Now())
	opts := options{platform: agstest.Config{Clock: platform}, gateway: func(cfg *ags.Config) { cfg.Clock = box }}
	overLoopback(t, opts, func(t *testing.T, s *stack) {
		box.Suspend(-365 * 24 * time.Hour)
		s.wantServed(1)
		box.Advance(90 * time.Minute)
		platform.Advance(90 * time.Minute)
		s.wantServed(2) // expired by the monotonic clock
		box.Advance(90 * time.Minute)
		platform.Advance(90 * time.Minute)
		s.wantServed(3)
		s.wantCount(agstest.Refresh, 2)
		assert.Zero(t, s.rejectedCalls())
		s.wantNoOverlap()
	})
}

// The machine is suspended across the fixed expiry, with an access token that is
// still valid by either clock. The token is not served.
func TestSuspendedAcrossTheFixedExpiry(t *testing.T) {
	fake := clock.NewFake(time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC))
	opts := options{platform: agstest.Config{Clock: fake, FixedLifetime: 30 * time.Minute}}
	overLoopback(t, opts, func(t *testing.T, s *stack) {
		s.wantServed(1)
		fake.Suspend(40 * time.Minute)
		require.True(t, s.token.ExpiresAt.After(fake.Now()))
		require.ErrorIs(t, s.wantLoginRequired(tokensource.FixedExpired).Err, ags.ErrUnauthorized)
		s.wantCount(agstest.Refresh, 1)
		s.wantCount(agstest.API, 1)
	})
}

// The wall clock is set forward by mistake, by two and a half days, and later
// corrected. The gateway is asked before the session is given up, and no expired
// token is sent.
func TestClockSetForwardAndBack(t *testing.T) {
	for name, restart := range map[string]bool{"": false, "with a restart in between": true} {
		t.Run(name, func(t *testing.T) {
			box := clock.NewFake(time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC))
			platform := clock.NewFake(box.Now())
			var memory store.Memory
			opts := options{
				platform: agstest.Config{Clock: platform},
				gateway:  func(cfg *ags.Config) { cfg.Clock = box },
				source:   func(_ *stack, cfg *tokensource.Config) { cfg.Store = &memory },
			}
			overLoopback(t, opts, func(t *testing.T, s *stack) {
				s.wantServed(1)
				box.Suspend(60 * time.Hour)
				s.wantServed(2)
				s.events.awaitRefresh(t)
				box.Suspend(-60 * time.Hour)
				if restart {
					require.NoError(t, s.src.Close())
					s.src = s.source(func(_ *stack, cfg *tokensource.Config) { cfg.Store, cfg.Token = memory.Peer(), nil })
					s.client = s.clientOf(s.src)
					s.wantServed(2) // issued in the future: refreshed at once
					s.events.awaitRefresh(t)
					s.wantServed(3)
				}
				for range 30 {
					box.Advance(10 * time.Minute)
					platform.Advance(10 * time.Minute)
					require.NoError(t, s.get(t.Context()).asError())
				}
				assert.Zero(t, s.rejectedCalls())
				assert.Empty(t, s.events.ofKind(tokensource.EventEnded))
				assert.InDelta(t, 7, s.srv.Count(agstest.Refresh), 1)
				s.wantNoOverlap()
			})
		})
	}
}

// A server clock that is wrong, in either direction, has no effect.
func TestSkewedServerClock(t *testing.T) {
	for name, skew := range map[string]time.Duration{"ahead": time.Hour, "behind": -time.Hour, "decades ahead": 50 * 365 * 24 * time.Hour} {
		for shape, quirks := range map[string]agstest.Quirks{
			"lifetimes and claims": {},
			"claims alone":         {OmitFields: []string{"expires_in", "refresh_expires_in", "fixed_refresh_expires_in"}},
			"lifetimes alone":      {OpaqueTokens: true},
		} {
			t.Run(name+", "+shape, func(t *testing.T) {
				opts := options{platform: agstest.Config{Skew: skew, FixedLifetime: 4 * time.Hour, Quirks: quirks}}
				inBubble(t, opts, func(t *testing.T, s *stack) {
					issuedAt := s.token.IssuedAt
					stats := s.poll(2, 8*time.Minute, 4*time.Hour-2*time.Second)
					assert.Empty(t, stats.errs)
					assert.Zero(t, stats.slowest)
					assert.Zero(t, s.rejectedCalls())
					st := s.src.Status()
					assert.WithinDuration(t, st.IssuedAt.Add(time.Hour), st.ExpiresAt, time.Second)
					assert.WithinDuration(t, st.IssuedAt.Add(48*time.Hour), st.RefreshExpiresAt, time.Second)
					assert.WithinDuration(t, issuedAt.Add(4*time.Hour), st.FixedExpiresAt, time.Second)
					sleep(3 * time.Second)
					s.wantLoginRequired(tokensource.FixedExpired)
					s.wantCount(agstest.Refresh, 4)
					s.wantNoOverlap()
				})
			})
		}
	}
}

// A source without callers has no timer, whatever happened before.
func TestNoTimerAtRest(t *testing.T) {
	fake := clock.NewFake(time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC))
	var memory store.Memory
	opts := options{platform: agstest.Config{Clock: fake}, source: func(_ *stack, cfg *tokensource.Config) { cfg.Store = &memory }}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		rest := func() {
			t.Helper()
			synctest.Wait()
			require.Zero(t, fake.AdvanceToNext())
		}
		s.wantServed(1)
		rest()
		fake.Advance(56 * time.Minute)
		s.wantServed(1)
		rest()
		s.wantServed(2)
		s.srv.Script(agstest.Refresh, agstest.Fault{Status: http.StatusServiceUnavailable})
		fake.Advance(2 * time.Hour)
		s.wantUnavailable()
		rest()
		fake.Advance(time.Second)
		s.wantServed(3)
		s.srv.RejectNext(1)
		s.wantServed(4)
		rest()
		require.NoError(t, s.src.SignOut(t.Context()))
		rest()
		s.wantCount(agstest.Refresh, 4)
		s.wantNoOverlap()
	})
}
