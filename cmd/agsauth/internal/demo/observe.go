package demo

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// roundTripFunc is a function that implements [http.RoundTripper].
type roundTripFunc func(*http.Request) (*http.Response, error)

// RoundTrip implements [http.RoundTripper].
func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// gatewayTransport sends the calls of the gateway, counts them, and logs lost responses.
func (d *Demo) gatewayTransport() http.RoundTripper {
	base := d.server.Client().Transport
	return roundTripFunc(func(req *http.Request) (*http.Response, error) {
		d.update(func(s *state) {
			s.GatewayCalls++
			if s.attempt.calls == 0 {
				s.attempt.start, s.attempt.before = time.Now(), s.Totals
			}
			s.attempt.calls++
		})
		resp, err := base.RoundTrip(req)
		if err != nil && strings.HasSuffix(req.URL.Path, "/refresh") {
			s := d.read()
			d.log(nth("refresh", s.Refreshes+1), "lost a response; retries at once, %s", validity(d.clock.until(s.tokenExpiresAt)))
			d.update(func(s *state) { s.lost++ })
		}
		return resp, err
	})
}

// signedOn records the first session.
func (d *Demo) signedOn(token *ags.Token) {
	d.log("session 1", "starts with a sign-on as device %s and lasts %s", token.ClientID, span(d.clock.until(token.FixedExpiresAt)))
	d.update(func(s *state) {
		s.Logins++
		s.attempt.calls = 0
		s.tokenExpiresAt, s.sessionEndsAt = token.ExpiresAt, token.FixedExpiresAt
	})
}

// sourceEvent logs and records what the Source reports.
func (d *Demo) sourceEvent(e tokensource.Event) {
	s := d.read()
	refresh, session := nth("refresh", s.Refreshes+1), nth("session", s.Logins)
	switch e.Kind {
	case tokensource.EventRefreshed:
		took := span(time.Since(s.attempt.start))
		if s.attempt.calls > 1 {
			took += fmt.Sprintf(", %d calls", s.attempt.calls)
		}
		d.log(refresh, "took %s; %s", took, s.since(s.attempt.before))
		d.granted(e, func(s *state) { s.Refreshes++ })
	case tokensource.EventRefreshFailed:
		d.log(refresh, "was refused (%s); retry in %s, %s",
			reason(e.Err), span(e.NextAt.Sub(e.At)), validity(e.Status.ExpiresAt.Sub(e.At)))
	case tokensource.EventEnding:
		d.log(session, "will end in %s, whatever is refreshed", span(e.NextAt.Sub(e.At)))
		d.update(func(s *state) { s.announced = true })
	case tokensource.EventLoggedIn:
		early := "too late"
		if left := s.sessionEndsAt.Sub(e.At); left > 0 {
			early = span(left) + " early"
		}
		d.log(nth("session", s.Logins+1), "logs in %s; %s", early, s.since(s.attempt.before))
		d.granted(e, func(s *state) { s.Logins++ })
	case tokensource.EventLoginFailed:
		d.log("login", "FAILED: %s", reason(e.Err))
	case tokensource.EventEnded:
		d.log(session, "has ENDED before the next login")
		d.update(func(s *state) { s.sessionLost = true })
	case tokensource.EventAdopted, tokensource.EventTokenSet, tokensource.EventStoreFailed,
		tokensource.EventSaved, tokensource.EventUnlocked, tokensource.EventStoreRepaired:
		// These concern a store or a call of SetToken. The demo has neither.
	}
}

// granted records a new token pair. It replaces a rejected token.
func (d *Demo) granted(e tokensource.Event, count func(*state)) {
	s := d.read()
	if n := s.Rejected - s.rejectedBefore; !s.rejectedAt.IsZero() && n > 0 {
		d.log("API", "rejected %s: repeated with a new token after %s", requests(n), span(time.Since(s.rejectedAt)))
	}
	// A pair that was requested before a suspend may have expired by now.
	usable := e.Status.Phase == tokensource.Fresh || e.Status.Phase == tokensource.Ageing
	d.update(func(s *state) {
		count(s)
		s.attempt.calls = 0
		s.rejectedAt = time.Time{}
		s.tokenExpiresAt = e.Status.ExpiresAt
		if usable {
			s.faultByKey, s.keyFailureLogged = false, false
		}
	})
}

func nth(what string, n int) string { return fmt.Sprintf("%s %d", what, n) }

// reason returns why a call of the gateway failed: the status, or the error.
func reason(err error) string {
	if e, ok := errors.AsType[*ags.Error](err); ok && e.Status != 0 {
		return strconv.Itoa(e.Status)
	}
	return oneLine(err)
}
