package endtoend_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/internal/multiproc"
	"github.com/agsauth/agsauth/tokensource"
)

// A refresh token may expire before its access token.
func TestRefreshTokenExpiresFirst(t *testing.T) {
	opts := options{platform: agstest.Config{AccessLifetime: time.Hour, RefreshLifetime: 30 * time.Minute}}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		stats := s.poll(5, time.Minute, 100*time.Minute)
		assert.Empty(t, stats.errs)
		assert.Zero(t, stats.slowest)
		s.wantCount(agstest.Refresh, 3) // every 27 minutes
		assert.Empty(t, s.events.ofKind(tokensource.EventEnded))

		// After a pause the refresh token has expired, but the access token has not.
		required := s.src.LoginRequired()
		sleep(31 * time.Minute)
		s.wantServed(4)
		assert.True(t, isClosed(required))
		assert.Equal(t, tokensource.RefreshExpired, s.src.Status().Reason)
		sleep(time.Hour)
		s.wantEnded(tokensource.RefreshExpired, required)
		s.wantCount(agstest.Refresh, 3)
		s.wantNoOverlap()
	})
}

// The fixed expiry of the session ends it, even while the access token is still
// valid.
func TestAccessTokenOutlivesTheSession(t *testing.T) {
	opts := options{platform: agstest.Config{AccessLifetime: time.Hour, FixedLifetime: 30 * time.Minute}}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		stats := s.poll(5, time.Minute, 30*time.Minute-2*time.Second)
		assert.Empty(t, stats.errs)
		sleep(2 * time.Second)
		s.wantEnded(tokensource.FixedExpired, s.src.LoginRequired())
		s.wantCount(agstest.Refresh, 0)
		assert.Zero(t, s.rejectedCalls())
	})
}

// Callers wait for a slow refresh only after the access token has expired.
func TestRefreshSlowerThanTheMargin(t *testing.T) {
	opts := options{
		platform: agstest.Config{AccessLifetime: 20 * time.Second, Quirks: agstest.Quirks{MillisecondClaims: true}},
		source:   func(_ *stack, cfg *tokensource.Config) { cfg.RefreshTimeout = 30 * time.Second },
	}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		s.srv.Always(agstest.Refresh, agstest.Fault{Delay: 12 * time.Second})
		stats := s.poll(10, time.Second, 3*time.Minute)
		assert.Empty(t, stats.errs)
		// Each refresh begins when the one before has ended, 12 s after its begin, and
		// its token is served for 19 s: callers wait for 24 s - 19 s.
		assert.Equal(t, 5*time.Second, stats.slowest)
		assert.InDelta(t, 15, s.srv.Count(agstest.Refresh), 1, "one after the other")
		assert.Zero(t, s.rejectedCalls())
		s.wantNoOverlap()
	})
}

// A response whose access token has already expired does not serve the waiting
// callers, but its refresh token must be kept: it is the only valid one.
func TestTokenExpiresBeforeItArrives(t *testing.T) {
	opts := options{platform: agstest.Config{AccessLifetime: 10 * time.Second}}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		sleep(time.Minute)
		s.srv.Script(agstest.Refresh, agstest.Fault{Delay: 9500 * time.Millisecond, AfterWork: true})
		begin := time.Now()
		s.wantUnavailable()
		assert.Equal(t, 9500*time.Millisecond, time.Since(begin))
		s.wantCount(agstest.API, 0)
		sleep(15 * time.Second)
		s.wantServed(3)
		s.wantCount(agstest.Refresh, 2)
		s.wantNoOverlap()
	})
}

// Fifty callers use a session for several token lifetimes, with slow refreshes and
// single-use refresh tokens. No call fails or waits, and the API never rejects a
// token.
func TestFiftyCallersNeitherFailNorWait(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault agstest.Fault
	}{
		{"slow before the gateway acts", agstest.Fault{Delay: 8 * time.Second}},
		{"slow after the gateway has acted", agstest.Fault{Delay: 8 * time.Second, AfterWork: true}},
		{"a response that arrives slowly", agstest.Fault{Kind: agstest.Drip, Pause: time.Second}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, options{platform: agstest.Config{AccessLifetime: 10 * time.Minute}}, func(t *testing.T, s *stack) {
				s.srv.Always(agstest.Refresh, c.fault)
				stats := s.poll(50, time.Minute, 32*time.Minute)
				assert.Empty(t, stats.errs)
				assert.Zero(t, stats.slowest, "the slowest call")
				assert.Equal(t, stats.calls, s.srv.Count(agstest.API), "no call was repeated")
				assert.Equal(t, 1600, stats.calls)
				s.wantCount(agstest.Refresh, 3)
				s.wantCount(agstest.SignOn, 1)
				s.wantNoOverlap()
			})
		})
	}
}

