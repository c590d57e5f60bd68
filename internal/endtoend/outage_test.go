package endtoend_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
)

// During an outage with an expired token the gateway gets one request per back-off,
// however many callers there are. Callers get a token within about ten seconds of
// its return.
func TestOutageBacksOff(t *testing.T) {
	inBubble(t, options{source: withLogin}, func(t *testing.T, s *stack) {
		sleep(90 * time.Minute)
		s.srv.Always(agstest.Refresh, agstest.Fault{Status: http.StatusServiceUnavailable})
		stats := s.poll(50, 2*time.Second, 2*time.Minute)
		assert.Len(t, stats.errs, stats.calls)
		assert.Zero(t, stats.slowest, "no caller waits for a known failure")
		for _, err := range stats.errs {
			var later *tokensource.UnavailableError
			require.ErrorAs(t, err, &later)
			require.ErrorIs(t, err, ags.ErrUnavailable)
		}
		assert.InDelta(t, 21, s.srv.Count(agstest.Refresh), 2, "every 7.5 s, once the back-off has grown")
		s.wantCount(agstest.API, 0)
		s.wantCount(agstest.SignOn, 1)

		s.srv.Clear(agstest.Refresh)
		sleep(10 * time.Second)
		s.wantServed(2)
		s.wantNoOverlap()
	})
}

// While the token is valid, callers do not notice the outage, and the attempts
// become rarer.
func TestOutageWithALiveToken(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		s.srv.Always(agstest.Refresh, agstest.Fault{Status: http.StatusBadGateway})
		sleep(54 * time.Minute)
		stats := s.poll(50, 20*time.Second, 6*time.Minute-5*time.Second)
		assert.Empty(t, stats.errs)
		assert.Zero(t, stats.slowest)
		n := s.srv.Count(agstest.Refresh)
		assert.Less(t, n, 45, "in the five minutes of the margin")
		assert.Greater(t, n, 10)
		assert.Empty(t, s.events.ofKind(tokensource.EventEnded))
		s.srv.Clear(agstest.Refresh)
		stats = s.poll(5, time.Second, 30*time.Second)
		assert.LessOrEqual(t, len(stats.errs), 5*13, "the callers between the expiry and the next attempt")
		s.wantServed(2)
		s.wantNoOverlap()
	})
}

// Each attempt sends at most two requests to a gateway whose responses are all lost.
func TestNetworkOutage(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		sleep(90 * time.Minute)
		s.srv.Always(agstest.Refresh, agstest.Fault{Kind: agstest.Lost})
		for _, r := range s.burst(20) {
			require.ErrorIs(t, r.err, ags.ErrUnavailable)
		}
		s.wantCount(agstest.Refresh, 2)
		s.srv.Clear(agstest.Refresh)
		sleep(time.Second)
		s.wantServed(2)
		s.wantCount(agstest.Refresh, 3)
		s.wantNoOverlap()
	})
}

// Retry-After sets the earliest next attempt, as seconds or as a date by the
// gateway's clock, with a maximum of five minutes.
func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault agstest.Fault
		wait  time.Duration
	}{
		{"seconds", agstest.Fault{Status: 429, RetryAfter: 100 * time.Second}, 100 * time.Second},
		{"a date", agstest.Fault{Status: 429, RetryAfter: 100 * time.Second, RetryAfterDate: true}, 100 * time.Second},
		{"with a 503", agstest.Fault{Status: 503, RetryAfter: 100 * time.Second}, 100 * time.Second},
		{"a day", agstest.Fault{Status: 429, RetryAfter: 24 * time.Hour}, 5 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, options{platform: agstest.Config{Skew: -7 * time.Hour}}, func(t *testing.T, s *stack) {
				sleep(90 * time.Minute)
				s.srv.Script(agstest.Refresh, c.fault)
				later := s.wantUnavailable()
				assert.InDelta(t, c.wait, time.Until(later.NextAt), float64(time.Second))
				stats := s.poll(20, time.Second, c.wait-2*time.Second)
				assert.Len(t, stats.errs, stats.calls)
				s.wantCount(agstest.Refresh, 1)
				sleep(4 * time.Second)
				s.wantServed(2)
				s.wantCount(agstest.Refresh, 2)
				s.wantNoOverlap()
			})
		})
	}
}
