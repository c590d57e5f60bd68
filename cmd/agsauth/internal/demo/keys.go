package demo

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
)

// hand is what is done to the demo by hand. Safe for concurrent use.
type hand struct {
	mu       sync.Mutex // guards all below
	faults   Faults
	outUntil time.Duration // on the monotonic side; the gateway is out before it
	// rejectAt is when another token may be rejected, by hand or not, and
	// rejectGap how far the next but one is from that: the Source follows an API
	// that rejects one token after the other only at spans that double.
	rejectAt, rejectGap time.Duration
}

// out returns for how long the gateway is still out at now.
func (h *hand) out(now time.Duration) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return max(0, h.outUntil-now)
}

// done returns what was done so far.
func (h *hand) done() Faults {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.faults
}

// note takes down a fault.
func (h *hand) note(add func(*Faults)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	add(&h.faults)
}

// breakGateway has every call of the gateway refused for d from now.
func (h *hand) breakGateway(now, d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults.Outages++
	h.outUntil = now + d
}

// admitRejection reports how long to wait before the next token may be rejected.
// If it is zero, one is being rejected now; the one after that may be when least
// has passed, or twice as much as the last time.
func (h *hand) admitRejection(now, least time.Duration) (wait time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now < h.rejectAt {
		return h.rejectAt - now
	}
	h.rejectGap = max(least, 2*h.rejectGap)
	h.rejectAt = now + h.rejectGap
	return 0
}

// outage refuses the calls of the gateway for a while.
func (s *stage) outage() {
	s.hand.breakGateway(s.clock.Elapsed(), s.plan.OutFor)
	s.meddled()
	s.chronicle.say(Moment{Kind: GatewayOut, In: s.plan.OutFor})
}

// lidClosed is a sleep of the machine, from which it has just woken up.
func (s *stage) lidClosed() {
	s.hand.note(func(f *Faults) { f.Sleeps++ })
	s.meddled()
	s.clock.sleep(s.plan.SleepFor)
	s.chronicle.say(Moment{Kind: MachineSlept, Took: s.plan.SleepFor, Left: s.clock.until(s.chronicle.known().goodUntil)})
	s.chronicle.note(func(*facts) {}) // what waits for an instant is to look at the clock again
}

// rejection has the API reject the token in hand, if the Source would heed it,
// and waits for another one.
func (s *stage) rejection(ctx context.Context) {
	st := s.status()
	if st.Err != nil || st.Phase == tokensource.Expired || st.Phase == tokensource.Ended {
		s.chronicle.say(Moment{Kind: RejectionRefused})
		return
	}
	before, rejected, since := s.chronicle.known(), s.api.rejected.Load(), time.Now()
	token, err := s.source.TokenContext(ctx)
	if err != nil {
		return
	}
	if wait := s.admitRejection(); wait > 0 {
		s.chronicle.say(Moment{Kind: RejectionRefused, In: wait})
		return
	}
	s.hand.note(func(f *Faults) { f.Rejections++ })
	s.meddled()
	s.chronicle.say(Moment{Kind: TokenRejectedByHand})
	s.chronicle.note(func(f *facts) { f.rejecting++ })
	s.server.RejectToken(token.AccessToken)
	err = s.nextPair(ctx, before)
	s.chronicle.note(func(f *facts) { f.rejecting-- })
	if n := int(s.api.rejected.Load() - rejected); err == nil && n > 0 {
		s.chronicle.say(Moment{Kind: TokenReplaced, N: n, Took: time.Since(since)})
	}
}

// admitRejection is hand.admitRejection now, for tokens that live as the plan has
// it.
func (s *stage) admitRejection() (wait time.Duration) {
	return s.hand.admitRejection(s.clock.Elapsed(), s.plan.Access/2)
}

// meddled takes down that what becomes of the token in hand is no longer the
// plan's doing alone.
func (s *stage) meddled() { s.chronicle.note(func(f *facts) { f.meddled = true }) }

// underHand reports whether a fault by hand may still have its effect: no pair was
// granted since, or the gateway is out.
func (s *stage) underHand() bool {
	return s.chronicle.known().meddled || s.hand.out(s.clock.Elapsed()) > 0
}

// wantOfToken reports whether a request failed because there was no good token:
// none was to be had, or the API did not like it.
func wantOfToken(status int, err error) bool {
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		return true
	}
	_, unavailable := errors.AsType[*tokensource.UnavailableError](err)
	return unavailable || errors.Is(err, tokensource.ErrLoginRequired)
}

// gatewayFault is what befalls a call of the gateway for which the story has
// nothing in store.
func (s *stage) gatewayFault(agstest.Request) agstest.Fault {
	if s.hand.out(s.clock.Elapsed()) > 0 {
		return agstest.Fault{Status: http.StatusServiceUnavailable}
	}
	return agstest.Fault{Delay: s.plan.Latency}
}

// inStory says of a scripted fault that it is for the calls that no fault by hand
// befalls.
func (s *stage) inStory(agstest.Request) bool { return s.hand.out(s.clock.Elapsed()) == 0 }
