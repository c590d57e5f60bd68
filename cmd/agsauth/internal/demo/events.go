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

// Event is something that has happened. It carries no secret.
type Event struct {
	At            time.Duration // since the start of the demo
	Subject, Text string        // the subject and the rest of a sentence
}

// String returns the event as a line.
func (e Event) String() string {
	return fmt.Sprintf("%4.1fs  %-10s %s", e.At.Seconds(), e.Subject, e.Text)
}

func (d *Demo) log(subject, format string, args ...any) {
	d.logMu.Lock()
	defer d.logMu.Unlock()
	if d.emit != nil {
		oneLine := strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " ")
		d.emit(Event{d.clock.Elapsed(), subject, oneLine})
	}
}

// silence ends the log.
func (d *Demo) silence() {
	d.logMu.Lock()
	defer d.logMu.Unlock()
	d.emit = nil
}

// sourceEvent logs and records what the Source reports.
func (d *Demo) sourceEvent(e tokensource.Event) {
	s := d.read()
	refresh, session := nth("refresh", s.Refreshes+1), nth("session", s.Logins)
	switch e.Kind {
	case tokensource.EventRefreshed:
		took := span(time.Since(s.firstCallAt))
		if s.calls > 1 {
			took += fmt.Sprintf(", %d calls", s.calls)
		}
		d.log(refresh, "took %s; %s", took, s.since(s.beforeCalls))
		d.granted(e, func(s *state) { s.Refreshes++ })
	case tokensource.EventRefreshFailed:
		d.log(refresh, "was refused (%s); retry in %s, %s", reason(e.Err), span(e.NextAt.Sub(e.At)), d.validity())
	case tokensource.EventEnding:
		d.log(session, "will end in %s, whatever is refreshed", span(e.NextAt.Sub(e.At)))
		d.update(func(s *state) { s.warned = true })
	case tokensource.EventLoggedIn:
		early := "too late"
		if left := s.firstSessionEnd.Sub(e.At); left > 0 {
			early = span(left) + " early"
		}
		d.log(nth("session", s.Logins+1), "logs in %s; %s", early, s.since(s.beforeCalls))
		d.granted(e, func(s *state) { s.Logins++ })
	case tokensource.EventLoginFailed:
		d.log("login", "FAILED: %s", reason(e.Err))
	case tokensource.EventEnded:
		d.log(session, "has ENDED before the next login")
	case tokensource.EventAdopted, tokensource.EventTokenSet, tokensource.EventStoreFailed,
		tokensource.EventSaved, tokensource.EventUnlocked, tokensource.EventStoreRepaired: // not without a store or SetToken
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
		s.calls, s.rejectedAt = 0, time.Time{}
		if usable {
			s.keyEffect = false
		}
	})
}

// roundTripFunc is a function that implements [http.RoundTripper].
type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// gatewayRoundTrip sends a call of the gateway, counts it, and logs a lost response.
func (d *Demo) gatewayRoundTrip(req *http.Request) (*http.Response, error) {
	d.update(func(s *state) {
		s.GatewayCalls++
		if s.calls++; s.calls == 1 {
			s.firstCallAt, s.beforeCalls = time.Now(), s.Totals
		}
	})
	resp, err := d.server.Client().Transport.RoundTrip(req)
	if err != nil && strings.HasSuffix(req.URL.Path, "/refresh") {
		d.log(nth("refresh", d.read().Refreshes+1), "lost a response; retries at once, %s", d.validity())
	}
	return resp, err
}

// String returns what the workers did during a refresh or login.
func (a activity) String() string {
	switch {
	case a.requests == 0:
		return "all workers waited for it"
	case a.failed > 0:
		return fmt.Sprintf("%s meanwhile, %d failed", requests(a.requests), a.failed)
	}
	return fmt.Sprintf("%s meanwhile, slowest %s", requests(a.requests), span(a.slowest))
}

// validity returns how long the current access token is valid.
func (d *Demo) validity() string {
	if left := d.clock.until(d.read().status().ExpiresAt); left > 0 {
		return "token valid for " + span(left)
	}
	return "token expired"
}

func nth(what string, n int) string { return fmt.Sprintf("%s %d", what, n) }

func requests(n int) string {
	if n == 1 {
		return "1 request"
	}
	return fmt.Sprintf("%d requests", n)
}

// span returns a duration with the digits that matter.
func span(d time.Duration) string {
	unit := 100 * time.Millisecond
	if d < time.Second {
		unit = 100 * time.Microsecond
	}
	return max(0, d).Round(unit).String()
}

// reason returns why a call of the gateway failed: the status, or the error.
func reason(err error) string {
	if e, ok := errors.AsType[*ags.Error](err); ok && e.Status != 0 {
		return strconv.Itoa(e.Status)
	}
	return err.Error()
}
