package demo

import (
	"time"

	"github.com/agsauth/agsauth/tokensource"
)

// Weather is what calls of the gateway, and of the API, meet with.
type Weather uint8

const (
	// Healthy is when each is answered as it should be.
	Healthy Weather = iota
	// Slow is when a refresh takes longer than usual.
	Slow
	// Failing is when refreshes are refused, or their answers lost.
	Failing
	// Rejecting is when the API rejects the access token in hand.
	Rejecting
	// Out is when every call of the gateway is refused, by hand.
	Out
)

// Horizon is an instant that something does not outlive.
type Horizon struct {
	// Left is until then, zero when it has passed; Whole is the most it can be.
	Left, Whole time.Duration
}

// Glance is how a demo stands at one moment. It carries no secret.
type Glance struct {
	At time.Duration // since the demo began
	// Access, Refresh and Session are the horizons of the current pair of tokens,
	// and of its session.
	Access, Refresh, Session Horizon
	// Due says that a refresh is due, or on its way; Dead, that no token is served.
	Due, Dead bool
	// NextIn is until the next attempt to get a pair, zero if the last succeeded.
	NextIn  time.Duration
	Weather Weather
	OutFor  time.Duration // until an outage by hand ends
	// Requests, Failed, Refreshes, Replaced and Logins are those of [Report] so far.
	Requests, Failed, Refreshes, Replaced, Logins int
	ByHand                                        int // of those that failed, for [Report].ByHand
}

func (s *stage) glance() Glance {
	f, st := s.chronicle.known(), s.status()
	sums := s.ledger.sums()
	now := s.clock.Now()
	horizon := func(end time.Time, whole time.Duration) Horizon {
		return Horizon{Left: min(max(0, end.Sub(now)), whole), Whole: whole}
	}
	g := Glance{
		At:        s.clock.Elapsed(),
		Access:    horizon(st.ExpiresAt, s.plan.Access),
		Refresh:   horizon(st.RefreshExpiresAt, s.plan.Refresh),
		Session:   horizon(st.FixedExpiresAt, s.plan.Session),
		Due:       !now.Before(st.RefreshAt),
		OutFor:    s.hand.out(s.clock.Elapsed()),
		Requests:  sums.requests,
		Failed:    sums.failed,
		ByHand:    sums.byHand,
		Refreshes: f.refreshes,
		Replaced:  int(s.api.replaced.Load()),
		Logins:    f.logins,
	}
	g.Dead = st.Phase == tokensource.Expired || st.Phase == tokensource.Ended
	if st.Err != nil {
		g.NextIn = max(0, st.NextAt.Sub(now))
	}
	g.Weather = weather(f, g.OutFor)
	return g
}

func weather(f facts, outFor time.Duration) Weather {
	switch {
	case outFor > 0:
		return Out
	case f.rejecting > 0:
		return Rejecting
	}
	return f.weather
}
