package demo

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// signedOn begins the chronicle of the first session.
func (c *chronicle) signedOn(token *ags.Token) {
	c.succeeded()
	c.say(Moment{Kind: SessionBegun, N: 1, Device: token.ClientID, In: c.clock.until(token.FixedExpiresAt)})
	c.note(func(f *facts) {
		f.logins++
		f.goodUntil, f.endsAt = token.ExpiresAt, token.FixedExpiresAt
	})
}

// event takes down what the Source tells.
func (c *chronicle) event(e tokensource.Event) {
	switch e.Kind {
	case tokensource.EventRefreshed:
		c.refreshed(e)
	case tokensource.EventRefreshFailed:
		m := failure(e.Err)
		m.Kind, m.N = RefreshFailed, c.known().refreshes+1
		m.In, m.Left = e.NextAt.Sub(e.At), e.Status.ExpiresAt.Sub(e.At)
		c.say(m)
		c.note(func(f *facts) { f.refused++ })
	case tokensource.EventEnding:
		c.say(Moment{Kind: SessionEnding, N: c.known().logins, In: e.NextAt.Sub(e.At)})
		c.note(func(f *facts) { f.announced = true })
	case tokensource.EventLoggedIn:
		c.loggedIn(e)
	case tokensource.EventLoginFailed:
		m := failure(e.Err)
		m.Kind = LoginFailed
		c.say(m)
	case tokensource.EventEnded:
		c.say(Moment{Kind: SessionLost, N: c.known().logins})
		c.note(func(f *facts) { f.ended = true })
	case tokensource.EventAdopted, tokensource.EventTokenSet, tokensource.EventStoreFailed,
		tokensource.EventSaved, tokensource.EventUnlocked, tokensource.EventStoreRepaired:
		// These tell of a store, and of a human. There is neither.
	}
}

func (c *chronicle) refreshed(e tokensource.Event) {
	m := c.succeeded()
	m.Kind, m.N = Refreshed, c.known().refreshes+1
	c.say(m)
	c.note(func(f *facts) {
		f.refreshes++
		f.granted(alive(e))
		f.goodUntil = e.Status.ExpiresAt
	})
}

func (c *chronicle) loggedIn(e tokensource.Event) {
	m, known := c.succeeded(), c.known()
	m.Kind, m.N = LoggedIn, known.logins+1
	m.Device, m.In = e.Status.ClientID, known.endsAt.Sub(e.At)
	c.say(m)
	c.note(func(f *facts) {
		f.logins++
		f.granted(alive(e))
		f.goodUntil = e.Status.ExpiresAt
	})
}

// alive reports whether the pair that an event tells of can be used. One that was
// on its way while the machine slept cannot.
func alive(e tokensource.Event) bool {
	return e.Status.Phase == tokensource.Fresh || e.Status.Phase == tokensource.Ageing
}

// failure is the moment of something that failed, but for its kind.
func failure(err error) Moment {
	if e, ok := errors.AsType[*ags.Error](err); ok && e.Status != 0 {
		return Moment{Status: e.Status}
	}
	return Moment{Err: err}
}

// gatewayWatch is the way to the gateway. The chronicle learns of every call.
type gatewayWatch struct {
	base      http.RoundTripper
	chronicle *chronicle
}

// RoundTrip implements [http.RoundTripper].
func (w *gatewayWatch) RoundTrip(req *http.Request) (*http.Response, error) {
	w.chronicle.called()
	resp, err := w.base.RoundTrip(req)
	if err != nil && strings.HasSuffix(req.URL.Path, "/refresh") {
		known := w.chronicle.known()
		w.chronicle.say(Moment{Kind: AnswerLost, N: known.refreshes + 1, Left: w.chronicle.clock.until(known.goodUntil)})
		w.chronicle.note(func(f *facts) {
			f.lost++
			f.pairsAtLoss = f.pairs()
		})
	}
	return resp, err
}

// apiWatch is the way to the API, below the transport that sends a request once
// more: it sees the rejections that no worker sees.
type apiWatch struct {
	base     http.RoundTripper
	rejected atomic.Int64
	// replaced is how often a request that was rejected was then answered.
	replaced atomic.Int64
}

// trials is the key of what a context knows of the request it is for: whether it
// was rejected.
type trials struct{}

// withTrials returns a context for one request of a worker's, however often it is
// sent.
func withTrials(ctx context.Context) context.Context {
	return context.WithValue(ctx, trials{}, new(atomic.Bool))
}

// RoundTrip implements [http.RoundTripper].
func (w *apiWatch) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	before, _ := req.Context().Value(trials{}).(*atomic.Bool)
	switch {
	case resp.StatusCode == http.StatusForbidden:
		w.rejected.Add(1)
		before.Store(true)
	case before.Load():
		w.replaced.Add(1)
	}
	return resp, nil
}
