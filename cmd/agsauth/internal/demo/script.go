package demo

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/agsauth/agsauth/agstest"
)

// act is a part of the story. Play makes it happen, or waits for it to; an error
// says that it did not.
type act struct {
	name  string
	after time.Duration // since the beginning, at the earliest
	play  func(context.Context) error
}

// acts is the story, in order.
func (s *stage) acts() []act {
	return []act{
		{"a refresh", 0, s.refresh},
		{"a slow refresh", s.plan.SlowAt, s.slowRefresh},
		{"a failing gateway", s.plan.FailAt, s.failingGateway},
		{"a rejected token", s.plan.RejectAt, s.rejectedToken},
		{"the announcement of the end", 0, s.announcement},
		{"a re-login ahead of the end", 0, s.login},
		{"the end of the first session", 0, s.end},
	}
}

// Why an act does not count, although it took place.
var (
	errSomebodyWaited = errors.New("somebody had to wait for it")
	errTooLate        = errors.New("it came too late")
	errStillOpen      = errors.New("the gateway does not know of it")
	errUnannounced    = errors.New("it did not come before the login")
)

// refresh waits for the first refresh, which nothing disturbs.
func (s *stage) refresh(ctx context.Context) error {
	return s.chronicle.until(ctx, func(f facts) bool { return f.refreshes > 0 })
}

// slowRefresh has the gateway take its time for a refresh. Nobody may wait for it.
func (s *stage) slowRefresh(ctx context.Context) error {
	arrived := make(chan struct{})
	arrive := sync.OnceFunc(func() { close(arrived) })
	s.chronicle.say(Moment{Kind: GatewaySlows, Took: s.plan.SlowFor})
	defer s.has(Slow)()
	s.server.Script(agstest.Refresh, agstest.Fault{
		Delay: s.plan.Latency + s.plan.SlowFor,
		If: func(rq agstest.Request) bool {
			mine := s.inStory(rq)
			if mine {
				arrive()
			}
			return mine
		},
	})
	select {
	case <-arrived:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	mark := s.ledger.mark()
	before := s.chronicle.known()
	s.chronicle.say(Moment{Kind: RefreshPending, N: before.refreshes + 1, Left: s.goodFor(before)})
	if err := s.nextPair(ctx, before); err != nil {
		return err
	}
	// Who waits for a refresh waits for all of it.
	if served, slowest := s.ledger.since(mark); served == 0 || slowest >= s.plan.SlowFor {
		return errSomebodyWaited
	}
	return nil
}

// failingGateway has the gateway refuse some refreshes, and lose an answer.
func (s *stage) failingGateway(ctx context.Context) error {
	before := s.chronicle.known()
	s.chronicle.say(Moment{Kind: GatewayFails, N: s.plan.Refusals})
	defer s.has(Failing)()
	s.server.Script(agstest.Refresh,
		agstest.Fault{Status: http.StatusServiceUnavailable, Times: s.plan.Refusals, If: s.inStory},
		agstest.Fault{Kind: agstest.Lost, If: s.inStory})
	return s.chronicle.until(ctx, func(f facts) bool {
		return f.refused >= before.refused+s.plan.Refusals && f.lost > before.lost && f.pairs() > f.pairsAtLoss
	})
}

// rejectedToken has the API reject the token in hand, though its time has not
// come: not one that is due for refresh, which is at six fifths of RefreshBefore
// at the earliest; and another one, if it was replaced all the same.
func (s *stage) rejectedToken(ctx context.Context) error {
	for {
		before, rejected, since := s.chronicle.known(), s.api.rejected.Load(), time.Now()
		token, err := s.source.TokenContext(ctx)
		if err != nil {
			return err
		}
		if s.hand.done().Rejections > 0 {
			return nil // there was one, by hand; another may not be heeded for long
		}
		rejecting := func() {}
		if latest := s.plan.RefreshBefore * 6 / 5; s.clock.until(before.goodUntil) > latest && s.admitRejection() == 0 {
			s.chronicle.say(Moment{Kind: TokenRejected})
			rejecting = s.has(Rejecting)
			s.server.RejectToken(token.AccessToken)
		}
		err = s.nextPair(ctx, before)
		rejecting()
		if err != nil {
			return err
		}
		if n := int(s.api.rejected.Load() - rejected); n > 0 {
			s.chronicle.say(Moment{Kind: TokenReplaced, N: n, Took: time.Since(since)})
			return nil
		}
	}
}

// has makes the weather, until the function returned is called.
func (s *stage) has(w Weather) (over func()) {
	s.chronicle.note(func(f *facts) { f.weather = w })
	return func() { s.chronicle.note(func(f *facts) { f.weather = Healthy }) }
}

// goodFor returns for how long the token in hand is good for a request.
func (s *stage) goodFor(f facts) time.Duration {
	if f.rejecting > 0 {
		return 0
	}
	return s.clock.until(f.goodUntil)
}

// nextPair waits for another pair of tokens than those known of before.
func (s *stage) nextPair(ctx context.Context, before facts) error {
	return s.chronicle.until(ctx, func(f facts) bool { return f.pairs() > before.pairs() })
}

// announcement waits for the end of the session to be announced ahead of time.
func (s *stage) announcement(ctx context.Context) error {
	if err := s.chronicle.until(ctx, func(f facts) bool { return f.announced || f.logins > 1 }); err != nil {
		return err
	}
	if !s.chronicle.known().announced {
		return errUnannounced
	}
	return nil
}

// login waits for the second sign-on. That it comes before the first session's
// end is the point of it.
func (s *stage) login(ctx context.Context) error {
	if err := s.chronicle.until(ctx, func(f facts) bool { return f.logins > 1 }); err != nil {
		return err
	}
	if f := s.chronicle.known(); f.ended || !s.clock.Now().Before(f.endsAt) {
		return errTooLate
	}
	return nil
}

// curtain is how long after the end of the first session it is looked at: the
// gateway's clock is ours, but for a rounded millisecond.
const curtain = 100 * time.Millisecond

// end waits for the end of the first session to pass.
func (s *stage) end(ctx context.Context) error {
	mark := s.ledger.mark()
	failedBefore := s.ledger.sums().failed
	if err := s.waitUntil(ctx, s.chronicle.known().endsAt.Add(curtain)); err != nil {
		return err
	}
	if st := s.server.Stats(); st.Sessions != s.chronicle.known().logins || st.Sessions < 2 || st.LiveSessions != 1 {
		return errStillOpen
	}
	served, _ := s.ledger.since(mark)
	failed := s.ledger.sums().failed
	s.chronicle.say(Moment{Kind: SessionOver, N: 1, Served: served, Failed: failed - failedBefore})
	return s.wait(ctx, s.clock.Elapsed()+s.plan.Tail-curtain)
}