// The same on the system clock and over real connections. On a slow machine tokens
// with a lifetime of two seconds may expire in transit, so the test is opt-in.
func TestFiftyCallersOnARealClock(t *testing.T) {
	multiproc.OptIn(t)
	opts := options{platform: agstest.Config{
		AccessLifetime: 2 * time.Second, Quirks: agstest.Quirks{MillisecondClaims: true},
	}}
	overLoopback(t, opts, func(t *testing.T, s *stack) {
		s.srv.Always(agstest.Refresh, agstest.Fault{Delay: 300 * time.Millisecond})
		stats := s.poll(50, 100*time.Millisecond, 4500*time.Millisecond)
		assert.Empty(t, stats.errs)
		assert.Greater(t, stats.calls, 500)
		assert.Zero(t, s.rejectedCalls())
		// The refresh begins after one second, and takes 0.3 s.
		assert.InDelta(t, 3, s.srv.Count(agstest.Refresh), 1)
		s.wantCount(agstest.SignOn, 1)
		s.wantNoOverlap()
	})
}

// Tokens with a lifetime of one second are refreshed in time.
func TestShortestTokens(t *testing.T) {
	opts := options{platform: agstest.Config{
		AccessLifetime: time.Second, RefreshLifetime: 2 * time.Second, Quirks: agstest.Quirks{MillisecondClaims: true},
	}}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		s.srv.Always(agstest.Refresh, agstest.Fault{Delay: 200 * time.Millisecond})
		stats := s.poll(20, 200*time.Millisecond, 10*time.Second)
		assert.Empty(t, stats.errs)
		assert.Zero(t, stats.slowest)
		assert.Zero(t, s.rejectedCalls())
		// The refresh begins after half a second, not earlier.
		s.wantCount(agstest.Refresh, 19)
		s.wantNoOverlap()
	})
}

// A month on the fake clock, over real connections.
func TestMonthOnTheFakeClock(t *testing.T) {
	fake := clock.NewFake(time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC))
	overLoopback(t, options{platform: agstest.Config{Clock: fake, AccessLifetime: 4 * time.Hour}}, func(t *testing.T, s *stack) {
		end := s.token.FixedExpiresAt
		require.Equal(t, fake.Now().Add(30*24*time.Hour), end)
		for generation := 1; ; generation++ {
			st := s.src.Status()
			require.Equal(t, tokensource.Fresh, st.Phase)
			if !st.ExpiresAt.Before(end) {
				break // a refresh cannot extend the session
			}
			fake.Advance(st.RefreshAt.Sub(fake.Now()))
			s.wantServed(generation) // the old token, while the refresh runs
			s.events.awaitRefresh(t)
		}
		// One every 235 minutes, until the token expires with the session.
		s.wantCount(agstest.Refresh, 183)

		fake.Advance(end.Sub(fake.Now()) - time.Second)
		s.wantServed(184)
		fake.Advance(time.Second)
		assert.Equal(t, end, s.wantLoginRequired(tokensource.FixedExpired).At)
		s.wantCount(agstest.Refresh, 183)
		assert.Zero(t, s.rejectedCalls())
		s.wantNoOverlap()
	})
}

// Callers of a source with a login notice neither the fixed expiry nor a slow login.
func TestLoginThroughFixedExpiries(t *testing.T) {
	opts := options{
		platform: agstest.Config{AccessLifetime: 10 * time.Minute, FixedLifetime: 25 * time.Minute},
		source:   withLogin,
	}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		s.srv.Always(agstest.SignOn, agstest.Fault{Delay: 20 * time.Second})
		stats := s.poll(50, 2*time.Minute, 80*time.Minute)
		assert.Empty(t, stats.errs)
		assert.Zero(t, stats.slowest)
		assert.Equal(t, stats.calls, s.srv.Count(agstest.API))
		s.wantCount(agstest.SignOn, 4)
		assert.Equal(t, 1, s.srv.Stats().Devices, "every login is for the same device")
		assert.Zero(t, s.rejectedCalls())
		s.wantNoOverlap()
	})
}

// The lifetime of a token counts from the request. A token whose response was slow
// is served for a shorter time, and never after its expiry.
func TestLifetimeCountsFromTheRequest(t *testing.T) {
	const way = 9 * time.Second
	opts := options{platform: agstest.Config{AccessLifetime: time.Minute, Quirks: agstest.Quirks{OpaqueTokens: true}}}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		s.srv.Script(agstest.Refresh, agstest.Fault{Delay: way, AfterWork: true})
		s.srv.Always(agstest.Refresh, agstest.Fault{Status: http.StatusServiceUnavailable})
		sleep(time.Minute)
		asked := time.Now()
		s.wantServed(2)
		require.Equal(t, way, time.Since(asked))
		stats := s.poll(5, time.Second, time.Until(asked.Add(time.Minute-time.Second)))
		assert.Empty(t, stats.errs)
		stats = s.poll(5, time.Second, 5*time.Second)
		assert.Len(t, stats.errs, stats.calls)
		assert.Zero(t, s.rejectedCalls())
		assert.Equal(t, asked.Add(time.Minute).Round(0), s.src.Status().ExpiresAt)
		assert.Equal(t, 1, s.srv.Stats().Refreshes)
		assert.Greater(t, s.srv.Count(agstest.Refresh), 1)
		s.wantNoOverlap()
	})
}

// There is no refresh once it could not extend the session, whatever the tokens
// claim.
func TestNoRefreshNearTheFixedExpiry(t *testing.T) {
	for name, quirks := range map[string]agstest.Quirks{
		"tokens that outlive the session":     {},
		"tokens that expire with it":          {CapLifetimes: true},
		"opaque tokens":                       {OpaqueTokens: true},
		"the full lifetime in every response": {OpaqueTokens: true, RepeatFixedLifetime: true},
	} {
		t.Run(name, func(t *testing.T) {
			opts := options{platform: agstest.Config{AccessLifetime: 10 * time.Minute, FixedLifetime: 25 * time.Minute, Quirks: quirks}}
			inBubble(t, opts, func(t *testing.T, s *stack) {
				stats := s.poll(20, time.Minute, 25*time.Minute-2*time.Second)
				assert.Empty(t, stats.errs)
				assert.Zero(t, stats.slowest)
				s.wantCount(agstest.Refresh, 2)
				sleep(3 * time.Second)
				for _, r := range s.burst(50) {
					require.ErrorIs(t, r.err, tokensource.ErrLoginRequired)
				}
				sleep(time.Minute)
				s.wantLoginRequired(tokensource.FixedExpired)
				s.wantCount(agstest.Refresh, 2)
				assert.Zero(t, s.rejectedCalls())
				s.wantNoOverlap()
			})
		})
	}
}

// Without refresh tokens the session ends with the access token, and a login must
// happen in time.
func TestNoRefreshToken(t *testing.T) {
	quirks := agstest.Quirks{OmitFields: []string{"refresh_token", "refresh_expires_in"}}
	t.Run("with a login", func(t *testing.T) {
		inBubble(t, options{platform: agstest.Config{Quirks: quirks}, source: withLogin}, func(t *testing.T, s *stack) {
			s.srv.Always(agstest.SignOn, agstest.Fault{Delay: 5 * time.Second})
			stats := s.poll(20, 4*time.Minute, 3*time.Hour)
			assert.Empty(t, stats.errs)
			assert.Zero(t, stats.slowest)
			s.wantCount(agstest.SignOn, 4)
			s.wantCount(agstest.Refresh, 0)
			assert.Equal(t, 1, s.srv.Stats().Devices)
			s.wantNoOverlap()
		})
	})
	t.Run("without", func(t *testing.T) {
		inBubble(t, options{platform: agstest.Config{Quirks: quirks}}, func(t *testing.T, s *stack) {
			required := s.src.LoginRequired()
			sleep(59 * time.Minute)
			s.wantServed(1)
			sleep(0)
			assert.Len(t, s.events.ofKind(tokensource.EventEnding), 1, "EventEnding comes in time")
			sleep(time.Minute)
			s.wantEnded(tokensource.RefreshExpired, required)
			s.wantCount(agstest.Refresh, 0)
		})
	})
}
